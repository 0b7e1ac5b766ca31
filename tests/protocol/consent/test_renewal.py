"""Connecting again: one bunq user is one connection, whoever consents and however often."""

import threading
import time
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from bunqflask.models import AccountHolder, BunqSession, Connection, MonetaryAccount
from bunqflask.services.connections import refusal
from tests.support import rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import JODI, WALKER_STUDIO, Bank
from tests.support.browser import Browser, Page
from tests.support.consents import ask, connect, take_up

MAIN, SECOND, CAR, MEDICAL = 2083712, 2083715, 2083719, 2083721


def account_rows(site: ThreadSite) -> dict[int, tuple[int, bool]]:
    """Return row id and whether it is shared, by bunq's id."""
    with rows.behind(site.app):
        found = rows.monetary_accounts()
        return {each.monetary_account_id: (each.id, each.is_covered) for each in found}


def run_until_settled(site: ThreadSite, bank: Bank) -> None:
    """Let the worker ask bunq, with the time between that bunq wants."""
    for _ in range(4):
        rows.run_duties(site.app)
        rows.wait_for_bunqs_turn(site.app, bank, seconds=31)


def renew(browser: Browser, bank: Bank, *, person: int = JODI, accounts: list[int] | None = None) -> Page:
    'Press "Renew now" on the first connection and approve.'
    browser.get("/connections/1")
    browser.submit(action="/reconnect")
    target = browser.submit(action="/go").leaves_for
    assert target is not None
    return take_up(browser, browser.get(bank.approve(target, person=person, accounts=accounts)))


@pytest.mark.parametrize("way", ["Connect bunq", "Reconnect"])
def test_the_same_person_again_keeps_the_rows_and_shows_the_difference(site: ThreadSite, bank: Bank, way: str) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank, accounts=[MAIN, SECOND, CAR])
    before, rows_before = rows.connection(site.app), account_rows(site)
    token_before = rows.consent(site.app).access_token_sealed
    bank.forget_calls()
    if way == "Connect bunq":
        page = connect(robin, bank, accounts=[MAIN, CAR, MEDICAL])
    else:
        page = renew(robin, bank, accounts=[MAIN, CAR, MEDICAL])
    assert "Reconnected: Jodi Walker" in page.text
    assert "2 accounts unchanged, 1 new, 1 not in this permission. Nothing was duplicated." in page.text
    assert account_rows(site)[SECOND][1], "the earlier permission covers it, as far as anybody knows"
    run_until_settled(site, bank)
    assert account_rows(site)[SECOND][1], "one refusal proves nothing"
    rows.age_refusals(site.app, refusal.LOST_AFTER)
    run_until_settled(site, bank)
    assert "No permission covers it any more, since" in robin.get("/").text, "bunq has ended the earlier one"
    after, rows_after = rows.connection(site.app), account_rows(site)
    assert after.id == before.id
    assert rows.consent(site.app).access_token_sealed != token_before
    assert {key: rows_after[key][0] for key in rows_before} == {key: rows_before[key][0] for key in rows_before}
    assert [key for key, (_id, is_covered) in rows_after.items() if is_covered] == [MAIN, CAR, MEDICAL]
    rows.run_duties(site.app)
    assert rows.permissions(site.app) == 2, "the earlier permission and its session are gone"
    assert rows.count(site.app, BunqSession) == 2
    assert len(bank.calls("DELETE", "session")) == 1, "the earlier session is closed"
    assert "€4,118.00" in robin.get("/").text
    page = renew(robin, bank, accounts=[MAIN, SECOND, CAR])
    assert "3 accounts unchanged, 1 not in this permission." in page.text, "a right that a consent gave stays"
    assert account_rows(site)[SECOND][0] == rows_before[SECOND][0], "what comes back is the same row"


@pytest.mark.sqlite_only
def test_a_company_again_is_the_same_connection_too(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank, person=WALKER_STUDIO)
    connect(robin, bank, person=JODI)
    page = connect(robin, bank, person=WALKER_STUDIO)
    assert "Reconnected: Walker Studio B.V." in page.text
    assert "6 accounts unchanged. Nothing was duplicated." in page.text
    assert rows.count(site.app, Connection) == 2
    assert rows.count(site.app, MonetaryAccount) == 10


