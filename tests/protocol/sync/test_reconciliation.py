"""Incremental reconciliation finds what a check of the whole history finds, whatever was stored in between."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask

from bunqflask import clock
from bunqflask.bunq.payment import Payment
from bunqflask.bunq.resources import Amount
from bunqflask.extensions import db
from bunqflask.models import AccountSync, CoveredRange, MonetaryAccount
from bunqflask.services.sync import balances, payment_rows, payment_store, reconciliation
from tests.support import history as stored_history
from tests.support.history import Paid

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
ROUNDS = 30
MAIN = 2083712


class History:
    """A bank's history of one account, of which pages are stored in any order, some of them wrong at first."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.listed = 0
        account = db.session.scalars(db.select(MonetaryAccount).order_by(MonetaryAccount.id)).first()
        assert account is not None
        self.account = account
        self.state = AccountSync(id=account.id, covered=(CoveredRange(10_000, 1, True),), discrepancies=(), missing=())
        db.session.add(self.state)
        db.session.commit()

    def some(self) -> list[Payment]:
        """Neighbouring payments, as one page lists them; balances add up, are unknown, or are wrong."""
        first = self.rng.randint(1, 80)
        return [self._payment(number) for number in range(first, first + self.rng.randint(1, 12))]

    def _payment(self, number: int) -> Payment:
        self.listed += 1
        balance = Decimal(number * (number + 1) // 2)
        kind = self.rng.random()
        amount = Decimal(number) + (self.rng.choice((0, 0, 0, 1)) if kind < 0.3 else 0)
        balance_after = None if kind > 0.9 else Amount("EUR", balance + (5 if kind > 0.8 else 0))
        at = BEGUN + timedelta(hours=number)
        return Payment(
            number,
            1,
            at,
            at + timedelta(seconds=self.listed),
            Amount("EUR", amount),
            balance_after,
            "",
            "BUNQ",
            "",
            "",
            None,
            "{}",
        )

    def store(self) -> None:
        """Store a page as a sync does."""
        with stored_history.within_a_unit():
            lowest = payment_store.store(self.account.id, payment_rows.rows_of(self.account.id, self.some()))
        if lowest is not None:
            self.state.unreconciled_from = min(lowest, self.state.unreconciled_from or lowest)
        db.session.commit()

    def record(self, check: reconciliation.Check) -> None:
        """Record a check as a sync does."""
        self.state.verified_id, self.state.discrepancies = check.verified_id, check.discrepancies
        self.state.unreconciled_from, self.state.reconciled_at = None, clock.now()
        db.session.commit()


@pytest.mark.parametrize(("apart", "kind"), [(timedelta(seconds=30), "duplicate"), (timedelta(days=30), "missing")])
def test_equal_payments_of_two_months_are_no_duplicates(connected_app: Flask, apart: timedelta, kind: str) -> None:
    account, rent_at = stored_history.account(MAIN), clock.now() - timedelta(days=60)
    rent = Paid(at=rent_at, amount="-25", balance="75.00", name="Landlord", text="rent")
    again = Paid(at=rent_at + apart, amount="-25", balance="75.00", name="Landlord", text="rent")
    last = Paid(at=rent_at + timedelta(days=40), amount="-5", balance="70.00")
    stored_history.store(account, [Paid(at=rent_at - timedelta(days=1), amount="100"), rent, again, last])
    (finding,) = reconciliation.findings(stored_history.account(MAIN).id, since=rent_at - timedelta(days=2), limit=5)
    assert finding.kind == kind


@pytest.mark.parametrize("seed", range(3))
def test_an_incremental_check_finds_what_a_full_one_finds(connected_app: Flask, seed: int) -> None:
    history = History(seed)
    with_discrepancies = incremental = 0
    for _ in range(ROUNDS):
        for _ in range(history.rng.choice((0, 1, 1, 2))):
            history.store()
        check = reconciliation.check_new(history.account.id, history.state)
        full = reconciliation.check_all(history.account.id)
        assert (check.verified_id, check.discrepancies) == (full.verified_id, full.discrepancies)
        with_discrepancies += bool(check.discrepancies)
        incremental += not check.is_full
        if history.rng.random() < 0.8:  # else the sync was interrupted before the check was recorded
            history.record(check)
    assert with_discrepancies > 0
    assert incremental > 20


def paid(number: int, amount: str, balance: str | None, seconds: int = 0) -> Paid:
    at = BEGUN + timedelta(hours=1, seconds=seconds)
    return Paid(at=at, amount=amount, balance=balance, id=number)


@pytest.mark.parametrize("apart_s", [0, 60])
def test_within_one_moment_any_order_in_which_the_balances_follow_is_right(connected_app: Flask, apart_s: int) -> None:
    account = stored_history.account(MAIN)
    stored_history.store(
        account,
        [
            paid(3001, "10", "10", -3600),
            paid(3002, "15", "30", apart_s),
            paid(3003, "5", "15"),
            paid(3004, "1", "31", 3600),
        ],
    )
    state = db.session.get_one(AccountSync, account.id)
    assert state.discrepancies == ()
    assert reconciliation.balance_at_end(account.id)[1] == Decimal(31)


def test_the_balance_at_the_end_is_that_of_the_last_in_the_order_of_balances(connected_app: Flask) -> None:
    account = stored_history.account(MAIN)
    account.balance = Decimal(30)
    stored_history.store(account, [paid(3001, "10", "10", -3600), paid(3002, "15", "30", 9), paid(3003, "5", "15")])
    state = db.session.get_one(AccountSync, account.id)
    state.newest_id, state.newest_balance = reconciliation.balance_at_end(account.id)
    db.session.flush()
    assert balances.differences([account.id]) == {account.id: Decimal(0)}


def test_hours_apart_bunqs_numbers_are_the_order(connected_app: Flask) -> None:
    account = stored_history.account(MAIN)
    stored_history.store(account, [paid(3001, "10", "10"), paid(3002, "15", "30", 7200), paid(3003, "5", "15", 3600)])
    assert len(db.session.get_one(AccountSync, account.id).discrepancies) == 2


def test_payments_without_any_balance_are_no_gap_and_not_verified(connected_app: Flask) -> None:
    account = stored_history.account(MAIN)
    stored_history.store(account, [paid(3001, "10", None), paid(3002, "15", None, 60)])
    state = db.session.get_one(AccountSync, account.id)
    assert (state.discrepancies, state.verified_id) == ((), None)
    stored_history.store(account, [paid(3001, "10", None), paid(3002, "15", "25", 60)])
    assert db.session.get_one(AccountSync, account.id).discrepancies != ()
