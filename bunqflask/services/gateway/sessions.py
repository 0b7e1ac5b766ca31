"""bunq sessions: one for each consent and one of our own, shared by all workers and kept over restarts.

    with sessions.of_consent(consent_id, limiter) as bunq:
        page = bunq.list_payments(monetary_account_id)

A `BunqSession` row says which token is valid. Exactly one worker opens a session anew, under a lease on its row.

https://doc.bunq.com/basics/authentication/session
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self, TypeVar

from sqlalchemy import bindparam, select

from bunqflask import clock
from bunqflask.bunq import errors
from bunqflask.bunq.client import BunqClient, Objects
from bunqflask.bunq.limits import SESSION_SERVER
from bunqflask.bunq.notes import Note
from bunqflask.bunq.payment import PaymentPage
from bunqflask.bunq.resources import MonetaryAccount, OauthClient, SessionAnswer
from bunqflask.bunq.transport import Transport
from bunqflask.database import leases
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db, table_of
from bunqflask.models import BunqSession, Consent, Installation
from bunqflask.services.gateway import installations
from bunqflask.services.gateway.installations import NotSetUp
from bunqflask.services.gateway.rate_limiter import RateLimiter

Result = TypeVar("Result")

# Renew this long before the end, or a tenth of the session's life when that is shorter.
_MARGIN = timedelta(seconds=60)
# How often to look whether the worker that holds the lease has opened the session.
_POLL_S = 0.2
_session = table_of(BunqSession).c
# A session's generation changes whenever it is opened or closed.
_IS_CURRENT = select(_session.id).where(
    _session.id == bindparam("id"),
    _session.generation == bindparam("generation"),
    _session.abandoned_at.is_(None),
    _session.expires_at > bindparam("now"),
)


class SessionGone(Exception):
    """The session must not be used any more: its consent was ended, or its attempt cancelled."""


@dataclass(frozen=True)
class Credentials:
    """What it takes to open and use one session: its row, the secret that opens it, and the installation that signs."""

    session_id: int
    secret: str = field(repr=False)
    installation_id: int
    # whose session it is; None: our own, or that of an attempt
    connection_id: int | None = None


@dataclass(frozen=True)
class Opened:
    """An open session, and what calls in it need."""

    session_id: int
    generation: int
    client: BunqClient
    token: str = field(repr=False)
    path_user_id: int


class Bunq:
    """A bunq session that one can call: opened when first needed, and once more when bunq says that it is dead.

    For one thread and one piece of work. Every call may raise a `BunqError`, and `SessionGone` when the consent
    was ended meanwhile; a session that bunq refuses twice in a row is `CredentialsRejected`.
    """

    def __init__(
        self,
        load: Callable[[], Credentials],
        limiter: RateLimiter,
        transport: Transport | None = None,
        look: Callable[[RateLimiter, Transport], Opened | None] | None = None,
    ) -> None:
        """Prepare a session.

        :param load: returns what opens it.
        :param transport: one of the caller's, for calls of many; without it one is made for this session.
        :param look: returns the session where it is open already, more quickly than by what opens it.
        """
        self._load = load
        self._look = look
        self._limiter = limiter
        self._transport = transport or Transport()
        self._closes_transport = transport is None
        self._opened: Opened | None = None

    @property
    def path_user_id(self) -> int:
        """The user id that bunq expects in paths of this session."""
        return self._current().path_user_id

    def list_monetary_accounts(self) -> list[MonetaryAccount]:
        """List all monetary accounts that the session may see."""
        return self.call(lambda client, token, user_id: client.list_monetary_accounts(token, user_id))

    def list_payments(self, monetary_account_id: int, *, older_id: int | None = None) -> PaymentPage:
        """List one page of payments of an account, the newest or those older than an id."""
        return self.call(
            lambda client, token, user_id: client.list_payments(token, user_id, monetary_account_id, older_id=older_id)
        )

    def list_notes(self, monetary_account_id: int, payment_id: int, *, user_id: int | None = None) -> list[Note]:
        """List all notes on a payment; `user_id` replaces the id in the path."""
        return self.call(
            lambda client, token, path_user_id: client.list_notes(
                token, user_id or path_user_id, monetary_account_id, payment_id
            )
        )

    def read_attachment(self, monetary_account_id: int, attachment_id: int, *, user_id: int | None = None) -> bytes:
        """Read the content of a file; `user_id` replaces the id in the path."""
        return self.call(
            lambda client, token, path_user_id: client.read_attachment(
                token, user_id or path_user_id, monetary_account_id, attachment_id
            )
        )

    def read(self, ask: Callable[[int], tuple[str, Mapping[str, int | str]]]) -> bytes:
        """Read anything, as it came but verified; `ask` makes path and query with the session's user id."""
        return self.call(lambda client, token, user_id: client.read(token, *ask(user_id)))

    def list_callbacks(self) -> Objects:
        """List the callbacks of the user, ours and others'."""
        return self.call(lambda client, token, user_id: client.list_callbacks(token, user_id))

    def replace_callbacks(self, callbacks: Objects) -> None:
        """Set all callbacks of the user; bunq deletes those that are missing here."""
        self.call(lambda client, token, user_id: client.replace_callbacks(token, user_id, callbacks))

    def list_oauth_clients(self) -> list[OauthClient]:
        """List the active OAuth clients of the session's own user."""
        return self.call(lambda client, token, user_id: client.list_oauth_clients(token, user_id))

    def create_oauth_client(self) -> bool:
        """Create the OAuth client; False when there is one already."""
        return self.call(lambda client, token, user_id: client.create_oauth_client(token, user_id))

    def list_redirect_urls(self, oauth_client_id: int) -> list[str]:
        """List the addresses to which bunq may send a consenting person back."""
        return self.call(lambda client, token, user_id: client.list_redirect_urls(token, user_id, oauth_client_id))

    def add_redirect_url(self, oauth_client_id: int, url: str) -> bool:
        """Register such an address; False when bunq knows it already."""
        return self.call(lambda client, token, user_id: client.add_redirect_url(token, user_id, oauth_client_id, url))

    def list_allowed_addresses(self, device: str) -> list[list[str]]:
        """List the addresses that bunq allows, for each API key that was bound to a device of this description."""
        return self.call(lambda client, token, user_id: client.list_allowed_addresses(token, user_id, device))

    def close(self) -> None:
        """Close the connections to bunq, but for those of a caller's transport; the session at bunq stays open."""
        if self._closes_transport:
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, work: Callable[[BunqClient, str, int], Result]) -> Result:
        """Call the client with the session's token and user id, and once more when bunq says that it is dead."""
        opened = self._current()
        try:
            return work(opened.client, opened.token, opened.path_user_id)
        except errors.CredentialsRejected:
            opened = self._open(dead=opened)
            return work(opened.client, opened.token, opened.path_user_id)

    def call_once(self, work: Callable[[BunqClient, str, int], Result]) -> Result:
        """Call the client once, for what must not be done twice, even where bunq says that the session is dead."""
        opened = self._current()
        return work(opened.client, opened.token, opened.path_user_id)

    def _current(self) -> Opened:
        if self._opened is not None and _is_current(self._opened):
            return self._opened
        self._opened = self._look(self._limiter, self._transport) if self._look else None
        return self._opened or self._open()

    def _open(self, *, dead: Opened | None = None) -> Opened:
        self._opened = None
        credentials = self._load()
        # Another session's generations say nothing about those of the one before.
        refused = dead.generation if dead and dead.session_id == credentials.session_id else None
        session = ensure_open(credentials, self._limiter, dead=refused)
        if session.token is None or session.path_user_id is None:
            raise errors.CallNotAllowedYet(SESSION_SERVER, _POLL_S)  # it was closed just now
        installation = db.session.get_one(Installation, credentials.installation_id)
        gate = self._limiter.about(credentials.connection_id)
        client = installations.client(installation, gate, self._transport)
        self._opened = Opened(session.id, session.generation, client, session.token, session.path_user_id)
        return self._opened


