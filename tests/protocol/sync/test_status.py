"""How far an account is synced: balance and payments never disagree silently."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import (
    AccountSync,
    Connection,
    ConnectionState,
    Consent,
    CoveredRange,
    Discrepancy,
    ErrorKind,
    MonetaryAccount,
    Payment,
    TeamMember,
)
from bunqflask.services.connections import access, accounts, overview
from bunqflask.services.sync import schedule, status
from bunqflask.services.sync.status import AccountStatus, SyncState
from tests.support import history, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.beginnings import Begin
from tests.support.browser import Browser
from tests.support.consents import ROBIN, connect
from tests.support.rows import run_duties
from tests.support.worker import soon

MAIN = 2083712


@pytest.fixture
def synced(site: ThreadSite, begin: Begin) -> ThreadSite:
    """Robin's only account, synced."""
    begin(_sync)
    return site


def _sync(site: ThreadSite, bank: Bank) -> Browser:
    robin = sign_in(site, ROBIN)
    connect(robin, bank, accounts=[MAIN])
    run_duties(site.app)
    return robin


def of_main() -> AccountStatus:
    member = db.session.scalars(db.select(TeamMember)).one()
    return status.of_connections(overview.list_all(member))[history.account(MAIN).id]


def status_of(site: ThreadSite) -> AccountStatus:
    with rows.behind(site.app):
        return of_main()


def list_accounts(site: ThreadSite) -> None:
    """List the accounts at bunq alone, as before money moves."""
    with rows.behind(site.app):
        accounts.sync(access.by_id(1), patience_s=5)


def calls(bank: Bank) -> int:
    return len(bank.calls("GET", "/monetary-account"))


def test_money_that_came_in_is_caught_up_with_by_itself(synced: ThreadSite, bank: Bank) -> None:
    assert status_of(synced).state == SyncState.UP_TO_DATE
    bank.receive(MAIN, "25.00")
    bank.receive(MAIN, "31.00")
    with rows.behind(synced.app):
        # As if bunq's callbacks had not come.
        db.session.execute(update(AccountSync).values(requested_at=None))
        db.session.commit()
    list_accounts(synced)
    behind = status_of(synced)
    assert (behind.state, behind.not_imported) == (SyncState.CATCHING_UP, Decimal(56))
    run_duties(synced.app)
    caught_up = status_of(synced)
    assert (caught_up.state, caught_up.not_imported) == (SyncState.UP_TO_DATE, Decimal(0))
    assert rows.count(synced.app, Payment) == 3
    bank.forget_calls()
    run_duties(synced.app)
    assert calls(bank) == 0


def test_a_difference_of_bunqs_own_is_a_gap_and_asked_for_once(synced: ThreadSite, bank: Bank) -> None:
    hidden = bank.receive(MAIN, "56.00")
    bank.amend(hidden, listed=False)
    list_accounts(synced)
    assert status_of(synced).state == SyncState.CATCHING_UP
    run_duties(synced.app)
    found = status_of(synced)
    assert (found.state, found.not_imported) == (SyncState.GAP, Decimal(56))
    bank.forget_calls()
    for _ in range(3):
        run_duties(synced.app)
    assert calls(bank) == 0, "another sync would find the same"
    # Another difference is another reason to ask.
    bank.receive(MAIN, "1.00")
    bank.amend(hidden, listed=True)
    soon(synced.app, lambda: schedule.is_due(access.list_active()[0]))
    run_duties(synced.app)
    assert status_of(synced).state == SyncState.UP_TO_DATE


