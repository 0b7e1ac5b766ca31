"""The people and accounts that every sandbox starts with.

Jodi Walker and her four accounts are those of bunq's own OAuth example: same ids, IBANs, names and balances.
"""

from __future__ import annotations

import hashlib
from typing import Any

from bunqflask.sandbox.bank import accounts, history, ledger, pdf, people, statements
from bunqflask.sandbox.bank.accounts import NewAccount
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.store import Item, Json, Store

JODI, COMPANY, SUGAR_DADDY, BRAVO = 1864430, 1864512, 1800001, 1800002
JODIS_MAIN, COMPANYS_MAIN = 2083712, 2083801
# Behind the openings of Jodi's accounts: the ids of payments are in the order of time.
OPENED = "2025-04-14 09:31:40.204417"

# Id, IBAN, name, balance in cents, colour, icon, created, updated (- for the same), id of the access right.
JODIS_ACCOUNTS = """
2083712 NL65BUNQ2090411945 Main 411800 #FF7819 - 2025-04-14_00:00:00.811318 - 2268800
2083715 NL55BUNQ2090409118 Main 190000 #ff7819 FINANCE 2025-04-14_09:12:06.578796 2025-06-03_09:48:46.647401 2268802
2083719 NL17BUNQ2090415428 Car 95400 #47bfff TRANSPORT 2025-04-14_09:12:58.553604 2025-04-14_09:14:06.776031 2268806
2083721 NL09BUNQ2090405775 Medical 164300 #ff2d55 HEALTHCARE 2025-04-14_09:13:51.146459 - 2268808
"""


def ensure(bank: Bank) -> bool:
    """Seed a new database; return whether there was anything to do."""
    store = bank.store
    with store.transaction():
        if store.read_meta("seeded"):
            return False
        _jodi(store)
        _company(store)
        _helpers(store)
        store.write_meta("seeded", "1")
    return True


def give_past(bank: Bank) -> None:
    """Generate the history of the two main accounts of a new bank, as the settings ask.

    This waits for the first request, so that the command `seed` can generate another history before it.
    """
    payments = bank.settings.history
    with bank.store.transaction():
        if payments and not bank.store.read_meta("history"):
            jodi = history.Order(account=JODIS_MAIN, payments=payments)
            history.make(bank, jodi, history.Order(account=COMPANYS_MAIN, payments=payments, seed=1))
            for account in (JODIS_MAIN, COMPANYS_MAIN):
                _annotate(bank.store, account)


def _annotate(store: Store, account_id: int) -> None:
    """Add a receipt and a note to the newest purchase."""
    purchases = [
        each for each in ledger.entries(store, account_id, below=None, above=None, limit=20) if each.amount < 0
    ]
    account = store.get("monetary_account", account_id)
    if not purchases or account is None:
        return
    bought = purchases[0]
    shop, amount = (
        bought.counterparty.get("name", ""),
        f"{account.body['currency']} {statements.decimal(-bought.amount)}",
    )
    receipt = pdf.Document(f"Receipt of {shop}", [("Paid", amount), ("On", bought.created[:16])]).to_bytes()
    times: dict[str, Any] = {"owner": account.owner, "account": account_id, "created": bought.created}
    file = store.insert(
        "attachment",
        {
            "description": "Receipt",
            "content_type": "application/pdf",
            "digest": hashlib.sha256(receipt).hexdigest(),
        },
        name=people.stable_uuid(f"receipt {account_id}"),
        **times,
    )
    store.put_content(file.id, "application/pdf", receipt)
    store.insert("note_attachment", {"attachment_id": file.id, "description": "Receipt"}, parent=bought.id, **times)
    store.insert(
        "note_text", {"content": "For the project in Utrecht.\nThe receipt is attached."}, parent=bought.id, **times
    )


def reset(bank: Bank, *, past: bool = True) -> None:
    """Delete everything, switches and clock included, and seed again.

    Without `past` the first request generates the history.
    """
    with bank.store.transaction():
        bank.store.clear()
        ensure(bank)
        if past:
            give_past(bank)
    bank.forget_runtime()


def deposit(store: Store, account: Item, cents: int, description: str, created: str) -> None:
    """Bring money into the bank from outside."""
    currency = account.body["currency"]
    ledger.move(
        store,
        ledger.Transfer(
            debit=ledger.outside(store, currency),
            credit=account.id,
            cents=cents,
            description=description,
            debit_sees={"account": account.id},
            credit_sees={"iban": accounts.iban_for(417164300, "ABNA"), "name": "Opening balance"},
            type="EBA_SCT",
            sub_type="SCT",
            created=created,
        ),
    )


