"""What happens while bunq answers: a connection is erased, another worker takes over, a page names another account."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bunqflask import clock
from bunqflask.bunq.protocol import BunqRequest, BunqResponse
from bunqflask.bunq.transport import Transport
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import (
    AccountSync,
    Connection,
    Consent,
    ErrorKind,
    Event,
    MonetaryAccount,
    Payment,
    PaymentRaw,
)
from bunqflask.services.gateway import abandoned_sessions
from bunqflask.services.sync import connection_sync
from bunqflask.services.sync.payment_sync import Progress
from tests.support import history, rows, strange_bunq
from tests.support.apps import ThreadSite, set_up, sign_in
from tests.support.bank import WALKER_STUDIO, Bank
from tests.support.consents import ROBIN, connect
from tests.support.rows import run_duties
from tests.support.strange_payments import RICH, PayingBunq, _payment
from tests.support.strange_site import connect as connect_strange
from tests.support.strange_site import running

MAIN = 2083712
PATIENCE_S = 60


class DelayedAnswer:
    """Holds back bunq's answer to one call for payments, until something else has happened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, number: int) -> None:
        self.has_come, self.may_pass = threading.Event(), threading.Event()
        calls, send = itertools.count(1), Transport.send

        def hold_back(transport: Transport, request: BunqRequest) -> BunqResponse:
            response = send(transport, request)
            if request.method == "GET" and "/payment?" in request.url and next(calls) == number:
                self.has_come.set()
                assert self.may_pass.wait(PATIENCE_S)
            return response

        monkeypatch.setattr(Transport, "send", hold_back)

    def __enter__(self) -> None:
        assert self.has_come.wait(PATIENCE_S)

    def __exit__(self, *_: object) -> None:
        self.may_pass.set()


@contextmanager
def in_background(work: Callable[[], None]) -> Iterator[threading.Thread]:
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()
    if failed:
        raise failed[0]


def ids_of(site: ThreadSite) -> dict[str, set[int | None]]:
    """The ids of what belongs to connections; ids that are used again would lead an old worker to a new row."""
    columns = {"connection": Connection.id, "account": MonetaryAccount.id, "session": Consent.session_id}
    with rows.behind(site.app):
        return {name: set(db.session.scalars(db.select(column))) for name, column in columns.items()}


def calls_for_payments(bank: Bank) -> int:
    return len(bank.calls("GET", "/payment"))


