"""bunq sessions: one for each connection and one of our own, shared by all workers and kept over restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TypeVar

from flask import current_app
from sqlalchemy.exc import InvalidRequestError

from bunqflask import clock
from bunqflask.bunq import errors, protocol
from bunqflask.bunq.client import BunqClient
from bunqflask.bunq.limits import SESSION_SERVER
from bunqflask.bunq.transport import Transport
from bunqflask.database import leases
from bunqflask.database.encryption import SecretUnreadable
from bunqflask.extensions import db
from bunqflask.models import BunqSession, Connection, Installation
from bunqflask.services.gateway.rate_limiter import CallGate, settle

Result = TypeVar("Result")

# Renew this long before the end, or a tenth of the session's life when that is shorter.
_MARGIN = timedelta(seconds=60)
# How often to look whether the worker that holds the lease has opened the session.
_LOOK_AGAIN_S = 0.2
_NO_WAITING_S = 0.0


class SessionGone(Exception):
    """The session's row was deleted while it was in use: its connection was ended."""


class NotSetUp(Exception):
    """`flask setup` has not been run to its end for this environment."""


@contextmanager
def client_for(installation: Installation | None, gate: CallGate) -> Iterator[BunqClient]:
    """A client that signs with an installation's key; None before there is one."""
    with Transport() as transport:
        yield client_of(installation, gate, transport)


def client_of(installation: Installation | None, gate: CallGate, transport: Transport) -> BunqClient:
    """Return a client that signs with an installation's key and calls over a transport, which stays the caller's."""
    private_key = installation.private_key if installation else None
    server_key = installation.server_public_key if installation else None
    return BunqClient(
        current_app.config["BUNQ_API_URL"],
        gate=gate,
        transport=transport,
        key=protocol.load_private_key(private_key, is_ours=True) if private_key else None,
        server_key=protocol.load_server_key(server_key) if server_key else None,
    )


def current_installation() -> Installation:
    """Return the installation that setup made for the configured environment.

    :raises NotSetUp: when there is none, or it has no device yet.
    """
    found = find_installation()
    if found is None or found.token_sealed is None or found.device_registered_at is None:
        raise NotSetUp("run `flask --app wsgi setup` first")
    return found


def find_installation() -> Installation | None:
    """Return the current installation of the configured environment, however far its setup has come."""
    query = db.select(Installation).filter_by(environment=current_app.config["BUNQ_ENVIRONMENT"], is_current=True)
    return db.session.scalars(query).one_or_none()


def means_of(connection: Connection) -> tuple[BunqSession, str, Installation]:
    """Return what a connection's calls need: its session, its access token, the installation that signs.

    :raises SessionGone: the connection was ended.
    :raises NotSetUp: there is no installation to sign with.
    """
    secret = connection.access_token
    if secret is None:
        raise SessionGone
    session = connection.session
    if session is None:
        connection.session = session = BunqSession(generation=0)
        db.session.commit()
    return session, secret, connection.installation or current_installation()


def run(
    session: BunqSession,
    *,
    secret: str,
    installation: Installation,
    gate: CallGate,
    work: Callable[[BunqClient, str, int], Result],
) -> Result:
    """Do work in a session: open one if need be, and once more if bunq says that it is dead.

    `work` gets a client, the session token and the user id that goes into paths.

    :raises BunqError: as the calls raise it; a session refused twice in a row is `CredentialsRejected`.
    """
    ensure_open(session, secret=secret, installation=installation, gate=gate)
    generation = session.generation
    try:
        return _work_in(session, installation, gate, work)
    except errors.CredentialsRejected:
        ensure_open(session, secret=secret, installation=installation, gate=gate, dead=generation)
        return _work_in(session, installation, gate, work)


def ensure_open(
    session: BunqSession,
    *,
    secret: str,
    installation: Installation,
    gate: CallGate,
    dead: int | None = None,
) -> None:
    """See to it that the session has a token that should work; exactly one worker opens it.

    :param dead: the generation of a token that bunq has refused.
    :raises SessionGone: nothing may use it any more.
    :raises CallNotAllowedYet: when it takes longer than the gate's patience.
    :raises SecretRefused: bunq does not accept the secret.
    :raises CredentialsRejected: bunq does not accept the installation.
    """
    while True:
        _reload(session)
        if session.left_at is not None:
            raise SessionGone  # whoever ended its use is about to close it, and knows of no other token
        if _is_usable(session, installation, dead):
            return
        seen = session.generation
        holder = leases.take(session, BunqSession.generation == seen)
        wait_s = _LOOK_AGAIN_S
        if holder is not None:
            try:
                _open(session, holder, secret, installation, CallGate(_NO_WAITING_S, gives_way=gate.gives_way))
            except errors.CallNotAllowedYet as early:
                wait_s = early.wait_s
            finally:
                leases.give_back(session, holder)
            if _is_usable(session, installation, dead):
                return
        if not gate.pause(wait_s):
            raise errors.CallNotAllowedYet(SESSION_SERVER, wait_s)


