"""`export-statement-card-csv`, `-pdf`, and both together: what was paid with a card.

bunq's layout of these files is not recorded: the CSV has the columns of an account's statement.

https://doc.bunq.com/api-reference/export-statement-card
"""

from __future__ import annotations

from datetime import date, timedelta

from bunqflask.sandbox.bank import payments, statements, wire
from bunqflask.sandbox.bank.pdf import Column, Document
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer, id_answer
from bunqflask.sandbox.protocol.call import Call, Resource, U
from bunqflask.sandbox.resources.customer_statement import LONGEST_DAYS, REGIONAL_FORMATS, read_date

resource = Resource()

C = U + "/card/<int:card_id>/export-statement-card"
KIND = "card_statement"
WRAPPER = "ExportStatementCard"

COLUMNS = (Column("Date", 40, 10), Column("Name", 110, 60), Column("Amount", 555, 16, right=True))


def _card(call: Call, card_id: int) -> Item:
    call.require_role("AISP")
    return call.load("card", card_id, "Card", owner=call.user.id)


def _days(call: Call) -> tuple[date, date]:
    start, end = read_date(call, "date_start"), read_date(call, "date_end")
    if not 0 <= (end - start).days <= LONGEST_DAYS:
        raise wire.invalid(f"The dates must be in order and at most {LONGEST_DAYS} days apart.")
    return start, end


def _purchases(call: Call, card: Item, start: date, end: date) -> list[Item]:
    """Return what was paid with the card, oldest first, from accounts that this session may see."""
    visible = call.visible_accounts(call.user)
    first, after = f"{start.isoformat()} ", f"{(end + timedelta(days=1)).isoformat()} "
    return [
        each
        for each in call.store.select("mastercard_action", owner=call.user.id)[::-1]
        if each.body["card_id"] == card.id
        and each.body["decision"] == "ALLOWED"
        and first <= each.created < after
        and (visible is None or each.account in visible)
    ]


def _line(call: Call, action: Item) -> statements.Line:
    body = action.body
    shop = payments.counterparty(call.store, body["merchant"])["display_name"]
    return statements.Line(
        id=action.id,
        day=date.fromisoformat(action.created[:10]),
        cents=-body["cents"],
        balance=0,
        type="MASTERCARD",
        iban="",
        name=shop,
        description=f"{shop} {body['city']}, {body['country']}",
        attachments=(),
    )


def _keep(call: Call, card: Item, regional: str | None) -> Answer:
    start, end = _days(call)
    found = _purchases(call, card, start, end)
    lines = [_line(call, each) for each in found]
    account = call.store.get("monetary_account", card.account or 0)
    assert account is not None
    if regional is None:
        mime = "application/pdf"
        facts = [("Card", card.body["second_line"]), ("Period", f"{start.isoformat()} to {end.isoformat()}")]
        rows = [(each.day.isoformat(), each.description, statements.decimal(each.cents)) for each in lines]
        content = Document("Card statement", facts, COLUMNS, rows).to_bytes()
    else:
        mime = "text/csv; charset=UTF-8"
        content = statements.to_csv(account.body["iban"] or "", lines, regional)
    body = {
        "date_start": start.isoformat(),
        "date_end": end.isoformat(),
        "status": "COMPLETED",
        "regional_format": regional,
        "accounts": sorted({each.account for each in found if each.account is not None}),
    }
    item = call.store.insert(KIND, body, owner=call.user.id, parent=card.id, name="pdf" if regional is None else "csv")
    call.store.put_content(item.id, mime, content)
    return id_answer(item.id)


def _shape(item: Item, wrapper: str) -> Json:
    body = {name: value for name, value in item.body.items() if name != "accounts"}
    if wrapper.endswith("Pdf"):
        del body["regional_format"]
    times = {"id": item.id, "created": item.created, "updated": item.updated}
    return {wrapper: {**times, **body, "card_id": item.parent}}


def _is_visible(call: Call, item: Item) -> bool:
    """Tell whether this session may see every account that a statement tells of."""
    visible = call.visible_accounts(call.user)
    return visible is None or visible >= set(item.body["accounts"])


def _list(call: Call, card_id: int, word: str | None, wrapper: str) -> Answer:
    card = _card(call, card_id)
    statements_kept = call.store.select(KIND, parent=card.id)
    found = [each for each in statements_kept if word in (None, each.name) and _is_visible(call, each)]
    page, pagination = wire.paged(call.window, wire.among(found), lambda item: item.id)
    return Answer([_shape(each, wrapper) for each in page], pagination)


def _own(call: Call, card_id: int, statement_id: int, word: str | None = None) -> Item:
    item = call.load(KIND, statement_id, "Card statement", parent=_card(call, card_id).id)
    if word not in (None, item.name) or not _is_visible(call, item):
        raise wire.not_found("Card statement", statement_id)
    return item


def _add(word: str, wrapper: str) -> None:
    """Add the calls of one format."""
    path = f"{C}-{word}"
    one = path + "/<int:statement_id>"

    @resource.post(path)
    def create(call: Call, card_id: int) -> Answer:
        card = _card(call, card_id)
        regional = call.json.get("regional_format") if word == "csv" else None
        if word == "csv" and regional not in REGIONAL_FORMATS:
            raise wire.invalid(f"The field regional_format must be one of {', '.join(REGIONAL_FORMATS)}.")
        return _keep(call, card, regional)

    @resource.get(path)
    def index(call: Call, card_id: int) -> Answer:
        return _list(call, card_id, word, wrapper)

    @resource.get(one)
    def read(call: Call, card_id: int, statement_id: int) -> Answer:
        return Answer([_shape(_own(call, card_id, statement_id, word), wrapper)])

    @resource.delete(one)
    def delete(call: Call, card_id: int, statement_id: int) -> Answer:
        call.store.delete(_own(call, card_id, statement_id, word))
        return Answer([])


_add("csv", WRAPPER + "Csv")
_add("pdf", WRAPPER + "Pdf")


@resource.get(C)
def index_all(call: Call, card_id: int) -> Answer:
    """List the statements of a card in both formats."""
    return _list(call, card_id, None, WRAPPER)


@resource.get(C + "/<int:statement_id>")
def read_any(call: Call, card_id: int, statement_id: int) -> Answer:
    """Read about a statement in either format."""
    return Answer([_shape(_own(call, card_id, statement_id), WRAPPER)])


@resource.get(C + "/<int:statement_id>/content")
def content(call: Call, card_id: int, statement_id: int) -> Answer:
    """Read a statement's file."""
    return Answer(raw=call.store.get_content(_own(call, card_id, statement_id).id))
