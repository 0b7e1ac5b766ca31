"""Rights per account: a second member's narrower consent gives them what was ticked, and takes nothing from the first.

Robin connects the four accounts of Jodi; then Jodi approves a request of Sam and ticks one of them.
"""

from datetime import timedelta

import pytest

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AccountHolder, AccountShare, Connection, MonetaryAccount, Payment
from bunqflask.models.payments import row_id
from bunqflask.services.connections import refusal
from bunqflask.services.payments import local_days
from bunqflask.services.sync import connection_sync
from tests.support import history, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import JODI, Bank
from tests.support.beginnings import Begin
from tests.support.browser import Browser, Page
from tests.support.consents import connect, share
from tests.support.history import Paid

ROBIN, SAM = "robin@example.org", "sam@example.org"
MAIN, SECOND, CAR, MEDICAL = 2083712, 2083715, 2083719, 2083721
NAMES = ("Main", "Car", "Medical")
NOT_HERE = "Not found, or not shared with you"


@pytest.fixture
def robin(site: ThreadSite, begin: Begin) -> Browser:
    """Robin, who holds all four accounts; their payments are imported."""
    return begin(_import_payments)


def _import_payments(site: ThreadSite, bank: Bank) -> Browser:
    bank.switch(reconsent_invalidates=False)
    browser = sign_in(site, ROBIN)
    connect(browser, bank)
    for account in (MAIN, SECOND, CAR, MEDICAL):
        bank.receive(account, "11.00")
    rows.run_duties(site.app)
    return browser


@pytest.fixture
def sam(site: ThreadSite) -> Browser:
    return sign_in(site, SAM)


def account_id(site: ThreadSite, monetary_account_id: int) -> int:
    with rows.behind(site.app):
        return history.account(monetary_account_id).id


def payments_of(site: ThreadSite, monetary_account_id: int) -> list[int]:
    """Return the rows of the payments of an account."""
    number = account_id(site, monetary_account_id)
    with rows.behind(site.app):
        return list(db.session.scalars(db.select(Payment.id).filter_by(account_id=number)))


def named(page: Page) -> set[str]:
    """Return which of the four accounts a page names."""
    links = {words for words, _address in page.links}
    words = page.html
    return {name for name in NAMES if name in links or f"<bdi>{name}</bdi>" in words or f">{name}<" in words}


def test_the_second_member_sees_exactly_what_was_ticked_and_the_first_loses_nothing(
    site: ThreadSite, bank: Bank, robin: Browser, sam: Browser
) -> None:
    before = {account: payments_of(site, account) for account in (MAIN, SECOND, CAR, MEDICAL)}
    assert all(before.values())
    page = connect(sam, bank, accounts=[CAR])
    assert "Connected: Jodi Walker" in page.text, "nothing tells of what others hold"
    assert "no longer" not in page.text.lower()
    rows.run_duties(site.app)

    own = ("/connections/1/accounts", "/connections/1/sharing", "/connections/1/disconnect")
    for path in ("/", "/payments/export", *own):
        assert named(sam.get(path)) <= {"Car"}, path
        assert "Car" in sam.page.text, path
        for name in ("Main", "Medical"):
            assert name not in sam.page.text, (path, name)
    of_car = len(payments_of(site, CAR))
    assert f"{of_car} payment" in sam.get("/payments").text
    for account in (MAIN, SECOND, MEDICAL):
        number = account_id(site, account)
        for path in (
            f"/connections/1/accounts/{account}/payments",
            f"/connections/1/accounts/{account}/payments/state",
            f"/payments/{before[account][0]}",
            f"/payments/{before[account][0]}/notes",
        ):
            page = sam.get(path)
            assert (page.status, NOT_HERE in page.text) == (404, True), path
        assert f"{of_car} payment" not in sam.get(f"/payments?account={number}").text
        sam.get("/payments/export")
        today = clock.now().date().isoformat()
        refused = sam.submit(action="/export", account=str(number), **{"from": "2020-01-01", "to": today}, format="csv")
        assert refused.status == 404
        sam.get("/connections/1/sharing")
        assert sam.submit(action="/sharing", account=str(number), later="1").status == 404
    assert rows.count(site.app, AccountShare) == 0

    for name in NAMES:
        assert name in robin.get("/connections/1/accounts").text
    assert "No longer updated" not in robin.page.text
    assert "sam" in robin.page.text, "who joined stands on the connection's page"
    assert "sam connected Jodi Walker too, with these accounts of yours: Car." in robin.get("/").text
    assert "connected Jodi Walker too" not in sam.get("/").text
    connect(sam, bank, accounts=[CAR])
    assert robin.get("/").text.count("connected Jodi Walker too") == 1, "a renewal is nothing new"
    bank.receive(MAIN, "77.00")
    rows.age_accounts(site.app, timedelta(hours=2))
    rows.run_duties(site.app)
    assert "€77.00" in robin.get("/payments").text, "and the first member's accounts are still updated"
    assert "€77.00" not in sam.get("/payments").text


