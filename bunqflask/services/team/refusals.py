"""Recording what was refused at the door: wrong passwords and factors, and the first try that is held back for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import ColumnElement, select

from bunqflask.database.transactions import transaction
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.models import AuditKind, TeamMember
from bunqflask.services.audit import origin, trail
from bunqflask.services.team.throttle import LoginRefused, LoginThrottled


@contextmanager
def of_password(email: str) -> Iterator[None]:
    """Record that the password of this email was refused; an email that nobody has is written as part of its hash."""
    given = email.strip().casefold()
    with _recorded(TeamMember.email == given, how="password", account=digest(given)[:8]):
        yield


@contextmanager
def of_factor(member_id: int | None, how: str) -> Iterator[None]:
    """Record that a second factor of a member was refused, or a passkey of nobody known."""
    with _recorded(TeamMember.id == member_id, how=how):
        yield


@contextmanager
def _recorded(condition: ColumnElement[bool], *, how: str, account: str = "") -> Iterator[None]:
    try:
        yield
    except LoginRefused as refused:
        is_throttled = isinstance(refused, LoginThrottled)
        if not isinstance(refused, LoginThrottled) or refused.is_first:
            with transaction():
                member = db.session.execute(select(TeamMember.id, TeamMember.name).where(condition)).one_or_none()
                trail.record(
                    AuditKind.LOGIN_THROTTLED if is_throttled else AuditKind.LOGIN_REFUSED,
                    actor_id=origin.current().member_id,
                    subject=member.name if member is not None else "",
                    subject_member_id=member.id if member is not None else None,
                    how=how,
                    account=account,
                )
        raise
