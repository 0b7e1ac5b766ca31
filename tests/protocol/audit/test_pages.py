"""Who may read which events, filters and pages of them, and what is stored about a bunq user."""

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import (
    AccountHolder,
    AccountShare,
    AuditEvent,
    AuditKind,
    Connection,
    MonetaryAccount,
    TeamMember,
    TeamRole,
)
from bunqflask.services.team import login_steps, members
from bunqflask.services.team.visitor import Visitor
from bunqflask.web.audit import sentences
from tests.protocol.web.test_statement_counts import MOST, counted
from tests.support import consents
from tests.support.apps import PASSWORD
from tests.support.audit import an_event, many_events

SAM = "sam@example.org"
HOSTILE = "<script>alert(1)</script>\u202e"
FACTS: dict[AuditKind, dict[str, Any]] = {
    AuditKind.LOGIN_ENDED: {"how": "logged_out"},
    AuditKind.CONSENT_APPROVED: {"elsewhere": True},
    AuditKind.CONSENT_ENDED: {"step": "expired", "late": True},
    AuditKind.RENEWED: {"new": 1, "gone": 2, "stays": 3},
    AuditKind.FACTOR_CHANGED: {"change": "added", "factor": HOSTILE},
    AuditKind.RULE_CHANGED: {"second_factor_from": "2026-12-01"},
    AuditKind.SHARED: {"people": [HOSTILE], "team": True, "first_day": "2026-01-01", "last_day": None},
    AuditKind.UNSHARED: {"how": "ended"},
    AuditKind.EXPORTED: {"first_day": "2026-01-01", "last_day": "2026-01-31", "formats": ["csv", "mt940"], "rows": 7},
    AuditKind.BACKUP_MADE: {"encrypted": False},
    AuditKind.KEYS_ROTATED: {"secrets": 9},
    AuditKind.INVITATION_MADE: {"role": "guest"},
    AuditKind.INVITATION_ACCEPTED: {"role": "member"},
    AuditKind.MEMBER_ADDED: {"role": "admin"},
    AuditKind.ROLE_CHANGED: {"role": "owner", "before": "admin"},
    AuditKind.TRAIL_CUT: {"events": 4},
    AuditKind.ABILITY_SWITCHED: {"ability": "drafts", "on": True},
    AuditKind.INSTRUCTION_PREPARED: {"instruction": "draft"},
    AuditKind.INSTRUCTION_CHANGED: {"instruction": "draft"},
    AuditKind.INSTRUCTION_APPROVED: {"instruction": "draft"},
    AuditKind.INSTRUCTION_SENT_BACK: {"instruction": "draft"},
    AuditKind.INSTRUCTION_TAKEN_BACK: {"instruction": "request"},
    AuditKind.INSTRUCTION_SENT: {"instruction": "link"},
    AuditKind.INSTRUCTION_ENDED: {"instruction": "transfer", "state": "done", "reason": ""},
}


@pytest.fixture
def robin(connected_app: Flask) -> FlaskClient:
    """Robin, who has connected Jodi, and is no owner here."""
    become(consents.ROBIN, TeamRole.MEMBER)
    return client(connected_app, consents.ROBIN)


@pytest.fixture
def sam(connected_app: Flask) -> FlaskClient:
    """Sam, with whom Jodi's accounts are shared, and who holds another person's account."""
    members.add(SAM, "Sam", PASSWORD)
    [jodi] = db.session.scalars(db.select(Connection)).all()
    shares = {"member_id": None, "granted_by_id": id_of(consents.ROBIN), "since": clock.now()}
    db.session.add_all(
        AccountShare(account_id=each, **shares) for each in db.session.scalars(db.select(MonetaryAccount.id))
    )
    alike = {each.key: getattr(jodi, each.key) for each in Connection.__table__.columns if each.key != "id"}
    alike |= {"granted_user_id": 7, "display_name": "Walker Studio", "callback_hash": None}
    other = Connection(**alike)
    db.session.add(other)
    db.session.flush()
    [first, *_rest] = db.session.scalars(db.select(MonetaryAccount)).all()
    alike = {each.key: getattr(first, each.key) for each in MonetaryAccount.__table__.columns if each.key != "id"}
    business = MonetaryAccount(**alike | {"connection_id": other.id, "description": "Secret business"})
    db.session.add(business)
    db.session.flush()
    db.session.add(AccountHolder(account_id=business.id, member_id=id_of(SAM), since=clock.now()))
    db.session.commit()
    return client(connected_app, SAM)


