"""Recording what was refused at the door: wrong passwords and factors, and the first try that is held back for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bunqflask.database.transactions import transaction
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.models import AuditKind, TeamMember
from bunqflask.services.audit import origin, trail
from bunqflask.services.team import members
from bunqflask.services.team.members import Member
from bunqflask.services.team.throttle import LoginRefused, LoginThrottled


@contextmanager
def of_password(email: str) -> Iterator[None]:
    """Record that the password of this email was refused; an email that nobody has is written as part of its hash."""
    account = digest(email.strip().casefold())[:8]
    with _recorded(lambda: members.find(email), how="password", account=account):
        yield


@contextmanager
def of_factor(member_id: int | None, how: str) -> Iterator[None]:
    """Record that a second factor of a member was refused, or a passkey of nobody known."""
    with _recorded(lambda: db.session.get(TeamMember, member_id) if member_id is not None else None, how=how):
        yield


@contextmanager
def _recorded(find: Callable[[], Member | TeamMember | None], *, how: str, account: str = "") -> Iterator[None]:
    try:
        yield
    except LoginRefused as refused:
        is_throttled = isinstance(refused, LoginThrottled)
        if not isinstance(refused, LoginThrottled) or refused.is_first:
            with transaction():
                member = find()
                trail.record(
                    AuditKind.LOGIN_THROTTLED if is_throttled else AuditKind.LOGIN_REFUSED,
                    actor_id=origin.current().member_id,
                    subject=member.name if member is not None else "",
                    subject_member_id=member.id if member is not None else None,
                    how=how,
                    account=account,
                )
        raise
