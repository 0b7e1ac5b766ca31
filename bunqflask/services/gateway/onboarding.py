"""Making this server known to bunq, once: idempotent, and resumable wherever it was cut off.

Each step is committed before the next begins, so that nothing which bunq shows only once is lost.

https://doc.bunq.com/basics/authentication
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from flask import current_app
from sqlalchemy.exc import IntegrityError

from bunqflask import clock
from bunqflask.bunq import errors, protocol
from bunqflask.bunq.resources import OauthClient
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import AuditKind, BunqSession, Installation
from bunqflask.services.audit import trail
from bunqflask.services.gateway import installations, psd2, retry_policy, sessions
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.gateway.sessions import Bunq

# Nobody else waits for a setup: it may sit out bunq's slowest limit several times.
PATIENCE_S = 120.0
# The command's exit status for NotKnownToBunq: by this `make run` tells that its simulated bank was reset.
NOT_KNOWN_STATUS = 3
_SESSION_REFUSED = (
    "bunq refuses our session. Either this server's address has changed (allow the new one in the bunq "
    "app, under the API key), or the key was withdrawn or the sandbox was reset (then run setup again "
    "with --new-installation)."
)


class SetupRefused(Exception):
    """Setup cannot go on; the text says why and what to do."""


class NotKnownToBunq(SetupRefused):
    """bunq takes no session of this installation: another address, a withdrawn key, or a sandbox that was reset."""


@dataclass(frozen=True)
class StepDone:
    """One finished step: which of how many, what came of it, and the seconds it took."""

    number: int
    total: int
    name: str
    result: str
    took_s: float


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the person who runs setup asks for. `ask_api_key` is called only when a key is needed."""

    api_key: str | None = field(default=None, repr=False)
    ask_api_key: Callable[[], str] | None = field(default=None, repr=False)
    new_installation: bool = False
    new_sandbox_user: Literal["person", "company"] | None = None
    psd2: psd2.Identity | None = None
    new_psd2_identity: str | None = None


Step = tuple[str, Callable[[Installation, RateLimiter, Wishes], str]]


def run(wishes: Wishes) -> Iterator[StepDone]:
    """Do what is not done yet, step by step.

    :raises SetupRefused: when a person has to do something first.
    :raises BunqError: when bunq gives no usable answer; run it again later.
    """
    if wishes.new_sandbox_user and current_app.config["BUNQ_ENVIRONMENT"] == "production":
        raise SetupRefused("Invented users exist only in a sandbox, not in production.")
    installation = _installation(wishes)
    steps = _steps(with_psd2=installation.psd2_certificate is not None)
    for number, (name, step) in enumerate(steps, start=1):
        started = time.monotonic()
        result = _do(step, installation, wishes)
        if number == len(steps):
            with transaction():
                retry_policy.clear_server_errors()
                trail.record(AuditKind.SETUP_RUN, actor_id=None, environment=installation.environment)
        yield StepDone(number, len(steps), name, result, time.monotonic() - started)


def _do(step: Callable[[Installation, RateLimiter, Wishes], str], installation: Installation, wishes: Wishes) -> str:
    try:
        return step(installation, RateLimiter(PATIENCE_S), wishes)
    except errors.CredentialsRejected as error:
        raise NotKnownToBunq(
            "bunq does not know this installation any more; a sandbox forgets all of them when it is reset. "
            "Run setup again with --new-installation."
        ) from error
    except errors.ResponseNotTrusted as error:
        raise SetupRefused(
            f"{error}, so it was not used. Run setup again. If it stays so, bunq has another key by now, or "
            "somebody stands between: make sure that you reach bunq itself, then add --new-installation."
        ) from error


def _steps(*, with_psd2: bool) -> list[Step]:
    psd2_step: list[Step] = [("PSD2 credential", _register_psd2)] if with_psd2 else []
    return [
        ("key pair", _make_key_pair),
        ("installation", _install),
        *psd2_step,
        ("device", _register_device),
        ("first session", _open_session),
        ("OAuth client", _find_or_create_oauth_client),
        ("redirect URL", _add_redirect_url),
    ]


def _installation(wishes: Wishes) -> Installation:
    """Return the current installation, or a new row that takes over what outlives an installation."""
    try:
        with transaction():
            # Looked up in here: another run at the same time may have made it while this one waited to write.
            current = installations.find_current()
            if current is None or wishes.new_installation:
                return _add_installation(current, wishes)
            _take_identity(current, wishes)
            return current
    except IntegrityError:
        # Another run began at the same time: from here on both work on its row.
        return installations.find_current() or _installation(wishes)


