"""`customer-statement`, and `statement` of a single event.

A statement is made at once and keeps what it said. The names of its states are not documented.

https://doc.bunq.com/api-reference/customer-statement
"""

from __future__ import annotations

from datetime import date

from bunqflask.sandbox.bank import accounts, past, pdf, statements, wire
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer, id_answer
from bunqflask.sandbox.protocol.call import A, Call, Resource

resource = Resource()

S = A + "/customer-statement"
E = A + "/event/<int:event_id>/statement"

MIME_TYPES = {"CSV": "text/csv; charset=UTF-8", "MT940": "text/plain; charset=US-ASCII", "PDF": "application/pdf"}
REGIONAL_FORMATS = ("UK_US", "EUROPEAN")

# bunq names no limit; this one keeps a single file from holding a million payments.
LONGEST_DAYS = 3 * 366


def read_date(call: Call, name: str) -> date:
    """Return a day of the request.

    :raises Refusal: 400, not a day as YYYY-MM-DD.
    """
    text = call.text(name, longest=10)
    try:
        if text is None or len(text) != 10:
            raise ValueError
        return date.fromisoformat(text)
    except ValueError as error:
        raise wire.invalid(f"The field {name} must be a date as YYYY-MM-DD.") from error


def _one_of(call: Call, name: str, allowed: tuple[str, ...]) -> str:
    value = call.json.get(name)
    if value not in allowed:
        raise wire.invalid(f"The field {name} must be one of {', '.join(allowed)}.")
    return str(value)


@resource.post(S)
def create(call: Call) -> Answer:
    """Make a statement of some days, both ends included."""
    call.require_role("AISP")
    form = _one_of(call, "statement_format", tuple(MIME_TYPES))
    start, end = read_date(call, "date_start"), read_date(call, "date_end")
    if not 0 <= (end - start).days <= LONGEST_DAYS:
        raise wire.invalid(f"The dates must be in order and at most {LONGEST_DAYS} days apart.")
    regional = None
    if form == "CSV" or call.json.get("regional_format") is not None:
        regional = _one_of(call, "regional_format", REGIONAL_FORMATS)
    with_files = call.json.get("include_attachment", False)
    if not isinstance(with_files, bool):
        raise wire.invalid("The field include_attachment must be true or false.")
    statement = statements.make(call.store, call.account, start, end)
    number = 1 + len(call.store.select("customer_statement", account=call.account.id)) if form == "MT940" else None
    if form == "CSV":
        content = statements.to_csv(statement.iban, statement.lines, regional or "")
    elif form == "MT940":
        content = statements.to_mt940(statement, number or 1)
    else:
        content = statements.to_pdf(call.store, statement, include_attachment=with_files)
    body = {
        "date_start": start.isoformat(),
        "date_end": end.isoformat(),
        "status": "COMPLETED",
        "statement_number": number,
        "statement_format": form,
        "regional_format": regional,
    }
    item = call.store.insert("customer_statement", body, owner=call.user.id, account=call.account.id)
    call.store.put_content(item.id, MIME_TYPES[form], content)
    return id_answer(item.id)


def _shape(call: Call, item: Item) -> Json:
    return {
        "CustomerStatement": {
            "id": item.id,
            "created": item.created,
            "updated": item.updated,
            **item.body,
            "alias_monetary_account": accounts.label(call.store, call.account),
        }
    }


@resource.get(S)
def index(call: Call) -> Answer:
    """List the account's statements."""
    call.require_role("AISP")
    return call.page("customer_statement", lambda item: _shape(call, item), account=call.account.id)


def _own(call: Call, statement_id: int) -> Item:
    call.require_role("AISP")
    return call.load("customer_statement", statement_id, "Customer statement", account=call.account.id)


@resource.get(S + "/<int:statement_id>")
def read(call: Call, statement_id: int) -> Answer:
    """Read what a statement covers."""
    return Answer([_shape(call, _own(call, statement_id))])


@resource.delete(S + "/<int:statement_id>")
def delete(call: Call, statement_id: int) -> Answer:
    """Forget a statement."""
    call.store.delete(_own(call, statement_id))
    return Answer([])


@resource.get(S + "/<int:statement_id>/content")
def content(call: Call, statement_id: int) -> Answer:
    """Read a statement's file."""
    return Answer(raw=call.store.get_content(_own(call, statement_id).id))


# Of one event: a PDF about one payment.


def _event(call: Call, event_id: int) -> Item:
    call.require_role("AISP")
    return call.load("event", event_id, "Event", account=call.account.id)


@resource.post(E)
def create_for_event(call: Call, event_id: int) -> Answer:
    """Make a statement of a payment."""
    event = _event(call, event_id)
    payment = past.object_of(call.store, event).get("Payment")
    if payment is None:
        raise wire.invalid("Only a payment has a statement.")
    other = payment["counterparty_alias"]
    facts = [
        *statements.identity(call.account, accounts.label(call.store, call.account)["display_name"]),
        ("Payment", str(payment["id"])),
        ("Time (UTC)", payment["created"]),
        ("Amount", f"{payment['amount']['currency']} {payment['amount']['value']}"),
        ("Counterparty", other["display_name"]),
        ("Counterparty IBAN", other["iban"] or "none"),
        ("Description", payment["description"]),
    ]
    item = call.store.insert("event_statement", {"status": "COMPLETED"}, owner=call.user.id, parent=event.id)
    call.store.put_content(item.id, "application/pdf", pdf.Document("Payment statement", facts).to_bytes())
    return id_answer(item.id)


def _of_event(call: Call, event_id: int, statement_id: int) -> Item:
    return call.load("event_statement", statement_id, "Statement", parent=_event(call, event_id).id)


@resource.get(E + "/<int:statement_id>")
def read_for_event(call: Call, event_id: int, statement_id: int) -> Answer:
    """Read about the statement of an event."""
    item = _of_event(call, event_id, statement_id)
    shape = {"id": item.id, "created": item.created, "updated": item.updated, "status": item.body["status"]}
    return Answer([{"ExportStatementPayment": shape}])


@resource.get(E + "/<int:statement_id>/content")
def content_for_event(call: Call, event_id: int, statement_id: int) -> Answer:
    """Read the file."""
    return Answer(raw=call.store.get_content(_of_event(call, event_id, statement_id).id))
