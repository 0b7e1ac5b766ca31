"""A team with one connection, and servers that take notices."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from bunqflask import clock
from bunqflask.database.transactions import emit, transaction
from bunqflask.extensions import db
from bunqflask.models import (
    ChannelKind,
    Connection,
    EventKind,
    MonetaryAccount,
    NoticeChannel,
    NoticeDelivery,
    NoticeTopic,
)
from bunqflask.services.notices import channels, events, sending
from bunqflask.services.team import members
from tests.support import consents, rows
from tests.support.apps import add_member, bare_environ
from tests.support.pool import AppPool
from tests.support.receivers import MailServer, WebServer

ROBIN, SAM = consents.ROBIN, "sam@example.com"
LOOPBACK = "127.0.0.0/8, ::1/128"
SINCE = "2026-11-19T01:10:03+00:00"


@dataclass
class Clock:
    """The app's clock, moved by hand."""

    ahead: timedelta = timedelta(0)

    def pass_time(self, **by: float) -> None:
        """Let time pass."""
        self.ahead += timedelta(**by)


@pytest.fixture(scope="session")
def mail_port() -> Iterator[int]:
    """The one port of the mail servers of this process: apps with the same settings can then be used again."""
    with socket.socket() as kept:
        # Bound and not listened at: no connection is made from here, and a server may be put here.
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


@pytest.fixture
def mail_server(mail_port: int) -> Iterator[MailServer]:
    with MailServer(mail_port).running() as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[WebServer]:
    with WebServer().running() as server:
        yield server


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The app's clock, for a test to move."""
    found, real = Clock(), clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + found.ahead)
    return found


@pytest.fixture
def team(connected_url: str, mail_server: MailServer, overrides: dict[str, str], app_pool: AppPool) -> Iterator[Flask]:
    """The app with Robin, who holds a connection, and Sam, who sees nothing; the test is in its context."""
    settings = {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mail_server.port),
        "SMTP_SECURITY": "none",
        "MAIL_FROM": "bunqflask@example.org",
        "NOTICE_NETWORKS": LOOPBACK,
        **overrides,
    }
    with app_pool.take({**bare_environ(connected_url), **settings}) as app:
        add_member(app, SAM, "Sam Okafor")
        with app.app_context():
            yield app
            db.session.remove()


def connection_id() -> int:
    return int(db.session.scalars(db.select(Connection.id)).one())


def account() -> MonetaryAccount:
    found: MonetaryAccount = db.session.scalars(db.select(MonetaryAccount).order_by(MonetaryAccount.id).limit(1)).one()
    return found


def happen(kind: EventKind, **facts: Any) -> None:
    """Let something happen, as another part of the app writes it."""
    with transaction():
        emit(kind, **facts)


def stop() -> None:
    happen(EventKind.CONNECTION_STOPPED, connection_id=connection_id(), reason="refused", since=SINCE)


def add(email: str, kind: ChannelKind, address: str = "", *topics: NoticeTopic) -> channels.NewChannel:
    """Give a member a channel for some topics, or for all."""
    return channels.add(members.require(email), kind, address, topics or tuple(NoticeTopic))


def work() -> None:
    """Do what the worker's two duties about notices do, once."""
    db.session.remove()
    with rows.read_only():
        events.handle_all()
        db.session.remove()
        for channel_id in sending.due_channels():
            sending.send_due(channel_id)
    db.session.remove()


def deliveries(**columns: Any) -> list[NoticeDelivery]:
    return list(db.session.scalars(db.select(NoticeDelivery).filter_by(**columns).order_by(NoticeDelivery.id)))


def channel(channel_id: int) -> NoticeChannel:
    return db.session.get_one(NoticeChannel, channel_id, populate_existing=True)
