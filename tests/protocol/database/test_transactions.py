"""Who reads takes no lock and sees one state; who writes does so in a unit of work, and in no second one inside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy.exc import DBAPIError, OperationalError

from bunqflask import clock, create_app
from bunqflask.config import Config
from bunqflask.database import engines, transactions
from bunqflask.database.transactions import emit, transaction
from bunqflask.extensions import db
from bunqflask.models import (
    AccountShare,
    ChannelKind,
    Event,
    EventKind,
    NoticeChannel,
    RateLimitWindow,
    TeamMember,
    TeamRole,
)
from bunqflask.models.instructions import Body
from bunqflask.services.connections import overview
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.principal import OPERATOR
from bunqflask.services.team import invitations, members
from tests.protocol.connections.test_access import rules
from tests.support import instructions, rows
from tests.support.apps import PASSWORD, ThreadSite, bare_environ, let_go, sign_in
from tests.support.bank import Bank
from tests.support.consents import connect, start
from tests.support.databases import PostgresDatabases

REFUSED = r"readonly|read-only"
ENDPOINT = "GET user/#/monetary-account"


@pytest.fixture
def context(app: Flask) -> Iterator[Flask]:
    with app.app_context(), rows.read_only():
        yield app
        db.session.remove()


def member(name: str) -> TeamMember:
    return TeamMember(email=f"{name}@example.com", name=name, password_hash="x", created_at=clock.now())


def names() -> list[str]:
    return list(db.session.scalars(db.select(TeamMember.name).order_by(TeamMember.id)))


@contextmanager
def write_lock(app: Flask) -> Iterator[DatabaseConnection]:
    """Hold what a writer holds: SQLite's one write lock."""
    with app.app_context():
        engine = db.engine
    with transactions.writing(), engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        assert connection.connection.driver_connection.in_transaction  # type: ignore[union-attr]  # None only once it is closed
        yield connection
        connection.rollback()


def _channel_of(email: str) -> int:
    """Give a member a webhook, and return its id; inside `behind`."""
    of_member = {"member_id": members.require(email).id, "kind": ChannelKind.WEBHOOK, "topics": ()}
    channel = NoticeChannel(**of_member, created_at=clock.now())
    db.session.add(channel)
    db.session.flush()
    channel.address, channel.secret = "https://example.org/hook", "whsec_" + "QUJD" * 8
    db.session.commit()
    return channel.id


def _written(site: ThreadSite) -> dict[str, object]:
    """Have one of each written at bunq; returns their ids."""
    email = "robin@example.com"
    instructions.switch_on(site.app, email)
    bodies: dict[str, Body] = {
        "instruction_id": instructions.draft(),
        "request_id": instructions.request(),
        "link_id": instructions.link(),
        "transfer_id": instructions.transfer(site.app, 2083715),
        "card_change_id": instructions.limits(1, "5"),
    }
    return {"card_id": 1, "act": "freeze"} | {
        name: instructions.prepare(site.app, email, 2083712, body) for name, body in bodies.items()
    }


