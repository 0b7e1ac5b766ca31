"""How many statements each page costs: as few with 20 connections of 4 accounts each as with one."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient
from sqlalchemy import event

from bunqflask import clock, create_app
from bunqflask.config import Config
from bunqflask.extensions import db
from bunqflask.models import (
    Ability,
    AttemptStep,
    ChannelKind,
    Connection,
    ConnectionAbility,
    ConsentAttempt,
    DraftBody,
    DraftLine,
    Instruction,
    InstructionKind,
    InstructionState,
    MemberNotice,
    MonetaryAccount,
    Note,
    NoteSync,
    NoticeChannel,
    NoticeDelivery,
    NoticeItem,
    NoticeKind,
    NoticeTopic,
    Payment,
)
from bunqflask.services.team import members
from tests.support import asked, consents, history, rows
from tests.support.apps import bare_environ, let_go
from tests.support.asked import Asked
from tests.support.databases import Databases
from tests.support.history import Paid
from tests.support.logins import log_in
from tests.support.routes import is_for_programs

CONNECTIONS, ACCOUNTS, MOST = 20, 4, 12
# What a request is given in the address beside the arguments of its route: each filter in turn.
QUERIES: dict[str, tuple[str, ...]] = {
    "payments.home": (
        "",
        "q=koffie",
        "q=brood+koffie&min=2",
        "min=2&max=3",
        "from=2026-10-02&type=IDEAL",
        "sums=1&q=k",
        "holder=1&account=1&account=2",
        "until=1790000000000000-1048576001",
        "until=1790000000000000-1048576001&holder=2&q=koffie",
    ),
    "payments.index": ("", "q=koffie", "range=365", "direction=in"),
    "payments.show": ("", "q=koffie&holder=1", "view=account&min=2"),
    "payments.filter_all": ("", "holder=1&account=1"),
    "payments.months": ("", "q=koffie", "holder=1&account=1&account=2"),
    "requests.index": ("", "older=79000005"),
    "collections.index": ("", "older=81000005"),
    "drafts.index": ("", "tab=bunq", "batch=BF1"),
}
# Answers that are no page: these read no rows, or call bunq.
# The last three ask bunq, which costs statements of its own.
NOT_COUNTED = {"api_documentation.file", "static", "assets.htmx", "consent.finish"}
NOT_COUNTED |= {"notes.file", "cards.ask", "cards.of_connection"}


def fill(database_url: str) -> None:
    """Give Robin 20 connections of 4 accounts each, all with payments."""
    consents.fill_connected(database_url)
    app = create_app(Config.from_env(bare_environ(database_url)))
    with app.app_context():
        member = members.find(consents.ROBIN)
        assert member is not None
        [first] = db.session.scalars(db.select(Connection)).all()
        alike = [_copied(each) for each in db.session.scalars(db.select(MonetaryAccount)).all()]
        assert len(alike) == ACCOUNTS
        for number in range(1, CONNECTIONS):
            added = Connection(**_copied(first) | {"granted_user_id": 900_000 + number, "callback_hash": None})
            db.session.add(added)
            db.session.flush()
            for each in alike:
                own = {"connection_id": added.id, "monetary_account_id": each["monetary_account_id"] + number * 100}
                db.session.add(MonetaryAccount(**each | own | {"iban": f"{each['iban'][:-4]}{number:04}"}))
            db.session.flush()
            rows.hold(added.id, member.id)
        db.session.commit()
        for account in db.session.scalars(db.select(MonetaryAccount)).all():
            history.store(account, _paid(account.id))
        # Notes that are fresh are not asked for at bunq again. The database is copied for tests of hours later, too.
        _add_notices(member.id)
        _add_drafts(member.id)
        _ask_for_money(member.id)
        newest = db.session.scalars(db.select(Payment).order_by(Payment.id).limit(1)).one()
        db.session.add(NoteSync(id=newest.id, account_id=newest.account_id, synced_at=clock.now()))
        db.session.flush()
        _add_note(newest.id)
        db.session.commit()
        db.session.remove()
    let_go(app)


def _add_notices(member_id: int) -> None:
    """Give a member unread notices about each connection and account, and a channel with a log."""
    now = clock.now()
    ids = db.session.execute(db.select(MonetaryAccount.id, MonetaryAccount.connection_id)).all()
    for account_id, connection_id in ids:
        stopped = {"connection_id": connection_id, "reason": "late", "since": now.isoformat()}
        changed = {"account_id": account_id, "change_ids": [1]}
        for kind, facts in ((NoticeKind.CONNECTION_STOPPED, stopped), (NoticeKind.PAYMENTS_CHANGED, changed)):
            db.session.add(MemberNotice(member_id=member_id, kind=kind, facts=facts, created_at=now))
    channel = NoticeChannel(member_id=member_id, kind=ChannelKind.NTFY, topics=tuple(NoticeTopic), created_at=now)
    db.session.add(channel)
    db.session.flush()
    channel.address = "https://ntfy.example/topic"
    for _ in range(20):
        item = NoticeItem(NoticeKind.DOCTOR_ALL_GOOD, {}, now)
        delivery = NoticeDelivery(channel_id=channel.id, message_id="1", items=(item,), created_at=now, next_try_at=now)
        db.session.add(delivery)


def _add_drafts(member_id: int) -> None:
    """Let a member have prepared a draft of 30 payments on each account."""
    body = DraftBody(
        tuple(DraftLine(Decimal(each + 1), "Stadsbus", "NL91ABNA0417164300", "Ticket") for each in range(30))
    )
    for row in db.session.scalars(db.select(Connection)).all():
        db.session.add(ConnectionAbility(connection_id=row.id, ability=Ability.DRAFTS, since=clock.now()))
    for account_id, connection_id in db.session.execute(db.select(MonetaryAccount.id, MonetaryAccount.connection_id)):
        draft = Instruction(
            kind=InstructionKind.DRAFT,
            state=InstructionState.PREPARED,
            reference=f"BF{account_id:010}",
            connection_id=connection_id,
            account_id=account_id,
            member_id=member_id,
            body=body,
            content_hash="0" * 64,
            amount=Decimal(465),
            created_at=clock.now(),
            looks=0,
            result={},
        )
        db.session.add(draft)


def _add_note(payment_row_id: int) -> None:
    """Let there be a note on a payment, which may be changed."""
    for row in db.session.scalars(db.select(Connection)).all():
        for ability in (Ability.NOTES, Ability.TRANSFERS):
            db.session.merge(ConnectionAbility(connection_id=row.id, ability=ability, since=clock.now()))
    about = {"kind": "text", "note_id": 1, "author": "Ann", "text": "for the books", "attachment_ids": [], "raw": {}}
    db.session.add(Note(payment_row_id=payment_row_id, **about))


def _ask_for_money(member_id: int) -> None:
    """Let a member have asked others for money on each account."""
    for connection_id in db.session.scalars(db.select(Connection.id)).all():
        asked.switch_on(connection_id)
    for account_id, connection_id in db.session.execute(db.select(MonetaryAccount.id, MonetaryAccount.connection_id)):
        asked.add(Asked(account_id, connection_id, f"text {account_id}"), member_id)


def _copied(row: Any) -> dict[str, Any]:
    return {each.key: getattr(row, each.key) for each in row.__table__.columns if each.key != "id"}


def _paid(account_id: int) -> list[Paid]:
    at = datetime(2026, 10, 1, tzinfo=UTC) + timedelta(minutes=account_id)
    names = ("Koffie", "Thee", "Brood", "Koffie en brood")
    return [Paid(at=at + timedelta(days=each), amount=str(each + 1), name=names[each % 4]) for each in range(8)]


@pytest.fixture
def wide_app(databases: Databases) -> Iterator[Flask]:
    url = databases.copy(fill)
    app = create_app(Config.from_env(bare_environ(url)))
    with app.app_context():
        # Notes that are fresh are not asked for at bunq again; the database may have been made long before.
        db.session.execute(db.update(NoteSync).values(synced_at=clock.now()))
        db.session.commit()
        yield app
        db.session.remove()
    let_go(app)
    databases.forget(url)


@contextmanager
def counted() -> Iterator[list[str]]:
    """Collect the statements that read or write rows; what begins a transaction is none of them."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            found.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def addresses(app: Flask) -> Iterator[tuple[str, str]]:
    """Yield each endpoint that answers GET with an address of it, for each way to ask it."""
    known = _arguments()
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            # Those of programs need a token: tests/protocol/api counts them.
            if "GET" not in (rule.methods or ()) or rule.endpoint in NOT_COUNTED or is_for_programs(rule.endpoint):
                continue
            path = url_for(rule.endpoint, **{name: known[name] for name in rule.arguments})
            for query in QUERIES.get(rule.endpoint, ("",)):
                yield rule.endpoint, f"{path}?{query}" if query else path


