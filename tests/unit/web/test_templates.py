"""What every page keeps to: no inline script or style, escaped names, no amount where amounts are hidden."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, render_template
from jinja2 import StrictUndefined
from markupsafe import Markup

from bunqflask.config import HOME_ZONE
from bunqflask.models import AttemptStep, ConnectionState, ConsentGrantState, FactorKind
from bunqflask.services.consent.invitations import InvitationState
from bunqflask.services.payments.this_month import Change
from bunqflask.services.payments.totals import Totals
from bunqflask.services.receipt import GivenConsent, Holder, Reader, Receipt, StoredAccount
from bunqflask.services.team.factors import MembersFactor
from bunqflask.services.team.holdings import HeldAccount
from bunqflask.services.team.invitations import NewLink
from bunqflask.services.team.members import TeamRefused
from bunqflask.web.audit.presenters import DayOfEvents, EventView
from bunqflask.web.connections import home, view_models
from bunqflask.web.connections.view_models import AccountRow, ConditionNote, ConnectionCard, PermissionRow, Pill
from bunqflask.web.consent.view_models import AccountDiff, AttemptView, InviteForm, InviteRow, PendingAttempt
from bunqflask.web.errors.problem import Problem, Way
from bunqflask.web.notices.views import ShownNotice
from bunqflask.web.team.people import TermsForm
from bunqflask.web.team.people_presenters import InvitationRow, LoginRow, PersonRow, RolePill
from bunqflask.web.ui import amounts, appearance, formatting, icons, qr, timestamps

TEMPLATES = Path(__file__).parents[3] / "templates"
NAME = "<script>alert(1)</script>\u202e" + "x" * 200
HOSTILE = '"><script>alert(1)</script>'
NOW = datetime.now(UTC)
NOTICES = [
    ShownNotice(1, "Sam connected Jodi too.", NOW, asks_who=False),
    ShownNotice(2, "Somebody logged in.", NOW, asks_who=True),
]
PROBLEM = Problem(
    title="bunq is down",
    lead="Stored data stays readable.",
    status=503,
    happened="bunq gave no answer.",
    todo=["Wait.", "Try again."],
    who="Nobody: it heals.",
    reference="BF-1",
    facts=[("bunq’s answer", "<b>\u202e400")],
    ways=[Way(label="Try now", url="/try", method="post", primary=True), Way(label="Back", url="/")],
)
NOTE = ConditionNote(
    kind="bad",
    icon="warning",
    title=f"{formatting.name(NAME)} has stopped updating",
    lead="Stored data stays readable.",
    who="Nobody: it heals.",
    todo=("Wait.", "Try again."),
    since=NOW,
    next_try_at=NOW,
    facts=[("bunq’s answer", "<b>\u202e400")],
    ways=[Way(label="Try now", url="/try", method="post", primary=True)],
)

ASKER = {
    "asker": NAME,
    "bunq_calls_us": NAME,
    "site": "geld.example.org",
    "expires_at": NOW,
    "failed_before": False,
    "writes": ["Notes and files on payments"],
    "member": None,
}
GIVEN = {
    "person": NAME,
    "approved_at": NOW,
    "iban_endings": ["1945", ""],
    "is_confirmed": False,
    "is_ended": False,
    "confirm_until": NOW,
}


def an_invitation(state: InvitationState) -> InviteRow:
    is_open = state not in (InvitationState.DONE, InvitationState.ENDED)
    return InviteRow(
        id=f"a{state.value}",
        label=NAME,
        state=state,
        state_text=state.value,
        state_look="warn" if state == InvitationState.APPROVED else "neutral",
        state_since=NOW,
        created_at=NOW,
        ends_at=NOW if is_open else None,
        renews_name=NAME,
        language="Dutch",
        link="http://localhost:5000/c/one-time" if state == InvitationState.NOT_OPENED else "",
        note=NAME,
        may_withdraw=is_open,
        is_open=is_open,
    )


def a_row(number: int, **more: Any) -> AccountRow:
    plain: dict[str, Any] = {
        "connection_id": 7,
        "monetary_account_id": number,
        "name": NAME,
        "type_label": view_models.type_label("MonetaryAccountJoint", "EUR", [NAME]),
        "icon": "joint",
        "iban": "NL65BUNQ2090411945",
        "amount": Decimal("-8642.75"),
        "currency": "EUR",
        "color": "#FF7819",
        "pill": view_models.Pill("bad", "Overdrawn"),
        "goal": view_models.goal(Decimal("8642.75"), Decimal("97531.25")),
    }
    return AccountRow(**(plain | more))


def a_card(**more: Any) -> ConnectionCard:
    rows = [a_row(1), a_row(2, iban=None, icon="unknown", pill=None, goal=None, color=None)]
    plain: dict[str, Any] = {
        "id": 7,
        "name": NAME,
        "kind": "person",
        "state": "active",
        "pill": Pill("ok", "Working"),
        "note": None,
        "sharing": "private",
        "may_act": True,
        "connected_by": [NAME],
        "permissions": [PermissionRow(member_name=NAME, is_own=False, granted_at=NOW, lost_at=NOW, accounts=[NAME])],
        "sums": view_models.totals(rows),
        "open": rows,
        "apart": [a_row(3)],
        "closed": [a_row(4, closed_on=NOW.date())],
        "updated_at": NOW - timedelta(minutes=2),
        "next_try_at": NOW + timedelta(minutes=2),
    }
    return ConnectionCard(**(plain | more))


ENDING = view_models.Ending(
    deleted=[NAME], staying=[view_models.Staying(NAME, [NAME], False)], ends_shares=True, is_over=False
)
CARDS = {
    "plain": a_card(),
    "polled": a_card(polling_trigger="load delay:100ms", updating=True, kind="company"),
    "troubled": a_card(note=NOTE, sharing="members", worker_is_missing=True, focus=True),
    "lost": a_card(state="lost", note=NOTE, is_to_be_renewed=True, sharing="team", kind="unknown"),
    "disconnected": a_card(state="disconnected", sharing="guest", may_act=False, updated_at=None),
    "empty": a_card(open=[], apart=[], closed=[], sums=[], updated_at=None, next_try_at=None),
}


MONTH = home.MonthView(
    title="March 2026 so far",
    days="1–14 Mar",
    days_before="1–14 Feb",
    changes=(
        Change(
            now=Totals("EUR", 3, Decimal("1.10"), Decimal("-2.20"), Decimal(0), 1),
            before=Totals("EUR", 1, Decimal("3.30"), Decimal("-4.40")),
        ),
        Change(now=Totals("USD"), before=Totals("USD", 1, Decimal("5.50"))),
    ),
    own_count=1,
    newest=[
        home.NewestRow(
            url="/payments/1",
            name=formatting.name(NAME),
            direction="own",
            amount=Decimal("-97531.25"),
            currency="EUR",
            account=formatting.name(NAME),
            created_at=NOW,
            is_today=False,
        )
    ],
    is_complete=False,
)


def an_attempt(step: Any, *, full: bool) -> AttemptView:
    if not full:
        return AttemptView(id="a1", step=step, person=NAME, renews_name=NAME)
    return AttemptView(
        id="a1",
        step=step,
        link="http://localhost:5000/c/one-time",
        qr_svg=qr.qr_svg("http://localhost:5000/c/one-time"),
        expires_at=NOW + timedelta(minutes=9),
        opened="Opened in Safari on iPhone at 04:59.",
        bunq_calls_us=NAME,
        approved_at=NOW,
        next_try_at=NOW,
        give_up_at=NOW + timedelta(hours=1),
        person=NAME,
        person_kind="company",
        connected_since=NOW - timedelta(days=80),
        account_diff=AccountDiff(new=[a_row(1)], gone=[a_row(2)], stays=[a_row(3)]),
        other_person=True,
        renews_name=NAME,
        card=a_card(),
        problem=PROBLEM,
        polling=True,
    )


LOGIN = {
    "id": 1,
    "device": NAME,
    "address": "::1",
    "since": NOW,
    "last_seen_at": NOW,
    "current": False,
}
TRUSTED = {"id": 1, "device": NAME, "seen_at": NOW, "until": NOW}
FACTOR = MembersFactor(id=1, kind=FactorKind.PASSKEY, name=NAME, created_at=NOW, last_used_at=NOW)
PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "home": (
        "connections/index.html",
        {
            "cards": list(CARDS.values()),
            "total": home.total(list(CARDS.values())),
            "month": MONTH,
            "reconnect": [CARDS["lost"]],
            "pending": [
                PendingAttempt(id="a1", url="/connect/a1", text="Approved", label="Check and answer"),
                PendingAttempt(
                    id="a2",
                    url="/connect/a2",
                    text="Waiting",
                    label="Continue",
                    link="http://localhost:5000/c/one-time",
                    opened="Opened in Safari on iPhone at 04:59.",
                    expires_at=NOW,
                ),
            ],
        },
    ),
    "home without payments": (
        "connections/index.html",
        {
            "cards": [CARDS["disconnected"]],
            "total": home.total([CARDS["disconnected"]]),
            "month": None,
            "reconnect": [],
            "pending": [],
        },
    ),
    "empty home": ("connections/index.html", {"cards": [], "total": home.total([]), "month": None, "pending": []}),
    "error": ("errors/error.html", {"problem": PROBLEM}),
    "consent error": ("errors/consent.html", {"problem": PROBLEM, "member": None}),
    "link": (
        "consent/link.html",
        {**ASKER, "failed_before": True},
    ),
    "done": ("consent/done.html", {**ASKER, **GIVEN}),
    "done, confirmed": ("consent/done.html", {**ASKER, **GIVEN, "is_confirmed": True, "iban_endings": []}),
    "done, ended": ("consent/done.html", {**ASKER, **GIVEN, "is_ended": True}),
    "begin": (
        "consent/begin.html",
        {
            "form": InviteForm(label=NAME, language="nl", renews="7"),
            "refused": "Enter a name.",
            "renews_name": NAME,
            "invitations": [an_invitation(state) for state in InvitationState],
        },
    ),
    "begin, first": (
        "consent/begin.html",
        {"form": InviteForm(), "refused": "", "renews_name": None, "invitations": []},
    ),
    "invited": (
        "consent/show.html",
        {
            "attempt": replace(
                an_attempt(AttemptStep.WAITING, full=True),
                invitation=an_invitation(InvitationState.OPENED),
                polling=True,
            )
        },
    ),
    "changes to confirm": (
        "consent/show.html",
        {"attempt": replace(an_attempt(AttemptStep.CONFIRM, full=True), asks_about_changes=True, other_person=False)},
    ),
    "login": (
        "team/login.html",
        {"email": "a@b.nl", "next": "/x", "error": "No match", "reason": None, "passkeys": False, "member": None},
    ),
    "idle": (
        "team/login.html",
        {"email": "", "next": "/", "error": None, "reason": "idle", "passkeys": True, "member": None},
    ),
    "settings": (
        "team/settings.html",
        {"logins": [LOGIN, LOGIN | {"current": True}], "trusted": [TRUSTED], "errors": {}},
    ),
    "refused": (
        "team/settings.html",
        {"logins": [LOGIN], "trusted": [], "errors": {"current": "Wrong", "new": "Short"}},
    ),
    "code": ("team/login_factor.html", {"next": "/x", "error": "No match", "passkeys": True, "member": None}),
    "factors": ("team/factors.html", {"factors": [FACTOR], "codes_left": 3, "passkeys": True, "required_from": None}),
    "no factors": (
        "team/factors.html",
        {"factors": [], "codes_left": 0, "passkeys": False, "required_from": NOW.date()},
    ),
    "authenticator app": (
        "team/factor_totp.html",
        {"secret": "ABC", "qr": qr.qr_svg("otpauth://totp/x", "QR code"), "errors": {"code": "Wrong"}},
    ),
    "passkey": ("team/factor_passkey.html", {"error": "Not understood"}),
    "recovery codes": ("team/factor_codes.html", {"codes": ["abcd-efgh-jkmn-pqrs"]}),
    "confirm": (
        "team/confirm.html",
        {"action": "/x", "kept": [(HOSTILE, HOSTILE)], "back": "/", "error": "Wrong", "has_passkey": True},
    ),
}
PERSON = PersonRow(
    id=1,
    name=NAME,
    email="a@b.nl",
    initials="SA",
    is_you=False,
    pill=RolePill(kind="neutral", text="Guest until 27 Jan 2027", icon="clock"),
    rights="Reads what is shared with them",
    sees="sees 1 of 2 accounts",
    is_locked=True,
    is_last_owner=False,
    last_login_at=NOW,
    shows_last_login=True,
    change_url="/team/members/1",
)
INVITATION = InvitationRow(
    id=1,
    label=NAME,
    role="Guest until 27 Jan 2027",
    inviter=NAME,
    created_at=NOW,
    expires_at=NOW,
    opened_at=NOW,
    may_change=True,
)
ELSEWHERE = LoginRow(
    id=1,
    name=NAME,
    device="Chrome on Linux",
    address="::1",
    created_at=NOW,
    last_seen_at=NOW,
    is_this=False,
    end_url="/team/logins/1/end",
)
TERMS: dict[str, Any] = {
    "roles": [("member", "Member"), ("guest", "Guest")],
    "guest_days": ("2026-11-28", "2027-11-28"),
    "own_accounts": [HeldAccount(7, NAME, NAME, "NL73BUNQ2090411801")],
    "form": TermsForm(label="Sam", role="guest"),
    "refused": TeamRefused("A guest needs a last day.", field="until"),
}
EVENT = EventView(
    id=1, initials="RV", who=NAME, what=Markup("looked at <bdi>Car</bdi>"), at=NOW, place="Chrome · 203.0.113.7"
)
DAY = DayOfEvents(id="events-2026-11-28", title="Today", day="2026-11-28", is_continued=False, events=[EVENT])
TRAIL: dict[str, Any] = {
    "days": [DAY],
    "older_url": "/audit?older=9",
    "is_older": False,
    "is_fragment": False,
    "asked": {"person": "1"},
    "people": [("1", NAME)],
    "kinds": {"looked": "Looked at"},
    "spans": [("7", "Last 7 days")],
    "audit_days": 400,
    "sees_all": True,
}
RECEIPT = Receipt(
    made_at=NOW,
    connection_id=7,
    name=NAME,
    bunq_user_id=8,
    environment="local",
    state=ConnectionState.ACTIVE,
    state_since=NOW,
    updated_at=NOW,
    readers=(Reader(name=NAME, since=NOW, until=NOW, first_day=NOW.date()), Reader(name=None, since=NOW)),
    accounts=(
        StoredAccount(
            id=1, name=NAME, iban="NL65BUNQ2090411945", currency="EUR", payments=3, first_payment_at=NOW,
            last_payment_at=NOW, notes=1, withdrawn_payments=1,
        ),
    ),
    consents=(GivenConsent(approved_at=NOW, asked_by=NAME, state=ConsentGrantState.LOST, state_since=NOW),),
    holders=(Holder(name=NAME, since=NOW),),
    seen_by=(),
    has_more_events=True,
)  # fmt: skip
NOTHING_STORED = replace(RECEIPT, updated_at=None, readers=(), accounts=(), consents=(), holders=())
TEAM: dict[str, Any] = {
    "people": [PERSON, replace(PERSON, is_you=True, is_locked=False, is_last_owner=True, last_login_at=None)],
    "counts": "2 guests",
    "invitations": [INVITATION, replace(INVITATION, inviter=None, opened_at=None, may_change=False)],
    "logins": [ELSEWHERE, replace(ELSEWHERE, is_this=True, end_url=None)],
    "may_invite": True,
    "sees_all_logins": True,
    "events": [EVENT],
    "sets_rules": True,
    "second_factor_from": NOW.date(),
    "rights_table": [("Export", ["yes", "yes", "yes", "if allowed"])],
    **TERMS,
}
PAGES |= {
    "trail": ("audit/index.html", TRAIL),
    "end of the trail": ("audit/index.html", TRAIL | {"is_older": True, "older_url": None, "asked": {}}),
    "empty trail": ("audit/index.html", TRAIL | {"days": [], "sees_all": False}),
    "receipt": ("audit/receipt.html", {"receipt": RECEIPT, "events": [EVENT]}),
    "bare receipt": ("audit/receipt.html", {"receipt": NOTHING_STORED, "events": []}),
    "team": ("team/index.html", TEAM),
    "team of a member": ("team/index.html", TEAM | {"may_invite": False, "refused": None, "invitations": []}),
    "person": ("team/person.html", {"person": PERSON, "may_lock": True, "may_remove": True, **TERMS}),
    "remove": (
        "team/remove.html",
        {"person": PERSON, "alone": [NAME], "heirs": [PERSON], "refused": None, "chosen": "hand-over"},
    ),
    "invited": (
        "team/invited.html",
        {
            "link": NewLink(label=NAME, url="http://localhost:5000/welcome/x", expires_at=NOW),
            "qr": qr.qr_svg("http://localhost:5000/welcome/x"),
            "link_stays_here": True,
        },
    ),
    "welcome": (
        "team/welcome.html",
        {
            "token": "x",
            "invitation": INVITATION,
            "pill": PERSON.pill,
            "may_do": ["You can read."],
            "site": "geld.example.org",
            "email": "a@b.nl",
            "name": "Sam",
            "errors": {"email": "Taken", "new": "Short"},
            "least": 12,
        },
    ),
    "new password": (
        "team/password.html",
        {"token": "x", "person": PERSON, "error": "Short", "least": 12, "member": None},
    ),
}
PAGES |= {f"card {key}": ("connections/connection.html", {"card": card}) for key, card in CARDS.items()}
PAGES |= {
    f"disconnect {key}": ("connections/disconnect.html", {"card": card, "ending": ENDING, "database": "postgresql"})
    for key, card in CARDS.items()
}
PAGES |= {
    f"{step} {'full' if full else 'bare'}": ("consent/show.html", {"attempt": an_attempt(step, full=full)})
    for step in AttemptStep
    for full in (True, False)
}


@cache
def an_app() -> Flask:
    app = Flask("pages", template_folder=str(TEMPLATES))
    app.secret_key = "only here"
    app.config["TIME_ZONE"] = ZoneInfo(HOME_ZONE)
    app.jinja_env.undefined = StrictUndefined
    for each in (formatting, icons, appearance, amounts, timestamps):
        each.register(app)
    app.jinja_env.globals |= {
        "csrf_token": lambda: "token",
        "open_notices": lambda: NOTICES,
        "url_for": lambda endpoint, **values: f"/{endpoint}/{len(values)}",
        "url_with_ids": lambda endpoint, **values: f"/{endpoint}/{len(values)}",
    }
    return app


def render(name: str, *, cookies: str = "", **more: Any) -> str:
    template, context = PAGES[name]
    known: dict[str, Any] = {
        "bank": "local",
        "rights": {"connect": True, "export": True, "doctor": True, "pay": True},
        "attention": 2,
        "member": {"name": NAME, "email": "robin@example.org", "initials": "RV", "unread": 3},
        "htmx_url": "/assets/htmx.min.js",
    }
    with an_app().test_request_context("/", headers={"Cookie": cookies}):
        return render_template(template, **(known | context | more))


@pytest.mark.parametrize("name", PAGES)
def test_every_page_stands_under_the_strict_policy(name: str) -> None:
    page = render(name)
    assert not re.findall(r"<[^>]*\s(?:style|on\w+|hx-on[\w:-]*)=", page)
    assert not re.findall(r"<style|<script(?![^>]*\ssrc=)|javascript:|js:", page)
    assert not re.findall(r'hx-trigger="[^"]*\[', page)


@pytest.mark.parametrize("name", PAGES)
def test_foreign_names_are_escaped_and_cut(name: str) -> None:
    page = render(name)
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "x" * 140 not in page


@pytest.mark.parametrize("name", ["home", "empty home"])
def test_a_guest_is_offered_neither_connecting_nor_exporting(name: str) -> None:
    page = render(name, rights={"connect": False, "export": False, "pay": False})
    assert "Connect bunq" not in page
    assert "/exports.index" not in page


@pytest.mark.parametrize("name", PAGES)
def test_hidden_amounts_are_not_in_the_page(name: str) -> None:
    page = render(name, cookies="bunqflask_hide_amounts=1")
    assert not re.findall(r"8,?642|97,?531|<progress", page)


@pytest.mark.parametrize("name", PAGES)
def test_every_form_that_changes_something_carries_the_token(name: str) -> None:
    for form in re.findall(r'<form[^>]*method="post".*?</form>', render(name), re.DOTALL):
        assert form.count('name="csrf_token" value="token"') == 1


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_one_heading_and_no_id_twice(name: str) -> None:
    page = render(name)
    ids = re.findall(r'\sid="([^"]+)"', page)
    if name != "home":  # there every card is the same connection
        assert len(ids) == len(set(ids))
    assert page.count("<h1") == 1


@pytest.mark.parametrize(
    ("bank", "banner", "title"),
    [("local", "SIMULATED BANK", "[SIMULATED] "), ("sandbox", "TEST BANK – bunq sandbox", ""), ("production", "", "")],
)
def test_nobody_mistakes_the_simulated_bank(bank: str, banner: str, title: str) -> None:
    page = render("home", bank=bank)
    assert f"<title>{title}Accounts – bunqflask</title>" in page
    assert ('class="sim"' in page) == bool(banner)
    assert banner in page


def test_without_htmx_no_page_promises_to_move_on_by_itself() -> None:
    assert "updates automatically" in render("waiting full")
    assert "updates automatically" not in render("waiting full", htmx_url=None)


def test_templates_never_switch_escaping_off() -> None:
    for template in TEMPLATES.rglob("*.html"):
        assert not re.findall(r"\|\s*safe|autoescape", template.read_text()), template.name
