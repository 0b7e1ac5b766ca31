"""Histories: believable, repeatable, and not a cent of them made up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bunqflask.sandbox import Settings
from bunqflask.sandbox.bank import accounts, history, ledger, seed
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.clock import Clock
from bunqflask.sandbox.bank.ledger import Movement

MAIN, CAR, COMPANY, OVERSEAS, PURSE, EMPTY, CLOSED = 2083712, 2083719, 2083801, 2083804, 2000001, 2000002, 2083805


class Stopped(Clock):
    """Always 22 November 2026, 09:20:30, whenever the tests run."""

    def now(self) -> datetime:
        """Return that moment."""
        return datetime(2026, 11, 22, 9, 20, 30, 123456, tzinfo=UTC)


def _bank() -> Bank:
    bank = Bank(Settings())
    seed.ensure(bank)
    bank.store.clock = Stopped()
    return bank


@pytest.fixture
def bank() -> Iterator[Bank]:
    bank = _bank()
    yield bank
    bank.close()


def make(bank: Bank, account: int, payments: int, *, seed: int = 0) -> history.Made:
    """Give one account a history."""
    (made,) = history.make(bank, history.Order(account=account, payments=payments, seed=seed))
    return made


def entries(bank: Bank, account: int) -> list[ledger.Entry]:
    """Return all entries, oldest first."""
    return ledger.entries(bank.store, account, below=None, above=None, limit=10**9)[::-1]


def balances(bank: Bank) -> dict[int, int]:
    """Return what every account holds, the outside world's too."""
    return dict(bank.store.db.execute("SELECT id, balance FROM ledger_account"))


def check_books(bank: Bank) -> None:
    """Every balance is the sum of its entries, every chain holds, movements are pairs, nobody is below his limit."""
    db = bank.store.db
    assert sum(balances(bank).values()) == 0
    for account, held, limit in db.execute("SELECT id, balance, overdraft FROM ledger_account").fetchall():
        running, when = 0, ""
        for entry in entries(bank, account):
            running += entry.amount
            assert entry.balance_after == running
            assert limit is None or running >= -limit
            assert account < 0 or entry.created > when
            when = entry.created
        assert running == held
    pairs = db.execute("SELECT COUNT(*), SUM(amount), COUNT(DISTINCT created) FROM ledger_entry GROUP BY movement")
    assert set(pairs) == {(2, 0, 1)}
    assert db.execute("SELECT MAX(id) FROM ledger_entry").fetchone()[0] < bank.store.next_id()


@pytest.mark.parametrize("payments", [2, 3, 19, 20, 60, 500])
@pytest.mark.parametrize("account", [MAIN, CAR, COMPANY, OVERSEAS, PURSE, EMPTY])
def test_books_are_right_and_balances_stay(bank: Bank, account: int, payments: int) -> None:
    before = balances(bank)
    had = len(entries(bank, account))
    made = make(bank, account, payments)
    assert made.payments == payments
    assert len(entries(bank, account)) == had + payments
    assert balances(bank) == before
    check_books(bank)
    assert entries(bank, account)[-1].created < "2026-11-22 09:00:00.000000"


def test_a_single_payment_is_interest(bank: Bank) -> None:
    make(bank, MAIN, 1)
    newest = entries(bank, MAIN)[-1]
    assert (newest.type, newest.amount > 0) == ("INTEREST", True)
    check_books(bank)


def test_number_and_seed_decide_everything(bank: Bank) -> None:
    make(bank, MAIN, 500, seed=7)
    again, other = _bank(), _bank()
    make(again, MAIN, 500, seed=7)
    make(other, MAIN, 500, seed=8)
    assert entries(again, MAIN) == entries(bank, MAIN)
    assert entries(again, CAR) == entries(bank, CAR)
    assert entries(other, MAIN) != entries(bank, MAIN)
    again.close()
    other.close()


def test_a_year_holds_all_that_a_year_brings(bank: Bank) -> None:
    make(bank, MAIN, 1500)
    found = entries(bank, MAIN)[1:]
    kinds = {(each.type, each.sub_type, each.amount > 0) for each in found}
    assert kinds == {
        ("EBA_SCT", "SCT", True),
        ("EBA_SCT", "SCT", False),
        ("EBA_SDD", "SDD", False),
        ("IDEAL", "PAYMENT", False),
        ("MASTERCARD", "PAYMENT", False),
        ("MASTERCARD", "WITHDRAWAL", False),
        ("MASTERCARD", "REVERSAL", True),
        ("BUNQ", "PAYMENT", False),
        ("BUNQ", "PAYMENT", True),
        ("BUNQ", "BILLING", False),
        ("INTEREST", "PAYMENT", True),
    }
    salaries = [each for each in found if each.description.startswith("Salary")]
    assert len({each.description for each in salaries}) == len(salaries) >= 12
    assert any("JPY, 1 EUR = 161.37 JPY" in each.description for each in found)
    assert any(each.counterparty["iban"] is None for each in found if each.type == "MASTERCARD")
    assert all(not set("{}") & set(each.description) or "{{ 7 * 7 }}" in each.description for each in found)
    assert max(len(each.description) for each in found) <= 140
    ibans = {each.counterparty["iban"] for each in found if each.counterparty.get("iban")}
    assert all(accounts.is_iban(each) for each in ibans)
    there = [each for account in (CAR, 2083715, 2083721) for each in entries(bank, account)[1:]]
    own = sorted((each.created, -each.amount) for each in found if "account" in each.counterparty)
    assert sorted((each.created, each.amount) for each in there) == own
    assert all(each.counterparty == {"account": MAIN} for each in there)


