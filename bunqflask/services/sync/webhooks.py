"""bunq's callbacks: registered beside those of others, removed at the end, and taken as a hint only.

A callback says that something has happened; what it says of it is not trusted. It is answered at once and requests a
sync of the accounts that it may be about. Without callbacks, a sync every hour does the same; that they are registered
does not prove that bunq can reach this server, so they are relied upon only once one has come.

Its address is a secret, and that is all a callback must show. Where the site names the networks that callbacks come
from, others are refused; where one carries bunq's signature, a wrong one is refused (bunq documents none).

https://doc.bunq.com/basics/callbacks-webhooks
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable
from datetime import timedelta

from flask import current_app
from sqlalchemy import select, update

from bunqflask import clock
from bunqflask.bunq import errors, protocol
from bunqflask.bunq.client import Objects
from bunqflask.bunq.resources import whole
from bunqflask.bunq.untrusted import read_json
from bunqflask.database.encryption import SecretUnreadable
from bunqflask.database.leases import LeaseLost
from bunqflask.database.transactions import emit, release, transaction
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.models import (
    AccountSync,
    Connection,
    ConnectionState,
    Consent,
    ConsentGrantState,
    ErrorKind,
    EventKind,
    Installation,
    MonetaryAccount,
)
from bunqflask.services.connections import access, consents
from bunqflask.services.gateway import installations, sessions
from bunqflask.services.gateway.installations import NotSetUp
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.gateway.sessions import Bunq
from bunqflask.services.instructions import sending as instructions
from bunqflask.services.policy import NotFoundHere

PATH = "/bunq/hook/"
# Every change of a balance. OAUTH: a permission was withdrawn; bunq may not let an app ask for it.
_CATEGORIES = ("MUTATION", "OAUTH")
_REMOVAL_PATIENCE_S = 3.0
# Somebody else who sets callbacks may wipe ours out, and some kinds expire.
_REGISTER_AGAIN_AFTER = timedelta(days=7)
# After the first error, and after each further one.
_FIRST_RETRY, _RETRY = timedelta(minutes=1), timedelta(hours=1)
# A refusal may be over when money moves: the account is asked for again.
_REFUSALS = (ErrorKind.NOT_LISTED, ErrorKind.REFUSED)


class CallbackRefused(Exception):
    """A callback belongs to no connection, or does not come from bunq; the text says which, for the log."""


def is_due(connection: Connection) -> bool:
    """Tell whether registering failed, and is to be tried again now; the first time is part of a sync."""
    next_try_at = connection.callbacks_next_try_at
    return next_try_at is not None and is_reachable() and clock.has_come(next_try_at, longest=_RETRY)


def ensure(connection_id: int, limiter: RateLimiter) -> None:
    """Register our callbacks for a connection, beside those of others.

    An error is logged and stops nothing: payments are synced without callbacks too.
    """
    connection = _load(connection_id) if is_reachable() else None
    if connection is None:
        return
    widest = consents.to_list(connection.consents)[:1]
    if not widest or not clock.is_over(connection.callbacks_set_at, after=_REGISTER_AGAIN_AFTER):
        return
    consent_id = widest[0].id
    next_try_at = clock.now() + (_FIRST_RETRY if connection.callbacks_next_try_at is None else _RETRY)
    try:
        secret = _secret_of(connection)
        with sessions.of_consent(consent_id, limiter) as bunq:
            _register(bunq, secret)
        is_set = True
    except (sessions.SessionGone, LeaseLost):
        return
    except errors.BunqError as error:
        current_app.logger.warning("connection %s gets no callbacks: %s", connection_id, error)
        is_set = False
    with transaction():
        again = db.session.get(Connection, connection_id)
        if again is not None:
            again.callbacks_set_at = clock.now() if is_set else None
            again.callbacks_next_try_at = None if is_set else next_try_at


def remove(connection_id: int) -> None:
    """Remove our callbacks at bunq, and only ours, while there still is a session for it.

    Their address finds no connection any more afterwards, so disconnecting does not depend on bunq.
    """
    connection = _load(connection_id)
    widest = consents.to_list(connection.consents)[:1] if connection is not None else []
    if connection is None or connection.callback_hash is None or not widest:
        return
    consent_id = widest[0].id
    try:
        secret = connection.callback_token or ""
        with sessions.of_consent(consent_id, RateLimiter(_REMOVAL_PATIENCE_S)) as bunq:
            ours, others = _separate(secret, bunq.list_callbacks())
            if ours:
                bunq.replace_callbacks(others)
    except (errors.BunqError, NotSetUp, sessions.SessionGone, SecretUnreadable) as error:
        current_app.logger.info("callbacks of connection %s stay at bunq: %s", connection_id, error)
    with transaction():
        again = db.session.get(Connection, connection_id)
        if again is not None:
            again.callbacks_set_at = again.callbacks_next_try_at = again.callback_received_at = None
            again.callback_hash = again.callback_token = None


def receive(token: str, read_body: Callable[[], bytes], *, signature: str | None, address: str) -> None:
    """Request a sync of what a callback may mean. Repeats and bursts change nothing.

    A stranger's body is not read, because it may come slowly, and writes nothing. A known one is not read within a
    transaction, for the same reason.

    :raises CallbackRefused: its address belongs to no connection, or it does not come from bunq.
    """
    if not _may_come_from(address):
        raise CallbackRefused("it comes from outside BUNQ_CALLBACK_NETWORKS")
    query = select(Connection).filter_by(callback_hash=digest(token), state=ConnectionState.ACTIVE)
    connection = db.session.scalars(query).one_or_none()
    if connection is None:
        raise CallbackRefused("no connection has this address")
    release()
    body = read_body()
    connection = db.session.get(Connection, connection.id)
    if connection is None:
        raise CallbackRefused("its connection was erased meanwhile")
    if signature is not None and not _is_signed_by_bunq(connection, body, signature):
        raise CallbackRefused(f"its signature is not bunq's, for connection {connection.id}")
    connection_id, account_id = connection.id, _account_id(body)
    accounts = select(MonetaryAccount.id).filter_by(connection_id=connection_id)
    named = accounts.where(MonetaryAccount.monetary_account_id == account_id, MonetaryAccount.uncovered_since.is_(None))
    with transaction():
        # An account that we do not know may be new: syncing any of ours begins with the list of accounts.
        is_named, now = db.session.scalar(named) is not None, clock.now()
        of_accounts = update(AccountSync).where(AccountSync.id.in_(named if is_named else accounts))
        db.session.execute(of_accounts.values(requested_at=now))
        db.session.execute(of_accounts.where(AccountSync.error_kind.in_(_REFUSALS)).values(next_try_at=None))
        if is_named:
            db.session.execute(of_accounts.values(called_back_at=now, follow_ups=0))
        db.session.execute(update(Connection).filter_by(id=connection_id).values(callback_received_at=now))
        emit(EventKind.SYNC_REQUESTED, connection_id=connection_id)
        instructions.look_soon(connection_id)


def _load(connection_id: int) -> Connection | None:
    try:
        return access.by_id(connection_id)
    except NotFoundHere:
        return None


def _secret_of(connection: Connection) -> str:
    """Return the secret in the address of a connection's callbacks, made at the first time."""
    secret = connection.callback_token
    if secret is None:
        with transaction():
            db.session.refresh(connection, with_for_update=True)
            secret = connection.callback_token or secrets.token_urlsafe(32)
            connection.callback_token, connection.callback_hash = secret, digest(secret)
    return secret


