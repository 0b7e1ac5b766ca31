"""The whole path in one browser, without JavaScript: from the press to the accounts."""

import re
import threading
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bunqflask.database import transactions
from bunqflask.extensions import db
from bunqflask.models import AttemptStep, Connection, ConsentAttempt, ConsentState
from bunqflask.services.consent import attempts
from tests.support import rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import WALKER_STUDIO, Bank
from tests.support.consents import ask, connect, start

MOVES_ON = {"HX-Request": "true"}


def paths(bank: Bank) -> list[str]:
    return [f"{call['method']} {call['path'].rpartition('/')[2]}" for call in bank.calls()]


def test_a_person_connects_with_three_calls_and_a_warm_page_makes_none(site: ThreadSite, bank: Bank) -> None:
    browser = sign_in(site, "robin@example.com")
    assert "No accounts yet" in browser.get("/").text
    bank.forget_calls()
    page = connect(browser, bank)
    assert paths(bank) == ["POST token", "POST session-server", "GET monetary-account"]
    assert page.status == 200
    assert "Connected: Jodi Walker" in page.text
    assert "4 accounts. Only you can see them until you share them." in page.text
    assert "NL65 BUNQ 2090 4119 45" in page.text
    assert "€8,615.00" in page.text

    bank.forget_calls()
    stored = rows.connection(site.app)
    for address in ("/", f"/connections/{stored.id}/accounts"):
        shown = browser.get(address)
        assert "€4,118.00" in shown.text
        assert browser.get(address, headers=MOVES_ON).status == 200
    assert bank.calls() == []
    assert rows.permissions(site.app) == 2, "the token and its session, in one place each"
    assert rows.count(site.app, ConsentState) == 0


def test_a_company_connects_and_every_kind_of_its_accounts_is_shown(site: ThreadSite, bank: Bank) -> None:
    browser = sign_in(site, "robin@example.com")
    page = connect(browser, bank, person=WALKER_STUDIO)
    assert "Connected: Walker Studio B.V." in page.text
    assert "Company" in page.text
    for words in (
        "Bank account",
        "Savings account",
        "€6,250.00 of €10,000.00",
        "Joint with S. Okafor",
        "At another bank",
        "No IBAN",
        "1 closed account",
        "Old project",
        "Pension (account type new to us)",
    ):
        assert words in page.text, words
    assert "Joint with Walker Studio" not in page.text, "the holder is no co-owner of itself"


@pytest.mark.sqlite_only
def test_the_way_to_bunq_carries_what_bunq_and_oauth_ask_for(site: ThreadSite) -> None:
    browser = sign_in(site, "robin@example.com")
    target = ask(browser)
    asked = {name: value[0] for name, value in parse_qs(urlsplit(target).query).items()}
    assert asked["response_type"] == "code"
    assert asked["redirect_uri"] == site.url + "/oauth/callback"
    assert re.fullmatch(r"[0-9a-f]{64}", asked["client_id"])
    assert len(asked["state"]) >= 22
    assert asked["code_challenge_method"] == "S256"
    assert set(asked) == {
        "response_type",
        "client_id",
        "redirect_uri",
        "state",
        "code_challenge",
        "code_challenge_method",
    }
    cookie = "".join(f"{each.name}={each.value}" for each in browser.session.cookies)
    assert asked["state"] not in cookie


@pytest.mark.sqlite_only
def test_the_waiting_page_has_the_link_as_text_and_as_a_code_and_works_without_script(
    site: ThreadSite, bank: Bank
) -> None:
    browser = sign_in(site, "robin@example.com")
    page = start(browser)
    link = re.search(r'value="(http[^"]+/c/[^"]+)"', page.html)
    assert link is not None
    assert link[1].startswith(site.url)
    assert "<svg" in page.html
    assert "Waiting for approval" in page.text
    again = browser.get(page.link("Check now"))
    assert link[1] in again.html, "looking again changes nothing"
    browser.submit(button="Cancel")
    assert "Cancelled" in browser.page.text
    assert browser.get(link[1]).status == 410
    assert browser.get(page.url).form(button="Start again")


