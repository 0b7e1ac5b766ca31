"""Which consent an account is read with, and what became of a consent that bunq refused.

An account is read with the newest active consent that covers it. One that bunq has refused is left out until bunq
accepts it again or it is lost (`accounts.sync` finds out); meanwhile the next one serves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import bindparam, select

from bunqflask import clock
from bunqflask.bunq import errors
from bunqflask.bunq.transport import Transport
from bunqflask.database.transactions import emit, transaction
from bunqflask.extensions import db, table_of
from bunqflask.models import (
    Consent,
    ConsentAccount,
    ConsentGrantState,
    ErrorKind,
    EventKind,
)
from bunqflask.services.connections.rows import ConsentRow
from bunqflask.services.gateway import open_sessions, retry_policy, sessions
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.gateway.sessions import Bunq, Credentials, Opened

# Loaded with its accounts, to be changed, or as a plain row.
AnyConsent = TypeVar("AnyConsent", Consent, ConsentRow)


def active(known: Iterable[AnyConsent]) -> list[AnyConsent]:
    """Return those of a connection's consents that are active and that bunq has not refused, the newest first."""
    found = [each for each in known if each.state == ConsentGrantState.ACTIVE and each.refused_at is None]
    return sorted(found, key=lambda each: (each.granted_at, each.id), reverse=True)


def pending(known: Iterable[AnyConsent]) -> list[AnyConsent]:
    """Return the active ones that bunq has refused, and that are neither accepted again nor lost yet."""
    return [each for each in known if each.state == ConsentGrantState.ACTIVE and each.refused_at is not None]


def to_list(known: Iterable[AnyConsent]) -> list[AnyConsent]:
    """Return as few active ones as cover all accounts that any of them covers: the widest first, then the newest.

    One that covers no account is asked only where there is no other: its holder may have ticked one since.
    """
    candidates = active(known)
    covers = {each.id: each.account_ids for each in candidates}
    left, chosen = set[int]().union(*covers.values()), list[AnyConsent]()
    while left:
        widest = max(candidates, key=lambda each: len(covers[each.id] & left))
        chosen.append(widest)
        left -= covers[widest.id]
    return chosen or candidates[:1]


def to_ask(known: Sequence[AnyConsent]) -> list[AnyConsent]:
    """Return those to be asked: of which it is not known why bunq refused them, then those that list."""
    return pending(known) + to_list(known)


def is_due(consent: Consent | ConsentRow) -> bool:
    """Tell whether bunq may be asked with it now."""
    return retry_policy.is_due(consent.next_try_at, consent.error_kind)


def works(consent: Consent | ConsentRow) -> bool:
    """Tell whether bunq answered the last time; waiting for its rate limit is no failure."""
    return consent.error_kind in (None, ErrorKind.WAITING)


def reader_of(account_id: int) -> int | None:
    """Return the id of the consent that an account is read with now; None when no working consent covers it."""
    query = (
        select(Consent.id)
        .join(ConsentAccount, ConsentAccount.consent_id == Consent.id)
        .where(ConsentAccount.account_id == account_id)
        .where(Consent.state == ConsentGrantState.ACTIVE, Consent.refused_at.is_(None))
        .order_by(Consent.granted_at.desc(), Consent.id.desc())
        .limit(1)
    )
    return db.session.scalar(query)


_consent, _covered = table_of(Consent).c, table_of(ConsentAccount).c
_COVERING = (
    select(_consent.id, _consent.member_id, _covered.account_id)
    .join(table_of(ConsentAccount), _covered.consent_id == _consent.id)
    .where(_consent.connection_id == bindparam("id"))
    .where(_consent.state == ConsentGrantState.ACTIVE, _consent.refused_at.is_(None))
    .order_by(_consent.granted_at.desc(), _consent.id.desc())
)


@dataclass(frozen=True)
class Covering:
    """A working consent: whose it is, and our ids of the accounts that it covers."""

    consent_id: int
    member_id: int
    account_ids: frozenset[int]


def covering(connection_id: int) -> list[Covering]:
    """Return the working consents of a connection that cover an account, the newest first."""
    found: dict[tuple[int, int], set[int]] = {}
    for consent_id, member_id, account_id in db.session.connection().execute(_COVERING, {"id": connection_id}):
        found.setdefault((consent_id, member_id), set()).add(account_id)
    return [Covering(*whose, frozenset(account_ids)) for whose, account_ids in found.items()]


@contextmanager
def session_for(account_id: int, limiter: RateLimiter) -> Iterator[Bunq]:
    """Yield a session to read an account with; a consent that is renewed or ended meanwhile is replaced by the next.

    A refusal is recorded on the consent that bunq refused.

    :raises SessionGone: no working consent covers the account.
    :raises NotSetUp: there is no installation to sign with.
    """
    with session_by(lambda: reader_of(account_id), limiter) as bunq:
        yield bunq


@contextmanager
def session_by(
    find: Callable[[], int | None], limiter: RateLimiter, transport: Transport | None = None
) -> Iterator[Bunq]:
    """Yield a session of the consent that `find` returns, which is asked again when that consent's session is gone.

    A refusal is recorded on the consent that bunq refused.

    :param transport: one of the caller's, for calls of many; without it one is made for this session.

    :raises SessionGone: there is no such consent.
    :raises NotSetUp: there is no installation to sign with.
    """
    opened_with: list[int] = []

    def look(limiter: RateLimiter, transport: Transport) -> Opened | None:
        consent_id = find()
        return None if consent_id is None else open_sessions.find(consent_id, limiter, transport)

    def load() -> Credentials:
        consent_id = find()
        if consent_id is None:
            raise sessions.SessionGone
        opened_with.append(consent_id)
        return sessions.credentials_of(consent_id)

    try:
        with Bunq(load, limiter, transport, look) as bunq:
            yield bunq
    except errors.SecretRefused as error:
        _note_refusal(opened_with[-1], error)
        raise


def _note_refusal(consent_id: int, error: errors.SecretRefused) -> None:
    """Record that bunq refused a consent while an account was read with it; a sync finds out who is refused."""
    with transaction():
        consent = db.session.get(Consent, consent_id, populate_existing=True, with_for_update=True)
        if consent is None or consent.state != ConsentGrantState.ACTIVE:
            return
        consent.refused_at = clock.now()
        retry_policy.record(consent, error)
        consent.next_try_at = None  # the reason is looked for at once
        emit(EventKind.SYNC_REQUESTED, connection_id=consent.connection_id)


def is_refusal_pending(connection_id: int) -> bool:
    """Tell whether bunq has refused a consent of a connection, and the reason is not known yet."""
    query = select(Consent.id).filter_by(connection_id=connection_id, state=ConsentGrantState.ACTIVE)
    return db.session.scalar(query.where(Consent.error_kind == ErrorKind.CHECKING).limit(1)) is not None