@contextmanager
def of_consent(consent_id: int, limiter: RateLimiter) -> Iterator[Bunq]:
    """Yield the session of a consent.

    :raises SessionGone: the consent was ended.
    :raises NotSetUp: there is no installation to sign with.
    """
    with Bunq(lambda: credentials_of(consent_id), limiter) as bunq:
        yield bunq


@contextmanager
def own(installation: Installation, limiter: RateLimiter) -> Iterator[Bunq]:
    """Yield our own session, opened with the API key that setup registered.

    :raises NotSetUp: setup has not come that far.
    """
    with Bunq(lambda: own_credentials(installation.id), limiter) as bunq:
        yield bunq


def own_credentials(installation_id: int) -> Credentials:
    """Return what our own session needs.

    :raises NotSetUp: setup has not come that far.
    """
    installation = db.session.get(Installation, installation_id)
    if installation is None or installation.session_id is None or installation.api_key is None:
        raise NotSetUp
    return Credentials(installation.session_id, installation.api_key, installation.id)


def ensure_open(credentials: Credentials, limiter: RateLimiter, *, dead: int | None = None) -> BunqSession:
    """Return the row of a session, with a token that should work; exactly one worker opens it.

    :param dead: the generation of a token that bunq has refused.
    :raises SessionGone: nothing may use it any more.
    :raises CallNotAllowedYet: it takes longer than the limiter may wait.
    :raises SecretRefused: bunq does not accept the secret.
    :raises CredentialsRejected: bunq does not accept the installation.
    """
    while True:
        session = _row(credentials.session_id)
        if _is_usable(session, credentials, dead):
            return session
        lease = leases.take(session, BunqSession.generation == session.generation, BunqSession.abandoned_at.is_(None))
        wait_s = _POLL_S
        if lease is not None:
            try:
                if open_under(lease, credentials, limiter):
                    return _row(credentials.session_id)
                continue
            except errors.CallNotAllowedYet as early:
                wait_s = early.wait_s
        if not limiter.pause(wait_s):
            raise errors.CallNotAllowedYet(SESSION_SERVER, wait_s)


