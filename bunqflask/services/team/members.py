"""The team: who has a login here."""

from __future__ import annotations

import re

from sqlalchemy import delete, select

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import Login, TeamMember
from bunqflask.services.team import passwords

_EMAIL = re.compile(r"[^@\s\x00]{1,64}@[^@\s\x00]{1,180}")


class TeamRefused(Exception):
    """A change to the team was refused; the text says why."""


def add(email: str, name: str, password: str) -> TeamMember:
    """Give a person a login.

    :raises TeamRefused: the email is not one or is taken.
    :raises PasswordRefused: the password is too short or too long.
    """
    email = _clean_email(email)
    if find(email) is not None:
        raise TeamRefused(f"{email} has a login already; to set a new password use team reset.")
    password_hash = passwords.hash_password(password)
    with transaction():
        member = TeamMember(
            email=email,
            name=name.strip()[:120] or email.split("@", 1)[0],
            password_hash=password_hash,
            created_at=clock.now(),
        )
        db.session.add(member)
    return member


def list_all() -> list[TeamMember]:
    """Return all team members, the first one first."""
    return list(db.session.scalars(select(TeamMember).order_by(TeamMember.id)))


def find(email: str) -> TeamMember | None:
    """Return the team member with this email, whatever its capitals."""
    email = email.strip().casefold()
    if not _EMAIL.fullmatch(email):
        return None
    return db.session.scalars(select(TeamMember).filter_by(email=email)).one_or_none()


def require(email: str) -> TeamMember:
    """Return the team member with this email.

    :raises TeamRefused: nobody has it.
    """
    member = find(email)
    if member is None:
        raise TeamRefused(f"Nobody here has the email {email.strip()}.")
    return member


def reset(email: str, password: str) -> TeamMember:
    """Set a new password and end all logins of the person.

    :raises TeamRefused: nobody has this email.
    :raises PasswordRefused: the password is too short or too long.
    """
    member = require(email)
    set_password(member.id, password)
    return member


def set_password(member_id: int, password: str, *, keep_login: int | None = None) -> None:
    """Store a new password and end the member's logins, except the one in which it was set.

    :raises PasswordRefused: the password is too short or too long.
    """
    password_hash = passwords.hash_password(password)
    ended = delete(Login).where(Login.member_id == member_id)
    with transaction():
        db.session.get_one(TeamMember, member_id).password_hash = password_hash
        db.session.execute(ended if keep_login is None else ended.where(Login.id != keep_login))


def _clean_email(email: str) -> str:
    email = email.strip().casefold()
    if not _EMAIL.fullmatch(email):
        raise TeamRefused(f"{email or 'Nothing'} is not an email address.")
    return email
