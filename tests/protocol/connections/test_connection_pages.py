"""The pages of connections: what they say in each condition, to whom, and the calendar files of their reminders."""

from datetime import date, timedelta

import icalendar
import pytest
import requests

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AccountShare, ApiToken, Connection, TeamMember, TeamRole
from bunqflask.services import health_report
from bunqflask.services.connections import reminders
from bunqflask.services.consent.disconnect import disconnect
from tests.protocol.api.program import program_of
from tests.support import consents, rows
from tests.support.apps import ThreadSite, add_member, sign_in
from tests.support.bank import JODI, Bank
from tests.support.beginnings import Begin
from tests.support.browser import Browser
from tests.support.conditions import Time, seen, up_to_date

BADGE = "needing attention:"


@pytest.fixture
def time(site: ThreadSite, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> Time:
    """Robin has connected bunq, and all is up to date."""
    begin(up_to_date)
    return Time(site.app, monkeypatch)


def set_days(site: ThreadSite, days: int | None) -> None:
    with rows.behind(site.app):
        reminders.set_days(rows.owner(), 1, days)


def entries(content: bytes) -> dict[str, tuple[date, str]]:
    """Return the days of a calendar file with the titles, by their UIDs."""
    found = icalendar.Calendar.from_ical(content).walk("VEVENT")
    return {str(each["uid"]): (each.decoded("dtstart"), str(each["summary"])) for each in found}


def test_a_working_one_names_four_clocks_and_no_date_of_bunq(site: ThreadSite, bank: Bank, time: Time) -> None:
    robin = sign_in(site, consents.ROBIN)
    listed = robin.get("/connections")
    assert BADGE not in listed.text
    assert "1 working" in listed.text
    assert "Jodi Walker" in listed.text
    page = robin.get("/connections/1")
    for said in (
        "bunq names no date",
        "Your own reminder is after 80 days",
        "Open until",
        "4 accounts",
    ):
        assert said in page.text
    assert "1 up to date · 29 not known" in page.text
    assert str(JODI) in page.text
    assert "connected" in page.text.lower()
    assert "expires" not in page.text.lower()


def test_a_stopped_one_is_first_with_its_proof_and_a_badge_on_every_page(
    site: ThreadSite, bank: Bank, time: Time
) -> None:
    bank.revoke(JODI)
    time.work(timedelta(minutes=61))
    robin = sign_in(site, consents.ROBIN)
    assert f"{BADGE} 1" in robin.get("/payments").text
    # Also where a part of the page asks for itself again, and where htmx brings a page back that somebody left.
    again = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    for headers in ({}, again):
        assert f"{BADGE} 1" in robin.get("/connections/1/accounts", headers).text
    listed = robin.get("/connections")
    assert "Jodi Walker has stopped updating" in listed.text
    assert "We ask again for two hours" in listed.text
    assert "Needs somebody (1)" in listed.text
    page = robin.get("/connections/1")
    assert "User credentials are incorrect" in page.text
    assert "bunq’s status" in page.text
    assert "Stopped: bunq refused the permission" in page.text
    assert "The holder of the accounts" in page.text
    robin.submit(action="/reconnect")
    assert "Reconnect Jodi Walker" in robin.page.text


def test_without_a_worker_every_page_says_so_although_nobody_stores_it(
    site: ThreadSite, bank: Bank, time: Time
) -> None:
    time.skip(timedelta(minutes=3))
    robin = sign_in(site, consents.ROBIN)
    assert f"{BADGE} 1" in robin.get("/").text
    page = robin.get("/connections/1")
    assert "No worker runs on this server" in page.text
    assert "The person who runs this site" in page.text


def test_the_badge_counts_only_what_the_reader_sees_and_guests_have_none(
    site: ThreadSite, bank: Bank, time: Time
) -> None:
    add_member(site.app, "sam@example.org", "Sam", role=TeamRole.MEMBER)
    bank.revoke(JODI)
    time.work(timedelta(minutes=61))
    sam = sign_in(site, "sam@example.org")
    assert BADGE not in sam.get("/connections").text
    assert "No connections yet" in sam.page.text
    consents.share(sign_in(site, consents.ROBIN))
    assert f"{BADGE} 1" in sam.get("/connections").text
    page = sam.get("/connections/1")
    assert "has stopped updating" in page.text
    assert "Renew now" not in page.text
    assert "User credentials are incorrect" not in page.text
    with rows.behind(site.app):
        member = db.session.scalars(db.select(TeamMember).filter_by(email="sam@example.org")).one()
        member.role, member.ends_at = TeamRole.GUEST, clock.now() + timedelta(days=30)
        for account in rows.monetary_accounts():
            share = AccountShare(account_id=account.id, granted_by_id=rows.owner().id, since=clock.now())
            share.member_id = member.id
            db.session.add(share)
        db.session.commit()
    assert "Jodi Walker has stopped updating" in sam.get("/connections").text
    assert BADGE not in sam.page.text, "a guest can do nothing about it"


def test_who_cannot_renew_sees_no_reminder(site: ThreadSite, bank: Bank, time: Time) -> None:
    consents.share(sign_in(site, consents.ROBIN))
    sam = sign_in(site, "sam@example.org")
    set_days(site, 10)
    time.work(timedelta(minutes=1))
    robin = sign_in(site, consents.ROBIN)
    assert f"{BADGE} 1" in robin.get("/connections").text
    assert "Renew soon" in robin.page.text
    for path in ("/connections", "/connections/1"):
        page = sam.get(path)
        assert "Jodi Walker" in page.text
        assert "Renew" not in page.text
        assert "eminder" not in page.text
    assert BADGE not in sam.page.text
    assert sam.get("/connections/1/reminder.ics").status == 404


def choose(browser: Browser, after: str, days: str = "") -> str:
    browser.get("/connections/1")
    return browser.submit(action="/reminder", after=after, days=days).text


def test_holders_choose_the_reminder(site: ThreadSite, bank: Bank, time: Time) -> None:
    robin = sign_in(site, consents.ROBIN)
    assert "Your own reminder is after 180 days" in choose(robin, "180")
    assert "Your own reminder is after 33 days" in choose(robin, "other", "33")
    assert "You have no reminder" in choose(robin, "never")
    for wrong in ("0", "731", "-3", "x", "", "³", "99999"):
        text = choose(robin, "other", wrong)
        assert robin.page.status == 422
        assert "from 1 to 730" in text
    with rows.behind(site.app):
        assert db.session.scalar(db.select(Connection.remind_after_days)) is None


def test_a_calendar_file_is_read_back_moves_with_a_renewal_and_ends_with_the_connection(
    site: ThreadSite, bank: Bank, time: Time
) -> None:
    robin = sign_in(site, consents.ROBIN)
    robin.get("/connections/calendar")
    robin.submit(action="/connections/calendar")
    address = robin.page.html.split('id="address" readonly value="')[1].split('"')[0]
    assert address.startswith(f"{site.url}/calendars/bqf_")

    def feed() -> dict[str, tuple[date, str]]:
        answer = requests.get(address, timeout=30)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/calendar; charset=utf-8")
        return entries(answer.content)

    [(uid, (day, title))] = feed().items()
    assert day == seen(site.app).reminder_day
    assert title == "Renew bunq: Jodi Walker"
    assert "VALARM" in requests.get(address, timeout=30).text
    one = robin.get("/connections/1/reminder.ics")
    assert entries(one.html.encode()) == feed()
    assert entries(robin.get("/connections/reminders.ics").html.encode()) == feed()

    time.work(timedelta(days=5))
    consents.connect(sign_in(site, consents.ROBIN), bank)
    [(again, (moved, _title))] = feed().items()
    assert (again, moved) == (uid, day + timedelta(days=5)), "the entry moves, and no second one comes"

    with rows.behind(site.app):
        disconnect(rows.owner(), 1, erase=False)
    assert feed() == {}
    with rows.behind(site.app):
        db.session.execute(db.delete(ApiToken))
        db.session.commit()
    assert requests.get(address, timeout=30).status_code == 404


def test_the_address_of_a_calendar_opens_nothing_else(site: ThreadSite, bank: Bank, time: Time) -> None:
    robin = sign_in(site, consents.ROBIN)
    robin.get("/connections/calendar")
    robin.submit(action="/connections/calendar")
    token = robin.page.html.split("/calendars/")[1].split("/")[0]
    as_header = {"Authorization": f"Bearer {token}"}
    for path in ("/api/v1/connections", "/api/v1/payments", "/mcp"):
        assert requests.get(site.url + path, headers=as_header, timeout=30).status_code in (401, 405), path
    for path in (f"/sheets/{token}/payments.csv", f"/sheets/{token}/balances.json"):
        assert requests.get(site.url + path, timeout=30).status_code == 403, path
    almost = token[:-1] + ("x" if token[-1] != "x" else "y")
    assert requests.get(f"{site.url}/calendars/{almost}/renewals.ics", timeout=30).status_code == 404
    other = requests.get(f"{site.url}/calendars/x/renewals.ics", headers=as_header, timeout=30)
    assert other.status_code == 404


def test_what_others_hold_is_in_no_file_of_mine(site: ThreadSite, bank: Bank, time: Time) -> None:
    consents.share(sign_in(site, consents.ROBIN))
    sam = sign_in(site, "sam@example.org")
    assert entries(sam.get("/connections/reminders.ics").html.encode()) == {}


def test_the_timeline_tells_of_a_stop_a_recovery_and_a_renewal(site: ThreadSite, bank: Bank, time: Time) -> None:
    bank.switch(maintenance=True)
    time.work(timedelta(minutes=61))
    for _ in range(13):
        time.work(timedelta(minutes=5))
    bank.switch(maintenance=False)
    time.work(timedelta(minutes=6))
    robin = sign_in(site, consents.ROBIN)
    page = robin.get("/connections/1").text
    assert "Stopped: bunq gave no usable answer for an hour" in page
    assert "Works again, after 1 hour" in page
    assert page.index("Works again") < page.index("Stopped: bunq gave")
    assert "without a complete update" in page
    assert "1 without update" in page


def test_programs_and_the_command_line_get_the_same(site: ThreadSite, bank: Bank, time: Time) -> None:
    program = program_of(site, consents.ROBIN)
    [found] = program.get("/connections")["items"]
    assert (found["state"], found["reason"], found["who"]) == ("working", None, "nobody")
    assert found["reminder_on"] == str(seen(site.app).reminder_day)
    assert found["given_at"] < found["complete_at"] < found["session_until"]
    bank.revoke(JODI)
    time.work(timedelta(minutes=61))
    [found] = program.get("/connections")["items"]
    assert (found["state"], found["reason"], found["who"]) == ("stopped", "refused", "holder")
    assert found == program.get("/connections/1")
    with rows.behind(site.app):
        report = health_report.report()
    [line] = [each for each in report.lines if each.name == "connection 1"]
    assert "Jodi Walker, stopped since " in line.found
    assert "(refused), bunq refused the permission, the worker asks again at " in line.found
    assert line.to_do == f"{found['explanation']} Open connection 1 in the browser."
    assert found["explanation"].startswith("Jodi Walker has stopped updating. bunq refuses the permission")