def open_under(lease: leases.Lease, credentials: Credentials, limiter: RateLimiter) -> bool:
    """Open a session under a lease on its row, without waiting: waiting is done without the lease. Gives it back.

    Returns whether it is open. A session that nothing uses any more by the time bunq answers, or that another worker
    has taken over, is closed at bunq again.

    :raises CallNotAllowedYet: bunq's rate limit does not allow it now.
    """
    try:
        installation = db.session.get(Installation, credentials.installation_id)
        if installation is None or installation.token is None:
            raise NotSetUp
        installation_token, asked_at = installation.token, clock.now()
        with Transport() as transport:
            gate = limiter.without_waiting().about(credentials.connection_id)
            client = installations.client(installation, gate, transport)
            answer = client.open_session(installation_token, credentials.secret)
            is_stored = False
            try:
                is_stored = _store(lease, credentials, answer, asked_at)
            finally:
                if not is_stored:
                    # A token that is not stored would stay valid at bunq, and nobody could close it.
                    installations.close_session(client, answer.token)
    except Exception:
        with transaction():
            lease.release()
        raise
    return is_stored


def _store(lease: leases.Lease, credentials: Credentials, answer: SessionAnswer, asked_at: datetime) -> bool:
    """Store an opened session and give the lease back; False when nothing may use the session any more."""
    try:
        with transaction():
            lease.verify()
            session = db.session.get_one(BunqSession, credentials.session_id)
            if session.abandoned_at is not None:
                lease.release()  # to the worker that deletes the row
                return False
            life = timedelta(seconds=answer.timeout_s)
            session.token = answer.token
            session.installation_id = credentials.installation_id
            session.generation += 1
            session.path_user_id = answer.path_user_id
            session.holder_user_id = answer.holder.user_id
            session.holder_type = answer.holder.user_type
            session.holder_name = answer.holder.display_name[:200]
            session.opened_at = asked_at
            session.expires_at = asked_at + life - min(_MARGIN, life / 10)
            lease.release()
    except leases.LeaseLost:
        return False
    return True


def own_session_works_since(installation: Installation, since: datetime, limiter: RateLimiter) -> bool:
    """Tell whether bunq still accepts our own secret from this address, by opening our own session anew.

    bunq refuses a withdrawn grant and a changed address with the same message: only our own session tells them apart.

    :raises BunqError: that cannot be found out now.
    :raises NotSetUp: setup has not come that far.
    """
    credentials = own_credentials(installation.id)
    session = _row(credentials.session_id)
    if session.opened_at is not None and session.opened_at > since and not clock.is_ahead(session.opened_at):
        return True
    try:
        ensure_open(credentials, limiter, dead=session.generation)
    except (errors.SecretRefused, errors.CredentialsRejected):
        return False
    return True


def credentials_of(consent_id: int) -> Credentials:
    """Return what the session of a consent needs; its row is made when there is none yet.

    :raises SessionGone: the consent was ended.
    :raises NotSetUp: there is no installation to sign with.
    """
    consent = db.session.get(Consent, consent_id, populate_existing=True)
    if consent is None or consent.access_token is None:
        raise SessionGone
    if consent.session_id is None:
        with transaction():
            consent = db.session.get(Consent, consent_id, populate_existing=True, with_for_update=True)
            if consent is None or consent.access_token is None:
                raise SessionGone
            if consent.session_id is None:
                consent.session_id = new_session().id
    secret, session_id, connection_id = consent.access_token, consent.session_id, consent.connection_id
    if secret is None or session_id is None:
        raise SessionGone
    return Credentials(session_id, secret, consent.installation_id or installations.current().id, connection_id)


def new_session() -> BunqSession:
    """Add the row of a session that is still to be opened, within the caller's transaction."""
    session = BunqSession(generation=0)
    db.session.add(session)
    db.session.flush()
    return session


def _row(session_id: int) -> BunqSession:
    session = db.session.get(BunqSession, session_id, populate_existing=True)
    if session is None or session.abandoned_at is not None:
        raise SessionGone
    return session


def _is_current(opened: Opened) -> bool:
    asked = {"id": opened.session_id, "generation": opened.generation, "now": clock.now()}
    return db.session.connection().execute(_IS_CURRENT, asked).one_or_none() is not None


def _is_usable(session: BunqSession, credentials: Credentials, dead: int | None) -> bool:
    return (
        session.token_sealed is not None
        and session.installation_id == credentials.installation_id
        and session.generation != dead
        and session.expires_at is not None
        and session.expires_at > clock.now()
    )