def credentials_of(session: BunqSession) -> tuple[str, int]:
    """Return the token of an open session and the user id that goes into paths.

    :raises CallNotAllowedYet: it was closed just now.
    """
    token, path_user_id = session.token, session.path_user_id
    if token is None or path_user_id is None:
        raise errors.CallNotAllowedYet(SESSION_SERVER, _LOOK_AGAIN_S)
    return token, path_user_id


def close(session: BunqSession, installation: Installation, gate: CallGate) -> None:
    """End a session at bunq and forget its token. A session that is over already is as good as closed."""
    try:
        token = session.token if session.installation_id == installation.id else None
    except SecretUnreadable:
        token = None  # whose key is lost cannot be closed, but can be forgotten
    session.token = None
    session.generation += 1
    db.session.commit()
    if token is None:
        return
    try:
        with client_for(installation, gate) as client:
            _close_at_bunq(client, token)
    except (errors.BunqError, SecretUnreadable) as error:
        current_app.logger.info("a bunq session could not be closed: %s", error)


def own_session_works_since(installation: Installation, moment: datetime, gate: CallGate) -> bool:
    """Tell whether bunq still takes our own secret from this address, by opening our session anew.

    The words with which bunq refuses a revoked grant are those with which it refuses a changed address:
    only our own session tells the two apart.

    :raises BunqError: when that cannot be found out now.
    """
    session, secret = installation.session, installation.api_key
    if session is None or secret is None:
        raise NotSetUp("run `flask --app wsgi setup` first")
    if session.opened_at is not None and session.opened_at > moment and not clock.is_ahead(session.opened_at):
        return True
    try:
        ensure_open(session, secret=secret, installation=installation, gate=gate, dead=session.generation)
    except (errors.SecretRefused, errors.CredentialsRejected):
        return False
    return True


def _close_at_bunq(client: BunqClient, token: str) -> None:
    """Close a session at bunq, if it lets us now: it also dies by itself, and nothing here may depend on that."""
    try:
        client.close_session(token)
    except errors.BunqError as error:
        current_app.logger.info("a bunq session could not be closed: %s", error)


def _reload(session: BunqSession) -> None:
    try:
        db.session.refresh(session)
    except InvalidRequestError as error:
        raise SessionGone from error


def _is_usable(session: BunqSession, installation: Installation, dead: int | None) -> bool:
    return (
        session.token_sealed is not None
        and session.installation_id == installation.id
        and session.generation != dead
        and session.expires_at is not None
        and session.expires_at > clock.now()
    )


def _work_in(
    session: BunqSession,
    installation: Installation,
    gate: CallGate,
    work: Callable[[BunqClient, str, int], Result],
) -> Result:
    token, path_user_id = credentials_of(session)
    with client_for(installation, gate) as client:
        return work(client, token, path_user_id)


def _open(session: BunqSession, holder: str, secret: str, installation: Installation, gate: CallGate) -> None:
    """Open the session as the holder of its lease, with a gate that never waits: that is done without the lease."""
    installation_token = installation.token
    if installation_token is None:
        raise NotSetUp("run `flask --app wsgi setup` first")
    asked_at = clock.now()
    with client_for(installation, gate) as client:
        answer = client.open_session(installation_token, secret)
        if not leases.held(session, holder) or session.left_at is not None:
            # Nobody keeps what came too late: it would stay open at bunq, without anybody to close it.
            settle()
            _close_at_bunq(client, answer.token)
            return
    life = timedelta(seconds=answer.timeout_s)
    session.token = answer.token
    session.installation_id = installation.id
    session.generation += 1
    session.path_user_id = answer.path_user_id
    session.holder_user_id = answer.holder.user_id
    session.holder_type = answer.holder.user_type
    session.holder_name = answer.holder.display_name[:200]
    session.opened_at = asked_at
    session.expires_at = asked_at + life - min(_MARGIN, life / 10)
    db.session.commit()
