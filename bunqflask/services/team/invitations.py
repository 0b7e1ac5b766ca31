"""Invitations: a one-time link by which a person becomes a team member and chooses a password that nobody else knows.

Only the hash of a link's token is stored, so a link is shown once, when it is made.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import Select, delete, select, update
from sqlalchemy.exc import DBAPIError

from bunqflask import clock
from bunqflask.database.transactions import release, transaction
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import AuditKind, Invitation, InvitationAccount, TeamMember, TeamRole
from bunqflask.services import policy
from bunqflask.services.audit import origin, trail
from bunqflask.services.connections import rights, sharing
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal
from bunqflask.services.team import members, passwords
from bunqflask.services.team.members import Member, TeamRefused, Terms

LIFETIME = timedelta(days=7)
_OPEN_PATIENCE_S = 0.1
_PATH = "/welcome/"
_granted = (InvitationAccount.account_id, InvitationAccount.granted_by_id)


class LinkGone(Exception):
    """A one-time link was used, withdrawn or replaced, has expired, or never existed: one error for all."""


@dataclass(frozen=True, kw_only=True)
class OpenInvitation:
    """An invitation that can still be accepted; `inviter` is None if it was made on the command line."""

    id: int
    label: str
    role: TeamRole
    ends_at: datetime | None
    may_export: bool
    inviter: str | None
    created_at: datetime
    expires_at: datetime
    opened_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class NewLink:
    """A link just made; it is in no other place."""

    label: str
    url: str = field(repr=False)
    expires_at: datetime


def invite(principal: Principal, label: str, terms: Terms, account_ids: Collection[int] = ()) -> NewLink:
    """Make an invitation.

    :param label: the person's name or email, for the list of open invitations.
    :param account_ids: the accounts that a guest may read from the beginning; all others ask for them.
    :raises NotPermitted: the principal may not invite somebody with this role.
    :raises NotFoundHere: the principal does not hold one of the accounts.
    :raises TeamRefused: the label is empty.
    """
    policy.check_can_invite(principal, terms.role)
    label = members.printable(label)[:254]
    if not label:
        raise TeamRefused(_("Say who is invited: a name or an email."), field="label")
    token, now = secrets.token_urlsafe(32), clock.now()
    with transaction():
        row = Invitation(
            token_hash=digest(token),
            label=label,
            role=terms.role,
            ends_at=terms.ends_at,
            may_export=terms.may_export,
            invited_by_id=principal.id or None,
            created_at=now,
            expires_at=now + LIFETIME,
        )
        if account_ids:
            rights.lock_members()
            policy.check_holds(principal, account_ids)
        db.session.add(row)
        db.session.flush()
        granted = sorted(set(account_ids)) if terms.role is TeamRole.GUEST else []
        db.session.add_all(
            InvitationAccount(invitation_id=row.id, account_id=each, granted_by_id=principal.id) for each in granted
        )
        _record(AuditKind.INVITATION_MADE, row, granted)
    return NewLink(label=label, url=_address(token), expires_at=now + LIFETIME)


def renew(principal: Principal, invitation_id: int) -> NewLink:
    """Replace the link of an invitation: the old one ends, the new one works as long as any.

    :raises NotPermitted: the principal may not invite somebody with this role.
    :raises NotFoundHere: there is no such invitation.
    """
    token, now = secrets.token_urlsafe(32), clock.now()
    with transaction():
        row = _own(principal, invitation_id)
        row.token_hash, row.opened_at = digest(token), None
        row.expires_at, row.invited_by_id = now + LIFETIME, principal.id or None
        _record(AuditKind.INVITATION_MADE, row)
        return NewLink(label=row.label, url=_address(token), expires_at=row.expires_at)


def withdraw(principal: Principal, invitation_id: int) -> str:
    """End an invitation; return for whom it was.

    :raises NotPermitted: the principal may not invite somebody with this role.
    :raises NotFoundHere: there is no such invitation.
    """
    with transaction():
        row = _own(principal, invitation_id)
        _record(AuditKind.INVITATION_WITHDRAWN, row)
        db.session.delete(row)
        return row.label


def list_open(principal: Principal) -> list[OpenInvitation]:
    """Return the invitations that can still be accepted, the newest first; none for those who may not invite."""
    if not policy.can_manage_people(principal):
        return []
    rows = db.session.execute(_with_inviter().order_by(Invitation.id.desc()))
    return [_open(row, inviter) for row, inviter in rows if _works(row, inviter)]


def open_link(token: str) -> OpenInvitation:
    """Return the invitation of a link that somebody opens, and record that it was opened; it is not used up.

    :raises LinkGone: it cannot be accepted.
    """
    found = get(token)
    if found.opened_at is None:
        unopened = (Invitation.id == found.id, Invitation.opened_at.is_(None))
        try:
            with transaction(wait_s=_OPEN_PATIENCE_S):
                opened = update(Invitation).where(*unopened).values(opened_at=clock.now()).returning(Invitation.id)
                if db.session.execute(opened).first() is not None:
                    trail.record(AuditKind.INVITATION_OPENED, actor_id=None, subject=found.label)
        except DBAPIError as error:
            # A database that takes no write now is no reason to refuse a page.
            current_app.logger.warning("that an invitation was opened is not recorded: %s", error.orig)
    return found


def get(token: str) -> OpenInvitation:
    """Return the invitation of a link.

    :raises LinkGone: it cannot be accepted.
    """
    row, inviter = _find(token)
    return _open(row, inviter)


def accept(token: str, *, email: str, name: str, password: str) -> Member:
    """Make the invited person a team member; exactly one caller succeeds with a link.

    :raises LinkGone: it cannot be accepted.
    :raises TeamRefused: the email is not one or is taken.
    :raises PasswordRefused: the password is refused.
    """
    get(token)
    email = members.normalize_email(email)
    release()
    password_hash = passwords.hash_new(password, email=email, name=name)
    with transaction():
        rights.lock_members()
        row, _inviter = _find(token, lock=True)
        terms = Terms(role=row.role, ends_at=row.ends_at, may_export=row.may_export)
        granted = db.session.execute(select(*_granted).where(InvitationAccount.invitation_id == row.id)).all()
        db.session.delete(row)
        member = members.add_within(email, name, password_hash, terms)
        for granter_id in {each.granted_by_id for each in granted}:
            sharing.add_within(
                granter_id, member.id, [each.account_id for each in granted if each.granted_by_id == granter_id]
            )
        trail.record(AuditKind.INVITATION_ACCEPTED, actor_id=member.id, subject=row.label, role=row.role)
        return member


def delete_expired() -> None:
    """Delete invitations that have expired."""
    with transaction():
        db.session.execute(delete(Invitation).where(Invitation.expires_at < clock.now()))


def _record(kind: AuditKind, row: Invitation, account_ids: Collection[int] = ()) -> None:
    actor_id = origin.current().member_id
    trail.record(kind, actor_id=actor_id, subject=row.label, account_ids=account_ids, role=row.role)


def _own(principal: Principal, invitation_id: int) -> Invitation:
    """Return an invitation that the principal could have made, locked."""
    policy.check_can_manage_people(principal)
    row = db.session.get(Invitation, invitation_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFoundHere
    policy.check_can_invite(principal, row.role)
    return row


def _find(token: str, *, lock: bool = False) -> tuple[Invitation, TeamMember | None]:
    query = _with_inviter().where(Invitation.token_hash == digest(token))
    if lock:
        query = query.with_for_update(of=Invitation)
    found = db.session.execute(query).one_or_none()
    if found is None or not _works(found[0], found[1]):
        raise LinkGone
    return found[0], found[1]


def _with_inviter() -> Select[Invitation, TeamMember]:
    inviter = Invitation.invited_by_id == TeamMember.id
    query = select(Invitation, TeamMember).join(TeamMember, inviter, isouter=True)
    return query.execution_options(populate_existing=True)


def _works(row: Invitation, inviter: TeamMember | None) -> bool:
    """Tell whether an invitation can be accepted now: its maker must still be allowed to make it."""
    now = clock.now()
    if row.expires_at <= now or clock.is_ahead(row.created_at) or (row.ends_at is not None and row.ends_at <= now):
        return False
    return inviter is None or (inviter.locked_at is None and policy.can_invite(inviter, row.role))


def _open(row: Invitation, inviter: TeamMember | None) -> OpenInvitation:
    names = OpenInvitation.__dataclass_fields__.keys() - {"inviter"}
    return OpenInvitation(inviter=inviter.name if inviter else None, **{name: getattr(row, name) for name in names})


def _address(token: str) -> str:
    return f"{current_app.config['PUBLIC_URL']}{_PATH}{token}"