def _arguments() -> dict[str, Any]:
    account = db.session.scalars(db.select(MonetaryAccount).order_by(MonetaryAccount.id).limit(1)).one()
    payment_id = db.session.scalar(db.select(Payment.id).order_by(Payment.id).limit(1))
    member, now = members.find(consents.ROBIN), clock.now()
    assert member is not None
    attempt_id = db.session.scalar(db.select(ConsentAttempt.id).where(ConsentAttempt.member_id == member.id).limit(1))
    asks = Asked(account.id, account.connection_id, "")
    return {
        "request_id": asks.request_id,
        "link_id": asks.link_id,
        "collection_id": asks.collection_id,
        "item_id": asks.item_id,
        "transfer_id": asks.transfer_id,
        "card_change_id": asks.card_change_id,
        "card_id": 1,
        "act": "freeze",
        "kind": "text",
        "note_id": 1,
        "connection_id": account.connection_id,
        "monetary_account_id": account.monetary_account_id,
        "payment_row_id": payment_id,
        "attempt_id": attempt_id,
        "token": "no-such-token",
        "name": "swagger-ui.css",
        "member_id": member.id,
        "channel_id": db.session.scalar(db.select(NoticeChannel.id)),
        "secret": "no-such-secret",
        "pack_id": 1,
        "share_id": 1,
        "instruction_id": db.session.scalar(db.select(Instruction.id).order_by(Instruction.id).limit(1)),
        "now": now,
        "step": AttemptStep.WAITING,
    }


def logged_in(app: Flask) -> FlaskClient:
    token = log_in(consents.ROBIN).token
    client = app.test_client()
    client.set_cookie(app.config["LOGIN_COOKIE_NAME"], token, domain="localhost")
    return client


def costs_of(app: Flask, asked: list[tuple[str, str]]) -> dict[str, int]:
    """Ask for pages and for their fragments; returns the statements of each."""
    client, found = logged_in(app), dict[str, int]()
    for endpoint, address in asked:
        for headers in ({}, {"HX-Request": "true"}):
            db.session.remove()
            with counted() as statements:
                status = client.get(address, headers=headers).status_code
            assert status < 500, address
            found[f"{endpoint} {address}{' (fragment)' if headers else ''} {status}"] = len(statements)
    return found


def test_every_page_and_fragment_costs_few_statements(wide_app: Flask) -> None:
    costs = costs_of(wide_app, list(addresses(wide_app)))
    assert sum(name.endswith("200") for name in costs) > 25
    assert {name: cost for name, cost in costs.items() if cost > MOST} == {}
