"""The team: who has a login here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import Browser, Login, PendingLogin, TeamMember
from bunqflask.services.team import passwords

_EMAIL = re.compile(r"[^@\s\x00]{1,64}@[^@\s\x00]{1,180}")


class TeamRefused(Exception):
    """A change to the team was refused; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A person with a login here; a principal."""

    id: int
    email: str
    name: str
    created_at: datetime
    password_hash: str = field(repr=False)


def add(email: str, name: str, password: str) -> Member:
    """Give a person a login.

    :raises TeamRefused: the email is not one or is taken.
    :raises PasswordRefused: the password is too short, too long or easy to guess.
    """
    email = email.strip().casefold()
    if not _EMAIL.fullmatch(email):
        raise TeamRefused(f"{email or 'Nothing'} is not an email address.")
    is_taken = TeamRefused(f"{email} has a login already; to set a new password use team reset.")
    if find(email) is not None:
        raise is_taken
    name = name.strip()[:120] or email.split("@", 1)[0]
    row = TeamMember(
        email=email,
        name=name,
        password_hash=passwords.hash_new(password, email=email, name=name),
        created_at=clock.now(),
    )
    try:
        with transaction():
            db.session.add(row)
            db.session.flush()
            return _member(row)
    except IntegrityError as error:
        raise is_taken from error


def list_all() -> list[Member]:
    """Return all team members, the first one first."""
    return [_member(row) for row in db.session.scalars(select(TeamMember).order_by(TeamMember.id))]


def find(email: str) -> Member | None:
    """Return the team member with this email, whatever its capitals."""
    email = email.strip().casefold()
    if not _EMAIL.fullmatch(email):
        return None
    row = db.session.scalars(select(TeamMember).filter_by(email=email)).one_or_none()
    return _member(row) if row is not None else None


def require(email: str) -> Member:
    """Return the team member with this email.

    :raises TeamRefused: nobody has it.
    """
    member = find(email)
    if member is None:
        raise TeamRefused(f"Nobody here has the email {email.strip()}.")
    return member


def reset(email: str, password: str) -> Member:
    """Set a new password and end all logins of the person.

    :raises TeamRefused: nobody has this email.
    :raises PasswordRefused: the password is too short, too long or easy to guess.
    """
    member = require(email)
    password_hash = passwords.hash_new(password, email=member.email, name=member.name)
    with transaction():
        store_password(member.id, password_hash)
    return member


def store_password(member_id: int, password_hash: str, *, keep_login: int | None = None) -> None:
    """Store a new password's hash within the caller's transaction, and end what rests on the old one."""
    store_hash(member_id, password_hash)
    end_logins_within(member_id, keep_login=keep_login)


def end_logins_within(member_id: int, *, keep_login: int | None = None) -> None:
    """End every login of a member and forget every browser, except one login and its browser."""
    logins = delete(Login).where(Login.member_id == member_id)
    browsers = delete(Browser).where(Browser.member_id == member_id)
    if keep_login is not None:
        logins = logins.where(Login.id != keep_login)
        kept = select(Login.browser_id).where(Login.id == keep_login, Login.browser_id.is_not(None))
        browsers = browsers.where(Browser.id.not_in(kept))
    for ended in (browsers, logins, delete(PendingLogin).where(PendingLogin.member_id == member_id)):
        db.session.execute(ended)


def store_hash(member_id: int, password_hash: str) -> None:
    """Store a hash of the member's password, within the caller's transaction; their logins stay."""
    db.session.execute(update(TeamMember).where(TeamMember.id == member_id).values(password_hash=password_hash))


def _member(row: TeamMember) -> Member:
    return Member(id=row.id, email=row.email, name=row.name, created_at=row.created_at, password_hash=row.password_hash)
