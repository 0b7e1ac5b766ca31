"""A consent that comes from another device or person: the link, and the question who it was."""

import re
import threading
from datetime import timedelta

import pytest
import requests

from bunqflask.models import Connection
from tests.support import rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import JODI, WALKER_STUDIO, Bank
from tests.support.browser import Browser
from tests.support.consents import ask, start


def link_of(browser: Browser) -> str:
    """Start an attempt; returns the link that its page shows."""
    found = re.search(r'value="(http[^"]+/c/[^"]+)"', start(browser).html)
    assert found is not None
    return found[1]


def approve_on_phone(site: ThreadSite, bank: Bank, link: str, *, person: int = JODI) -> Browser:
    """Be the holder, who has no login here: open the link, press, approve, come back."""
    phone = site.browser("Mozilla/5.0 (iPhone; the holder's)")
    phone.get(link)
    target = phone.submit(button="Continue to bunq").leaves_for
    assert target is not None
    phone.get(bank.approve(target, person=person))
    return phone


def test_a_consent_from_a_phone_is_held_until_the_name_is_confirmed(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    link = link_of(robin)
    waiting = robin.page
    phone = site.browser()
    opened = phone.get(link)
    assert "robin would like to see your bunq accounts" in opened.text
    assert site.url.removeprefix("http://") in opened.text
    phone = approve_on_phone(site, bank, link)
    assert "You can close this page" in phone.page.text
    assert "Jodi Walker" in phone.page.text
    assert "NL65" not in phone.page.text
    assert rows.count(site.app, Connection) == 0

    asked = robin.get(waiting.url)
    assert "Is this the right person?" in asked.text
    assert "Nobody here can see these balances" in asked.text
    assert "4,118" not in asked.text
    assert "Is this the right person?" in robin.get("/").text
    robin.get(waiting.url)
    confirmed = robin.submit(button="Yes, connect Jodi Walker")
    assert "Connected: Jodi Walker" in confirmed.text
    assert "€4,118.00" in confirmed.text
    assert phone.get("/").url.startswith(site.url + "/login"), "the phone has gained no login"


def test_a_company_is_not_called_a_person(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    link = link_of(robin)
    waiting = robin.page
    approve_on_phone(site, bank, link, person=WALKER_STUDIO)
    for page in (robin.get("/"), robin.get(waiting.url)):
        assert "Is this the right company?" in page.text
        assert "right person" not in page.text


def test_discarding_erases_the_permission_and_closes_the_session(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    link = link_of(robin)
    waiting = robin.page
    approve_on_phone(site, bank, link)
    assert rows.permissions(site.app) == 2
    bank.forget_calls()
    robin.get(waiting.url)
    page = robin.submit(button="No, discard")
    assert "Discarded" in page.text
    assert "Profile › Security › App connections" in page.text
    rows.run_duties(site.app)
    assert [call["method"] for call in bank.calls()] == ["DELETE"]
    assert rows.permissions(site.app) == 0
    assert rows.count(site.app, Connection) == 0
    assert rows.attempts(site.app)[0].accounts is None


@pytest.mark.parametrize("visit", ["the attempt", "another start", "the worker"])
@pytest.mark.sqlite_only
def test_without_an_answer_the_permission_is_erased_after_seven_days(site: ThreadSite, bank: Bank, visit: str) -> None:
    robin = sign_in(site, "robin@example.com")
    link = link_of(robin)
    waiting = robin.page
    approve_on_phone(site, bank, link)
    rows.age_attempts(site.app, timedelta(days=6, hours=23))
    assert "Is this the right person?" in robin.get(waiting.url).text
    rows.age_attempts(site.app, timedelta(hours=2))
    bank.forget_calls()
    if visit == "the attempt":
        assert "Discarded" in robin.get(waiting.url).text
    elif visit == "another start":
        start(sign_in(site, "sam@example.com"))
    else:
        assert "Is this the right person?" not in robin.get("/").text
    assert bank.calls() == [], "a page asks bunq for nothing"
    rows.run_duties(site.app)
    assert rows.permissions(site.app) == 0
    assert [call["method"] for call in bank.calls()] == ["DELETE"]


@pytest.mark.sqlite_only
def test_discarding_while_bunq_is_away_erases_all_the_same(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    link = link_of(robin)
    waiting = robin.page
    approve_on_phone(site, bank, link)
    bank.switch(maintenance=True)
    robin.get(waiting.url)
    assert "Discarded" in robin.submit(button="No, discard").text
    rows.run_duties(site.app)
    assert rows.permissions(site.app) == 0


@pytest.mark.sqlite_only
def test_a_colleague_with_a_login_of_their_own_can_use_the_link(site: ThreadSite, bank: Bank) -> None:
    robin, sam = sign_in(site, "robin@example.com"), sign_in(site, "sam@example.com")
    link = link_of(robin)
    waiting = robin.page
    sam.get(link)
    target = sam.submit(button="Continue to bunq").leaves_for
    assert target is not None
    done = sam.get(bank.approve(target))
    assert "You can close this page" in done.text
    assert "Jodi Walker" not in sam.get("/").text
    assert sam.get(waiting.url).status == 404
    robin.get(waiting.url)
    robin.submit(button="Yes, connect")
    assert "€8,615.00" in robin.get("/").text
    assert "€8,615.00" not in sam.get("/").text


@pytest.mark.sqlite_only
def test_a_member_who_scans_the_own_code_with_a_phone_that_is_logged_in_is_asked_nothing(
    site: ThreadSite, bank: Bank
) -> None:
    desk, phone = sign_in(site, "robin@example.com"), sign_in(site, "robin@example.com")
    link = link_of(desk)
    waiting = desk.page
    phone.get(link)
    target = phone.submit(button="Continue to bunq").leaves_for
    assert target is not None
    assert "Connected: Jodi Walker" in phone.get(bank.approve(target)).text
    assert "Connected: Jodi Walker" in desk.get(waiting.url).text


def test_two_answers_to_one_question_count_once(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    link = link_of(robin)
    waiting = robin.page
    approve_on_phone(site, bank, link)
    form = robin.get(waiting.url).form(button="Yes, connect")[0]
    cookies = {each.name: each.value or "" for each in robin.session.cookies}
    together = threading.Barrier(6)

    def press(answer: str) -> None:
        together.wait()
        requests.post(form.action, data={**dict(form.fields), "answer": answer}, cookies=cookies, timeout=60)

    threads = [threading.Thread(target=press, args=[answer]) for answer in ("yes", "no") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = rows.attempts(site.app)[0].step
    assert ended in ("connected", "discarded")
    assert rows.count(site.app, Connection) == (1 if ended == "connected" else 0)
    if ended == "discarded":
        rows.run_duties(site.app)
    assert rows.permissions(site.app) == (2 if ended == "connected" else 0)
    robin.get(waiting.url)
    robin.post(form.action, {**dict(form.fields), "answer": "no"}, {"Origin": site.url})
    assert rows.attempts(site.app)[0].step == ended


def test_looking_at_the_link_does_not_use_it_up(site: ThreadSite, bank: Bank) -> None:
    link = link_of(sign_in(site, "robin@example.com"))
    for method in ("GET", "HEAD", "OPTIONS", "GET", "HEAD"):
        answer = requests.request(method, link, headers={"User-Agent": "a chat app's preview"}, timeout=10)
        assert answer.status_code == 200
    assert rows.attempts(site.app)[0].link_browser_hash is None
    assert "You can close this page" in approve_on_phone(site, bank, link).page.text


def test_a_second_browser_that_presses_is_told_that_the_link_was_used(site: ThreadSite, bank: Bank) -> None:
    link = link_of(sign_in(site, "robin@example.com"))
    first, second = site.browser(), site.browser()
    first.get(link)
    second.get(link)
    assert first.submit(button="Continue to bunq").leaves_for
    refused = second.submit(button="Continue to bunq")
    assert refused.status == 410
    assert refused.leaves_for is None
    assert "already opened on another device" in refused.text
    assert "Ask robin for a new link." in refused.text
    first.get(link)
    target = first.submit(button="Continue to bunq").leaves_for
    assert target is not None, "the first browser may press again"
    assert "You can close this page" in first.get(bank.approve(target)).text
    assert first.get(link).status == 410, "used, and over"


@pytest.mark.sqlite_only
def test_a_link_that_is_too_old_unknown_or_given_up_says_so_to_whoever_opens_it(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    stranger = site.browser()
    for token in ("x", "%00", "a" * 5000, "<script>", "..%2f"):
        assert stranger.get(f"/c/{token}").status in (302, 404, 410) or stranger.page.url.startswith(
            site.url + "/login"
        )
    link = link_of(robin)
    stranger.get(link)
    robin.submit(button="Cancel")
    for page in (stranger.submit(button="Continue to bunq"), stranger.get(link)):
        assert page.status == 410
        assert "Cancelled" in page.text
    link = link_of(robin)
    stranger.get(link)
    rows.age_attempts(site.app, timedelta(minutes=11))
    for page in (stranger.submit(button="Continue to bunq"), stranger.get(link)):
        assert page.status == 410
        assert "The code is no longer valid" in page.text
        assert "It was valid until" in page.text


@pytest.mark.sqlite_only
def test_the_holder_learns_that_bunq_is_slow_and_needs_to_do_nothing(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    link = link_of(robin)
    waiting = robin.page
    bank.fault(call="POST session-server", fault="html-503", times=1)
    phone = approve_on_phone(site, bank, link)
    assert phone.page.status == 200
    assert "You can close this page" in phone.page.text
    assert "(no name)" not in phone.page.text
    rows.due_now(site.app)
    assert "Is this the right person?" in robin.get(waiting.url).text


@pytest.mark.sqlite_only
def test_the_holder_is_told_when_the_approval_could_not_be_used(site: ThreadSite, bank: Bank) -> None:
    link = link_of(sign_in(site, "robin@example.com"))
    bank.fault(call="POST token", fault="400", times=1)
    phone = approve_on_phone(site, bank, link)
    assert phone.page.status == 400
    assert "Something went wrong after you approved" in phone.page.text
    assert re.search(r"BF-\d{8}-\d{6}-[0-9A-F]{4}", phone.page.html)
    rows.run_duties(site.app)  # the worker closes the session at bunq
    assert rows.permissions(site.app) == 0


@pytest.mark.sqlite_only
def test_an_approval_in_this_browser_and_one_by_link_cannot_both_count(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    target = ask(robin)
    attempt_id = rows.attempts(site.app)[0].id
    found = re.search(r'value="(http[^"]+/c/[^"]+)"', robin.get(f"/connect/{attempt_id}").html)
    assert found is not None
    phone = site.browser()
    phone.get(found[1])
    by_link = phone.submit(button="Continue to bunq").leaves_for
    assert by_link is not None
    assert "Connected" in robin.get(bank.approve(target)).text
    late = phone.get(bank.approve(by_link))
    assert late.status == 400
    assert "already been used" in late.text
    assert rows.count(site.app, Connection) == 1


def test_a_result_is_shown_to_its_own_browser_alone(site: ThreadSite, bank: Bank) -> None:
    phone = approve_on_phone(site, bank, link_of(sign_in(site, "robin@example.com")))
    assert phone.page.url.endswith("/oauth/result")
    assert "robin will confirm it was you" in phone.page.text
    for other in (site.browser(), sign_in(site, "eve@example.com")):
        answer = other.get("/oauth/result")
        assert answer.status == 400
        assert "robin" not in answer.text.lower()
