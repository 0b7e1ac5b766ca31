"""The team: who has a login here."""

from __future__ import annotations

import base64
import re
import secrets
import threading
from typing import Protocol

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import Login, TeamMember

MIN_PASSWORD = 10
MAX_PASSWORD = 200
_EMAIL = re.compile(r"[^@\s\x00]{1,64}@[^@\s\x00]{1,180}")

# argon2id; each hash takes 64 MiB for a moment, so only a few at a time.
_hasher = PasswordHasher()
_few_at_a_time = threading.BoundedSemaphore(2)


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """Return a hash that no password has; made up, because making a true one takes long at every start."""
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    salt, digest = (base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, hasher.hash_len))
    return f"$argon2id$v=19${cost}${salt}${digest}"


# What an unknown email is checked against, so that the answer takes as long as for a known one.
_nobody_hash = _hash_of_nothing(_hasher)


class Member(Protocol):
    """A team member as far as pages and other services need to know one: not the password."""

    @property
    def id(self) -> int: ...
    @property
    def email(self) -> str: ...
    @property
    def name(self) -> str: ...


class TeamRefused(Exception):
    """A change to the team was refused; the text says why."""


def add(email: str, name: str, password: str) -> TeamMember:
    """Give a person a login.

    :raises TeamRefused: the email is not one or is taken, or the password is too short.
    """
    email = _clean_email(email)
    if find(email) is not None:
        raise TeamRefused(f"{email} has a login already; to set a new password use team reset.")
    member = TeamMember(
        email=email,
        name=name.strip()[:120] or email.split("@", 1)[0],
        password_hash=hash_password(password),
        created_at=clock.now(),
    )
    db.session.add(member)
    db.session.commit()
    return member


def members() -> list[TeamMember]:
    """Return all team members, the first one first."""
    return list(db.session.scalars(db.select(TeamMember).order_by(TeamMember.id)))


def find(email: str) -> TeamMember | None:
    """Return the team member with this email, whatever its capitals."""
    email = email.strip().casefold()
    if not _EMAIL.fullmatch(email):
        return None
    return db.session.scalars(db.select(TeamMember).filter_by(email=email)).one_or_none()


def reset(email: str, password: str) -> TeamMember:
    """Set a new password and log the person out everywhere.

    :raises TeamRefused: nobody has this email, or the password is too short.
    """
    member = require(email)
    set_password(member, password)
    return member


def set_password(member: TeamMember, password: str, *, keep_login: int | None = None) -> None:
    """Store a new password and end the member's logins, except the one in which it was set.

    :raises TeamRefused: the password is too short or too long.
    """
    password_hash = hash_password(password)
    member.password_hash = password_hash
    ended = db.delete(Login).where(Login.member_id == member.id)
    db.session.execute(ended if keep_login is None else ended.where(Login.id != keep_login))
    db.session.commit()


def hash_password(password: str) -> str:
    """Hash a password with argon2id.

    :raises TeamRefused: it is too short or too long.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise TeamRefused(f"A password needs {MIN_PASSWORD} to {MAX_PASSWORD} characters.")
    with _few_at_a_time:
        return _hasher.hash(password)


def password_matches(member: TeamMember | None, password: str) -> bool:
    """Compare a password with the member's; takes as long when there is no such member."""
    return hash_matches(member.password_hash if member else None, password)


def hash_matches(password_hash: str | None, password: str) -> bool:
    """Compare a password with a hash; takes as long when there is none."""
    if len(password) > MAX_PASSWORD:
        return False
    with _few_at_a_time:
        try:
            _hasher.verify(password_hash or _nobody_hash, password)
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


def require(email: str) -> TeamMember:
    """Return the team member with this email.

    :raises TeamRefused: nobody has it.
    """
    member = find(email)
    if member is None:
        raise TeamRefused(f"Nobody here has the email {email.strip()}.")
    return member


def _clean_email(email: str) -> str:
    email = email.strip().casefold()
    if not _EMAIL.fullmatch(email):
        raise TeamRefused(f"{email or 'Nothing'} is not an email address.")
    return email