def _add_installation(old: Installation | None, wishes: Wishes) -> Installation:
    new = Installation(environment=current_app.config["BUNQ_ENVIRONMENT"], created_at=clock.now())
    new.redirect_uris = []
    if old is not None:
        old.is_current = False
        db.session.flush()
    db.session.add(new)
    db.session.flush()
    if old is not None:
        if old.psd2_certificate is None and not _wants_psd2(wishes):
            new.api_key = old.api_key
        new.psd2_certificate, new.psd2_chain = old.psd2_certificate, old.psd2_chain
        new.psd2_private_key = old.psd2_private_key
    _take_identity(new, wishes, renew=True)
    return new


def _wants_psd2(wishes: Wishes) -> bool:
    return wishes.psd2 is not None or wishes.new_psd2_identity is not None


def _take_identity(installation: Installation, wishes: Wishes, *, renew: bool = False) -> None:
    identity = wishes.psd2
    if wishes.new_psd2_identity is not None:
        if installation.psd2_certificate is not None and not renew:
            return  # made by an earlier run, which was perhaps cut off
        identity = psd2.new_sandbox_identity(wishes.new_psd2_identity)
    if identity is None:
        return
    if installation.device_registered_at is not None or installation.api_key_sealed is not None:
        if installation.psd2_certificate == identity.certificate:
            return
        raise SetupRefused(
            "This installation already has its secret. To use another certificate, add --new-installation."
        )
    installation.psd2_certificate, installation.psd2_chain = identity.certificate, identity.chain
    installation.psd2_private_key = identity.private_key


def _make_key_pair(installation: Installation, _limiter: RateLimiter, _wishes: Wishes) -> str:
    with transaction():
        db.session.refresh(installation, with_for_update=True)  # two runs at once must not make two
        if installation.private_key_sealed is not None:
            return "kept"
        installation.private_key = protocol.new_private_key()
    return "made"


def _install(installation: Installation, limiter: RateLimiter, _wishes: Wishes) -> str:
    if installation.token_sealed is not None:
        return f"kept, number {installation.bunq_installation_id}"
    installations.install(installation.id, limiter)
    return f"made, number {installation.bunq_installation_id}"


def _register_psd2(installation: Installation, limiter: RateLimiter, _wishes: Wishes) -> str:
    if installation.api_key_sealed is not None:
        return "kept"
    _new_psd2_secret(installation, limiter)
    return "registered"


def _new_psd2_secret(installation: Installation, limiter: RateLimiter) -> None:
    """Show bunq the certificate, and store the secret that it answers only this once."""
    token = installation.token or ""
    certificate, chain = installation.psd2_certificate or "", installation.psd2_chain or ""
    signature = psd2.proof(
        certificate_key=installation.psd2_private_key or "",
        installation_key=installation.private_key or "",
        installation_token=token,
    )
    with installations.client_for(installation, limiter) as bunq:
        secret = bunq.register_psd2_credential(token, certificate, chain, signature)
    with transaction():
        installation.api_key = secret
        installation.psd2_registered_at = clock.now()


def _register_device(installation: Installation, limiter: RateLimiter, wishes: Wishes) -> str:
    stored = installation.api_key
    if installation.device_registered_at is not None:
        if wishes.api_key and wishes.api_key != stored:
            raise SetupRefused(
                "This installation is bound to another API key. To use the new one, add --new-installation."
            )
        return "kept"
    if installation.psd2_certificate is not None:
        return _register_psd2_device(installation, limiter)
    if stored is not None and wishes.api_key in (None, stored):
        try:
            return _bind(installation, limiter)
        except errors.SecretRefused as error:
            # Refused before, or too old by now: another one is welcome.
            if not _take_api_key(installation, limiter, wishes, instead_of=stored):
                raise _key_refused() from error
    elif not _take_api_key(installation, limiter, wishes, instead_of=stored):
        raise SetupRefused(
            "An API key is needed: set BUNQ_API_KEY or BUNQ_API_KEY_FILE, or type it at the prompt. "
            "In a sandbox, --new-sandbox-user company makes one."
        )
    try:
        result = _bind(installation, limiter)
    except errors.SecretRefused as error:
        raise _key_refused() from error
    if installation.device_id is None and stored is not None:
        # The device that exists already was bound to the key of the run before, which was cut off.
        with transaction():
            installation.api_key = stored
    return result


