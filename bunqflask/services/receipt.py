"""What is stored about a bunq user: which data, from which consents, and who has seen or exported it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, func, literal, or_, select

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import (
    AccountHolder,
    AccountShare,
    AuditKind,
    Connection,
    ConnectionState,
    Consent,
    ConsentAccount,
    ConsentGrantState,
    MonetaryAccount,
    Note,
    NoteSync,
    Payment,
    TeamMember,
    WithdrawnPayment,
)
from bunqflask.services import policy
from bunqflask.services.audit import reading, trail
from bunqflask.services.audit.reading import TrailEvent, Wanted
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal

_SEEN = (AuditKind.ACCOUNT_VIEWED, AuditKind.ATTACHMENT_OPENED, AuditKind.EXPORTED)


@dataclass(frozen=True, kw_only=True)
class StoredAccount:
    """What is stored of one account; times are those of its first and last payment.

    `withdrawn_payments` counts those that bunq does not list any more, which are kept apart from the others.
    """

    id: int
    name: str
    iban: str | None
    currency: str
    payments: int
    first_payment_at: datetime | None
    last_payment_at: datetime | None
    notes: int
    withdrawn_payments: int


@dataclass(frozen=True, kw_only=True)
class GivenConsent:
    """A consent for some of this data: when it was approved, which member had asked, and whether it still works."""

    approved_at: datetime
    asked_by: str
    state: ConsentGrantState
    state_since: datetime


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A member who holds one of the accounts, and since when."""

    name: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A member with whom one of the accounts is shared, or the whole team without a name; until when, and from which
    day of payments on.
    """

    name: str | None
    since: datetime
    until: datetime | None = None
    first_day: date | None = None


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """All that is known about the data of one bunq user, as of `made_at`; `seen_by` holds the newest events first."""

    made_at: datetime
    connection_id: int
    name: str
    bunq_user_id: int
    environment: str
    state: ConnectionState
    state_since: datetime
    updated_at: datetime | None
    accounts: tuple[StoredAccount, ...]
    consents: tuple[GivenConsent, ...]
    holders: tuple[Holder, ...]
    readers: tuple[Reader, ...]
    seen_by: tuple[TrailEvent, ...]
    has_more_events: bool


def of(principal: Principal, connection_id: int) -> Receipt:
    """Return what is stored of the principal's own accounts of a connection, with the newest events about them.

    :raises NotFoundHere: none of them is their own.
    """
    connection, accounts = _connection(principal, connection_id), _accounts(principal, connection_id)
    found = reading.page_for(principal, _about(accounts))
    return Receipt(
        made_at=clock.now(),
        connection_id=connection.id,
        name=connection.display_name,
        bunq_user_id=connection.granted_user_id,
        environment=connection.environment,
        state=connection.state,
        state_since=connection.state_since,
        updated_at=connection.accounts_synced_at,
        accounts=accounts,
        consents=_consents(accounts),
        holders=_holders(accounts),
        readers=_readers(accounts),
        seen_by=tuple(found.events),
        has_more_events=found.has_older,
    )


def whole(principal: Principal, connection_id: int) -> dict[str, Any]:
    """Return the same with every event, as JSON, and record that it was made.

    :raises NotFoundHere: none of the accounts is the principal's own.
    """
    receipt = of(principal, connection_id)
    events = list(reading.all_for(principal, _about(receipt.accounts)))
    with transaction():
        trail.record(
            AuditKind.RECEIPT_MADE,
            actor_id=principal.id,
            subject=receipt.name,
            connection_id=connection_id,
            account_ids=_ids(receipt.accounts),
        )
    made = asdict(receipt) | {"seen_by": [asdict(event) for event in events]}
    del made["has_more_events"]
    return made


def _connection(principal: Principal, connection_id: int) -> Row[*tuple[Any, ...]]:
    table = Connection.__table__.c
    columns = (
        table.id, table.display_name, table.granted_user_id, table.environment, table.state, table.state_since,
        table.accounts_synced_at,
    )  # fmt: skip
    found = db.session.execute(select(*columns).where(table.id == connection_id)).one_or_none()
    if found is None:
        raise NotFoundHere
    return found


def _accounts(principal: Principal, connection_id: int) -> tuple[StoredAccount, ...]:
    own = MonetaryAccount.connection_id == connection_id, MonetaryAccount.id.in_(policy.held_accounts(principal))
    query = (
        select(
            MonetaryAccount.id,
            MonetaryAccount.description.label("name"),
            MonetaryAccount.iban,
            MonetaryAccount.currency,
            func.count(Payment.id).label("payments"),
            func.min(Payment.created_at).label("first_payment_at"),
            func.max(Payment.created_at).label("last_payment_at"),
        )
        .outerjoin(Payment, Payment.account_id == MonetaryAccount.id)
        .where(*own)
        .group_by(MonetaryAccount.id)
        .order_by(MonetaryAccount.id)
    )
    apart = _counts_apart(select(MonetaryAccount.id).where(*own))
    found = [
        StoredAccount(**row._mapping, notes=apart["note", row.id], withdrawn_payments=apart["withdrawn", row.id])
        for row in db.session.execute(query)
    ]
    if not found:
        raise NotFoundHere
    return tuple(found)


def _counts_apart(ids: Select[int]) -> Counter[tuple[str, int]]:
    """Return how many notes and withdrawn payments some accounts have, by our ids of these, with one statement."""
    notes = select(literal("note").label("what"), NoteSync.account_id).join(Note, Note.payment_row_id == NoteSync.id)
    withdrawn = select(literal("withdrawn").label("what"), WithdrawnPayment.account_id)
    rows = (
        notes.where(NoteSync.account_id.in_(ids))
        .union_all(withdrawn.where(WithdrawnPayment.account_id.in_(ids)))
        .subquery()
    )
    query = select(rows.c.what, rows.c.account_id, func.count()).group_by(rows.c.what, rows.c.account_id)
    return Counter({(what, account_id): count for what, account_id, count in db.session.execute(query)})


def _consents(accounts: Iterable[StoredAccount]) -> tuple[GivenConsent, ...]:
    covering = select(ConsentAccount.consent_id).where(ConsentAccount.account_id.in_(_ids(accounts)))
    query = (
        select(
            Consent.granted_at.label("approved_at"),
            TeamMember.name.label("asked_by"),
            Consent.state,
            Consent.state_since,
        )
        .join(TeamMember, TeamMember.id == Consent.member_id)
        .where(Consent.id.in_(covering))
        .order_by(Consent.granted_at.desc())
    )
    return tuple(GivenConsent(**row._mapping) for row in db.session.execute(query))


def _holders(accounts: Iterable[StoredAccount]) -> tuple[Holder, ...]:
    since = func.min(AccountHolder.since).label("since")
    query = (
        select(TeamMember.name, since)
        .join(AccountHolder, AccountHolder.member_id == TeamMember.id)
        .where(AccountHolder.account_id.in_(_ids(accounts)))
        .group_by(TeamMember.id, TeamMember.name)
        .order_by(since)
    )
    return tuple(Holder(**row._mapping) for row in db.session.execute(query))


def _readers(accounts: Iterable[StoredAccount]) -> tuple[Reader, ...]:
    """Return with whom the accounts are shared now; shares alike but for their account count once."""
    query = (
        select(TeamMember.name, func.min(AccountShare.since).label("since"), AccountShare.until, AccountShare.first_day)
        .outerjoin(TeamMember, TeamMember.id == AccountShare.member_id)
        .where(AccountShare.account_id.in_(_ids(accounts)))
        .where(or_(AccountShare.until.is_(None), AccountShare.until > clock.now()))
        .group_by(AccountShare.member_id, TeamMember.name, AccountShare.until, AccountShare.first_day)
        .order_by(TeamMember.name)
    )
    return tuple(Reader(**row._mapping) for row in db.session.execute(query))


def _ids(accounts: Iterable[StoredAccount]) -> list[int]:
    return [account.id for account in accounts]


def _about(accounts: Iterable[StoredAccount]) -> Wanted:
    return Wanted(account_ids=tuple(_ids(accounts)), kinds=_SEEN)
