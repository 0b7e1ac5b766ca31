"""What is recorded of what people do, and what never is: amounts, texts of payments, searches, secrets."""

import json
import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, event, select

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AccountLook, AccountShare, AuditAccount, AuditEvent, AuditKind, Payment
from bunqflask.services.audit import verification
from bunqflask.services.sync import connection_sync
from bunqflask.services.team import members
from tests.protocol.consent.test_other_device import approve_on_phone, link_of
from tests.support import rows
from tests.support.apps import PASSWORD, ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.beginnings import Begin
from tests.support.browser import Browser
from tests.support.consents import ask, connect, share, start
from tests.support.secrets import SecretsSeen

ROBIN, SAM = "robin@example.com", "sam@example.com"
MAIN, CAR = 2083712, 2083719


def recorded(site: ThreadSite) -> list[dict[str, Any]]:
    """Return every event as it is stored, the oldest first; the chain has to be whole."""
    with rows.behind(site.app):
        verification.verify()
        found = []
        for each in db.session.scalars(select(AuditEvent).order_by(AuditEvent.id)):
            ids = db.session.scalars(select(AuditAccount.account_id).where(AuditAccount.event_id == each.id))
            row = {name: getattr(each, name) for name in AuditEvent.__table__.columns.keys()}  # noqa: SIM118 - a collection of columns iterates over columns, not names
            found.append(row | {"account_ids": sorted(ids)})
        return found


def of_kind(site: ThreadSite, *kinds: AuditKind) -> list[dict[str, Any]]:
    return [each for each in recorded(site) if each["kind"] in kinds]


def kinds(site: ThreadSite, *, after: int = 0) -> list[str]:
    return [each["kind"].value for each in recorded(site) if each["id"] > after]


def try_to_log_in(site: ThreadSite, email: str, password: str = "wrong password") -> int:
    browser = site.browser()
    browser.get("/login")
    return browser.submit(action="/login", email=email, password=password).status


def test_logins_and_refusals_are_recorded_with_their_address_and_browser(site: ThreadSite) -> None:
    robin = sign_in(site, ROBIN)
    assert try_to_log_in(site, ROBIN) == 403
    assert try_to_log_in(site, "nobody-has-this@example.com") == 403
    robin.get("/settings")
    robin.submit(action="/settings/password", current="wrong", new="another long password")
    robin.submit(action="/settings/password", current=PASSWORD, new="another long password")
    robin.get("/")
    robin.submit(action="/logout")
    logins = [each for each in recorded(site) if each["kind"] not in (AuditKind.SETUP_RUN, AuditKind.MEMBER_ADDED)]
    assert [each["kind"].value for each in logins] == [
        "login",
        "login_refused",
        "login_refused",
        "login_refused",
        "password_changed",
        "login_ended",
    ]
    [entered, wrong, unknown, borrowed, changed, ended] = logins
    assert (entered["actor_text"], entered["address"]) == ("robin <robin@example.com>", "127.0.0.1")
    assert entered["browser"] == robin.session.headers["User-Agent"]
    assert (wrong["actor_id"], wrong["subject"]) == (None, "robin")
    assert wrong["subject_member_id"] == entered["actor_id"]
    assert (unknown["subject"], unknown["subject_member_id"]) == ("", None)
    assert re.fullmatch("[0-9a-f]{8}", unknown["facts"]["account"])
    assert "nobody-has-this" not in json.dumps(unknown, default=str)
    assert borrowed["actor_id"] == entered["actor_id"]
    assert borrowed["login_id"] == changed["login_id"] == ended["login_id"] == entered["login_id"]
    assert ended["facts"] == {"how": "logged_out", "login": entered["login_id"]}


def test_tries_that_are_held_back_are_recorded_once(site: ThreadSite) -> None:
    sign_in(site, ROBIN)
    before = len(recorded(site))
    assert [try_to_log_in(site, ROBIN) for _ in range(13)] == [403] * 10 + [429] * 3
    assert kinds(site, after=before) == ["login_refused"] * 10 + ["login_throttled"]


