"""`export-annual-overview` and `export-rib`: PDFs about a year, and about who holds an account.

https://doc.bunq.com/api-reference/export-annual-overview
"""

from __future__ import annotations

from datetime import date

from bunqflask.sandbox.bank import accounts, ledger, people, statements, wire
from bunqflask.sandbox.bank.pdf import Column, Document
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer, id_answer
from bunqflask.sandbox.protocol.call import A, Call, Resource, U

resource = Resource()

Y = U + "/export-annual-overview"
R = A + "/export-rib"

FIRST_YEAR = 2015  # bunq's first year with customers

COLUMNS = (
    Column("Account", 40, 30),
    Column("IBAN", 200, 34),
    Column("1 January", 470, 16, right=True),
    Column("31 December", 555, 16, right=True),
)


# A year of all accounts. Apps have a grant for some accounts only, so it is not for them.


@resource.post(Y, oauth=False)
def create_overview(call: Call) -> Answer:
    """Make the overview of a year: what each account held at its ends."""
    year = call.json.get("year")
    if not isinstance(year, int) or not FIRST_YEAR <= year <= call.store.clock.now().year:
        raise wire.invalid(f"The field year must be a year from {FIRST_YEAR} to this one.")
    rows = []
    for account in accounts.of_user(call.store, call.user.id):
        _balance, currency = ledger.balance(call.store, account.id)
        ends = [statements.balance_before(call.store, account, date(each, 1, 1)) for each in (year, year + 1)]
        amounts = [f"{statements.decimal(each)} {currency}" for each in ends]
        rows.append((account.body["description"], account.body["iban"] or "none", *amounts))
    facts = [("Account holder", call.user.body["legal_name"]), ("Year", str(year))]
    item = call.store.insert("annual_overview", {"year": year}, owner=call.user.id)
    overview = Document("Annual overview", facts, COLUMNS, rows)
    call.store.put_content(item.id, "application/pdf", overview.to_bytes())
    return id_answer(item.id)


def _overview(call: Call, item: Item) -> Json:
    times = {"id": item.id, "created": item.created, "updated": item.updated}
    return {"ExportAnnualOverview": {**times, "year": item.body["year"], "alias_user": people.label(call.user)}}


@resource.get(Y, oauth=False)
def list_overviews(call: Call) -> Answer:
    """List the overviews."""
    return call.page("annual_overview", lambda item: _overview(call, item), owner=call.user.id)


def _own_overview(call: Call, overview_id: int) -> Item:
    return call.load("annual_overview", overview_id, "Annual overview", owner=call.user.id)


@resource.get(Y + "/<int:overview_id>", oauth=False)
def read_overview(call: Call, overview_id: int) -> Answer:
    """Read what an overview is about."""
    return Answer([_overview(call, _own_overview(call, overview_id))])


@resource.delete(Y + "/<int:overview_id>", oauth=False)
def delete_overview(call: Call, overview_id: int) -> Answer:
    """Forget an overview."""
    call.store.delete(_own_overview(call, overview_id))
    return Answer([])


@resource.get(Y + "/<int:overview_id>/content", oauth=False)
def overview_content(call: Call, overview_id: int) -> Answer:
    """Read the file."""
    return Answer(raw=call.store.get_content(_own_overview(call, overview_id).id))


# Who holds an account: the French relevé d'identité bancaire.


@resource.post(R)
def create_rib(call: Call) -> Answer:
    """Make the proof of who holds the account."""
    call.require_role("AISP")
    holder = accounts.label(call.store, call.account)["display_name"]
    item = call.store.insert("export_rib", {}, owner=call.user.id, account=call.account.id)
    proof = Document("Bank account details", statements.identity(call.account, holder))
    call.store.put_content(item.id, "application/pdf", proof.to_bytes())
    return id_answer(item.id)


def _rib(item: Item) -> Json:
    return {"ExportRib": {"id": item.id, "created": item.created, "updated": item.updated}}


@resource.get(R)
def list_ribs(call: Call) -> Answer:
    """List the proofs."""
    call.require_role("AISP")
    return call.page("export_rib", _rib, account=call.account.id)


def _own_rib(call: Call, rib_id: int) -> Item:
    call.require_role("AISP")
    return call.load("export_rib", rib_id, "Export rib", account=call.account.id)


@resource.get(R + "/<int:rib_id>")
def read_rib(call: Call, rib_id: int) -> Answer:
    """Read when a proof was made."""
    return Answer([_rib(_own_rib(call, rib_id))])


@resource.delete(R + "/<int:rib_id>")
def delete_rib(call: Call, rib_id: int) -> Answer:
    """Forget a proof."""
    call.store.delete(_own_rib(call, rib_id))
    return Answer([])


@resource.get(R + "/<int:rib_id>/content")
def rib_content(call: Call, rib_id: int) -> Answer:
    """Read the file."""
    return Answer(raw=call.store.get_content(_own_rib(call, rib_id).id))
