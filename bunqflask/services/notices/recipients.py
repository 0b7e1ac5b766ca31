"""Who may hear of what: their rights when a notice is made, and again when it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import (
    Connection,
    ConsentAttempt,
    NoticeKind,
    Payment,
    PaymentChange,
    TeamMember,
    TeamRole,
    WithdrawnPayment,
)
from bunqflask.services import policy
from bunqflask.services.instructions import following
from bunqflask.services.payments import local_days
from bunqflask.services.principal import Principal

_OF_CONNECTIONS = (NoticeKind.CONNECTION_STOPPED, NoticeKind.CONNECTION_RECOVERED)
_OF_INVITATIONS = (NoticeKind.INVITATION_OPENED, NoticeKind.INVITATION_APPROVED)
_OF_SERVER = (NoticeKind.DOCTOR_FOUND_FAULT, NoticeKind.DOCTOR_ALL_GOOD, NoticeKind.BACKUP_FAILED)


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """A member who has access to this site now."""

    id: int
    email: str
    name: str
    role: TeamRole
    may_export: bool


def with_access(member_id: int | None = None) -> list[Recipient]:
    """Return the members who have access now: all of them, or one."""
    columns = (TeamMember.id, TeamMember.email, TeamMember.name, TeamMember.role, TeamMember.may_export)
    query = select(*columns).where(policy.has_access(clock.now())).order_by(TeamMember.id)
    if member_id is not None:
        query = query.where(TeamMember.id == member_id)
    return [Recipient(**row._mapping) for row in db.session.execute(query)]


def may_hear(person: Principal, kind: NoticeKind, facts: dict[str, Any]) -> bool:
    """Tell whether a person may hear of something now; of what happened to their own login they always may."""
    if kind in _OF_CONNECTIONS:
        query = select(Connection.id).where(Connection.id == facts["connection_id"], policy.is_visible_to(person))
        return db.session.scalar(query) is not None
    if kind is NoticeKind.RENEWAL_DUE:
        return policy.can_manage(person, facts["connection_id"])
    if kind in _OF_INVITATIONS:
        query = select(ConsentAttempt.member_id).where(ConsentAttempt.id == facts["attempt_id"])
        return db.session.scalar(query) == person.id
    if kind is NoticeKind.PAYMENTS_ARRIVED:
        return bool(money_in(person, facts))
    if kind is NoticeKind.PAYMENTS_CHANGED:
        return _sees_changes(person, facts)
    if kind is NoticeKind.BALANCE_LOW:
        return facts["account_id"] in policy.accounts_seen_by(person)
    if kind is NoticeKind.DRAFT_PREPARED:
        return following.waits_for(person, facts["instruction_id"])
    if kind is NoticeKind.DRAFT_DECIDED:
        return following.is_theirs(person, facts["instruction_id"])
    return kind not in _OF_SERVER or policy.can_see_doctor(person)


def money_in(person: Principal, facts: dict[str, Any]) -> Sequence[Payment]:
    """Return those of the payments that arrived that brought money in and that a person may see, the oldest first."""
    seen = policy.accounts_seen_by(person).get(facts["account_id"])
    if seen is None:
        return []
    start = local_days.start_of(seen.right.first_day or local_days.FIRST_DAY)
    is_seen = (Payment.account_id == facts["account_id"], Payment.created_at >= start, Payment.amount > 0)
    query = select(Payment).where(Payment.id.in_(facts["payment_ids"]), *is_seen).order_by(Payment.created_at)
    return db.session.scalars(query).all()


def _sees_changes(person: Principal, facts: dict[str, Any]) -> bool:
    seen = policy.accounts_seen_by(person).get(facts["account_id"])
    if seen is None:
        return False
    start = local_days.start_of(seen.right.first_day or local_days.FIRST_DAY)
    booked_at = func.coalesce(Payment.created_at, WithdrawnPayment.created_at)
    query = (
        select(PaymentChange.id)
        .outerjoin(Payment, Payment.id == PaymentChange.payment_row_id)
        .outerjoin(WithdrawnPayment, WithdrawnPayment.id == PaymentChange.payment_row_id)
        .where(PaymentChange.account_id == facts["account_id"], PaymentChange.id.in_(facts["change_ids"]))
        .where(booked_at >= start)
    )
    return db.session.scalar(query.limit(1)) is not None