def _register(bunq: Bunq, secret: str) -> None:
    target = f"{current_app.config['PUBLIC_URL']}{PATH}{secret}"
    # Those listed may belong to an older permission, which bunq may have ended with its callbacks: all are sent anew.
    _ours, others = _separate(secret, bunq.list_callbacks())
    mine = [{"category": category, "notification_target": target} for category in _CATEGORIES]
    try:
        bunq.replace_callbacks(others + mine)
    except errors.RequestRefused as refused:
        if type(refused) is not errors.RequestRefused:
            raise
        bunq.replace_callbacks(others + mine[:1])


def is_reachable() -> bool:
    """bunq calls only https addresses; the local stand-in also calls this machine."""
    config = current_app.config
    is_https: bool = config["PUBLIC_URL"].startswith("https://")
    return is_https or config["BUNQ_ENVIRONMENT"] == "local"


def _separate(secret: str, listed: Objects) -> tuple[Objects, Objects]:
    """Separate our callbacks from those of others.

    Ours end in our secret, also those set under another PUBLIC_URL; or they begin with our PUBLIC_URL: such a one is
    left over from an earlier connection of the same bunq user, whose callbacks could not be removed.
    """

    def is_ours(target: str) -> bool:
        return target.endswith(f"{PATH}{secret}") or target.startswith(f"{current_app.config['PUBLIC_URL']}{PATH}")

    ours = [each for each in listed if is_ours(str(each["notification_target"]))]
    return ours, [each for each in listed if each not in ours]


def _may_come_from(address: str) -> bool:
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = current_app.config["BUNQ_CALLBACK_NETWORKS"]
    if not networks:
        return True
    try:
        given = ipaddress.ip_address(address)
    except ValueError:
        return False
    given = getattr(given, "ipv4_mapped", None) or given
    return any(given in network for network in networks)


def _is_signed_by_bunq(connection: Connection, body: bytes, signature: str) -> bool:
    own = select(Consent.installation_id).filter_by(connection_id=connection.id, state=ConsentGrantState.ACTIVE)
    ours = db.session.scalars(select(Installation).where(Installation.id.in_(own))).all()
    answer = protocol.BunqResponse(200, {"x-bunq-server-signature": signature}, body)
    for installation in (*ours, installations.find_current()):
        if installation is None or installation.server_public_key is None:
            continue
        try:
            protocol.verify(answer, protocol.load_server_key(installation.server_public_key))
        except errors.BunqError:
            continue
        return True
    return False


def _account_id(body: bytes) -> int | None:
    """Return the monetary account that a callback names, if any."""
    try:
        said = read_json(body)
    except ValueError:
        return None
    note = said.get("NotificationUrl") if isinstance(said, dict) else None
    thing = note.get("object") if isinstance(note, dict) else None
    for data in thing.values() if isinstance(thing, dict) else ():
        if isinstance(data, dict) and (account_id := whole(data.get("monetary_account_id"))) is not None:
            return account_id
    return None