def _register_psd2_device(installation: Installation, limiter: RateLimiter) -> str:
    try:
        return _bind(installation, limiter)
    except errors.SecretRefused:
        # bunq's secret is valid for an hour only, until its first use; the certificate is good for another one.
        _new_psd2_secret(installation, limiter)
    try:
        return _bind(installation, limiter)
    except errors.SecretRefused as error:
        raise SetupRefused("bunq does not accept the secret that it gave for this certificate.") from error


def _key_refused() -> SetupRefused:
    return SetupRefused(
        "bunq does not accept this API key. A new key must be used within an hour of its making, and only "
        "from the addresses it allows. Make a new one in the bunq app and run setup again."
    )


def _bind(installation: Installation, limiter: RateLimiter) -> str:
    """Bind the stored secret to an installation; a device that exists already is as good.

    :raises SecretRefused: bunq does not accept the secret.
    """
    token, secret = installation.token or "", installation.api_key or ""
    with installations.client_for(installation, limiter) as bunq:
        device_id = bunq.register_device(token, installations.DEVICE_DESCRIPTION, secret)
    with transaction():
        installation.device_id = device_id
        installation.device_registered_at = clock.now()
    return "registered" if device_id is not None else "was registered already"


def _take_api_key(installation: Installation, limiter: RateLimiter, wishes: Wishes, *, instead_of: str | None) -> bool:
    """Find the API key to bind, and store it before it is used: some are shown only once. False without one."""
    secret = wishes.api_key if wishes.api_key != instead_of else None
    if secret is None and wishes.new_sandbox_user:
        with installations.client_for(None, limiter) as bunq:
            secret = bunq.create_sandbox_user(wishes.new_sandbox_user)
    if secret is None and wishes.ask_api_key is not None:
        secret = wishes.ask_api_key().strip()
    if not secret or secret == instead_of:
        return False
    with transaction():
        db.session.refresh(installation, with_for_update=True)
        if installation.api_key == instead_of:  # else another run has stored one meanwhile, and perhaps bound it
            installation.api_key = secret
    return True


def _open_session(installation: Installation, limiter: RateLimiter, _wishes: Wishes) -> str:
    if installation.session_id is None:
        with transaction():
            installation.session_id = sessions.new_session().id
    session = db.session.get_one(BunqSession, installation.session_id)
    before = session.generation
    try:
        sessions.ensure_open(sessions.own_credentials(installation.id), limiter)
    except errors.SecretRefused as error:
        raise NotKnownToBunq(_SESSION_REFUSED) from error
    db.session.refresh(session)
    verb = "opened" if session.generation != before else "still open"
    return f"{verb}, as {session.holder_name or session.holder_type}"


def _find_or_create_oauth_client(installation: Installation, limiter: RateLimiter, _wishes: Wishes) -> str:
    known_id = installation.oauth_client_id
    with _own_session(installation, limiter) as bunq:
        found, verb = _active_client(bunq, known_id), "found"
        if found is None:
            bunq.create_oauth_client()
            found, verb = _active_client(bunq, known_id), "made"
    if found is None:
        raise SetupRefused("bunq made no OAuth client. Look in the bunq app, under Developers, and run setup again.")
    with transaction():
        installation.oauth_client_id, installation.client_id = found.id, found.client_id
        installation.client_secret = found.secret
        installation.redirect_uris = list(found.redirect_uris)
    return f"{verb}, number {found.id}"


def _active_client(bunq: Bunq, known_id: int | None) -> OauthClient | None:
    clients = bunq.list_oauth_clients()
    known = [client for client in clients if client.id == known_id]
    return next(iter(known or clients), None)


def _add_redirect_url(installation: Installation, limiter: RateLimiter, _wishes: Wishes) -> str:
    number, ours = installation.oauth_client_id or 0, current_app.config["REDIRECT_URI"]
    known, is_added = list(installation.redirect_uris), False
    if ours not in known:
        with _own_session(installation, limiter) as bunq:
            # The list inside the client object may be short; the one of its own is complete.
            known = bunq.list_redirect_urls(number)
            is_added = ours not in known and bunq.add_redirect_url(number, ours)
        with transaction():
            installation.redirect_uris = known if ours in known else [*known, ours]
    return f"{'added' if is_added else 'known to bunq'}, {ours}"


@contextmanager
def _own_session(installation: Installation, limiter: RateLimiter) -> Iterator[Bunq]:
    try:
        with sessions.own(installation, limiter) as bunq:
            yield bunq
    except errors.SecretRefused as error:
        # The session that was still open is not known any more, and bunq gives no other.
        raise NotKnownToBunq(_SESSION_REFUSED) from error
