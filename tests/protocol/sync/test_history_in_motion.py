"""A history that changes during its import: new payments, other descriptions, another order, and late payments."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bunqflask.extensions import db
from bunqflask.models import AccountSync, Payment
from bunqflask.services.connections import access
from bunqflask.services.gateway import sessions
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.sync import connection_sync
from bunqflask.services.sync.payment_sync import Progress
from tests.support import history, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.consents import ROBIN, connect

pytestmark = pytest.mark.sqlite_only

MAIN = 2083712
# A page holds 200: so that an import takes two, and a third where payments come in between.
PAYMENTS = 399
ACTS = st.sampled_from(["comes in", "says something else", "is held back", "in another order"])


class Motion:
    """What happens at the bank after each page of an import."""

    def __init__(self, bank: Bank, ids: list[int], acts: Iterator[tuple[str, int]]) -> None:
        self._bank, self._ids, self._acts = bank, ids, acts
        self.held_back: list[int] = []

    def __call__(self, progress: Progress) -> None:
        for _ in range(2):
            act, place = next(self._acts, ("nothing", 0))
            payment = self._ids[place % len(self._ids)]
            if act == "comes in":
                self._bank.receive(MAIN, "1.00")
            elif act == "says something else":
                self._bank.amend(payment, description=f"changed {place}")
            elif act == "is held back":
                self._bank.amend(payment, listed=False)
                self.held_back.append(payment)
            elif act == "in another order":
                self._bank.fault(call="GET payment", fault="reordered")


@pytest.fixture
def moving(site: ThreadSite, bank: Bank) -> ThreadSite:
    bank.seed(PAYMENTS, account=MAIN)
    connect(sign_in(site, ROBIN), bank, accounts=[MAIN])
    return site


@given(acts=st.lists(st.tuples(ACTS, st.integers(0, 10_000)), max_size=6))
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_changes_during_an_import_the_next_syncs_end_complete(
    moving: ThreadSite, bank: Bank, acts: list[tuple[str, int]]
) -> None:
    with moving.app.app_context():
        delete_all()
        connection_id = access.list_active()[0].id
        motion = Motion(bank, list(at_the_bank()), iter(acts))
        motion(Progress(history.account(MAIN).id, 0))
        connection_sync.run(connection_id, patience_s=5, report=motion)
        bank.no_faults()
        for payment in motion.held_back:
            bank.amend(payment, listed=True)
        for _ in range(2):
            assert connection_sync.run(connection_id, patience_s=5)
        theirs = at_the_bank()
        state = db.session.scalars(db.select(AccountSync)).one()
        assert (state.discrepancies, state.covered[0].reaches_end) == ((), True)
        assert stored().keys() == theirs.keys()
        # Balances do not show that an old payment has another description: a full import finds it.
        assert connection_sync.run(connection_id, patience_s=5, full=True)
        assert stored() == theirs
        db.session.remove()


def delete_all() -> None:
    for model in (Payment, AccountSync):
        db.session.execute(db.delete(model))
    db.session.commit()


def stored() -> dict[int, str]:
    rows = db.session.execute(db.select(Payment.payment_id, Payment.description)).all()
    assert len(rows) == len({row.payment_id for row in rows})
    return {row.payment_id: row.description for row in rows}


def at_the_bank() -> dict[int, str]:
    """The description of every payment as the bank lists it, asked for apart from the import under test."""
    found: dict[int, str] = {}
    with sessions.of_consent(rows.reader(), RateLimiter(5)) as bunq:
        page = bunq.list_payments(MAIN)
        while True:
            found |= {payment.payment_id: payment.description for payment in page.payments}
            if page.older_id is None:
                return found
            page = bunq.list_payments(MAIN, older_id=page.older_id)