def become(email: str, role: TeamRole) -> None:
    ends_at = clock.now() + timedelta(days=9) if role is TeamRole.GUEST else None
    db.session.execute(db.update(TeamMember).where(TeamMember.email == email).values(role=role, ends_at=ends_at))
    db.session.commit()


def client(app: Flask, email: str) -> FlaskClient:
    new = login_steps.log_in(email, PASSWORD, Visitor(address="127.0.0.1", user_agent="test"))
    assert isinstance(new, login_steps.NewLogin)
    found = app.test_client()
    found.set_cookie(app.config["LOGIN_COOKIE_NAME"], new.token, domain="localhost")
    return found


def id_of(email: str) -> int:
    member = members.find(email)
    assert member is not None
    return member.id


def account_of(name: str) -> int:
    return db.session.scalars(db.select(MonetaryAccount.id).filter_by(description=name)).first() or 0


def read(asker: FlaskClient, address: str) -> str:
    db.session.remove()
    answer = asker.get(address)
    assert answer.status_code == 200, address
    return answer.text


@pytest.mark.parametrize("kind", AuditKind)
def test_every_kind_has_one_group_and_a_sentence_with_escaped_names(
    connected_app: Flask, robin: FlaskClient, kind: AuditKind
) -> None:
    assert sum(kind in kinds for kinds in sentences.GROUPS.values()) == 1
    an_event(kind, actor_id=id_of(consents.ROBIN), subject=HOSTILE, facts=FACTS.get(kind, {}), connection_id=1)
    page = read(robin, f"/audit?person={id_of(consents.ROBIN)}")
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert page.count("<b><bdi>You</bdi></b>") >= 1
    assert f"<b><bdi>You</bdi></b> {kind.value}</p>" not in page


def test_everybody_reads_what_concerns_them_and_their_accounts(
    connected_app: Flask, robin: FlaskClient, sam: FlaskClient
) -> None:
    me, other = id_of(consents.ROBIN), id_of(SAM)
    car, business = account_of("Car"), account_of("Secret business")
    exported: dict[str, Any] = {"facts": FACTS[AuditKind.EXPORTED], "address": "203.0.113.9", "browser": "Firefox"}
    an_event(AuditKind.EXPORTED, actor_id=other, actor_text="Sam <s@x>", account_ids=(car, business), **exported)
    an_event(AuditKind.LOGIN, actor_id=other, actor_text="Sam <s@x>")
    an_event(AuditKind.LOGIN_REFUSED, subject="robin", subject_member_id=me, address="203.0.113.66")
    an_event(AuditKind.LOGIN_REFUSED, address="203.0.113.67")
    mine, theirs = read(robin, "/audit"), read(sam, "/audit")
    assert "Sam" in mine
    assert "Car" in mine
    assert "203.0.113.66" in mine, "who tried to log in as Robin is Robin's business"
    for hidden in ("Secret business", "Walker Studio", "7 payments", "203.0.113.9", "203.0.113.67", "other account"):
        assert hidden not in mine, f"{hidden} is none of Robin's business"
    for shown in ("Secret business", "Walker Studio", "Car", "7 payments", "203.0.113.9"):
        assert shown in theirs
    assert "203.0.113.66" not in theirs
    kinds = [json.loads(line)["kind"] for line in export(robin).splitlines()]
    assert kinds.count("login_refused") == 1
    assert "Secret business" not in export(robin)