def test_giving_up_affects_ones_own_rights_and_says_so_beforehand(
    site: ThreadSite, bank: Bank, robin: Browser, sam: Browser
) -> None:
    connect(sam, bank, accounts=[CAR])
    rows.run_duties(site.app)
    of_car = payments_of(site, CAR)
    page = sam.get("/connections/1/disconnect")
    assert "Car stays for robin; you will no longer see it." in page.text
    assert "deleted for good" not in page.text
    sam.submit(action="/disconnect", data="erase")
    assert "Car" not in sam.get("/").text
    assert sam.get("/connections/1/accounts").status == 404
    assert payments_of(site, CAR) == of_car
    assert "Car" in robin.get("/").text
    assert rows.connection(site.app).state == "active"

    connect(sam, bank, accounts=[CAR])
    page = robin.get("/connections/1/disconnect")
    assert "will be deleted for good: Main, Main, Medical." in page.text
    assert "Car stays for sam" in page.text
    assert "It won’t be updated any more" not in page.text, "Sam's permission covers it"
    robin.submit(action="/disconnect", data="erase")
    assert robin.get("/connections/1/accounts").status == 404
    assert payments_of(site, CAR) == of_car
    with rows.behind(site.app):
        assert [each.monetary_account_id for each in rows.monetary_accounts()] == [CAR]
    sam.get("/connections/1/disconnect")
    assert "will be deleted for good: Car." in sam.page.text
    sam.submit(action="/disconnect", data="erase")
    for model in (Connection, MonetaryAccount, Payment, AccountHolder):
        assert rows.count(site.app, model) == 0
    rows.run_duties(site.app)
    assert rows.permissions(site.app) == 0


def test_keeping_the_data_ends_the_permission_alone(site: ThreadSite, bank: Bank, robin: Browser, sam: Browser) -> None:
    connect(sam, bank, accounts=[CAR])
    robin.get("/connections/1/disconnect")
    robin.submit(action="/disconnect", data="keep")
    rows.run_duties(site.app)
    assert len([each for each in rows.consents(site.app) if each.state == "active"]) == 1
    page = robin.get("/connections/1/accounts")
    assert "No permission covers it any more, since" in page.text
    assert all(name in page.text for name in NAMES)
    bank.receive(CAR, "33.00")
    bank.receive(MAIN, "44.00")
    rows.age_accounts(site.app, timedelta(hours=2))
    rows.run_duties(site.app)
    found = robin.get("/payments").text
    assert ("€33.00" in found, "€44.00" in found) == (True, False)


def test_where_bunq_ends_older_permissions_the_accounts_say_so(
    site: ThreadSite, bank: Bank, robin: Browser, sam: Browser
) -> None:
    bank.switch(reconsent_invalidates=True)
    connect(sam, bank, accounts=[CAR])
    rows.run_duties(site.app)
    assert "bunq refuses the permission, although it accepts this server" in robin.get("/connections/1/accounts").text
    rows.age_refusals(site.app, refusal.LOST_AFTER)
    rows.run_duties(site.app)
    with rows.behind(site.app):
        covered = {each.monetary_account_id: each.is_covered for each in rows.monetary_accounts()}
    assert covered == {MAIN: False, SECOND: False, CAR: True, MEDICAL: False}
    page = robin.get("/connections/1/accounts")
    assert page.text.count("No permission covers it any more, since") == 3
    assert "bunq stopped accepting it" in robin.get("/connections/1").text
    assert robin.get(f"/connections/1/accounts/{MAIN}/payments").status == 200
    assert "No permission covers this account any more, since" in robin.page.text
    bank.receive(CAR, "33.00")
    rows.age_accounts(site.app, timedelta(hours=2))
    rows.run_duties(site.app)
    for browser in (robin, sam):
        assert "€33.00" in browser.get("/payments").text, "the newest permission updates it for both"
    assert "No permission covers it" not in sam.get("/connections/1/accounts").text


