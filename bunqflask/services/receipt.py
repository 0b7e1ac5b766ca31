"""What is stored about a bunq user: which data, from which consents, and who has seen or exported it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import (
    AttemptStep,
    AuditKind,
    Connection,
    ConnectionMember,
    ConnectionState,
    ConsentAttempt,
    MonetaryAccount,
    Note,
    Payment,
    TeamMember,
)
from bunqflask.services import policy
from bunqflask.services.audit import reading, trail
from bunqflask.services.audit.reading import TrailEvent, Wanted
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal

_SEEN = (AuditKind.ACCOUNT_VIEWED, AuditKind.ATTACHMENT_OPENED, AuditKind.EXPORTED)


@dataclass(frozen=True, kw_only=True)
class StoredAccount:
    """What is stored of one account; times are those of its first and last payment."""

    id: int
    name: str
    iban: str | None
    currency: str
    payments: int
    first_payment_at: datetime | None
    last_payment_at: datetime | None
    notes: int


@dataclass(frozen=True, kw_only=True)
class GivenConsent:
    """A consent that led to this data: when it was approved, who had asked, and whether on another device."""

    approved_at: datetime
    asked_by: str
    on_another_device: bool


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A member whose own the connection is, and since when."""

    name: str
    since: datetime


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
    shared_with_team_since: datetime | None
    accounts: tuple[StoredAccount, ...]
    consents: tuple[GivenConsent, ...]
    holders: tuple[Holder, ...]
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
        shared_with_team_since=connection.shared_at,
        accounts=accounts,
        consents=_consents(connection_id),
        holders=_holders(connection_id),
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
            account_ids=[account.id for account in receipt.accounts],
        )
    made = asdict(receipt) | {"seen_by": [asdict(event) for event in events]}
    del made["has_more_events"]
    return made


def _connection(principal: Principal, connection_id: int) -> Row[*tuple[Any, ...]]:
    table = Connection.__table__.c
    columns = (
        table.id, table.display_name, table.granted_user_id, table.environment, table.state, table.state_since,
        table.accounts_synced_at, table.shared_at,
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
    noted = select(Payment.account_id, func.count()).join(Note, Note.payment_row_id == Payment.id)
    noted = noted.where(Payment.account_id.in_(select(MonetaryAccount.id).where(*own))).group_by(Payment.account_id)
    notes = {row[0]: row[1] for row in db.session.execute(noted)}
    found = [StoredAccount(**row._mapping, notes=notes.get(row.id, 0)) for row in db.session.execute(query)]
    if not found:
        raise NotFoundHere
    return tuple(found)


def _consents(connection_id: int) -> tuple[GivenConsent, ...]:
    query = (
        select(
            ConsentAttempt.approved_at,
            TeamMember.name.label("asked_by"),
            ConsentAttempt.came_back_elsewhere.label("on_another_device"),
        )
        .join(TeamMember, TeamMember.id == ConsentAttempt.member_id)
        .where(ConsentAttempt.connection_id == connection_id, ConsentAttempt.step == AttemptStep.CONNECTED)
        .order_by(ConsentAttempt.approved_at.desc())
    )
    return tuple(GivenConsent(**row._mapping) for row in db.session.execute(query))


def _holders(connection_id: int) -> tuple[Holder, ...]:
    query = (
        select(TeamMember.name, ConnectionMember.since)
        .join(ConnectionMember, ConnectionMember.member_id == TeamMember.id)
        .where(ConnectionMember.connection_id == connection_id)
        .order_by(ConnectionMember.since)
    )
    return tuple(Holder(**row._mapping) for row in db.session.execute(query))


def _about(accounts: Iterable[StoredAccount]) -> Wanted:
    return Wanted(account_ids=tuple(account.id for account in accounts), kinds=_SEEN)