def test_each_step_of_a_consent_is_recorded(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, ROBIN)
    before = len(recorded(site))
    connect(robin, bank)
    found = recorded(site)[before:]
    assert [each["kind"].value for each in found] == ["consent_begun", "consent_approved", "connected"]
    assert {each["actor_text"] for each in found} == {"robin <robin@example.com>"}
    assert [each["facts"]["elsewhere"] for each in found[1:]] == [False, False]
    assert (found[2]["subject"], found[2]["connection_id"], len(found[2]["account_ids"])) == ("Jodi Walker", 1, 4)
    connect(robin, bank, accounts=[CAR])
    assert kinds(site, after=found[-1]["id"]) == [
        "consent_begun",
        "consent_approved",
        "consent_confirmed",
        "renewed",
    ], "the member was asked about what changes"
    assert recorded(site)[-1]["facts"] | {"attempt": ""} == {
        "attempt": "",
        "elsewhere": False,
        "new": 0,
        "gone": 3,
        "stays": 1,
    }


def test_an_approval_in_another_browser_says_so(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, ROBIN)
    before = len(recorded(site))
    link = link_of(robin)
    waiting = robin.page
    approve_on_phone(site, bank, link)
    robin.get(waiting.url)
    robin.submit(button="Yes, connect Jodi Walker")
    found = recorded(site)[before:]
    assert [each["kind"].value for each in found] == [
        "consent_begun",
        "consent_link_opened",
        "consent_approved",
        "consent_confirmed",
        "connected",
    ]
    [_begun, opened, approved, confirmed, made] = found
    assert approved["browser"] == opened["browser"] == "Mozilla/5.0 (iPhone; the holder's)"
    assert (approved["actor_id"], approved["subject"], approved["facts"]["elsewhere"]) == (None, "robin", True)
    assert confirmed["subject"] == made["subject"] == "Jodi Walker"
    assert made["facts"]["elsewhere"]


def test_attempts_that_end_without_a_connection_are_recorded(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, ROBIN)
    robin.get(bank.deny(ask(robin)) or "")
    start(robin)
    robin.submit(action="/cancel")
    start(robin)
    rows.age_attempts(site.app, timedelta(hours=2))
    rows.run_duties(site.app)
    approve_on_phone(site, bank, link_of(robin))
    robin.get(robin.page.url)
    robin.submit(button="No, discard")
    ended = of_kind(site, AuditKind.CONSENT_ENDED)
    assert [(each["facts"]["step"], each["facts"]["late"]) for each in ended] == [
        ("denied", False),
        ("cancelled", False),
        ("expired", True),
        ("discarded", False),
    ]
    assert ended[-1]["subject"] == "Jodi Walker"
    assert ended[2]["address"] == "", "the worker ended it"


@pytest.fixture
def shared(site: ThreadSite, begin: Begin) -> Browser:
    """Robin, who has connected Jodi, imported the payments and shared them with the team."""
    return begin(_share)


def _share(site: ThreadSite, bank: Bank) -> Browser:
    robin = sign_in(site, ROBIN)
    bank.seed(5, account=MAIN)
    connect(robin, bank)
    imported(site)
    share(robin)
    return robin


def imported(site: ThreadSite) -> None:
    """Import the payments of the only connection."""
    with rows.behind(site.app), rows.read_only():
        assert connection_sync.run(1, patience_s=10)


def test_shares_exports_and_erasures_are_recorded(site: ThreadSite, shared: Browser) -> None:
    before = len(recorded(site))
    shared.get("/payments/export")
    today = str(clock.now().date())
    sent: dict[str, Any] = {"from": "2026-01-01", "to": today, "account": ["1", "2"], "format": "csv"}
    assert shared.submit(action="/payments/export", **sent).status == 200
    shared.get("/connections/1/sharing")
    shared.submit(button="Stop sharing")
    shared.get("/connections/1/disconnect")
    shared.submit(action="/connections/1/disconnect", data="erase")
    found = recorded(site)[before:]
    assert [each["kind"].value for each in found] == ["exported", "unshared", "disconnected", "erased"]
    [exported, unshared, ended, erased] = found
    with rows.behind(site.app):
        assert db.session.scalars(select(Payment)).first() is None
    assert exported["account_ids"] == [1, 2]
    assert exported["facts"]["formats"] == ["csv"]
    assert exported["facts"]["rows"] > 0
    assert (exported["facts"]["first_day"], exported["facts"]["last_day"]) == ("2026-01-01", today)
    assert ended["account_ids"] == erased["account_ids"] == [1, 2, 3, 4]
    assert ended["subject"] == erased["subject"] == "Jodi Walker"
    assert (unshared["account_ids"], unshared["facts"]) == ([1], {"how": "ended"})
    [granted] = of_kind(site, AuditKind.SHARED)
    assert granted["account_ids"] == [1, 2, 3, 4]
    assert granted["facts"] == {"people": [], "team": True, "first_day": None, "last_day": None}


