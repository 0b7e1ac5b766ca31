"""What the checks judge, found in the database, on this machine and, where it is wanted, at bunq."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from flask import current_app
from sqlalchemy import column as plain_column
from sqlalchemy import func, select, table, union_all

from bunqflask import addresses, clock
from bunqflask.bunq import errors, limits, transport
from bunqflask.database import encryption, migrations, storage
from bunqflask.database.encryption import SecretUnreadable
from bunqflask.database.outbox import Event
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import (
    BackupOutcome,
    BackupRecord,
    BunqSession,
    CheckName,
    Connection,
    Consent,
    ConsentAttempt,
    ErrorKind,
    Installation,
)
from bunqflask.services import workers
from bunqflask.services.doctor import of_bunq, of_server, ping
from bunqflask.services.gateway import installations, rate_limiter, retry_policy, sessions
from bunqflask.services.gateway.installations import NotSetUp
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.sync import webhooks

# A person may wait for the answer; other calls to bunq go first.
_PATIENCE_S = 3.0
_KINDS: dict[type[errors.BunqError], ErrorKind] = {
    errors.SecretRefused: ErrorKind.SERVER_REFUSED,
    errors.CredentialsRejected: ErrorKind.INSTALLATION_REFUSED,
    errors.ResponseNotTrusted: ErrorKind.NOT_TRUSTED,
}

Probe = Callable[[], Any]


@dataclass(frozen=True)
class Asked:
    """What bunq answered when it was asked just now.

    :param refused: how it refuses this server as a whole.
    :param is_accepted: it answered a call in our own session.
    """

    refused: ErrorKind | None = None
    is_accepted: bool = False
    difference_s: float | None = None
    allowed: list[list[str]] | None = None


def all_probes(asked: Asked | None, *, pings: int | None) -> Mapping[CheckName, Probe]:
    """Return the probe of each check.

    :param asked: what bunq answered; None: it was not asked, and what is stored has to do.
    :param pings: the row under whose lease we call ourselves; None: we do not.
    """
    return {
        CheckName.RETURN_ADDRESS: _return_address,
        CheckName.SERVER_ADDRESS: partial(_server_address, asked),
        CheckName.CLOCK: partial(_clock, asked),
        CheckName.KEYS: partial(_keys, asked),
        CheckName.SESSION: partial(_session, asked),
        CheckName.CALLBACKS: partial(_callbacks, pings),
        CheckName.WORKER: _worker,
        CheckName.QUEUE: _queue,
        CheckName.STORAGE: _storage,
        CheckName.BACKUP: _backup,
    }


def ask_bunq() -> Asked:
    """Ask bunq for our return addresses and for the addresses it allows, as background work.

    What it says of the return addresses is stored, where setup keeps it.
    """
    try:
        installation = installations.current()
    except NotSetUp:
        return Asked()
    installation_id, client_number = installation.id, installation.oauth_client_id
    limiter = RateLimiter(_PATIENCE_S, is_background=True)
    refused, is_accepted, allowed = None, False, None
    try:
        with sessions.own(installation, limiter) as bunq:
            if _stored_refusal() is not None:
                # A session that is still open proves nothing about a new one.
                _renew_session(installation_id, limiter)
                with transaction():
                    retry_policy.clear_server_errors()
            if client_number is not None:
                _store_return_addresses(installation_id, bunq.list_redirect_urls(client_number))
                is_accepted = True
            allowed = _allowed(bunq)
            is_accepted = is_accepted or allowed is not None
    except NotSetUp:
        return Asked()
    except SecretUnreadable:
        pass  # the check of the keys finds it too
    except errors.BunqError as error:
        refused = next((kind for each, kind in _KINDS.items() if isinstance(error, each)), None)
        current_app.logger.info("the doctor asked bunq: %s", error)
    return Asked(refused, is_accepted, limiter.clock_difference_s, allowed)


def _renew_session(installation_id: int, limiter: RateLimiter) -> None:
    """Open our own session anew.

    :raises BunqError: bunq takes our secret from this address no longer, or that cannot be found out now.
    """
    credentials = sessions.own_credentials(installation_id)
    generation = db.session.get_one(BunqSession, credentials.session_id, populate_existing=True).generation
    sessions.ensure_open(credentials, limiter, dead=generation)


def _allowed(bunq: sessions.Bunq) -> list[list[str]] | None:
    try:
        return bunq.list_allowed_addresses(installations.DEVICE_DESCRIPTION)
    except errors.CredentialsRejected:
        raise
    except errors.RequestRefused as error:
        current_app.logger.info("bunq does not tell which addresses it allows: %s", error)
        return None


def _store_return_addresses(installation_id: int, known: list[str]) -> None:
    if db.session.get_one(Installation, installation_id).redirect_uris == known:
        return
    with transaction():
        db.session.get_one(Installation, installation_id, populate_existing=True).redirect_uris = known


def _return_address() -> of_bunq.ReturnAddressFacts:
    installation = installations.find_current()
    is_known = installation is not None and installation.oauth_client_id is not None
    known = installation.redirect_uris if installation is not None and is_known else None
    return of_bunq.ReturnAddressFacts(ours=current_app.config["REDIRECT_URI"], known=known)


def _server_address(asked: Asked | None) -> of_bunq.ServerAddressFacts:
    installation = _set_up()
    if installation is None:
        return of_bunq.ServerAddressFacts(is_set_up=False)
    session = db.session.get(BunqSession, installation.session_id) if installation.session_id else None
    return of_bunq.ServerAddressFacts(
        is_set_up=True,
        refused=_refusal(asked)[0],
        accepted_at=session.opened_at if session is not None else None,
        calls_from=outgoing_address(current_app.config["BUNQ_API_URL"]),
        allowed=asked.allowed if asked is not None else None,
    )


def outgoing_address(url: str) -> str | None:
    """Return the address from which this machine calls another; None where a router or a proxy replaces it.

    Nothing is sent: connecting a UDP socket only makes the system choose the way.
    """
    host = urlsplit(url).hostname or ""
    if transport.proxy_for(url) is not None:
        return None
    try:
        [(family, kind, _protocol, _name, target), *_others] = socket.getaddrinfo(host, 443, type=socket.SOCK_DGRAM)
        with socket.socket(family, kind) as way:
            way.connect(target)
            found: str = way.getsockname()[0]
    except OSError:
        return None
    return found if addresses.is_public(found) or addresses.is_loopback(host) else None


def _clock(asked: Asked | None) -> of_bunq.ClockFacts:
    is_set_up = installations.find_current() is not None
    return of_bunq.ClockFacts(is_set_up=is_set_up, difference_s=asked.difference_s if asked else None)


def _keys(asked: Asked | None) -> of_bunq.KeysFacts:
    secrets, unreadable = _open_all_secrets()
    installation = installations.find_current()
    if installation is None:
        return of_bunq.KeysFacts(missing=None, secrets=secrets, unreadable=unreadable)
    steps = {
        "installation": installation.token_sealed,
        "device": installation.device_registered_at,
        "session": installation.session_id,
        "OAuth client": installation.client_id,
    }
    session = db.session.get(BunqSession, installation.session_id) if installation.session_id else None
    return of_bunq.KeysFacts(
        missing=[name for name, done in steps.items() if not done],
        made_at=installation.created_at,
        is_session_ours=session is None or session.installation_id in (None, installation.id),
        refused=_refusal(asked)[0],
        secrets=secrets,
        unreadable=unreadable,
    )


def _open_all_secrets() -> tuple[int, list[str]]:
    """Open every stored secret; return how many open, and the tables and columns of those that do not."""
    opened, unreadable = 0, set()
    for name, sealed in encryption.sealed_tables().items():
        columns = [*sealed.keys, *sealed.columns]
        rows: Any = db.session.execute(select(*map(plain_column, columns)).select_from(table(name)))
        for row in rows:
            keys = row[: len(sealed.keys)]
            for column, stored in zip(sealed.columns, row[len(sealed.keys) :], strict=True):
                if stored is None:
                    continue
                try:
                    encryption.open_sealed(bytes(stored), sealed.place(name, column, keys))
                except SecretUnreadable:
                    unreadable.add(f"{name}.{column.removesuffix('_sealed')}")
                else:
                    opened += 1
    return opened, sorted(unreadable)


def _session(asked: Asked | None) -> of_bunq.SessionFacts:
    installation = _set_up()
    session = db.session.get(BunqSession, installation.session_id) if installation and installation.session_id else None
    refused, since = _refusal(asked)
    return of_bunq.SessionFacts(
        is_set_up=installation is not None,
        expires_at=session.expires_at if session is not None else None,
        refused=refused if refused in retry_policy.SERVER_REFUSALS else None,
        refused_since=since,
    )


def _refusal(asked: Asked | None) -> tuple[ErrorKind | None, Any]:
    """Return how bunq refuses this server as a whole, and since when: just now, or in the work that waits for it."""
    stored = _stored_refusal()
    if asked is not None and asked.is_accepted and asked.refused is None:
        return None, None
    if asked is not None and asked.refused is not None:
        return asked.refused, stored.since if stored is not None and stored.kind == asked.refused else None
    return (stored.kind, stored.since) if stored is not None else (None, None)


def _stored_refusal() -> Any:
    """Return kind and beginning of the oldest refusal for which work waits; None without one."""
    waiting = union_all(
        *(
            select(row.error_kind.label("kind"), row.error_since.label("since")).where(
                row.error_kind.in_((*retry_policy.SERVER_REFUSALS, ErrorKind.NOT_TRUSTED))
            )
            for row in (Consent, ConsentAttempt)
        )
    ).subquery()
    return db.session.execute(select(waiting.c.kind, waiting.c.since).order_by(waiting.c.since).limit(1)).first()


def _callbacks(pings: int | None) -> of_bunq.CallbackFacts:
    received_at = db.session.scalar(select(func.max(Connection.callback_received_at)).where(_is_here()))
    is_recent = not clock.is_over(received_at, after=of_bunq.CALLBACK_WITHIN)
    is_callable = webhooks.is_reachable()
    return of_bunq.CallbackFacts(
        public_url=current_app.config["PUBLIC_URL"],
        is_callable=is_callable,
        received_at=received_at,
        ping=ping.send(pings) if pings is not None and is_callable and not is_recent else None,
    )


def _worker() -> of_server.WorkerFacts:
    is_needed = db.session.scalar(select(Connection.id).where(_is_here()).limit(1)) is not None
    return of_server.WorkerFacts(seen_at=workers.last_seen_at(), is_needed=is_needed)


def _queue() -> of_server.QueueFacts:
    is_waiting = Event.handled_at.is_(None)
    oldest = db.session.execute(select(Event.kind, Event.created_at).where(is_waiting).order_by(Event.id).limit(1))
    first = oldest.first()
    return of_server.QueueFacts(
        waiting=db.session.scalar(select(func.count()).select_from(Event).where(is_waiting)) or 0,
        oldest=(str(first.kind), first.created_at) if first is not None else None,
        left=(rate_limiter.calls_left(limits.PAYMENTS), limits.limit_for(limits.PAYMENTS).calls),
        blocked=rate_limiter.blocked_endpoints(),
        is_shared=rate_limiter.is_shared(),
    )


def _storage() -> of_server.StorageFacts:
    checked = storage.check()
    if checked.message:
        return of_server.StorageFacts(fault="Nothing can be stored.", details=checked.message)
    room = storage.room()
    return of_server.StorageFacts(
        is_at_head=migrations.is_at_head(),
        free=room.free if room else None,
        size=room.total if room else None,
    )


def _backup() -> of_server.BackupFacts:
    newest = select(BackupRecord.outcome, func.max(BackupRecord.at)).group_by(BackupRecord.outcome)
    last = {row[0]: row[1] for row in db.session.execute(newest)}
    size = (
        select(BackupRecord.size_bytes)
        .where(BackupRecord.outcome == BackupOutcome.MADE)
        .order_by(BackupRecord.at.desc())
        .limit(1)
    )
    return of_server.BackupFacts(
        is_needed=db.session.scalar(select(Connection.id).limit(1)) is not None,
        made_at=last.get(BackupOutcome.MADE),
        size_bytes=db.session.scalar(size),
        failed_at=last.get(BackupOutcome.FAILED),
        tested_at=last.get(BackupOutcome.TESTED),
    )


def _set_up() -> Installation | None:
    try:
        return installations.current()
    except NotSetUp:
        return None


def _is_here() -> Any:
    return Connection.environment == current_app.config["BUNQ_ENVIRONMENT"]
