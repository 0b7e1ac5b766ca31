"""What a history leaves beside its payments, and the order of ids over all customers of the bank."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest

from bunqflask.sandbox import Settings
from bunqflask.sandbox.bank import history, ledger, past, seed
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.history import Order
from bunqflask.sandbox.bank.store import Item

from .test_history import COMPANY, EMPTY, MAIN, Stopped, check_books, entries

JODI, STUDIO = 1864430, 1864512


@pytest.fixture
def bank() -> Iterator[Bank]:
    bank = Bank(Settings(history=300))
    seed.ensure(bank)
    bank.store.clock = Stopped()
    seed.give_past(bank)
    yield bank
    bank.close()


def check_order(bank: Bank) -> None:
    """A larger id is never an earlier payment, whoever's it is; and each id belongs to one thing."""
    rows = bank.store.db.execute("SELECT id, created FROM ledger_entry ORDER BY id").fetchall()
    times = [created for _id, created in rows]
    assert times == sorted(times)
    entry_ids = {each for each, _created in rows}
    item_ids = {each for (each,) in bank.store.db.execute("SELECT id FROM item")}
    assert entry_ids & item_ids == set()
    assert max(entry_ids | item_ids) < bank.store.next_id()


def of_account(bank: Bank, kind: str, account: int) -> list[Item]:
    """Return the items of an account, oldest first."""
    return bank.store.select(kind, account=account)[::-1]


def test_ids_are_in_the_order_of_time_over_all_customers(bank: Bank) -> None:
    check_order(bank)
    check_books(bank)
    both = entries(bank, MAIN) + entries(bank, COMPANY)
    assert len(both) == 602
    by_id = sorted(both, key=lambda each: each.id)
    assert by_id == sorted(both, key=lambda each: each.created)
    # Neither customer's payments all come before the other's.
    owners = [each.account for each in by_id]
    assert sum(one != other for one, other in pairwise(owners)) > 100


def test_history_that_is_made_later_lies_behind_all_others(bank: Bank) -> None:
    newest = max(entries(bank, MAIN)[-1].created, entries(bank, COMPANY)[-1].created)
    (made,) = history.make(bank, Order(account=EMPTY, payments=50))
    assert newest < made.start
    assert len(entries(bank, EMPTY)) == 50
    check_order(bank)
    check_books(bank)


@pytest.mark.parametrize("accounts", [(MAIN,), (COMPANY,), (EMPTY,), (COMPANY, EMPTY, MAIN)])
def test_long_histories_keep_the_order_too(accounts: tuple[int, ...]) -> None:
    bank = Bank(Settings())
    seed.ensure(bank)
    history.make(bank, *(Order(account=each, payments=3000) for each in accounts))
    check_order(bank)
    check_books(bank)
    bank.close()


def test_two_accounts_of_one_user_have_one_history_at_a_time(bank: Bank) -> None:
    with pytest.raises(ValueError, match="different users"):
        history.make(bank, Order(account=MAIN, payments=5), Order(account=2083719, payments=5))


@pytest.mark.parametrize(("account", "user", "product"), [(MAIN, JODI, "DEBIT"), (COMPANY, STUDIO, "BUSINESS")])
def test_each_customer_has_a_card_as_old_as_the_account(bank: Bank, account: int, user: int, product: str) -> None:
    (card,) = bank.store.select("card", owner=user)
    opened = bank.store.get("monetary_account", account)
    assert opened
    assert (card.account, card.created, card.body["status"]) == (account, opened.created, "ACTIVE")
    assert card.body["product_type"] == f"MASTERCARD_{product}"
    history.make(bank, Order(account=account, payments=20))
    assert bank.store.select("card", owner=user) == [card]


