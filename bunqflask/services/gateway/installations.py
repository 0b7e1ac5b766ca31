"""Installations: our key pairs known to bunq. One is current; a grant may have one of its own.

https://doc.bunq.com/basics/authentication/installation
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app
from sqlalchemy import select

from bunqflask import clock
from bunqflask.bunq import errors, protocol
from bunqflask.bunq.client import BunqClient
from bunqflask.bunq.limits import Gate
from bunqflask.bunq.transport import Transport
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import BunqSession, Installation
from bunqflask.services.gateway.rate_limiter import RateLimiter

DEVICE_DESCRIPTION = "bunqflask"


class NotSetUp(Exception):
    """`flask setup` has not been run to its end for this environment."""

    def __init__(self) -> None:
        super().__init__("run `flask --app wsgi setup` first")


def find_current() -> Installation | None:
    """Return the current installation of the configured environment, however far its setup has come."""
    query = select(Installation).filter_by(environment=current_app.config["BUNQ_ENVIRONMENT"], is_current=True)
    return db.session.scalars(query).one_or_none()


def current() -> Installation:
    """Return the installation that setup made for the configured environment.

    :raises NotSetUp: there is none, or it has no device yet.
    """
    found = find_current()
    if found is None or found.token_sealed is None or found.device_registered_at is None:
        raise NotSetUp
    return found


def shown_name() -> str | None:
    """Return the name by which bunq calls this site when it asks for a permission: that of the API key's user.

    None until a session of our own was opened.
    """
    query = select(BunqSession.holder_name).join(Installation, Installation.session_id == BunqSession.id)
    of_here = query.filter(Installation.environment == current_app.config["BUNQ_ENVIRONMENT"], Installation.is_current)
    return db.session.scalar(of_here)


def client(installation: Installation | None, gate: Gate, transport: Transport) -> BunqClient:
    """Return a client that signs with an installation's key, over a transport of the caller's."""
    private_key = installation.private_key if installation else None
    server_key = installation.server_public_key if installation else None
    return client_with(private_key, server_key, gate, transport)


def client_with(private_key: str | None, server_key: str | None, gate: Gate, transport: Transport) -> BunqClient:
    """Return a client with these keys, as they are stored."""
    return BunqClient(
        current_app.config["BUNQ_API_URL"],
        gate=gate,
        transport=transport,
        key=protocol.load_private_key(private_key, is_ours=True) if private_key else None,
        server_key=protocol.load_server_key(server_key) if server_key else None,
    )


@contextmanager
def client_for(installation: Installation | None, limiter: RateLimiter) -> Iterator[BunqClient]:
    """Yield a client that signs with an installation's key; None before there is one."""
    with Transport() as transport:
        yield client(installation, limiter, transport)


def close_session(bunq: BunqClient, token: str) -> None:
    """Close a session at bunq, if bunq lets us now: it also expires, and nothing here may depend on this call."""
    try:
        bunq.close_session(token)
    except errors.BunqError as error:
        current_app.logger.info("a bunq session could not be closed: %s", error)


def install(installation_id: int, limiter: RateLimiter) -> None:
    """Make an installation's key known to bunq, and store its token and bunq's own key.

    Another process may do the same at the same time: the first one to store its answer wins.
    """
    installation = db.session.get_one(Installation, installation_id)
    key = protocol.load_private_key(installation.private_key or "", is_ours=True)
    with client_for(None, limiter) as bunq:
        answer = bunq.create_installation(protocol.public_pem(key))
    protocol.load_server_key(answer.server_public_key)
    with transaction():
        db.session.refresh(installation, with_for_update=True)
        if installation.token_sealed is None:
            installation.bunq_installation_id = answer.installation_id
            installation.token = answer.token
            installation.server_public_key = answer.server_public_key


def add_for_grant(environment: str) -> Installation:
    """Add an installation for a single grant, within the caller's transaction."""
    own = Installation(environment=environment, is_current=False, created_at=clock.now())
    own.redirect_uris = []
    db.session.add(own)
    db.session.flush()
    own.private_key = protocol.new_private_key()
    return own


def complete_for_grant(installation_id: int, secret: str, limiter: RateLimiter) -> None:
    """Do what is not done yet of a grant's own installation: make its key known, register its device."""
    installation = db.session.get_one(Installation, installation_id)
    if installation.token_sealed is None:
        install(installation_id, limiter)
    if installation.device_registered_at is None:
        with client_for(installation, limiter) as bunq:
            bunq.register_device(installation.token or "", DEVICE_DESCRIPTION, secret)
        with transaction():
            installation.device_registered_at = clock.now()
