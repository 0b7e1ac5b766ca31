"""A payment that bunq lists no more: kept, marked, and out of every list, sum and export; it may come back."""

from datetime import timedelta

import pytest

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AccountSync, MissingPayment, Payment, PaymentTotal, WithdrawnPayment
from bunqflask.models.payments import payment_id_of, row_id
from bunqflask.services.connections import access
from bunqflask.services.sync import connection_sync, schedule, withdrawals
from tests.protocol.api.program import program_of
from tests.protocol.api.test_changes import Follower
from tests.protocol.api.test_reading import all_payments
from tests.support import consents, history, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.beginnings import Begin
from tests.support.browser import Browser

MAIN = 2083712
ACCOUNT = f"/connections/1/accounts/{MAIN}/payments"
# Two pages, so that the older payments are on another page than the newest.
PAYMENTS = 250


@pytest.fixture
def robin(site: ThreadSite, begin: Begin) -> Browser:
    """Robin, with all payments of one account imported."""
    return begin(_import_payments)


def _import_payments(site: ThreadSite, bank: Bank) -> Browser:
    bank.seed(PAYMENTS, account=MAIN)
    browser = sign_in(site, consents.ROBIN)
    consents.connect(browser, bank, accounts=[MAIN])
    sync(site)
    return browser


def sync(site: ThreadSite, *, full: bool = False) -> None:
    with rows.behind(site.app):
        assert connection_sync.run(access.list_active()[0].id, patience_s=5, full=full)


def let_an_hour_pass(site: ThreadSite) -> None:
    with rows.behind(site.app):
        state = db.session.scalars(db.select(AccountSync)).one()
        earlier = timedelta(hours=1, minutes=1)
        state.missing = tuple(MissingPayment(each.row_id, each.since - earlier) for each in state.missing)
        db.session.commit()


def ids_here(site: ThreadSite) -> list[int]:
    """Return bunq's ids of the payments that lists and sums are made of, the newest first."""
    with rows.behind(site.app):
        return list(db.session.scalars(db.select(Payment.payment_id).order_by(Payment.id.desc())))


def of_account(site: ThreadSite, payment_id: int) -> int:
    """Return the row of a payment of the account."""
    with rows.behind(site.app):
        return row_id(payment_id, history.account(MAIN).id)


@pytest.mark.parametrize("place", [0, 3, 220], ids=["the newest", "of the newest page", "of an older page"])
def test_it_takes_two_looks_an_hour_apart(robin: Browser, site: ThreadSite, bank: Bank, place: int) -> None:
    before = ids_here(site)
    gone = before[place]
    bank.amend(gone, listed=False)
    sync(site, full=True)
    sync(site, full=True)  # a second look at once proves no more than the first
    assert ids_here(site) == before
    let_an_hour_pass(site)
    sync(site)  # not the whole history again: the place alone is looked at
    assert ids_here(site) == [each for each in before if each != gone]
    with rows.behind(site.app):
        withdrawn = db.session.scalars(db.select(WithdrawnPayment)).one()
        assert withdrawn.payment_id == gone
        assert withdrawn.data is not None
        assert withdrawn.data["id"] == gone
        # Aggregates are those of the payments that are left.
        total = db.session.scalar(db.select(db.func.sum(PaymentTotal.amount)).where(PaymentTotal.unit == "year"))
        assert total == db.session.scalar(db.select(db.func.sum(Payment.amount)))


def test_its_page_tells_and_lists_do_not_have_it(robin: Browser, site: ThreadSite, bank: Bank) -> None:
    gone = ids_here(site)[2]
    address = f"/payments/{of_account(site, gone)}"
    assert "does not list this payment" not in robin.get(address).text
    bank.amend(gone, listed=False)
    for _look in range(2):
        sync(site)
        let_an_hour_pass(site)
    page = robin.get(address)
    assert "bunq does not list this payment any more" in page.text
    account = robin.get(ACCOUNT)
    assert "1 payment changed, arrived late or is no longer listed" in account.text
    assert account.html.count(address) == 1  # in that sentence, and not in the list
    assert robin.get(f"/payments?q={gone}").html.count(address) == 0
    assert "1 payment that bunq does not list any more" in robin.get("/connections/1/stored").text


