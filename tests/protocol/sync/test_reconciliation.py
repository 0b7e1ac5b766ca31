"""A proof that goes on from the last one finds what a proof of the whole history finds, whatever was stored between."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask

from bunqflask import clock
from bunqflask.bunq.payment import Payment
from bunqflask.bunq.resources import Amount
from bunqflask.extensions import db
from bunqflask.models import AccountSync, MonetaryAccount
from bunqflask.services.sync import payment_rows, payment_store, reconciliation

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
ROUNDS = 30


class History:
    """A bank's history of one account, of which pages are stored in any order, some of them wrong at first."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.told = 0
        account = db.session.scalars(db.select(MonetaryAccount).order_by(MonetaryAccount.id)).first()
        assert account is not None
        self.account = account
        self.state = AccountSync(id=account.id, stretches=[[10_000, 1, True]], breaks=[])
        db.session.add(self.state)
        db.session.commit()

    def some(self) -> list[Payment]:
        """Payments that lie together, as one page tells them; balances add up, are unknown, or are wrong."""
        first = self.rng.randint(1, 80)
        return [self._payment(number) for number in range(first, first + self.rng.randint(1, 12))]

    def _payment(self, number: int) -> Payment:
        self.told += 1
        balance = Decimal(number * (number + 1) // 2)
        kind = self.rng.random()
        amount = Decimal(number) + (self.rng.choice((0, 0, 0, 1)) if kind < 0.3 else 0)
        told = None if kind > 0.9 else Amount("EUR", balance + (5 if kind > 0.8 else 0))
        at = BEGUN + timedelta(hours=number)
        return Payment(
            number,
            1,
            at,
            at + timedelta(seconds=self.told),
            Amount("EUR", amount),
            told,
            "",
            "BUNQ",
            "",
            "",
            None,
            "{}",
        )

    def store(self) -> None:
        """Store a page as a reading does."""
        page = payment_store.prepare(payment_rows.rows_of(self.account.id, self.some()))
        lowest = payment_store.store(self.account.id, page)
        if lowest is not None:
            self.state.unreconciled_from = min(lowest, self.state.unreconciled_from or lowest)
        db.session.commit()

    def note(self, proof: reconciliation.Proof) -> None:
        """Keep a proof as a reading does."""
        self.state.verified_id, self.state.breaks = proof.verified_id, [gap.as_json() for gap in proof.breaks]
        self.state.unreconciled_from, self.state.reconciled_at = None, clock.now()
        db.session.commit()


@pytest.mark.parametrize("seed", range(3))
def test_a_proof_that_goes_on_is_a_proof_of_all(connected_app: Flask, seed: int) -> None:
    history = History(seed)
    broken = gone_on = 0
    for _ in range(ROUNDS):
        for _ in range(history.rng.choice((0, 1, 1, 2))):
            history.store()
        proof = reconciliation.prove_on(history.account, history.state)
        anew = reconciliation.prove(history.account)
        assert (proof.verified_id, proof.breaks) == (anew.verified_id, anew.breaks)
        broken += bool(proof.breaks)
        gone_on += not proof.is_anew
        if history.rng.random() < 0.8:  # else the reading was cut off before the proof was noted
            history.note(proof)
    assert broken > 0
    assert gone_on > 20