def test_nothing_of_an_erased_connection_reaches_the_next_one(
    site: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.seed(450, account=MAIN)
    robin = sign_in(site, ROBIN)
    connect(robin, bank, accounts=[MAIN])
    before = ids_of(site)
    bank.forget_calls()
    answer = DelayedAnswer(monkeypatch, number=1)
    with in_background(lambda: run_duties(site.app)), answer:
        robin.get("/connections/1/disconnect")
        robin.submit(action="/disconnect", data="erase")
        with rows.behind(site.app):
            abandoned_sessions.close_all()
        sam = sign_in(site, "sam@example.org")
        connect(sam, bank, person=WALKER_STUDIO)
    assert calls_for_payments(bank) == 1, "the old worker asks for no further page"
    assert rows.count(site.app, Payment) == rows.count(site.app, PaymentRaw) == rows.count(site.app, AccountSync) == 0
    after = ids_of(site)
    assert all(after.values())
    assert {name: after[name] & before[name] for name in before} == {name: set() for name in before}
    with rows.behind(site.app):
        assert all(each.error_kind is None for each in db.session.scalars(db.select(Consent)))
    run_duties(site.app)
    with rows.behind(site.app):
        named = set(db.session.scalars(db.select(PaymentRaw.data["monetary_account_id"].as_integer())))
        of_sam = set(db.session.scalars(db.select(MonetaryAccount.monetary_account_id)))
        assert named
        assert named <= of_sam
        assert MAIN not in of_sam
    assert "Jodi" not in sam.get("/payments").text


@pytest.mark.parametrize("when", ["between two calls", "during a call"])
def test_a_worker_whose_lease_was_taken_over_stores_nothing_more(
    site: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    bank.seed(650, account=MAIN)
    connect(sign_in(site, ROBIN), bank, accounts=[MAIN])
    bank.forget_calls()
    other = "another worker"

    def take_over() -> None:
        with rows.behind(site.app), transaction():
            db.session.execute(db.update(AccountSync).values(lease_holder=other, lease_until=clock.now()))

    def between_two_calls(_progress: Progress) -> None:
        db.session.rollback()
        with in_background(take_over):
            pass

    def sync() -> None:
        report = between_two_calls if when == "between two calls" else None
        with rows.behind(site.app):
            assert not connection_sync.run(1, patience_s=5, report=report)

    if when == "between two calls":
        sync()
    else:
        answer = DelayedAnswer(monkeypatch, number=2)
        with in_background(sync), answer:
            take_over()
    assert calls_for_payments(bank) == (1 if when == "between two calls" else 2)
    assert rows.count(site.app, Payment) == 200
    with rows.behind(site.app):
        state = db.session.scalars(db.select(AccountSync)).one()
        assert (state.lease_holder, state.synced_at, state.error_kind) == (other, None, None)
        assert [each.reaches_end for each in state.covered] == [False]
    # The lease of the other one ends: every payment once.
    run_duties(site.app)
    with rows.behind(site.app):
        ids = list(db.session.scalars(db.select(Payment.payment_id)))
        state = db.session.scalars(db.select(AccountSync)).one()
        assert len(ids) == len(set(ids)) == 651
        assert (state.discrepancies, state.lease_holder) == ((), None)


@pytest.fixture
def odd_site(database_url: str) -> Iterator[tuple[ThreadSite, PayingBunq]]:
    with strange_bunq.running(PayingBunq()) as bunq, running(bunq, database_url) as site:
        set_up(site.app)
        yield site, bunq


def test_a_payment_that_names_another_account_is_named_and_not_stored(odd_site: tuple[ThreadSite, PayingBunq]) -> None:
    site, bunq = odd_site
    connect_strange(site, bunq)
    own = {**_payment(10), "id": 9000}
    foreign = {**own, "id": 9010, "monetary_account_id": RICH + 1}
    page = {"Response": [{"Payment": own}, {"Payment": foreign}], "Pagination": {"older_url": ""}}
    with rows.behind(site.app):
        account_id = history.account(RICH).id
        bunq.answer_once("GET payment", 200, page, signed=True)
        assert connection_sync.run(1, patience_s=5, only_account_id=account_id)
        assert db.session.get_one(AccountSync, account_id).unreadable == (9010,)
        assert db.session.scalars(db.select(Payment.payment_id)).all() == [9000]
        db.session.execute(db.delete(Payment))
        db.session.commit()
    page_of = sign_in(site, "sam@team.example").get(f"/connections/1/accounts/{RICH}/payments")
    assert "with these numbers: 9010. They are missing here." in page_of.text
    assert "Gap found" in page_of.text
    with rows.behind(site.app):
        # One that names no account, as the documentation allows, is of the account that was asked for.
        nameless = {name: value for name, value in own.items() if name != "monetary_account_id"}
        bunq.answer_once("GET payment", 200, {**page, "Response": [{"Payment": nameless}]}, signed=True)
        assert connection_sync.run(1, patience_s=5, only_account_id=account_id)
    assert rows.count(site.app, Payment, payment_id=9000) == 1


def test_a_page_of_another_account_is_refused_whole(odd_site: tuple[ThreadSite, PayingBunq]) -> None:
    site, bunq = odd_site
    connect_strange(site, bunq)
    foreign = [{"Payment": {**_payment(10), "id": number, "monetary_account_id": RICH + 1}} for number in (9000, 9010)]
    with rows.behind(site.app):
        account_id = history.account(RICH).id
        bunq.answer_once("GET payment", 200, {"Response": foreign, "Pagination": {"older_url": ""}}, signed=True)
        assert not connection_sync.run(1, patience_s=5, only_account_id=account_id)
        state = db.session.get_one(AccountSync, account_id)
        assert (state.error_kind, state.covered, state.synced_at) == (ErrorKind.NOT_UNDERSTOOD, (), None)
    assert rows.count(site.app, Payment) == 0


def test_a_sync_is_done_although_the_event_that_asked_for_it_is_lost(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, ROBIN), bank, accounts=[MAIN])
    with rows.behind(site.app):
        db.session.execute(db.delete(Event))
        db.session.commit()
    run_duties(site.app)
    assert rows.count(site.app, Payment) == 1
