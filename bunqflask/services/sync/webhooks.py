"""bunq's callbacks: registered beside those of others, removed at the end, and taken as a hint only.

A callback tells that something has happened, never what: it is answered at once, the accounts it may mean are
marked, and what bunq says when it is asked is what counts. Without callbacks, asking every hour does the same.

Its address is a secret, and that is all a callback must show. Where the site names the networks that callbacks come
from, others are refused; where one carries bunq's signature, a wrong one is refused (bunq documents none).

https://doc.bunq.com/basics/callbacks-webhooks
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy import update

from bunqflask import clock
from bunqflask.bunq import errors, protocol
from bunqflask.bunq.client import BunqClient, Objects
from bunqflask.bunq.resources import whole
from bunqflask.bunq.untrusted import read_json
from bunqflask.database.encryption import SecretUnreadable
from bunqflask.extensions import db
from bunqflask.models import AccountSync, Connection, MonetaryAccount
from bunqflask.services.gateway import sessions
from bunqflask.services.gateway.rate_limiter import CallGate

PATH = "/bunq/hook/"
# Every change of a balance. OAUTH tells of a withdrawn permission; bunq may not let an app ask for it.
_CATEGORIES = ("MUTATION", "OAUTH")
_REMOVAL_PATIENCE_S = 3.0
# Somebody else who sets callbacks may wipe ours out, and some kinds end by themselves.
_LOOK_AGAIN = timedelta(days=7)


class CallbackRefused(Exception):
    """A callback is nobody's, or does not come from bunq; the text says which, for the log."""


def ensure(connection: Connection, gate: CallGate) -> None:
    """See to it that bunq calls us for this connection; what others have set stays.

    Whatever goes wrong is noted in the log and stops nothing: payments are asked for anyway.
    """
    seen_at = connection.hooks_set_at
    if connection.status != "active" or not _reachable() or (seen_at and seen_at > clock.now() - _LOOK_AGAIN):
        return
    if connection.hook_token is None:
        token = secrets.token_urlsafe(32)
        connection.hook_token, connection.hook_hash = token, _digest(token)
        db.session.commit()
    target = f"{current_app.config['PUBLIC_URL']}{PATH}{connection.hook_token}"

    def work(client: BunqClient, token: str, user_id: int) -> None:
        ours, others = _apart(connection, client.list_callbacks(token, user_id))
        if any((each["category"], each["notification_target"]) == (_CATEGORIES[0], target) for each in ours):
            return  # set before, though perhaps the answer was lost
        mine = [{"category": category, "notification_target": target} for category in _CATEGORIES]
        try:
            client.replace_callbacks(token, user_id, others + mine)
        except errors.RequestRefused as refused:
            if type(refused) is not errors.RequestRefused:
                raise
            client.replace_callbacks(token, user_id, others + mine[:1])

    try:
        _in_session(connection, gate, work)
    except sessions.SessionGone:
        return
    except errors.BunqError as error:
        current_app.logger.warning("connection %s gets no callbacks: %s", connection.id, error)
        connection.hooks_set_at = None
    else:
        connection.hooks_set_at = clock.now()
    db.session.commit()


def remove(connection: Connection) -> None:
    """Take our callbacks away at bunq, and only ours, before the session for it is gone."""
    if connection.hook_hash is None or connection.access_token_sealed is None:
        return

    def work(client: BunqClient, token: str, user_id: int) -> None:
        ours, others = _apart(connection, client.list_callbacks(token, user_id))
        if ours:
            client.replace_callbacks(token, user_id, others)

    try:
        _in_session(connection, CallGate(_REMOVAL_PATIENCE_S), work)
    except (errors.BunqError, sessions.NotSetUp, sessions.SessionGone, SecretUnreadable) as error:
        # Its address will find no connection any more; disconnecting must not depend on bunq.
        current_app.logger.info("callbacks of connection %s stay at bunq: %s", connection.id, error)
    connection.hooks_set_at = connection.hook_hash = connection.hook_token = None
    db.session.commit()


def take(token: str, body: bytes, *, signature: str | None, address: str) -> None:
    """Mark what a callback may mean. Repeats and bursts change nothing: an account that is marked is marked.

    :raises CallbackRefused: its address belongs to no connection, or it does not come from bunq.
    """
    if not _may_come_from(address):
        raise CallbackRefused("it comes from outside BUNQ_CALLBACK_NETWORKS")
    query = db.select(Connection).filter_by(hook_hash=_digest(token), status="active")
    connection: Connection | None = db.session.scalars(query).one_or_none()
    if connection is None:
        raise CallbackRefused("no connection has this address")
    if signature is not None and not _is_bunqs(connection, body, signature):
        raise CallbackRefused(f"its signature is not bunq's, for connection {connection.id}")
    accounts = db.select(MonetaryAccount.id).filter_by(connection_id=connection.id)
    named = accounts.filter_by(monetary_account_id=_account_id(body), is_shared=True)
    # One that we do not know may be new: reading any of ours begins with the list of accounts.
    accounts = accounts if db.session.scalar(named) is None else named
    db.session.execute(update(AccountSync).where(AccountSync.id.in_(accounts)).values(wanted_at=clock.now()))
    db.session.commit()


def _in_session(connection: Connection, gate: CallGate, work: Any) -> None:
    session, secret, installation = sessions.means_of(connection)
    sessions.run(session, secret=secret, installation=installation, gate=gate, work=work)


def _reachable() -> bool:
    """bunq calls only https addresses; the local stand-in also calls this machine."""
    config = current_app.config
    is_https: bool = config["PUBLIC_URL"].startswith("https://")
    return is_https or config["BUNQ_ENVIRONMENT"] == "local"


def _apart(connection: Connection, listed: Objects) -> tuple[Objects, Objects]:
    """Tell our callbacks from those of others. Ours end in our secret, whatever PUBLIC_URL was when they were set."""
    ours = [each for each in listed if str(each["notification_target"]).endswith(f"{PATH}{connection.hook_token}")]
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


def _is_bunqs(connection: Connection, body: bytes, signature: str) -> bool:
    installation = connection.installation or sessions.find_installation()
    if installation is None or installation.server_public_key is None:
        return False
    answer = protocol.BunqResponse(200, {"x-bunq-server-signature": signature}, body)
    try:
        protocol.verify(answer, protocol.load_server_key(installation.server_public_key))
    except errors.BunqError:
        return False
    return True


def _account_id(body: bytes) -> int | None:
    """Find which monetary account a callback is about, if it tells."""
    try:
        told = read_json(body)
    except ValueError:
        return None
    note = told.get("NotificationUrl") if isinstance(told, dict) else None
    thing = note.get("object") if isinstance(note, dict) else None
    for data in thing.values() if isinstance(thing, dict) else ():
        if isinstance(data, dict) and (account_id := whole(data.get("monetary_account_id"))) is not None:
            return account_id
    return None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