def test_it_comes_back_when_bunq_lists_it_again(robin: Browser, site: ThreadSite, bank: Bank) -> None:
    before = ids_here(site)
    bank.amend(before[1], listed=False)
    for _look in range(2):
        sync(site)
        let_an_hour_pass(site)
    assert before[1] not in ids_here(site)
    bank.amend(before[1], listed=True)
    sync(site)
    assert ids_here(site) == before
    page = robin.get(f"/payments/{of_account(site, before[1])}")
    assert "does not list this payment any more" not in page.text
    assert "bunq did not list it any more" in page.text  # what happened stays in its history
    with rows.behind(site.app):
        assert db.session.scalar(db.select(WithdrawnPayment.id)) is None


def test_one_that_was_left_out_once_is_not_looked_for_any_more(robin: Browser, site: ThreadSite, bank: Bank) -> None:
    before = ids_here(site)
    bank.amend(before[5], listed=False)
    sync(site)
    with rows.behind(site.app):
        state = db.session.scalars(db.select(AccountSync)).one()
        assert [payment_id_of(each.row_id) for each in state.missing] == [before[5]]
        assert withdrawals.places_to_look(state) == []
    bank.amend(before[5], listed=True)
    sync(site)
    let_an_hour_pass(site)
    sync(site)
    assert ids_here(site) == before
    with rows.behind(site.app):
        assert db.session.scalars(db.select(AccountSync)).one().missing == ()


@pytest.mark.parametrize("kept", [0, 20], ids=["no payment at all", "only the newest"])
def test_a_bank_that_shows_less_of_the_past_withdraws_nothing(
    robin: Browser, site: ThreadSite, bank: Bank, kept: int
) -> None:
    before = ids_here(site)
    for each in before[kept:]:
        bank.amend(each, listed=False)
    for _look in range(2):
        sync(site, full=True)
        let_an_hour_pass(site)
    assert ids_here(site) == before


@pytest.mark.sqlite_only
def test_a_place_that_bunq_does_not_list_any_more_is_not_asked_for_all_the_time(
    robin: Browser, site: ThreadSite, bank: Bank
) -> None:
    before = ids_here(site)
    bank.amend(before[210], listed=False)
    sync(site, full=True)
    for each in before[20:]:
        bank.amend(each, listed=False)
    let_an_hour_pass(site)
    with rows.behind(site.app):
        assert schedule.due_connections() == [1]
    sync(site)
    with rows.behind(site.app):
        assert schedule.due_connections() == []
    assert ids_here(site) == before


@pytest.mark.sqlite_only
def test_the_worker_takes_the_second_look_by_itself(
    robin: Browser, site: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ids_here(site)
    bank.amend(before[4], listed=False)
    sync(site)

    now = clock.now() + timedelta(hours=1, minutes=5)
    monkeypatch.setattr(clock, "now", lambda: now)
    with rows.behind(site.app):
        assert schedule.due_connections() == [access.list_active()[0].id]
    rows.run_duties(site.app)
    assert ids_here(site) == [each for each in before if each != before[4]]


def test_a_program_forgets_it_and_gets_it_again(robin: Browser, site: ThreadSite, bank: Bank) -> None:
    follower = Follower(program_of(site, consents.ROBIN))
    follower.follow()
    gone = ids_here(site)[3]
    row = str(of_account(site, gone))
    bank.amend(gone, listed=False)
    for _look in range(2):
        sync(site)
        let_an_hour_pass(site)
    page = follower.program.get("/changes", cursor=follower.cursor)
    follower.follow()
    without = follower.lines()
    expected = {each["id"]: each for each in all_payments(follower.program)}
    bank.amend(gone, listed=True)
    sync(site)
    told = follower.follow()

    assert (page["removed"], page["removed_accounts"], page["added"], page["modified"]) == ([row], [], [], [])
    assert without == expected
    assert row not in without
    assert told == ([], [row], [])
    assert follower.lines() == {each["id"]: each for each in all_payments(follower.program)}