def test_the_poll_is_silent_until_something_changes_and_ends_with_the_accounts(site: ThreadSite, bank: Bank) -> None:
    browser = sign_in(site, "robin@example.com")
    page = start(browser)
    poll = poll_address(page.html)
    for _ in range(2):
        silent = browser.get(poll, headers=MOVES_ON)
        assert (silent.status, silent.html) == (204, "")
    browser.get(page.url)
    target = browser.submit(action="/go").leaves_for
    assert target is not None
    bank.fault(call="POST session-server", fault="429", times=3)
    back = browser.get(bank.approve(target))
    assert "Approved. Fetching the accounts" in back.text
    assert "another program on this server’s address uses bunq" in back.text, "bunq refuses what our count allows"

    moved = browser.get(poll, headers=MOVES_ON)
    assert moved.status == 200, "waiting became connecting: the page has something new to show"
    assert 'id="attempt"' in moved.html
    assert "<html" not in moved.html
    assert "Approved. Fetching the accounts" in moved.text
    poll = poll_address(moved.html)
    assert browser.get(poll, headers=MOVES_ON).status == 204
    rows.due_now(site.app)
    ended = browser.get(poll, headers=MOVES_ON)
    assert ended.status == 286
    assert "Connected: Jodi Walker" in ended.text
    assert "€4,118.00" in ended.text
    assert "hx-trigger" not in ended.html.partition("<section")[0], "nothing is left to poll for"


def poll_address(html: str) -> str:
    found = re.search(r'id="attempt"\s+hx-get="([^"]+)"', html)
    assert found is not None
    return found[1].replace("&amp;", "&")


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("ends", "words"),
    [("deny", "Not approved"), ("expire", "The code is no longer valid"), ("cancel", "Cancelled")],
)
def test_the_poll_ends_with_the_reason_and_a_way_on(site: ThreadSite, bank: Bank, ends: str, words: str) -> None:
    browser = sign_in(site, "robin@example.com")
    page = start(browser)
    poll, second_tab = poll_address(page.html), browser
    if ends == "deny":
        target = browser.submit(action="/go").leaves_for
        assert target is not None
        denied = bank.deny(target)
        assert denied is not None
        assert second_tab.get(denied).status == 403
    elif ends == "cancel":
        browser.submit(button="Cancel")
    else:
        rows.age_attempts(site.app, timedelta(minutes=11))
    ended = browser.get(poll, headers=MOVES_ON)
    assert ended.status == 286
    assert words in ended.text
    assert ended.form(button="Get a new code" if ends == "expire" else "Start again")
    assert rows.permissions(site.app) == 0


@pytest.mark.sqlite_only
@pytest.mark.bank(rate_limits="classic")
@pytest.mark.settings(BUNQ_CALL_LIMITS="classic")
def test_bunqs_limits_are_kept_and_the_connection_finishes_by_itself(site: ThreadSite, bank: Bank) -> None:
    browser = sign_in(site, "robin@example.com")
    bank.forget_calls()
    page = connect(browser, bank)
    # Setup opened a session less than 30 seconds ago.
    assert "Approved. Fetching the accounts" in page.text
    assert "Next attempt at" in page.text
    assert "Your approval is saved, so you can close this page." in page.text
    assert paths(bank) == ["POST token"], "bunq is not even asked before it may be"
    rows.wait_for_bunqs_turn(site.app, bank, seconds=31)
    assert "Connected: Jodi Walker" in browser.get(page.link("Check now")).text
    assert [call["status"] for call in bank.calls()] == [200, 200, 200]


@pytest.mark.sqlite_only
@pytest.mark.bank(denial="stay")
def test_a_denial_of_which_bunq_says_nothing_ends_by_itself(site: ThreadSite, bank: Bank) -> None:
    browser = sign_in(site, "robin@example.com")
    assert bank.deny(ask(browser)) is None
    rows.age_attempts(site.app, timedelta(minutes=11))
    rows.run_duties(site.app)
    assert rows.attempts(site.app)[0].step == "expired"


@pytest.mark.sqlite_only
@pytest.mark.bank(token_style="query")
def test_a_bank_that_reads_only_the_address_gets_the_token_request_there(site: ThreadSite, bank: Bank) -> None:
    assert "Connected: Jodi Walker" in connect(sign_in(site, "robin@example.com"), bank).text


@pytest.mark.sqlite_only
@pytest.mark.bank(token_style="form")
@pytest.mark.settings(BUNQ_OAUTH_TOKEN_STYLE="form")
def test_a_bank_that_reads_only_forms_gets_the_token_request_as_one(site: ThreadSite, bank: Bank) -> None:
    assert "Connected: Jodi Walker" in connect(sign_in(site, "robin@example.com"), bank).text


@pytest.mark.sqlite_only
@pytest.mark.bank(oauth_variant="B")
def test_a_bank_that_wants_an_installation_for_each_permission_gets_one(site: ThreadSite, bank: Bank) -> None:
    browser = sign_in(site, "robin@example.com")
    assert "Connected: Jodi Walker" in connect(browser, bank).text
    assert rows.consent(site.app).installation_id is not None
    rows.age_accounts(site.app, timedelta(hours=1))
    bank.forget_calls()
    rows.run_duties(site.app)
    assert paths(bank)[0] == "GET monetary-account"
    made_anew = [bank.calls("POST", path) for path in ("/session-server", "/installation", "/device-server")]
    assert made_anew == [[], [], []]


