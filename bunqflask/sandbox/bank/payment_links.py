"""bunq.me payment links: their status, what was paid by them, and paying one from outside the bank.

https://doc.bunq.com/api-reference/bunqme
"""

from __future__ import annotations

from bunqflask.sandbox.bank import accounts, events, ledger, payments
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.store import Item, Json, Store

LIFETIME_S = 30 * 86400


def status_of(store: Store, tab: Item) -> str:
    """Return WAITING_FOR_PAYMENT, CANCELLED or EXPIRED."""
    status: str = tab.body["status"]
    if status == "WAITING_FOR_PAYMENT" and tab.body["expires"] <= store.clock.timestamp():
        return "EXPIRED"
    return status


def result_shapes(store: Store, account: Item, tab: Item) -> list[Json]:
    """Write the payments that a link brought."""
    return [
        {
            "id": each.id,
            "created": each.created,
            "updated": each.updated,
            "payment": payments.shape(store, account, each.body["payment_id"]),
            "bunq_me_tab_id": tab.id,
        }
        for each in store.select("bunqme_result", parent=tab.id)[::-1]
    ]


def pay_in(bank: Bank, link: Item, name: str) -> int:
    """Receive a payment by iDEAL from another bank; return the id of the payment."""
    store = bank.store
    account = store.get("monetary_account", link.account or 0)
    assert account is not None
    iban = accounts.iban_for(532013000, "INGB")
    _out, paid = ledger.move(
        store,
        ledger.Transfer(
            debit=ledger.outside(store, link.body["currency"]),
            credit=account.id,
            cents=link.body["cents"],
            description=link.body["description"],
            debit_sees={"account": account.id},
            credit_sees={"iban": iban, "name": name},
            type="IDEAL",
        ),
    )
    payments.tell(bank, account, paid, "IDEAL")
    return paid


def pay(bank: Bank, tab: Item, name: str) -> None:
    """Pay a link, which can be paid more than once."""
    store = bank.store
    account = store.get("monetary_account", tab.account or 0)
    assert account is not None
    made = {"payment_id": pay_in(bank, tab, name)}
    result = store.insert("bunqme_result", made, owner=tab.owner, account=tab.account, parent=tab.id)
    shown = [each for each in result_shapes(store, account, tab) if each["id"] == result.id]
    events.happened(
        bank,
        user_id=tab.owner or 0,
        account_id=tab.account,
        thing={"BunqMeTabResultInquiry": shown[0]},
        # The same thing goes by two names: this one in webhooks, the other in bunq's list of events.
        listed={"BunqMeTabResultResponse": shown[0]},
        notify=[("BUNQME_TAB", "BUNQME_TAB_RESULT_INQUIRY_CREATED")],
    )