def test_an_account_whose_newest_permission_is_refused_is_read_with_the_next_at_once(
    site: ThreadSite, bank: Bank, robin: Browser, sam: Browser
) -> None:
    connect(sam, bank, accounts=[CAR])
    newest = max(grant["id"] for grant in bank.state()["grants"])
    bank._control("POST", "grants/revoke", {"user_id": JODI, "grant_id": newest})
    bank.receive(CAR, "33.00")
    rows.age_accounts(site.app, timedelta(hours=2))
    rows.run_duties(site.app)
    assert [each.error_kind for each in rows.consents(site.app)] == ["refused_once", None]
    for browser in (robin, sam):
        assert "bunq refused" not in browser.get("/connections/1/accounts").text
        assert "€33.00" in browser.get("/payments").text
        assert "No longer updated" not in browser.get("/connections/1/accounts").text
    rows.age_refusals(site.app, refusal.LOST_AFTER)
    rows.run_duties(site.app)
    assert [each.state for each in rows.consents(site.app)] == ["lost", "active"]
    assert rows.connection(site.app).state == "active"


def test_listing_uses_as_few_permissions_as_cover_all_accounts(
    site: ThreadSite, bank: Bank, robin: Browser, sam: Browser
) -> None:
    connect(sam, bank, accounts=[CAR, MEDICAL])
    rows.run_duties(site.app)
    bank.forget_calls()
    with rows.behind(site.app):
        assert connection_sync.run(1, patience_s=5)
    listings = [call for call in bank.calls("GET") if call["path"].endswith("/monetary-account")]
    assert len(listings) == 1, "Robin's permission covers all"


def test_newly_ticked_accounts_are_private_also_when_a_shared_connection_is_renewed(
    site: ThreadSite, bank: Bank, sam: Browser
) -> None:
    robin = sign_in(site, ROBIN)
    connect(robin, bank, accounts=[MAIN])
    share(robin)
    assert "Main" in sam.get("/").text
    robin.get("/connections/1")
    robin.submit(action="/reconnect")
    target = robin.submit(action="/go").leaves_for
    assert target is not None
    asked = robin.get(bank.approve(target, accounts=[MAIN, CAR]))
    assert "Car" not in robin.get("/").text, "nothing changes before the answer"
    robin.get(asked.url)
    robin.submit(action="/confirm", answer="yes")
    assert "Car" in robin.get("/").text
    assert "Car" not in sam.get("/").text
    assert "Main" in sam.get("/").text