def test_a_share_says_with_whom_and_until_when_and_its_end_is_recorded(site: ThreadSite, shared: Browser) -> None:
    sign_in(site, SAM)
    with rows.behind(site.app):
        sam = members.require(SAM)
    tomorrow = clock.now().date() + timedelta(days=1)
    share(shared, accounts=[2], member=str(sam.id), since="2026-01-01", until=str(tomorrow))
    granted = of_kind(site, AuditKind.SHARED)[-1]
    assert (granted["account_ids"], granted["subject"], granted["subject_member_id"]) == ([2], "sam", sam.id)
    assert granted["facts"] == {"people": ["sam"], "team": False, "first_day": "2026-01-01", "last_day": str(tomorrow)}
    with rows.behind(site.app):
        db.session.execute(db.update(AccountShare).where(AccountShare.until.is_not(None)).values(until=clock.now()))
        db.session.commit()
    rows.run_duties(site.app)
    [ended] = of_kind(site, AuditKind.UNSHARED)
    assert (ended["facts"], ended["subject"], ended["actor_text"]) == ({"how": "expired"}, "sam", "")


def test_an_export_that_is_refused_is_not_recorded(site: ThreadSite, shared: Browser) -> None:
    shared.get("/payments/export")
    sent = {"from": "2026-01-31", "to": "2026-01-01", "account": "1", "format": "csv"}
    assert shared.submit(action="/payments/export", **sent).status == 422
    assert of_kind(site, AuditKind.EXPORTED) == []


