"""Comparing a member's password, with its tries counted."""

from __future__ import annotations

from sqlalchemy import select

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import TeamMember
from bunqflask.services import policy
from bunqflask.services.team import passwords, throttle
from bunqflask.services.team.members import Member
from bunqflask.services.team.throttle import TRIES_PER_ACCOUNT, LoginRefused


def check_password(member: Member | None, password: str, key: str) -> tuple[int, str]:
    """Compare a password, its tries counted under a key; return the member's id and hash.

    :raises LoginThrottled: too many tries under this key.
    :raises LoginRefused: it is not the password.
    """
    member_id, password_hash = (member.id, member.password_hash) if member else (0, None)
    # Counted before the check, so that many tries at once are not all checked before one is counted. The commit also
    # returns the database connection: comparing takes time.
    throttle.count_try(key, TRIES_PER_ACCOUNT)
    if not passwords.matches(password_hash, password) or password_hash is None:
        raise LoginRefused
    return member_id, password_hash


def lock_unchanged(member_id: int, password_hash: str) -> None:
    """Lock the member's row. A reset or a removal since the check ends the member's logins, and must end this one too.

    :raises LoginRefused: there was one, or the member is locked, or a guest whose access has ended.
    """
    unchanged = select(TeamMember.id).where(TeamMember.id == member_id, TeamMember.password_hash == password_hash)
    if db.session.scalar(unchanged.where(policy.has_access(clock.now())).with_for_update()) is None:
        raise LoginRefused