def test_many_payments_make_an_old_customer(bank: Bank) -> None:
    make(bank, MAIN, 6000)
    account = bank.store.get("monetary_account", MAIN)
    sibling = bank.store.get("monetary_account", CAR)
    owner = bank.store.get("user", 1864430)
    assert account
    assert sibling
    assert owner
    opening, first = entries(bank, MAIN)[:2]
    assert owner.created < account.created == opening.created < first.created < "2022-10-17"
    assert opening.created[:4] == "2022"
    assert account.created < sibling.created < entries(bank, CAR)[1].created
    assert account.created[10:] == " 00:00:00.811318"
    untouched = bank.store.get("monetary_account", COMPANY)
    assert untouched
    # All customers begin earlier together: no payment of the past may have a larger id than a later opening balance.
    assert untouched.created[:4] == "2022"
    assert untouched.created[10:] == seed.OPENED[10:]
    check_books(bank)


def test_a_used_account_keeps_its_past_and_its_order(bank: Bank) -> None:
    make(bank, MAIN, 1000)
    before = entries(bank, MAIN), entries(bank, CAR)
    second = make(bank, CAR, 300)
    third = make(bank, MAIN, 300)
    assert before[0][-1].created < second.start < third.start < third.end == "2026-11-22 09:20:30.123456"
    assert entries(bank, MAIN)[:1001] == before[0]
    assert entries(bank, CAR)[: len(before[1])] == before[1]
    check_books(bank)


def test_no_time_is_left_for_more_payments_than_microseconds(bank: Bank) -> None:
    ledger.move(
        bank.store,
        ledger.Transfer(
            debit=MAIN,
            credit=CAR,
            cents=1,
            description="",
            debit_sees={},
            credit_sees={},
            created="2026-11-22 09:20:30.123440",
        ),
    )
    before = entries(bank, MAIN), balances(bank)
    with pytest.raises(ValueError, match="no time"):
        make(bank, MAIN, 50)
    assert (entries(bank, MAIN), balances(bank)) == before
    make(bank, MAIN, 5)
    check_books(bank)


@pytest.mark.parametrize(("account", "payments"), [(MAIN, 0), (MAIN, -1), (MAIN, 10_000_001), (CLOSED, 5), (4, 5)])
def test_what_cannot_be_is_refused(bank: Bank, account: int, payments: int) -> None:
    before = balances(bank)
    with pytest.raises(ValueError, match=r"payments is a number|no open account"):
        make(bank, account, payments)
    assert balances(bank) == before


def test_a_page_costs_the_same_work_however_long_the_history(bank: Bank) -> None:
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    def work() -> list[int]:
        nonlocal steps
        middle = entries(bank, CAR)[-1].id - 1000
        costs = []
        for bounds in ({}, {"below": middle}, {"above": middle - 1000}):
            steps = 0
            asked: dict[str, Any] = {"below": None, "above": None, **bounds}
            bank.store.db.set_progress_handler(count, 1)
            page = ledger.entries(bank.store, CAR, **asked, limit=201)
            bank.store.db.set_progress_handler(None, 0)
            assert len(page) == 201
            costs.append(steps)
        return costs

    make(bank, CAR, 1500)
    short = work()
    make(bank, CAR, 15_000)
    assert work() == pytest.approx(short, rel=0.02)


def test_many_movements_are_made_together_or_not_at_all(bank: Bank) -> None:
    before = balances(bank), entries(bank, MAIN), entries(bank, EMPTY)
    outside = ledger.outside(bank.store, "EUR")
    what = ("2026-11-22 09:00:00.000000", "BUNQ", "PAYMENT", "", "{}", "{}")
    good, too_much = Movement(outside, MAIN, 100, *what), Movement(EMPTY, MAIN, 1, *what)
    ledger.open_account(bank.store, 9, "USD")
    with bank.store.transaction():
        with pytest.raises(ledger.InsufficientFunds):
            ledger.move_many(bank.store, [good, too_much])
        with pytest.raises(ledger.CurrencyMismatch):
            ledger.move_many(bank.store, [good, Movement(MAIN, 9, 1, *what)])
    assert balances(bank) == before[0] | {9: 0}
    assert (entries(bank, MAIN), entries(bank, EMPTY)) == before[1:]
    ledger.move_many(bank.store, [])
    ledger.move_many(bank.store, [good, Movement(MAIN, EMPTY, 1, *what)])
    assert [each.amount for each in entries(bank, EMPTY)] == [1]
    assert bank.store.next_id() == entries(bank, EMPTY)[0].id + 1
