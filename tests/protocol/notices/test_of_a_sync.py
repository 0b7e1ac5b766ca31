"""What a sync tells: payments that arrive or change, each once, and nothing of a first import."""

from __future__ import annotations

from typing import Any

import pytest

from bunqflask.extensions import db
from bunqflask.models import Event, EventKind, Payment, PaymentChange
from bunqflask.models.payments import payment_id_of
from tests.protocol.sync.test_withdrawals import MAIN, PAYMENTS, ids_here, let_an_hour_pass, sync
from tests.support import consents, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank


@pytest.fixture
def imported(site: ThreadSite, bank: Bank) -> ThreadSite:
    """A site on which Robin has imported two pages of payments of one account."""
    bank.seed(PAYMENTS, account=MAIN)
    consents.connect(sign_in(site, consents.ROBIN), bank, accounts=[MAIN])
    sync(site)
    return site


def told(site: ThreadSite) -> list[tuple[EventKind, dict[str, Any]]]:
    kinds = (EventKind.PAYMENTS_ARRIVED, EventKind.PAYMENTS_CHANGED)
    with rows.behind(site.app):
        found = db.session.scalars(db.select(Event).where(Event.kind.in_(kinds)).order_by(Event.id))
        return [(each.kind, each.facts) for each in found]


def test_a_first_import_tells_nothing_and_what_comes_later_is_told_once(imported: ThreadSite, bank: Bank) -> None:
    assert len(ids_here(imported)) >= PAYMENTS
    assert told(imported) == []
    bank.seed(3, account=MAIN)
    sync(imported)
    [(kind, facts)] = told(imported)
    newest = ids_here(imported)[:3]
    assert kind is EventKind.PAYMENTS_ARRIVED
    assert sorted(map(payment_id_of, facts["payment_ids"])) == sorted(newest)
    with rows.behind(imported.app):
        assert set(db.session.scalars(db.select(Payment.account_id))) == {facts["account_id"]}
    sync(imported)
    sync(imported, full=True)
    assert len(told(imported)) == 1, "a full import finds nothing new"


@pytest.mark.sqlite_only
def test_a_payment_that_bunq_lists_no_more_is_told_as_a_change(imported: ThreadSite, bank: Bank) -> None:
    bank.amend(ids_here(imported)[3], listed=False)
    sync(imported)
    let_an_hour_pass(imported)
    assert told(imported) == []
    sync(imported)
    with rows.behind(imported.app):
        change_ids = list(db.session.scalars(db.select(PaymentChange.id)))
    [(kind, facts)] = told(imported)
    assert (kind, facts["change_ids"]) == (EventKind.PAYMENTS_CHANGED, change_ids)
    assert len(change_ids) == 1