@pytest.mark.parametrize("account", [MAIN, COMPANY])
def test_each_card_payment_has_its_transaction(bank: Bank, account: int) -> None:
    paid = [each for each in entries(bank, account) if each.type == "MASTERCARD" and each.amount < 0]
    actions = of_account(bank, "mastercard_action", account)
    assert len(paid) > 100
    assert [each.body["payment_id"] for each in actions] == [each.id for each in paid]
    for action, payment in zip(actions, paid, strict=True):
        assert (action.created, action.body["cents"]) == (payment.created, -payment.amount)
        assert action.body["withdrawal"] == (payment.sub_type == "WITHDRAWAL")
        assert action.body["city"]
        assert action.body["city"] in payment.description
        assert action.body["country"] == payment.counterparty["country"]
    returned = [each for each in entries(bank, account) if each.sub_type == "REVERSAL"]
    assert {each.body["reversal_id"] for each in actions} - {None} == {each.id for each in returned}
    by_return = {each.body["reversal_id"]: each for each in actions}
    assert returned
    for each in returned:
        assert by_return[each.id].body["cents"] == each.amount
        assert by_return[each.id].created < each.created == by_return[each.id].updated


def test_purchase_of_the_last_day_settles_when_its_day_is_over(bank: Bank) -> None:
    pending = [each for each in of_account(bank, "mastercard_action", MAIN) if each.body["clearing"] == "PENDING"]
    jobs = [json.loads(body) for (body,) in bank.store.db.execute("SELECT body FROM job WHERE kind LIKE 'card%'")]
    everybody = [*pending, *of_account(bank, "mastercard_action", COMPANY)]
    assert pending
    assert {each["action_id"] for each in jobs} == {each.id for each in everybody if each.body["clearing"] == "PENDING"}
    assert all(each.created > "2026-11-21 09:20:30" for each in pending)


def test_foreign_money_is_told_as_the_merchant_took_it(bank: Bank) -> None:
    for each in of_account(bank, "mastercard_action", MAIN):
        if each.body["country"] in ("GB", "JP", "US", "DK"):
            value, currency = each.body["local"]
            assert f" {currency}, 1 EUR = " in each.body["description"]
            assert float(value) > 0
            return
    pytest.fail("no purchase abroad")


@pytest.mark.parametrize(("type", "kind"), [("IDEAL", "IDEAL"), ("EBA_SDD", "DIRECT_DEBIT")])
def test_shops_and_creditors_have_asked(bank: Bank, type: str, kind: str) -> None:
    paid = [each for each in entries(bank, MAIN) if each.type == type]
    asked = [each for each in of_account(bank, "request_response", MAIN) if each.body["type"] == kind]
    assert paid
    assert [(each.created, each.body["cents"]) for each in asked] == [(each.created, -each.amount) for each in paid]
    mandates = {(each.body["sees"]["name"], each.body["mandate_identifier"]) for each in asked}
    assert len(mandates) == len({each.body["sees"]["name"] for each in asked})


@pytest.mark.parametrize(("user", "account"), [(JODI, MAIN), (STUDIO, COMPANY)])
def test_each_payment_has_its_events(bank: Bank, user: int, account: int) -> None:
    events = [each for each in bank.store.select("event", owner=user)[::-1] if each.account == account]
    objects = [past.object_of(bank.store, each) for each in events]
    assert [each.created for each in events] == sorted(each.created for each in events)
    told = [each["Payment"]["id"] for each in objects if "Payment" in each]
    assert told == [each.id for each in entries(bank, account)[1:]]
    cards = [each["MasterCardAction"] for each in objects if "MasterCardAction" in each]
    made = of_account(bank, "mastercard_action", account)
    reversed_ = [each for each in made if each.body["reversal_id"]]
    assert len(cards) == len(made) + len(reversed_)
    asked = [each["RequestResponse"] for each in objects if "RequestResponse" in each]
    assert [each["id"] for each in asked] == [each.id for each in of_account(bank, "request_response", account)]
    by_id = {each.id for each in events}
    assert {each["event_id"] for each in asked} <= by_id


def test_both_sides_of_a_payment_between_own_accounts_have_an_event(bank: Bank) -> None:
    saved = next(each for each in entries(bank, MAIN) if each.description.startswith("Putting aside"))
    other = saved.counterparty["account"]
    received = ledger.entry(bank.store, other, saved.id + 1)
    assert received
    told = [each.body["of"][1] for each in bank.store.select("event", owner=JODI) if each.account == other]
    assert received.id in told