def test_money_that_moves_during_a_sync_leaves_no_older_balance(
    synced: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_at_bunq = accounts.sync
    moved: list[int] = []

    def then_money_moves(*args: Any, **kwargs: Any) -> None:
        list_at_bunq(*args, **kwargs)
        if not moved:
            moved.append(bank.receive(MAIN, "7.00"))

    with rows.behind(synced.app):
        db.session.execute(update(AccountSync).values(synced_at=clock.now() - timedelta(days=2)))
        db.session.commit()
    monkeypatch.setattr(accounts, "sync", then_money_moves)
    run_duties(synced.app)
    found = status_of(synced)
    assert found.not_imported == 0
    with rows.behind(synced.app):
        assert db.session.scalars(db.select(MonetaryAccount.balance)).one() == Decimal("4125.00")


LONG_AGO = schedule.FRESH_WITH_CALLBACKS + schedule.ROUND + timedelta(minutes=1)
A_SHORT_WHILE = timedelta(seconds=30)
STATES: list[tuple[SyncState, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (SyncState.UP_TO_DATE, {}, {}, {}),
    (SyncState.SYNCING, {"lease_holder": "x", "lease_until": A_SHORT_WHILE}, {}, {}),
    (SyncState.SYNCING, {"lease_holder": "x", "lease_until": A_SHORT_WHILE}, {"state": ConnectionState.LOST}, {}),
    (SyncState.UP_TO_DATE, {"lease_holder": "x", "lease_until": -A_SHORT_WHILE}, {}, {}),
    (SyncState.STOPPED, {}, {"state": ConnectionState.LOST}, {}),
    (SyncState.STOPPED, {}, {"state": ConnectionState.DISCONNECTED}, {}),
    (SyncState.STOPPED, {"discrepancies": (Discrepancy(1, Decimal(1)),)}, {}, {"uncovered_since": A_SHORT_WHILE}),
    (SyncState.NOT_LISTED, {"error_kind": ErrorKind.NOT_LISTED}, {}, {}),
    (SyncState.INCOMPLETE, {"covered": (CoveredRange(9, 4, False),)}, {}, {}),
    (SyncState.INCOMPLETE, {"synced_at": None}, {}, {}),
    (SyncState.GAP, {"discrepancies": (Discrepancy(1, Decimal(1)),)}, {}, {}),
    (SyncState.GAP, {"balance_difference": Decimal(2)}, {}, {"balance": Decimal(4120)}),
    (SyncState.CATCHING_UP, {"balance_difference": Decimal(1)}, {}, {"balance": Decimal(4120)}),
    (SyncState.CATCHING_UP, {"balance_difference": None}, {}, {"balance": Decimal(4120)}),
    (SyncState.UP_TO_DATE, {"balance_difference": None}, {}, {"balance": None}),
    (SyncState.FAILING, {"error_kind": ErrorKind.UNAVAILABLE}, {}, {}),
    (SyncState.FAILING, {}, {"error_kind": ErrorKind.SERVER_REFUSED}, {}),
    (SyncState.FAILING, {"error_kind": ErrorKind.UNAVAILABLE}, {}, {"balance": Decimal(4120)}),
    (SyncState.CATCHING_UP, {"error_kind": ErrorKind.WAITING}, {}, {}),
    (SyncState.UP_TO_DATE, {}, {"error_kind": ErrorKind.WAITING}, {}),
    (SyncState.CATCHING_UP, {"requested_at": A_SHORT_WHILE}, {}, {}),
    (SyncState.UP_TO_DATE, {"requested_at": -LONG_AGO}, {}, {}),
    (SyncState.CATCHING_UP, {}, {"sync_requested_at": A_SHORT_WHILE}, {}),
    (SyncState.CATCHING_UP, {"full_import": ()}, {}, {}),
    (SyncState.CATCHING_UP, {"synced_at": -LONG_AGO}, {}, {}),
    (SyncState.UP_TO_DATE, {"synced_at": -LONG_AGO + timedelta(minutes=3)}, {}, {}),
]


def _by_model(changes: list[dict[str, Any]]) -> list[tuple[Any, dict[str, Any]]]:
    """Return which columns of which rows to change; errors of a connection are those of its consent."""
    of_sync, of_connection, of_account = changes
    own = {name: value for name, value in of_connection.items() if name != "error_kind"}
    of_consent = {name: value for name, value in of_connection.items() if name == "error_kind"}
    return [(AccountSync, of_sync), (Connection, own), (Consent, of_consent), (MonetaryAccount, of_account)]


def test_each_state_has_its_reason(synced: ThreadSite) -> None:
    for number, (expected, *changes) in enumerate(STATES):
        with rows.behind(synced.app):
            for model, values in _by_model(changes):
                at = {
                    name: clock.now() + value if isinstance(value, timedelta) else value
                    for name, value in values.items()
                }
                if at:
                    db.session.execute(update(model).values(**at))
            db.session.flush()
            db.session.expire_all()
            found = of_main()
            db.session.rollback()
        assert found.state == expected, f"{number}: {changes}"


def test_an_account_that_was_never_synced_is_incomplete(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, ROBIN), bank, accounts=[MAIN])
    found = status_of(site)
    assert (found.state, found.has_payments, found.stored, found.not_imported) == (
        SyncState.INCOMPLETE,
        False,
        0,
        None,
    )
    with rows.behind(site.app):
        db.session.execute(update(Consent).values(error_kind=ErrorKind.UNAVAILABLE))
        assert of_main().error_kind == ErrorKind.UNAVAILABLE, "its consent's error is its own"


def test_a_rise_of_the_balance_is_seen_on_the_page(synced: ThreadSite, bank: Bank) -> None:
    robin = sign_in(synced, ROBIN)
    bank.receive(MAIN, "56.00")
    list_accounts(synced)
    address = f"/connections/1/accounts/{MAIN}/payments"
    page = robin.get(address)
    assert "Catching up" in page.text
    assert "€56.00" in page.text
    run_duties(synced.app)
    assert "Catching up" not in robin.get(address).text


def test_the_list_of_all_payments_says_when_it_was_checked(synced: ThreadSite) -> None:
    robin = sign_in(synced, ROBIN)
    assert "1 account, complete and verified · checked just now" in robin.get("/payments").text
    rows.age_accounts(synced.app, timedelta(hours=2))
    assert "1 account, complete and verified · checked 2 hours ago" in robin.get("/payments?direction=in").text