def test_two_consents_of_one_person_that_finish_at_once_are_one_connection(site: ThreadSite, bank: Bank) -> None:
    bank.switch(reconsent_invalidates=False)
    robin, sam = sign_in(site, "robin@example.com"), sign_in(site, "sam@example.com")
    backs = [(robin, bank.approve(ask(robin))), (sam, bank.approve(ask(sam)))]
    together, ends = threading.Barrier(2), list[str]()

    def press(browser: Browser, back: str) -> None:
        leads_on = browser.session.get(back, allow_redirects=False, timeout=60)
        together.wait()
        address = site.url + leads_on.headers["Location"]
        answer = browser.session.get(address, allow_redirects=False, timeout=60)
        ends.append(urlsplit(answer.headers["Location"]).path.split("/")[1])

    threads = [threading.Thread(target=press, args=each) for each in backs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == ["connect", "connect"]
    for browser in (robin, sam):
        assert "€8,615.00" in browser.get("/").text
        assert "Others can see 4 of 4 accounts" in browser.page.text
    assert rows.count(site.app, Connection) == 1
    assert rows.count(site.app, AccountHolder) == 8
    assert rows.count(site.app, MonetaryAccount) == 4
    rows.run_duties(site.app)
    assert rows.permissions(site.app) == 4, "each keeps a permission of their own"


def test_a_second_member_who_consents_for_the_same_person_gains_access_to_that_connection(
    site: ThreadSite, bank: Bank
) -> None:
    robin, sam = sign_in(site, "robin@example.com"), sign_in(site, "sam@example.com")
    connect(robin, bank)
    stored = rows.connection(site.app)
    assert sam.get(f"/connections/{stored.id}/accounts").status == 404
    connect(sam, bank)
    assert rows.connection(site.app).id == stored.id
    for browser in (robin, sam):
        assert "Others can see 4 of 4 accounts" in browser.get(f"/connections/{stored.id}/accounts").text
        assert browser.get(f"/connections/{stored.id}").link("Share accounts")
        assert browser.get(f"/connections/{stored.id}/disconnect").status == 200


def test_a_renewal_by_another_person_changes_nothing_until_it_is_confirmed(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    before = rows.consent(site.app)
    page = renew(robin, bank, person=WALKER_STUDIO)
    assert "Someone else approved" in page.text
    assert "You asked Jodi Walker to renew, but Walker Studio B.V. approved. Nothing has changed here yet." in page.text
    assert "12,480" not in page.text
    after = rows.consent(site.app)
    assert (after.access_token_sealed, after.state) == (before.access_token_sealed, "active")
    assert "Walker Studio" not in robin.get("/").text.partition("Is this the right person")[2]
    robin.get(page.url)
    discarded = robin.submit(button="Discard")
    assert "Discarded" in discarded.text
    assert rows.count(site.app, Connection) == 1
    page = renew(robin, bank, person=WALKER_STUDIO)
    assert "Connected: Walker Studio B.V." in robin.submit(button="Connect Walker Studio B.V. as well").text
    assert rows.count(site.app, Connection) == 2
    assert "Jodi Walker" in robin.get("/").text
    # bunq has ended the permission of who approved, not that of who was asked: that one is tested and shown.
    renew(robin, bank, person=WALKER_STUDIO)
    ended = robin.submit(button="Discard").text.partition("The earlier permission")[2]
    assert "Walker Studio B.V." in ended
    assert "Jodi Walker" not in ended.partition("Start again")[0]


def test_a_lost_connection_says_so_and_is_active_again_after_a_new_consent(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    stored = rows.connection(site.app)
    bank.revoke(JODI)
    rows.age_accounts(site.app, timedelta(hours=1))
    for _ in range(2):
        run_until_settled(site, bank)
        rows.age_refusals(site.app, refusal.LOST_AFTER)
    page = robin.get("/")
    assert "Jodi Walker needs to approve again" in page.text
    assert "Everything stored stays readable." in page.text
    assert "€4,118.00" in page.text
    assert rows.consent(site.app).access_token_sealed is None
    bank.forget_calls()
    rows.run_duties(site.app)
    assert bank.calls() == [], "a lost connection asks bunq for nothing"
    robin.get("/")
    robin.submit(button="Reconnect")
    target = robin.submit(action="/go").leaves_for
    assert target is not None
    assert "Reconnected: Jodi Walker" in robin.get(bank.approve(target)).text
    assert (rows.connection(site.app).id, rows.connection(site.app).state) == (stored.id, "active")
    assert "approve again" not in robin.get("/").text


@pytest.mark.parametrize("answers", ["with the accounts", "with a refusal"])
@pytest.mark.sqlite_only
def test_an_answer_to_the_old_permission_does_not_touch_the_new_one(site: ThreadSite, bank: Bank, answers: str) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank, accounts=[MAIN, SECOND])
    stored = rows.consent(site.app)
    target = ask(robin)
    rows.age_accounts(site.app, timedelta(hours=1))
    if answers == "with a refusal":
        rows.end_sessions(site.app)
        bank.fault(call="POST session-server", fault="400-credentials", times=1, when="before")
        bank.fault(call="POST session-server", fault="slow-drip", seconds=1.5, times=1)
    else:
        bank.fault(call="GET monetary-account", fault="slow-drip", seconds=1.5, times=1)
    work = threading.Thread(target=rows.run_duties, args=[site.app])
    bank.forget_calls()
    work.start()
    deadline = time.monotonic() + 20
    while not rows.is_leased(site.app):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    page = robin.get(bank.approve(target, accounts=[MAIN]))
    work.join()
    rows.due_now(site.app)
    page = take_up(robin, robin.get(page.url))
    assert "Reconnected" in page.text
    run_until_settled(site, bank)
    rows.age_refusals(site.app, refusal.LOST_AFTER)
    run_until_settled(site, bank)
    assert rows.connection(site.app).state == "active"
    now = rows.consent(site.app)
    assert now.state == "active"
    assert now.access_token_sealed is not None
    assert now.access_token_sealed != stored.access_token_sealed
    assert [key for key, (_id, is_covered) in account_rows(site).items() if is_covered] == [MAIN]


@pytest.mark.parametrize("ending", ["discarded", "cancelled", "expired", "refused", "given up"])
def test_a_renewal_that_comes_to_nothing_tests_the_earlier_permission_at_once_and_shows_the_result(
    site: ThreadSite, bank: Bank, ending: str
) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    robin.get("/connections/1")
    robin.submit(action="/reconnect")
    waiting = robin.page.url
    if ending == "discarded":
        # Jodi approves on a phone, and bunq ends the earlier permission with it.
        link = next(part for part in robin.page.html.split('"') if "/c/" in part)
        phone = site.browser()
        phone.get(link)
        target = phone.submit(button="Continue to bunq").leaves_for
        assert target is not None
        phone.get(bank.approve(target))
        page = robin.get(waiting)
        assert "IBAN ending in 1945" in page.text, "the question names what was approved"
        assert "NL65" not in page.text.partition("What changes")[0]
        page = robin.submit(button="No, discard")
    elif ending == "cancelled":
        page = robin.submit(button="Cancel")
    elif ending == "expired":
        rows.age_attempts(site.app, timedelta(minutes=11))
        page = robin.get(waiting)
    elif ending == "refused":
        target = robin.submit(action="/go").leaves_for
        assert target is not None
        robin.get(bank.deny(target) or "")
        page = robin.get(waiting)
    elif ending == "given up":
        # bunq ends the earlier permission with the approval, and is away for a day then.
        target = robin.submit(action="/go").leaves_for
        assert target is not None
        bank.fault(call="GET monetary-account", fault="500", times=None)
        robin.get(bank.approve(target))
        rows.age_attempts(site.app, timedelta(hours=24, minutes=1))
        page = robin.get(waiting)
        bank.no_faults()
    assert "The earlier permission" in page.text
    assert "still works" in page.text
    bank.forget_calls()
    for _ in range(2):
        rows.run_duties(site.app)
        rows.wait_for_bunqs_turn(site.app, bank, seconds=31)
    assert bank.calls("GET", "/monetary-account")
    rows.age_refusals(site.app, refusal.LOST_AFTER)
    run_until_settled(site, bank)
    is_lost = ending in ("discarded", "given up")
    assert rows.connection(site.app).state == ("lost" if is_lost else "active")
    page = robin.get(waiting)
    assert ("It doesn’t work any more." in page.text) is is_lost
    assert ("Jodi Walker needs to approve again" in page.text) is is_lost