def _jodi(store: Store) -> None:
    jodi = people.add_person(
        store,
        "Jodi",
        "Walker",
        user_id=JODI,
        email="testers+1744621019@bunq.com",
        phone="+31611019364",
        created="2025-04-14 00:00:00.311318",
    )
    for line in JODIS_ACCOUNTS.strip().splitlines():
        account_id, iban, name, cents, color, icon, created, updated, access_id = line.split()
        account = accounts.add(
            store,
            jodi,
            NewAccount(
                description=name,
                account_id=int(account_id),
                iban=iban,
                color=color,
                icon=None if icon == "-" else icon,
                created=created.replace("_", " "),
                updated=None if updated == "-" else updated.replace("_", " "),
                members={"access_id": int(access_id)},
            ),
        )
        deposit(store, account, int(cents), "Opening balance", account.created)


def _company(store: Store) -> None:
    studio = people.add_company(
        store,
        "Walker Studio B.V.",
        director="Jodi Walker",
        user_id=COMPANY,
        email="hello@walker-studio.example",
        phone="+31611019365",
        created=OPENED,
    )
    partner = {"uuid": people.stable_uuid("Sam Okafor"), "display_name": "S. Okafor", "country": "NL"}
    partner |= {"public_nick_name": "Sam", "type": "PERSON"}
    owners = [
        {"alias": people.label(studio), "status": "ACCEPTED"},
        {"alias": {**partner, "avatar": None}, "status": "ACCEPTED"},
    ]

    for new, cents in _company_accounts(owners):
        account = accounts.add(store, studio, new)
        if cents:
            deposit(store, account, cents, "Opening balance", OPENED)


def _company_accounts(owners: list[Json]) -> list[tuple[NewAccount, int]]:
    """Return the company's accounts, each with its opening balance in cents."""

    def new(account_id: int, description: str, wrapper: str = accounts.BANK, **more: Any) -> NewAccount:
        more.setdefault("iban", accounts.iban_for(2_090_411_000 + account_id % 1000))
        more |= {"created": OPENED, "updated": OPENED}
        return NewAccount(account_id=account_id, description=description, wrapper=wrapper, **more)

    goal, co_owners = {"savings_goal": 1000000}, {"all_co_owner": owners}
    closed = {"reason": "OTHER", "reason_description": "The project has ended."}
    ended: Json = {"status": "CANCELLED", "sub_status": "REDEMPTION_VOLUNTARY", "members": closed}
    return [
        (new(2083801, "Business", color="#009CDE", icon="FINANCE"), 1248037),
        (new(2083802, "VAT and taxes", accounts.SAVINGS, color="#2E8540", members=goal), 625000),
        (new(2083803, "Studio rent", accounts.JOINT, color="#8E44AD", members=co_owners), 180000),
        (new(2083804, "Account at another bank", accounts.EXTERNAL, iban=None, color="#7F8C8D"), 341299),
        (new(2083805, "Old project", color="#C0392B", **ended), 0),
        # A type that no client knows, because bunq adds types without notice.
        (new(2083806, "Pension", "MonetaryAccountPension", color="#16A085"), 2210050),
    ]


def _helpers(store: Store) -> None:
    """Add the sugar daddy, who pays requests automatically, and bravo@bunq.com, the usual second party."""
    daddy = people.add_person(
        store, "Sugar", "Daddy", user_id=SUGAR_DADDY, email="sugardaddy@bunq.com", phone="+31600000001", created=OPENED
    )
    daddy.body |= {"display_name": "S. Daddy", "helper": True}
    store.save(daddy, touch=False)
    # Without overdraft limit: a request must never fail because of his balance.
    accounts.add(store, daddy, NewAccount(description="Main", account_id=2000001, created=OPENED, overdraft=None))
    bravo = people.add_person(
        store, "Bravo", "Tester", user_id=BRAVO, email="bravo@bunq.com", phone="+31600000002", created=OPENED
    )
    bravo.body["helper"] = True
    store.save(bravo, touch=False)
    accounts.add(store, bravo, NewAccount(description="Main", account_id=2000002, created=OPENED))