def writes_of(site: ThreadSite, browser: Browser, address: str) -> list[str]:
    """Return the statements by which a page changes rows."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE", "BEGIN IMMEDIATE")):
            found.append(statement)

    with site.app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert browser.get(address).status == 200
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return found


def test_the_first_look_of_a_day_at_somebody_elses_account_is_recorded_once(
    site: ThreadSite, shared: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = f"/connections/1/accounts/{MAIN}/payments"
    with rows.behind(site.app):
        payment_id = db.session.scalars(select(Payment.id).where(Payment.account_id == 1)).first()
    for address in ("/payments", main, f"/payments/{payment_id}", "/payments/months"):
        shared.get(address)
    assert of_kind(site, AuditKind.ACCOUNT_VIEWED) == [], "they are Robin's own"
    # After a login one is on the first page, which shows the newest payments and the sums of the month.
    sam = sign_in(site, SAM)
    for address in ("/", main, f"/payments/{payment_id}", f"{main}?q=albert", "/payments", "/payments/months"):
        assert writes_of(site, sam, address) == []
    [look] = of_kind(site, AuditKind.ACCOUNT_VIEWED)
    assert (look["actor_text"], look["account_ids"]) == ("sam <sam@example.com>", [1, 2, 3, 4])
    assert look["facts"] == {"day": str(clock.now().astimezone(site.app.config["TIME_ZONE"]).date())}


def test_a_page_of_nothing_is_no_look(site: ThreadSite, shared: Browser) -> None:
    sam = sign_in(site, SAM)
    with rows.behind(site.app):
        db.session.execute(delete(AccountLook))
        db.session.commit()
    assert sam.get("/payments?from=nonsense").status == 422
    assert sam.get("/connections/9/accounts/1/payments").status == 404
    assert rows.count(site.app, AccountLook) == 0


def test_invitations_roles_locks_and_ended_logins_are_recorded(site: ThreadSite) -> None:
    robin = sign_in(site, ROBIN)
    robin.get("/team")
    shown = robin.submit(action="/team/invitations", label="Sam Okafor", role="admin").html
    link = re.search(r'value="http[^"]+(/welcome/[^"]+)"', shown)
    assert link is not None
    sam = site.browser("Sam's browser")
    sam.get(link[1])
    sam.get(link[1])
    sam.submit(action=link[1], email=SAM, name="Sam Okafor", new="a long and fine password")
    before = next(each["id"] for each in recorded(site) if each["kind"] == AuditKind.LOGIN)
    with rows.behind(site.app):
        found = members.find(SAM)
        assert found is not None
    person = f"/team/members/{found.id}"
    robin.get(person)
    robin.submit(action=person, role="member")
    robin.get(person)
    robin.submit(action=f"{person}/lock")
    robin.get(person)
    robin.submit(action=f"{person}/unlock")
    robin.get(f"{person}/remove")
    robin.submit(action=f"{person}/remove")
    told = [each for each in recorded(site) if each["id"] > before]
    assert [each["kind"].value for each in told if not each["kind"].value.startswith("login")] == [
        "invitation_made",
        "invitation_opened",
        "invitation_accepted",
        "role_changed",
        "member_locked",
        "member_unlocked",
        "member_removed",
    ]
    by_kind = {each["kind"].value: each for each in told}
    assert by_kind["invitation_opened"]["browser"] == "Sam's browser"
    assert by_kind["invitation_accepted"]["actor_text"] == f"Sam Okafor <{SAM}>"
    assert by_kind["role_changed"]["facts"] == {"role": "member", "before": "admin"}
    assert by_kind["member_removed"]["subject"] == "Sam Okafor"
    assert {by_kind[kind]["actor_text"] for kind in ("invitation_made", "role_changed", "member_removed")} == {
        f"robin <{ROBIN}>"
    }
    assert link[1].rpartition("/")[2] not in json.dumps(told, default=str), "links are secrets"


@pytest.mark.settings(PUBLIC_URL="http://localhost:5000")
def test_commands_are_recorded_with_the_user_of_the_machine(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "jodi")
    runner = app.test_cli_runner()
    for arguments in (["add", ROBIN], ["add", SAM], ["reset", ROBIN], ["remove", SAM]):
        stdin = ["--password-stdin"] if arguments[0] == "add" else []
        done = runner.invoke(args=["team", *arguments, *stdin], input=PASSWORD)
        assert done.exit_code == 0, done.output
    assert runner.invoke(args=["secrets", "rotate"]).exit_code == 0
    assert runner.invoke(args=["audit", "list"]).exit_code == 0
    with app.app_context():
        found = list(db.session.scalars(select(AuditEvent).order_by(AuditEvent.id)))
        assert [each.kind.value for each in found] == [
            "member_added",
            "member_added",
            "member_reset",
            "member_removed",
            "keys_rotated",
            "trail_read",
        ]
        assert all(each.actor_text.endswith(" (sudo by jodi)") for each in found)
        assert [each.subject for each in found[:4]] == ["robin", "sam", "robin", "sam"]


def test_no_amount_text_search_or_secret_is_in_any_event_or_line(
    site: ThreadSite, bank: Bank, secrets_seen: SecretsSeen, lines: list[str]
) -> None:
    robin = sign_in(site, ROBIN)
    secrets_seen.add("password", PASSWORD)
    bank.receive(MAIN, "7351.93")
    connect(robin, bank)
    imported(site)
    share(robin)
    sam = sign_in(site, SAM)
    with rows.behind(site.app):
        [paid] = [each for each in db.session.scalars(select(Payment)) if str(each.amount).startswith("7351.93")]
        texts = {"Somebody", "just now"} | {
            each for each in (paid.description, paid.counterparty_name, paid.counterparty_iban) if each
        }
        payment_id = paid.id
    sam.get(f"/payments/{payment_id}")
    sam.get("/payments?q=zonneschijn&min=7000")
    sam.get("/payments/export")
    sam.submit(action="/payments/export", **{"from": "2026-01-01", "to": str(clock.now().date()), "format": "csv"})
    approve_on_phone(site, bank, link_of(robin))
    try_to_log_in(site, ROBIN, "a wrong and secret password")
    written = json.dumps(recorded(site), default=str) + "\n".join(lines)
    assert len(lines) == len(recorded(site)) - site_made_before(site)
    assert "exported" in written
    assert secrets_seen.kinds() >= {"password", "secret", "code", "state"}
    assert secrets_seen.found_in(written) == []
    for each in {*texts, "7351.93", "7,351", "73519300", "zonneschijn", "min=7000", "a wrong and secret password"}:
        assert each not in written, each


def site_made_before(site: ThreadSite) -> int:
    """Return how many events there were before the lines were collected: setting up."""
    return len(of_kind(site, AuditKind.SETUP_RUN))


def test_lines_are_written_whatever_level_the_app_logs_at(site: ThreadSite, lines: list[str]) -> None:
    logger = logging.getLogger("bunqflask.audit")
    assert logger.isEnabledFor(logging.INFO)
    try_to_log_in(site, ROBIN)
    [line] = lines
    assert line.startswith('{"kind":"login_refused","address":"127.0.0.1",')