@pytest.mark.sqlite_only
def test_fifty_presses_in_one_browser_do_not_outgrow_its_cookie(site: ThreadSite, bank: Bank) -> None:
    browser = sign_in(site, "robin@example.com")
    page = start(browser)
    target = ""
    for _ in range(50):
        browser.get(page.url)
        target = browser.submit(action="/go").leaves_for or ""
    assert max(len(each.value or "") for each in browser.session.cookies) < 2500
    assert "Connected: Jodi Walker" in browser.get(bank.approve(target)).text


@pytest.mark.sqlite_only
def test_a_server_that_is_not_set_up_says_so_and_begins_nothing(live_app: ThreadSite) -> None:
    browser = sign_in(live_app, "robin@example.com")
    page = start(browser)
    assert page.status == 503
    assert "not set up with bunq yet" in page.text
    assert rows.count(live_app.app, ConsentAttempt) == 0
    assert rows.count(live_app.app, Connection) == 0


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("step_of_the_page", "address"),
    [
        ("get_for", ""),
        ("progress_for", "/status"),
        *[(step, address) for step in ("is_overdue", "deadline", "end") for address in ("", "/status")],
    ],
)
def test_a_page_whose_attempt_expires_while_it_is_made_shows_that(
    site: ThreadSite, monkeypatch: pytest.MonkeyPatch, step_of_the_page: str, address: str
) -> None:
    """Another request, or the worker, ends the attempt right before a step of making the page, or right after it."""
    robin = sign_in(site, "robin@example.com")
    page = start(robin)
    rows.age_attempts(site.app, timedelta(minutes=10 if step_of_the_page == "end" else 0))
    original, address = getattr(attempts, step_of_the_page), f"{page.url}{address}"

    def end_elsewhere() -> None:
        with site.app.app_context(), transactions.writing():
            db.session.execute(db.update(ConsentAttempt).values(step=AttemptStep.EXPIRED))
            db.session.commit()
            db.session.remove()

    def at_the_same_time(*arguments: Any) -> object:
        thread = threading.Thread(target=end_elsewhere)
        found = None if step_of_the_page == "end" else original(*arguments)
        thread.start()
        thread.join()
        return original(*arguments) if step_of_the_page == "end" else found

    with monkeypatch.context() as patched:
        patched.setattr(attempts, step_of_the_page, at_the_same_time)
        during = robin.get(address, headers=MOVES_ON)
    assert during.status in (200, 204, 286)
    assert rows.attempts(site.app)[0].step == "expired"
    if step_of_the_page == "end":
        assert "no longer valid" in during.text
    after = robin.get(address, headers=MOVES_ON)
    assert "no longer valid" in after.text
    assert after.status == (286 if address.endswith("/status") else 200)


def test_pressing_again_and_again_fills_nothing_and_the_newest_link_works(site: ThreadSite, bank: Bank) -> None:
    robin, eve = sign_in(site, "robin@example.com"), sign_in(site, "eve@example.com")
    theirs = start(eve).url
    for _ in range(attempts.MOST_WAITING + attempts.MOST_ENDED + 15):
        start(robin)
    steps = [attempt.step for attempt in rows.attempts(site.app) if attempt.id != theirs.rpartition("/")[2]]
    assert steps.count(AttemptStep.WAITING) == attempts.MOST_WAITING
    assert steps.count(AttemptStep.CANCELLED) <= attempts.MOST_ENDED + 1
    assert "Connect bunq" in eve.get(theirs).text, "another member's attempt is not touched"
    assert "Connected: Jodi Walker" in connect(robin, bank).text


def test_an_attempt_is_deleted_after_thirty_days_and_its_secrets_after_one(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    denied = bank.deny(ask(robin))
    assert denied is not None
    robin.get(denied)
    start(robin)
    rows.age_attempts(site.app, timedelta(minutes=11))
    rows.run_duties(site.app)
    assert [attempt.step for attempt in rows.attempts(site.app)] == ["connected", "denied", "expired"]
    rows.age_attempts(site.app, timedelta(days=1))
    rows.run_duties(site.app)
    for attempt in rows.attempts(site.app):
        assert (attempt.link_token_sealed, attempt.access_token_sealed, attempt.accounts_text_sealed) == (
            None,
            None,
            None,
        )
    rows.age_attempts(site.app, timedelta(days=28))
    rows.run_duties(site.app)
    assert len(rows.attempts(site.app)) == 3
    rows.age_attempts(site.app, timedelta(days=2))
    rows.run_duties(site.app)
    assert rows.attempts(site.app) == []
    assert "€4,118.00" in robin.get("/").text
