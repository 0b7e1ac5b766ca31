"""One-time links by which a team member chooses a new password: made on the command line, known to nobody else."""

from __future__ import annotations

import secrets
from datetime import timedelta

from flask import current_app
from sqlalchemy import delete, select

from bunqflask import clock
from bunqflask.database.transactions import release, transaction
from bunqflask.database.upsert import insert_into
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.models import ApiToken, AuditKind, PasswordReset, TeamMember
from bunqflask.services.audit import origin, trail
from bunqflask.services.team import members, passwords
from bunqflask.services.team.invitations import LinkGone, NewLink
from bunqflask.services.team.members import Member

LIFETIME = timedelta(minutes=30)
_PATH = "/password/"
# A hash that no password has.
_NO_PASSWORD = ""


def make(email: str) -> NewLink:
    """Make a link for a person's new password; the present one, all their logins and all their tokens end at once.

    :raises TeamRefused: nobody has this email.
    """
    member = members.require(email)
    token, expires_at = secrets.token_urlsafe(32), clock.now() + LIFETIME
    values = {"token_hash": digest(token), "expires_at": expires_at}
    with transaction():
        members.store_password(member.id, _NO_PASSWORD)
        db.session.execute(delete(ApiToken).where(ApiToken.member_id == member.id))
        trail.record(AuditKind.MEMBER_RESET, actor_id=origin.current().member_id, subject_member_id=member.id)
        added = insert_into(PasswordReset).values(member_id=member.id, **values)
        db.session.execute(added.on_conflict_do_update(index_elements=["member_id"], set_=values))
    url = f"{current_app.config['PUBLIC_URL']}{_PATH}{token}"
    return NewLink(label=member.email, url=url, expires_at=expires_at)


def get(token: str) -> Member:
    """Return the team member of a link.

    :raises LinkGone: it was used or replaced, has expired, or never existed.
    """
    _reset, row = _find(token)
    return members.member_of(row)


def use(token: str, password: str) -> Member:
    """Store the new password, and end the link; exactly one caller succeeds with it.

    :raises LinkGone: it was used or replaced, has expired, or never existed.
    :raises PasswordRefused: the password is refused.
    """
    member = get(token)
    release()
    password_hash = passwords.hash_new(password, email=member.email, name=member.name)
    with transaction():
        reset, row = _find(token, lock=True)
        db.session.delete(reset)
        members.store_password(row.id, password_hash)
        trail.record(AuditKind.PASSWORD_CHANGED, actor_id=row.id, how="link")
        return members.member_of(row)


def delete_expired() -> None:
    """Delete links that have expired."""
    with transaction():
        db.session.execute(delete(PasswordReset).where(PasswordReset.expires_at < clock.now()))


def _find(token: str, *, lock: bool = False) -> tuple[PasswordReset, TeamMember]:
    now = clock.now()
    query = (
        select(PasswordReset, TeamMember)
        .join(TeamMember, TeamMember.id == PasswordReset.member_id)
        .where(PasswordReset.token_hash == digest(token), PasswordReset.expires_at > now)
        .execution_options(populate_existing=True)
    )
    if lock:
        query = query.with_for_update(of=PasswordReset)
    found = db.session.execute(query).one_or_none()
    if found is None or clock.is_ahead(found[0].expires_at, LIFETIME):
        raise LinkGone
    return found[0], found[1]