def test_owners_read_everything_but_names_of_accounts_that_they_may_not_see(
    connected_app: Flask, sam: FlaskClient
) -> None:
    become(consents.ROBIN, TeamRole.OWNER)
    business = account_of("Secret business")
    facts = FACTS[AuditKind.EXPORTED]
    an_event(AuditKind.EXPORTED, actor_id=id_of(SAM), actor_text="Sam <s@x>", account_ids=(business,), facts=facts)
    an_event(AuditKind.LOGIN_REFUSED, address="203.0.113.67")
    page = read(client(connected_app, consents.ROBIN), "/audit")
    assert "Everything that was recorded on this site." in page
    for shown in ("203.0.113.67", "of 1 account (csv, mt940, 7 payments)"):
        assert shown in page
    assert "Secret business" not in page
    become(consents.ROBIN, TeamRole.ADMIN)
    assert "203.0.113.67" not in read(client(connected_app, consents.ROBIN), "/audit")


def test_people_to_filter_by_are_those_whom_the_reader_knows(connected_app: Flask, sam: FlaskClient) -> None:
    an_event(AuditKind.LOGIN, actor_id=99, actor_text="Kim <kim@example.org>")
    become(consents.ROBIN, TeamRole.OWNER)
    assert ">Kim</option>" in read(client(connected_app, consents.ROBIN), "/audit"), "who is gone"
    for role, shown in ((TeamRole.MEMBER, True), (TeamRole.GUEST, False)):
        become(SAM, role)
        members.add(f"pat-{role}@example.org", f"Pat {role}", PASSWORD, members.Terms(role=TeamRole.MEMBER))
        page = read(client(connected_app, SAM), "/audit")
        assert (f">Pat {role}</option>" in page) is shown
        assert ">Sam</option>" in page
        assert ">Kim</option>" not in page


def test_the_page_of_the_team_shows_the_newest_events(connected_app: Flask, robin: FlaskClient) -> None:
    many_events(9, actor_id=id_of(consents.ROBIN))
    page = read(robin, "/team")
    assert page.count("<b><bdi>You</bdi></b> exported") == 5
    assert 'href="/audit"' in page


def test_an_event_without_its_facts_is_shown_by_its_kind(connected_app: Flask, robin: FlaskClient) -> None:
    """Events outlive the code that wrote them."""
    for kind in (AuditKind.EXPORTED, AuditKind.CONSENT_ENDED, AuditKind.ROLE_CHANGED):
        an_event(kind, actor_id=id_of(consents.ROBIN), facts={"role": "emperor", "step": "lost"})
        assert f"<b><bdi>You</bdi></b> {kind.value}</p>" in read(robin, "/audit")


def test_names_of_accounts_that_one_may_not_see_any_more_are_only_counted(
    connected_app: Flask, sam: FlaskClient
) -> None:
    car = account_of("Car")
    facts = FACTS[AuditKind.EXPORTED]
    an_event(AuditKind.EXPORTED, actor_id=id_of(SAM), actor_text="Sam <s@x>", account_ids=(car, 99_999), facts=facts)
    assert "1 other account" in read(sam, "/audit")
    db.session.execute(db.delete(AccountShare))
    db.session.commit()
    page = read(sam, "/audit")
    assert "of 2 accounts" in page
    assert "Car" not in page


def export(asker: FlaskClient, **filters: str) -> str:
    db.session.remove()
    token = asker.get("/audit").text.split('name="csrf_token" value="')[1].split('"')[0]
    answer = asker.post("/audit/export", data={"csrf_token": token, **filters})
    assert answer.status_code == 200
    assert answer.mimetype == "application/jsonl"
    written = answer.text
    answer.close()
    return written