def test_who_joins_later_sees_only_what_is_shared_with_them_too(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    sign_in(site, SAM)
    main, car = account_id(site, MAIN), account_id(site, CAR)
    share(robin, accounts=[main], team="1")
    share(robin, accounts=[car], later="1")
    kim = sign_in(site, "kim@example.org")
    assert named(kim.get("/connections/1/accounts")) == {"Car"}
    assert named(sign_in(site, SAM).get("/connections/1/accounts")) == {"Main", "Car"}


def test_a_share_with_a_first_day_hides_all_that_was_before(site: ThreadSite, robin: Browser, sam: Browser) -> None:
    today = clock.now()
    with rows.behind(site.app):
        for account in rows.monetary_accounts():
            db.session.execute(db.delete(Payment).filter_by(account_id=account.id))
        db.session.commit()
        account = history.account(MAIN)
        number = account.id
        paid = [
            Paid(at=today - timedelta(days=40), amount="400", name="Secret employer", text="before"),
            Paid(at=today - timedelta(days=3), amount="-12.50", name="Baker", text="after"),
        ]
        old, new = (row_id(each, number) for each in history.store(account, paid))
        first_day = local_days.day_of(today - timedelta(days=10))
        member_id = db.session.execute(db.text("SELECT id FROM team_member WHERE email = :e"), {"e": SAM}).scalar_one()
    page = share(robin, accounts=[number], member=str(member_id), since=first_day.isoformat())
    assert "Payments from" in page.text
    assert sam.get(f"/payments/{new}").status == 200
    for path in (f"/payments/{old}", f"/payments/{old}/notes"):
        assert sam.get(path).status == 404, path
    addresses = ("/payments", f"/connections/1/accounts/{MAIN}/payments")
    for address in addresses:
        for query in (
            "",
            "?q=secret",
            "?min=300",
            "?q=secret+baker",
            "?direction=in",
            "?from=2020-01-01",
            "?range=365",
        ):
            page = sam.get(address + query)
            assert "Secret employer" not in page.text, address + query
            assert "400" not in page.text, address + query
        assert "Baker" in sam.get(address).text
    months = sam.get("/payments/months").text
    assert ("€12.50" in months, "400" in months) == (True, False)
    sam.get("/payments/export")
    exported = sam.submit(
        action="/export",
        account=str(number),
        format="jsonl",
        **{"from": "2020-01-01", "to": local_days_text(site, today)},
    )
    assert ("Baker" in exported.html, "Secret" in exported.html, "400" in exported.html) == (True, False, False)
    assert "Secret employer" in robin.get("/payments").text


def local_days_text(site: ThreadSite, at: object) -> str:
    with site.app.app_context():
        return local_days.day_of(at).isoformat()  # type: ignore[arg-type]  # a time as JSON has it


def test_a_share_ends_at_its_last_day_and_when_it_is_ended(site: ThreadSite, robin: Browser, sam: Browser) -> None:
    today = local_days_text(site, clock.now())
    main, car = account_id(site, MAIN), account_id(site, CAR)
    share(robin, accounts=[main], later="1", until=today)
    share(robin, accounts=[car], later="1")
    assert named(sam.get("/connections/1/accounts")) == {"Main", "Car"}
    with rows.behind(site.app):
        ended = db.update(AccountShare).where(AccountShare.until.is_not(None))
        db.session.execute(ended.values(until=clock.now() - timedelta(seconds=1)))
        db.session.commit()
    assert named(sam.get("/connections/1/accounts")) == {"Car"}
    assert "Main" not in robin.get("/connections/1/sharing").text.partition("Share")[0]
    robin.submit(button="Stop sharing")
    assert sam.get("/connections/1/accounts").status == 404
    yesterday = local_days_text(site, clock.now() - timedelta(days=1))
    refused = share(robin, accounts=[main], later="1", until=yesterday)
    assert (refused.status, "The end date is over already." in refused.text) == (422, True)
    for day in ("soon", "9999-12-31"):
        assert share(robin, accounts=[main], later="1", until=day).status == 422, day
    assert share(robin, accounts=[main], later="1", since="2026-02-30").status == 422
    assert share(robin, accounts=[main], member="").status == 422, "with nobody"


@pytest.mark.sqlite_only
def test_a_reader_can_neither_sync_nor_renew_nor_share_nor_disconnect(
    site: ThreadSite, bank: Bank, robin: Browser, sam: Browser
) -> None:
    share(robin)
    sam.get("/settings")
    token = {"csrf_token": dict(sam.page.forms[0].fields)["csrf_token"], "later": "1", "full": "1"}
    bank.forget_calls()
    for path in (
        "/connections/1/sync",
        "/connections/1/reconnect",
        "/connections/1/disconnect",
        "/connections/1/sharing",
        "/connections/1/sharing/1/end",
        f"/connections/1/accounts/{MAIN}/payments/sync",
    ):
        assert sam.post(path, token, {"Origin": site.url}).status == 404, path
    rows.run_duties(site.app)
    assert bank.calls() == []
    assert "Import everything again" not in sam.get(f"/connections/1/accounts/{MAIN}/payments").text
