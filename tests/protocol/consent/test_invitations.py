"""Invitations to connect: they wait for days, in one browser, through restarts, and for the inviter's answer."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import requests
from flask import Flask
from icalendar import Calendar

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AttemptStep, Connection, ConsentAttempt, ConsentState, Event, EventKind, Installation
from bunqflask.services.consent import attempts
from bunqflask.services.gateway import installations
from tests.support import rows
from tests.support.apps import GunicornSite, ThreadSite, sign_in
from tests.support.bank import WALKER_STUDIO, Bank
from tests.support.browser import Browser
from tests.support.consents import connect

SHOWN = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}
DUTCH = {"Accept-Language": "nl-NL,nl;q=0.9,en;q=0.5"}


def invite(browser: Browser, label: str = "Jodi (bakery)", language: str = "") -> str:
    """Make an invitation; returns its link. The page of it is at hand."""
    browser.get("/connect")
    page = browser.submit(button="Make the link", label=label, language=language)
    found = re.search(r'id="link" readonly value="(http[^"]+/c/[^"]+)"', page.html)
    assert found is not None, page.text
    return found[1]


def go_on(phone: Browser, link: str) -> str:
    """Open a link and go on; returns the address at bunq."""
    phone.get(link)
    target = phone.submit(action=urlsplit(link).path).leaves_for
    assert target is not None, phone.page.text
    return target


def events(app: Flask, kind: EventKind) -> list[dict[str, str]]:
    with rows.behind(app):
        return [each.facts for each in db.session.scalars(db.select(Event).filter_by(kind=kind).order_by(Event.id))]


def age(app: Flask, by: timedelta) -> None:
    rows.age_attempts(app, by)
    with rows.behind(app):
        for name in ("seen_at", "opened_at"):
            column = getattr(ConsentAttempt, name)
            for attempt in db.session.scalars(db.select(ConsentAttempt).where(column.is_not(None))):
                setattr(attempt, name, getattr(attempt, name) - by)
        db.session.commit()


def states(robin: Browser) -> str:
    """Return the list of invitations as text."""
    return robin.get("/connect").text.partition("Open invitations")[2]


def test_opened_on_day_6_in_another_browser_and_confirmed_6_days_later_while_everything_was_killed(
    gunicorn_app: GunicornSite, behind: Flask, bank: Bank
) -> None:
    gunicorn_app.start(workers=1)
    robin = sign_in(gunicorn_app, "robin@example.com")
    link = invite(robin)
    gunicorn_app.kill()
    age(behind, timedelta(days=6))
    gunicorn_app.start(workers=1)
    phone = Browser(gunicorn_app.url)
    phone.get(link)
    gunicorn_app.kill()
    gunicorn_app.start(workers=1)
    assert go_on(phone, link), "the holder looked, and goes on another time"
    age(behind, timedelta(hours=12))
    gunicorn_app.kill()
    gunicorn_app.start(workers=1)
    target = go_on(phone, link)
    gunicorn_app.kill()
    back = bank.approve(target)
    gunicorn_app.start(workers=1)
    bank.fault(call="POST session-server", fault="html-503", times=1)
    assert "You can close this page" in phone.get(back).text
    gunicorn_app.kill()
    rows.end_leases(behind)
    rows.due_now(behind)
    rows.run_duties(behind)
    assert [each.step for each in rows.attempts(behind)] == ["confirm"]
    age(behind, timedelta(days=6, hours=20))
    rows.run_duties(behind)
    gunicorn_app.start(workers=1)
    assert rows.count(behind, Connection) == 0
    robin = sign_in(gunicorn_app, "robin@example.com")
    page = robin.get(f"/connect/{rows.attempts(behind)[0].id}")
    assert "Is this the right person?" in page.text
    assert "You invited Jodi (bakery)." in page.text
    assert "What was approved: 4 accounts" in page.text
    assert "IBAN ending in 1945" in page.text
    assert "4,118" not in page.text
    assert "NL65" not in page.html
    assert "Connected: Jodi Walker" in robin.submit(button="Yes, connect Jodi Walker").text
    assert rows.count(behind, Connection) == 1
    assert "Given to" in phone.get("/oauth/result").text
    assert "has confirmed that it was you" in phone.page.text


def test_each_state_is_in_the_list_and_each_event_is_written_once(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    link = invite(robin, language="nl")
    assert "Jodi (bakery) Not opened" in states(robin)
    assert "valid until" in robin.page.text
    phone = site.browser()
    for preview in ("a chat app's preview", "a crawler"):
        assert requests.get(link, headers={"User-Agent": preview}, timeout=10).status_code == 200
    assert "Not opened" in states(robin), "a program that previews a link opens nothing"
    assert events(site.app, EventKind.INVITATION_OPENED) == []
    for _ in range(2):
        phone.get(link, headers=SHOWN)
    assert "Opened" in states(robin)
    attempt_id = rows.attempts(site.app)[0].id
    assert events(site.app, EventKind.INVITATION_OPENED) == [{"attempt_id": attempt_id}]
    go_on(phone, link)
    assert "At bunq" in states(robin)
    age(site.app, timedelta(minutes=11))
    assert "Opened" in states(robin)
    assert "At bunq" not in states(robin), "who has not come back within ten minutes cannot any more"
    phone.get(bank.approve(go_on(phone, link)))
    assert "Approved, waits for you" in states(robin)
    assert "Jodi Walker approved 4 accounts." in robin.page.text
    assert events(site.app, EventKind.INVITATION_OPENED) == [{"attempt_id": attempt_id}]
    assert events(site.app, EventKind.INVITATION_APPROVED) == [{"attempt_id": attempt_id}]
    robin.get(robin.page.link("Check and answer"))
    robin.submit(button="Yes, connect Jodi Walker")
    assert "Connected" in states(robin)
    age(site.app, timedelta(days=8))
    assert "None. An invitation stays here" in states(robin)
    assert sign_in(site, "sam@example.com").get("/connect").text.count("Jodi") == 0, "another member's invitations"


def test_what_waits_for_the_answer_is_sealed(site: ThreadSite, bank: Bank) -> None:
    robin, phone = sign_in(site, "robin@example.com"), site.browser()
    phone.get(bank.approve(go_on(phone, invite(robin))))
    with rows.behind(site.app):
        stored = db.session.execute(db.text("SELECT * FROM consent_attempt")).mappings().one()
        texts = [str(value) for value in stored.values() if not isinstance(value, bytes | memoryview)]
        assert not any("NL65" in each or "4118" in each for each in texts), texts
        raw = b"".join(bytes(value) for value in stored.values() if isinstance(value, bytes | memoryview))
        assert b"NL65" not in raw
        attempt = db.session.scalars(db.select(ConsentAttempt)).one()
        assert len(attempt.accounts or []) == 4, "and opens with its key"


def test_a_second_browser_learns_when_the_link_was_opened_and_whom_to_ask(site: ThreadSite, bank: Bank) -> None:
    robin, first, second = sign_in(site, "robin@example.com"), site.browser(), site.browser()
    link = invite(robin)
    second.get(link)
    target = go_on(first, link)
    for page in (second.submit(action=urlsplit(link).path), second.get(link), site.browser().get(link)):
        assert page.status == 410
        assert re.search(r"It was opened at \d\d:\d\d\.", page.text), page.text
        assert "Ask robin for a new link." in page.text
        assert page.leaves_for is None
    assert "You can close this page" in first.get(bank.approve(target)).text
    used = first.get(link)
    assert (used.status, used.link("Show what you approved")) == (410, f"{site.url}/oauth/result")
    stranger = site.browser().get(link)
    assert stranger.status == 410
    assert "Jodi" not in stranger.text
    assert "1945" not in stranger.html


def test_expired_withdrawn_and_declined_links_say_how_to_get_another(site: ThreadSite, bank: Bank) -> None:
    robin, phone = sign_in(site, "robin@example.com"), site.browser()
    link = invite(robin)
    age(site.app, timedelta(days=6, hours=23))
    assert phone.get(link).status == 200
    age(site.app, timedelta(hours=2))
    assert "Expired" in states(robin)
    for _ in range(2):
        page = phone.get(link)
        assert page.status == 410
        assert "The link is no longer valid" in page.text
        assert "Ask robin for a new link." in page.text
    link = invite(robin, "Bo")
    states(robin)
    page = robin.submit(button="Withdraw")
    assert "the link for Bo no longer works" in page.text
    assert "Withdrawn" in states(robin)
    page = phone.get(link)
    assert page.status == 410
    assert "Withdrawn" in page.text
    assert "Ask robin for a new link." in page.text
    link = invite(robin, "Cas")
    denied = bank.deny(go_on(phone, link))
    assert denied is not None
    page = phone.get(denied)
    assert page.status == 403
    assert "Not approved" in page.text
    assert "Ask robin for a new link." in page.text
    assert "Refused at bunq" in states(robin)
    assert rows.permissions(site.app) == 0
    assert rows.count(site.app, ConsentState) <= 1


def test_an_approval_that_could_not_be_used_lets_the_same_browser_go_on_again(site: ThreadSite, bank: Bank) -> None:
    robin, phone = sign_in(site, "robin@example.com"), site.browser()
    link = invite(robin)
    bank.fault(call="POST token", fault="400", times=1)
    page = phone.get(bank.approve(go_on(phone, link)))
    assert page.status == 400
    assert "Go on again with the same link, in this browser." in page.text
    assert "The last approval could not be used." in states(robin)
    assert phone.get(page.link("Open the link again")).status == 200
    assert "Your last approval could not be used" in phone.page.text
    assert site.browser().get(link).status == 410, "another browser cannot"
    phone.get(link)
    target = phone.submit(button="Continue to bunq").leaves_for
    assert target is not None
    assert "You can close this page" in phone.get(bank.approve(target)).text
    assert "Approved, waits for you" in states(robin)


def test_an_exchange_that_a_power_cut_ended_lets_the_same_browser_go_on_again(site: ThreadSite, bank: Bank) -> None:
    robin, phone = sign_in(site, "robin@example.com"), site.browser()
    link = invite(robin)
    go_on(phone, link)
    with rows.behind(site.app):
        attempt = db.session.scalars(db.select(ConsentAttempt)).one()
        attempts.claim(attempt, AttemptStep.WAITING, AttemptStep.EXCHANGING)
        attempt.lease_holder, attempt.lease_until = "a dead worker", clock.now() + timedelta(seconds=40)
        db.session.commit()
    rows.age_attempts(site.app, timedelta(seconds=61))
    rows.run_duties(site.app)
    assert [each.step for each in rows.attempts(site.app)] == ["waiting"]
    assert "You can close this page" in phone.get(bank.approve(go_on(phone, link))).text


def test_the_holder_reads_dutch_by_choice_of_the_inviter_or_of_the_browser(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    with rows.behind(site.app):
        us = installations.shown_name()
    chosen, by_browser, english = invite(robin, language="nl"), invite(robin), invite(robin, language="en")
    for link, headers, language in (
        (chosen, {"Accept-Language": "en"}, "nl"),
        (by_browser, DUTCH, "nl"),
        (by_browser, {"Accept-Language": "de"}, "en"),
        (english, DUTCH, "en"),
    ):
        page = site.browser().get(link, headers=headers)
        assert f'<html lang="{language}"' in page.html
        assert ("robin wil uw bunq-rekeningen kunnen inzien" in page.text) is (language == "nl")
        assert (f"bunq toont de naam {us}: dat zijn wij." in page.text) is (language == "nl")
        assert (f"bunq will show the name {us}: that is us." in page.text) is (language == "en")
    phone = site.browser()
    done = phone.get(bank.approve(go_on(phone, chosen)))
    assert "U kunt deze pagina sluiten" in done.text
    assert "IBAN eindigend op 1945" in done.text
    assert '<html lang="nl"' in done.html
    assert "Deze link is al gebruikt" in phone.get(chosen).text
    assert site.browser().get("/login").html.count('<html lang="en"') == 1, "the language is spoken for one page"


def test_what_goes_wrong_is_said_in_dutch_too_where_the_page_is_dutch(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    chosen, by_browser, english = invite(robin, language="nl"), invite(robin), invite(robin, language="en")
    for link, headers, language in ((chosen, {}, "nl"), (by_browser, DUTCH, "nl"), (english, DUTCH, "en")):
        phone, is_dutch = site.browser(), language == "nl"
        phone.get(link, headers=headers)
        stale = phone.post(link, headers=headers)
        assert (stale.status, f'<html lang="{language}"' in stale.html) == (400, True)
        assert ("Deze pagina is verouderd" in stale.text) is is_dutch
        assert ("This page is out of date" in stale.text) is not is_dutch
        elsewhere = phone.post(link, headers={"Origin": "https://evil.example", **headers})
        assert (elsewhere.status, "op een ander adres geopend" in elsewhere.text) == (403, is_dutch)
    assert "Deze pagina is verouderd" in site.browser().post(by_browser, headers=DUTCH).text, "without a cookie too"
    assert "This page is out of date" in robin.post("/connect", headers=DUTCH).text, "members read English"
    assert "op een ander adres geopend" not in site.browser().post("/login", headers={"Origin": "x", **DUTCH}).text

    phone = site.browser()
    phone.get(chosen)
    with rows.behind(site.app):
        db.session.execute(db.update(Installation).values(client_id=None))
        db.session.commit()
    missing = phone.submit(action=urlsplit(chosen).path)
    assert (missing.status, "Deze server is nog niet bij bunq ingesteld" in missing.text) == (503, True)
    assert "de link blijft geldig" in missing.text


def test_what_the_holder_keeps_is_for_the_browser_that_approved(site: ThreadSite, bank: Bank) -> None:
    robin, phone = sign_in(site, "robin@example.com"), site.browser()
    link = invite(robin)
    phone.get(bank.approve(go_on(phone, link)))
    for words in ("Given to robin,", "IBAN ending in 1945", "Jodi Walker", "App connections", "bunq names no day"):
        assert words in phone.page.text, words
    calendar = phone.get("/oauth/reminder.ics")
    assert calendar.headers["Content-Type"].startswith("text/calendar")
    event = next(iter(Calendar.from_ical(calendar.html).walk("VEVENT")))
    approved_at = rows.attempts(site.app)[0].approved_at
    assert approved_at is not None
    assert abs((event.decoded("DTSTART") - approved_at.date()).days - 80) <= 1
    assert "robin" in str(event["SUMMARY"])
    assert "App connections" in str(event["DESCRIPTION"])
    assert "1945" not in calendar.html
    for stranger in (site.browser(), sign_in(site, "eve@example.com")):
        stranger.get(link)
        for address in ("/oauth/result", "/oauth/reminder.ics"):
            page = stranger.get(address)
            assert page.status == 400
            assert "1945" not in page.html
            assert "Jodi" not in page.html
    robin.get(f"/connect/{rows.attempts(site.app)[0].id}")
    robin.submit(button="No, discard")
    page = phone.get("/oauth/result")
    assert "This permission is not used" in page.text
    assert "1945" not in page.html


@pytest.mark.parametrize("end", ["locked", "removed"])
def test_an_inviter_who_is_gone_gets_nothing(site: ThreadSite, bank: Bank, end: str) -> None:
    owner, sam = sign_in(site, "robin@example.com"), sign_in(site, "sam@example.com")
    waiting, approving = invite(sam, "one"), invite(sam, "two")
    phone, second = site.browser(), site.browser()
    target = go_on(phone, approving)
    with rows.behind(site.app):
        sam_id = db.session.scalars(db.select(ConsentAttempt.member_id)).first()
    owner.get(f"/team/members/{sam_id}")
    if end == "locked":
        owner.submit(action="/lock")
    else:
        owner.get(f"/team/members/{sam_id}/remove")
        owner.submit(action="/remove")
    assert second.get(waiting).status == 410
    late = phone.get(bank.approve(target))
    assert late.status in (400, 410)
    assert rows.permissions(site.app) == 0
    assert rows.count(site.app, Connection) == 0


def test_guessing_and_misuse_of_the_form(site: ThreadSite, bank: Bank) -> None:
    robin, sam = sign_in(site, "robin@example.com"), sign_in(site, "sam@example.com")
    connect(robin, bank)
    invite(robin)
    theirs = rows.attempts(site.app)[-1].id
    assert sam.get(f"/connect/{theirs}").status == 404
    assert sam.get("/connect?renews=1").status == 404
    for odd in ("x", "-1", "9" * 40, "²"):
        assert robin.get(f"/connect?renews={odd}").status == 404
    robin.get("/connect?renews=1")
    assert "A renewal link for Jodi Walker" in robin.page.text
    page = robin.submit(button="Make the link", label="", language="xx")
    assert "Invitation for Jodi Walker" in page.text
    assert rows.attempts(site.app)[-1].renews_connection_id == 1
    sam.get("/connect")
    assert sam.submit(button="Make the link", label="").status == 422
    assert "Enter a name" in sam.page.text
    sam.get("/connect")
    assert sam.submit(button="Make the link", label="x", renews="1").status == 404
    assert rows.attempts(site.app)[-1].member_id != 2


def test_a_renewal_by_invitation_keeps_the_earlier_permission_until_the_answer(site: ThreadSite, bank: Bank) -> None:
    bank.switch(reconsent_invalidates=False)
    robin, phone = sign_in(site, "robin@example.com"), site.browser()
    connect(robin, bank)
    before = rows.consent(site.app).access_token_sealed
    robin.get("/connect?renews=1")
    robin.submit(button="Make the link")
    found = re.search(r'id="link" readonly value="([^"]+)"', robin.page.html)
    assert found is not None
    phone.get(bank.approve(go_on(phone, found[1])))
    assert (rows.consent(site.app).access_token_sealed, rows.consent(site.app).state) == (before, "active")
    bank.forget_calls()
    rows.run_duties(site.app)
    assert bank.calls("GET", "/monetary-account"), "the earlier permission is tested at once"
    robin.get(f"/connect/{rows.attempts(site.app)[-1].id}")
    assert "What changes" in robin.page.text
    assert "Reconnected: Jodi Walker" in robin.submit(button="Yes, connect Jodi Walker").text
    assert rows.consent(site.app).access_token_sealed != before


def test_a_renewal_by_somebody_else_is_said_before_anything_changes(site: ThreadSite, bank: Bank) -> None:
    robin, phone = sign_in(site, "robin@example.com"), site.browser()
    connect(robin, bank)
    robin.get("/connect?renews=1")
    robin.submit(button="Make the link")
    found = re.search(r'id="link" readonly value="([^"]+)"', robin.page.html)
    assert found is not None
    phone.get(bank.approve(go_on(phone, found[1]), person=WALKER_STUDIO))
    page = robin.get(f"/connect/{rows.attempts(site.app)[-1].id}")
    assert "Someone else approved" in page.text
    assert rows.count(site.app, Connection) == 1


@pytest.mark.sqlite_only
def test_too_many_invitations_are_refused_and_none_is_ended_for_a_new_one(
    site: ThreadSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "MOST_INVITATIONS", 2)
    robin = sign_in(site, "robin@example.com")
    links = [invite(robin, f"client {n}") for n in range(2)]
    robin.get("/connect")
    page = robin.submit(button="Make the link", label="one more")
    assert page.status == 422
    assert "You have 2 open invitations." in page.text
    assert [site.browser().get(link).status for link in links] == [200, 200]