@pytest.mark.sqlite_only
def test_pages_that_only_read_answer_while_somebody_else_writes(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    start(robin)
    rows.run_duties(site.app)
    with rows.behind(site.app):
        ids = {
            "connection_id": rows.connection(site.app).id,
            "attempt_id": rows.attempts(site.app)[-1].id,
            "monetary_account_id": 2083712,
            "payment_row_id": rows.payment_ids()[0],
            "login_id": 1,
            "member_id": members.add("kim@example.com", "", PASSWORD).id,
            "invitation_id": 1,
            "attachment_id": 1,
            "share_id": 1,
            "factor_id": 1,
            "browser_id": 1,
            "notice_id": 1,
            "channel_id": _channel_of("robin@example.com"),
            "delivery_id": 1,
            "token": "no-such-token",
            "token_id": 1,
            "name": "swagger-ui.css",
            "filename": "ui.css",
            "kind": "text",
            "note_id": 1,
            "note_change_id": 1,
            "collection_id": 1,
            "item_id": 1,
        }
    ids |= _written(site)
    pages = [rule for rule in rules(site, ids) if rule.method == "GET"]
    # These ask bunq for something, or take up an approval; the way back from bunq leads to the one that does.
    acting = {"notes.index", "notes.file", "consent.callback", "consent.finish", "consent.link"}
    # There is no such note, and no collection.
    acting |= {"note_writing.edit", "collections.show", "collections.person"}
    # These ask bunq for cards.
    acting |= {"cards.of_connection", "cards.ask"}
    # Tested with a link that exists.
    acting |= {"invitations.welcome", "invitations.ask_for_password"}
    # There is none without a return from bunq, a contact in the settings, or a call that the doctor makes.
    acting |= {"consent.result", "consent.reminder", "well_known.security_txt", "assistants.ask", "ping.answer"}
    assert len(pages) > 15
    rows.age_logins(site.app, unused_for=timedelta(minutes=2))
    with rows.behind(site.app):
        link = invitations.invite(OPERATOR, "Sam", members.Terms(role=TeamRole.MEMBER))
    with write_lock(site.app):
        for rule in pages:
            if rule.endpoint not in acting:
                began = time.monotonic()
                page = robin.get(rule.path)
                assert page.status == (204 if rule.endpoint == "consent.status" else 200), rule
                assert time.monotonic() - began < 5, f"{rule} waited for the lock"
        began = time.monotonic()
        assert "Join the team" in site.browser().get(link.url).text
        assert time.monotonic() - began < 5, "an invitation waited for the lock"
    with rows.behind(site.app):
        assert rows.logins()[0].last_seen_at < clock.now() - timedelta(minutes=1), "the touch was left out"


def test_outside_a_unit_of_work_nothing_can_be_written(context: Flask) -> None:
    db.session.add(member("robin"))
    with pytest.raises(DBAPIError, match=REFUSED):
        db.session.flush()
    db.session.rollback()
    with pytest.raises(DBAPIError, match=REFUSED):
        db.session.execute(db.delete(TeamMember))
    db.session.rollback()
    with db.engine.connect() as connection, pytest.raises(DBAPIError, match=REFUSED):
        connection.execute(db.delete(TeamMember))
    with transaction():
        db.session.add(member("sam"))
    assert names() == ["sam"]
    with pytest.raises(DBAPIError, match=REFUSED):
        db.session.execute(db.delete(TeamMember))
    db.session.rollback()


def test_a_unit_of_work_is_stored_whole_or_not_at_all(context: Flask) -> None:
    def fail() -> None:
        with transaction():
            db.session.add(member("robin"))
            emit(EventKind.SYNC_REQUESTED, connection_id=1)
            db.session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names() == []
    assert db.session.scalars(db.select(Event.id)).all() == []
    with transaction():
        db.session.add(member("sam"))
        emit(EventKind.SYNC_REQUESTED, connection_id=1)
    assert names() == ["sam"]
    [recorded] = db.session.scalars(db.select(Event))
    assert (recorded.kind, recorded.facts, recorded.handled_at) == (
        EventKind.SYNC_REQUESTED,
        {"connection_id": 1},
        None,
    )


def test_units_of_work_do_not_nest_and_nothing_slow_happens_inside_one(context: Flask) -> None:
    context.config["BUNQ_CALL_LIMITS"] = "classic"
    acts: dict[str, Callable[[], object]] = {
        "call a helper": lambda: transaction().__enter__(),
        "a transaction beside it": lambda: transactions.separate_transaction().__enter__(),
        "nothing slow": transactions.release,
        "nothing slow may happen inside": lambda: RateLimiter(0).enter(ENDPOINT),
        "nothing slow may happen inside a transaction": lambda: RateLimiter(1).pause(0.01),
    }
    for name, act in acts.items():
        with transaction():
            db.session.add(member(name))
            with pytest.raises(RuntimeError, match=f"unit of work is open.*{name}"):
                act()
        assert names()[-1] == name, "the unit of work itself goes on"
    assert db.session.scalars(db.select(RateLimitWindow)).all() == []
    with pytest.raises(RuntimeError, match="unit of work"):
        emit(EventKind.SYNC_REQUESTED, connection_id=1)


def test_a_change_that_nobody_stores_is_noticed_before_a_call(context: Flask) -> None:
    calls: list[Callable[[], object]] = [
        transactions.release,
        lambda: RateLimiter(0).enter(ENDPOINT),
        lambda: transaction().__enter__(),
    ]
    for call in calls:
        db.session.add(member("robin"))
        with pytest.raises(RuntimeError, match="uncommitted work"):
            call()
        db.session.rollback()


def test_who_reads_sees_one_state_and_who_writes_the_newest(context: Flask) -> None:
    """A commit of somebody else between two reads of one request is not seen by the second."""
    with transaction():
        db.session.add(member("robin"))
    assert names() == ["robin"]
    with transactions.separate_transaction() as elsewhere:
        elsewhere.execute(
            db.insert(TeamMember).values(email="s@example.com", name="sam", password_hash="x", created_at=clock.now())
        )
    assert names() == ["robin"], "what is read later in one request is of the same state"
    with transaction():
        assert names() == ["robin", "sam"]
    assert names() == ["robin", "sam"]


def test_postgresql_ends_what_only_reads_and_takes_too_long(
    postgres_databases: PostgresDatabases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that was planned badly would keep a thread and a core busy; what writes may take its time."""
    monkeypatch.setattr(engines, "_LONGEST_READ_S", 1)
    url = postgres_databases.migrated()
    app = create_app(Config.from_env(bare_environ(url)))
    with app.app_context(), rows.read_only():
        with pytest.raises(OperationalError, match="statement timeout"):
            db.session.execute(db.text("SELECT pg_sleep(60)"))
        db.session.remove()
        with transaction():
            assert db.session.execute(db.text("SELECT 'done' FROM pg_sleep(1.5)")).scalar_one() == "done"
    let_go(app)
    postgres_databases.forget(url)


def test_a_page_sees_one_state_while_accounts_are_unshared(
    site: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    robin, sam = sign_in(site, "robin@example.com"), sign_in(site, "sam@example.com")
    connect(robin, bank)
    rows.run_duties(site.app)
    original = overview.list_all

    def list_then_unshare(principal: object, **how: bool) -> object:
        found = original(principal, **how)  # type: ignore[arg-type]  # passes on whatever it is called with
        with site.app.app_context():
            engine = db.engine
        with transactions.writing(), engine.begin() as elsewhere:
            elsewhere.execute(db.delete(AccountShare))
        return found

    for path in ("/payments", "/payments/export", "/"):
        with rows.behind(site.app):
            rows.share_all(rows.owner().id)
        monkeypatch.setattr(overview, "list_all", list_then_unshare)
        page = sam.get(path)
        monkeypatch.undo()
        assert (page.status, "Main" in page.text) == (200, True), path
        assert rows.count(site.app, AccountShare) == 0
        assert "Main" not in sam.get(path).text, path