def test_events_are_filtered_and_paged_without_losing_or_repeating_one(
    connected_app: Flask, robin: FlaskClient
) -> None:
    me = id_of(consents.ROBIN)
    for days in (200, 60, 20, 3, 0):
        an_event(AuditKind.MEMBER_RESET, actor_id=me, subject=f"{days} days", days_ago=days)
    many_events(120, actor_id=me)
    shown = {days: read(robin, f"/audit?what=team&days={days}").count(" days</bdi>") for days in ("1", "7", "30", "90")}
    assert shown == {"1": 1, "7": 2, "30": 3, "90": 4}
    assert read(robin, "/audit?what=team").count(" days</bdi>") == 5
    address, seen, pages = "/audit?what=exported", 0, 0
    while address:
        page = read(robin, address)
        seen, pages = seen + page.count("<b><bdi>You</bdi></b> exported"), pages + 1
        address = page.split('id="older"><a class="btn" href="')[1].split('"')[0] if "Load older" in page else ""
        address = address.replace("&amp;", "&")
    assert (seen, pages) == (120, 3)
    assert len(export(robin, what="exported").splitlines()) == 120
    newest = db.session.scalars(db.select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert newest is not None
    assert newest.kind == AuditKind.TRAIL_READ


def test_the_pages_cost_few_statements_however_many_events(connected_app: Flask, robin: FlaskClient) -> None:
    accounts = tuple(db.session.scalars(db.select(MonetaryAccount.id)))
    many_events(300, actor_id=id_of(consents.ROBIN), account_ids=accounts)
    for address in (
        "/audit",
        "/audit?what=exported&days=30",
        "/audit?older=200&day=2026-01-01",
        "/connections/1/stored",
        "/team",
    ):
        db.session.remove()
        with counted() as statements:
            assert robin.get(address).status_code == 200
        assert len(statements) <= MOST - 1, (address, statements)


def test_odd_filters_are_as_if_they_were_not_there(connected_app: Flask, robin: FlaskClient) -> None:
    an_event(AuditKind.LOGIN, actor_id=id_of(consents.ROBIN))
    whole = read(robin, "/audit").count("<b><bdi>You")
    odd = ["", "-1", "0", "9" * 30, "1e9", "٣", "%00", "'; DROP TABLE audit_event; --", "\ud800", "<b>", "None", "1,2"]
    for name in ("person", "what", "days"):
        for value in odd:
            answer = robin.get("/audit", query_string={name: value.encode("utf-8", "replace")})
            assert answer.status_code == 200, (name, value)
    rng = random.Random(10)
    for _ in range(150):
        query = {
            name: rng.choice(odd).encode("utf-8", "replace") for name in ("person", "what", "days", "older", "day")
        }
        assert robin.get("/audit", query_string=query).status_code == 200, query
    assert read(robin, "/audit?what=everything&days=8").count("<b><bdi>You") == whole


def test_the_receipt_says_what_is_stored_to_those_who_hold_it_alone(
    connected_app: Flask, robin: FlaskClient, sam: FlaskClient
) -> None:
    car = account_of("Car")
    an_event(AuditKind.ACCOUNT_VIEWED, actor_id=id_of(SAM), actor_text="Sam <s@x>", account_ids=(car,))
    page = read(robin, "/connections/1/stored")
    for shown in ("What is stored about", "Jodi Walker", "Car", "NL17 BUNQ 2090 4154 28", "Asked by", "Sam"):
        assert shown in page
    for path in ("/connections/1/stored", "/connections/9/stored"):
        assert sam.get(path).status_code == 404, "shared with Sam, and not Sam's own"
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    answer = robin.post("/connections/1/stored", data={"csrf_token": token})
    made = json.loads(answer.text)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="bunqflask-stored-1-')
    assert [each["name"] for each in made["accounts"]].count("Car") == 1
    assert [each["kind"] for each in made["seen_by"]] == ["account_viewed"]
    assert made["consents"][0]["asked_by"]
    newest = db.session.scalars(db.select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert newest is not None
    assert (newest.kind, newest.subject) == (AuditKind.RECEIPT_MADE, "Jodi Walker")
