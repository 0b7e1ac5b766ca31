"""Changing what team members may do: their roles, and locking them out. One owner who is not locked always remains.

The rules themselves are in `services.policy`; here the rows are locked first, so that a rule is asked about people as
they are now, also where two of them act on each other at the same time.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import current_app
from sqlalchemy import delete, select

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import AttemptStep, AuditKind, ConsentAttempt, NoticeKind, PasswordReset, TeamMember, TeamRole
from bunqflask.services import policy
from bunqflask.services.audit import origin, trail
from bunqflask.services.consent import attempts
from bunqflask.services.notices import inbox
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Operator, Principal
from bunqflask.services.team import holdings, members
from bunqflask.services.team.members import Member, TeamRefused, Terms, member_of

Team = dict[int, TeamMember]
LONGEST_GUEST = timedelta(days=366)


def terms_of(role: TeamRole, *, last_day: date | None = None, may_export: bool = False) -> Terms:
    """Return what a person may do in a role. A guest's access ends at the end of a day here, within a year.

    :raises TeamRefused: a guest without a last day, or with one that is over or too late.
    """
    if role is not TeamRole.GUEST:
        return Terms(role=role)
    zone: ZoneInfo = current_app.config["TIME_ZONE"]
    today = clock.now().astimezone(zone).date()
    if last_day is None:
        raise TeamRefused(_("A guest needs a last day."), field="until")
    if not today <= last_day <= today + LONGEST_GUEST:
        raise TeamRefused(_("A guest’s last day is today at the earliest, and in a year at the latest."), field="until")
    ends_at = datetime.combine(last_day + timedelta(days=1), time(), zone)
    return Terms(role=role, ends_at=ends_at, may_export=may_export)


def last_day_of(ends_at: datetime) -> date:
    """Return a guest's last day here."""
    zone: ZoneInfo = current_app.config["TIME_ZONE"]
    return (ends_at.astimezone(zone) - timedelta(microseconds=1)).date()


def change(principal: Principal, member_id: int, terms: Terms) -> Member:
    """Give a person a role.

    :raises NotFoundHere: there is no such member.
    :raises NotPermitted: the principal may not.
    :raises TeamRefused: no owner would be left, or the person holds accounts, which a guest does not.
    """
    with transaction():
        team = lock_team()
        actor, row = both(principal, member_id, team)
        policy.check_can_change_role(actor, row, terms.role)
        if terms.role is not TeamRole.OWNER:
            check_owner_remains(team, without=row)
        if terms.role is TeamRole.GUEST:
            _check_holds_nothing(actor, row)
            end_attempts(row.id)
        _record(AuditKind.ROLE_CHANGED, row, role=terms.role, before=row.role)
        if (row.role, row.ends_at, row.may_export) != (terms.role, terms.ends_at, terms.may_export):
            until = str(last_day_of(terms.ends_at)) if terms.ends_at else None
            kind = NoticeKind.ROLE_CHANGED
            inbox.add_within(row.id, kind, role=terms.role, until=until, may_export=terms.may_export)
        row.role, row.ends_at, row.may_export = terms.role, terms.ends_at, terms.may_export
        return member_of(row)


def lock(principal: Principal, member_id: int) -> Member:
    """Lock a person out at once: their logins, attempts and password links end; what is theirs stays.

    :raises NotFoundHere: there is no such member.
    :raises NotPermitted: the principal may not.
    :raises TeamRefused: no owner would be left.
    """
    with transaction():
        team = lock_team()
        actor, row = both(principal, member_id, team)
        policy.check_can_lock(actor, row)
        check_owner_remains(team, without=row)
        if row.locked_at is None:
            row.locked_at = clock.now()
            _record(AuditKind.MEMBER_LOCKED, row)
        members.end_logins_within(row.id)
        db.session.execute(delete(PasswordReset).where(PasswordReset.member_id == row.id))
        end_attempts(row.id)
        return member_of(row)


def unlock(principal: Principal, member_id: int) -> Member:
    """Let a person who was locked log in again, with the password they had.

    :raises NotFoundHere: there is no such member.
    :raises NotPermitted: the principal may not.
    """
    with transaction():
        team = lock_team()
        actor, row = both(principal, member_id, team)
        policy.check_can_lock(actor, row)
        if row.locked_at is not None:
            row.locked_at = None
            _record(AuditKind.MEMBER_UNLOCKED, row)
        return member_of(row)


def lock_team() -> Team:
    """Lock the rows of all members for this transaction, and return them by their ids.

    Until its end nobody's role changes, and no consent of theirs makes a connection.
    """
    query = select(TeamMember).order_by(TeamMember.id).with_for_update().execution_options(populate_existing=True)
    return {row.id: row for row in db.session.scalars(query)}


def both(principal: Principal, member_id: int, team: Team) -> tuple[Principal, TeamMember]:
    """Return the principal as they are now, whose role may have changed since the request began, and a member.

    :raises NotPermitted: the principal manages nobody; they do not learn which ids exist.
    :raises NotFoundHere: there is no such member, or the principal has been removed or locked meanwhile.
    """
    actor: Principal = principal
    if not isinstance(principal, Operator):
        row = person(team, principal.id)
        if row.locked_at is not None:
            raise NotFoundHere
        actor = row
    policy.check_can_manage_people(actor)
    return actor, person(team, member_id)


def person(team: Team, member_id: int) -> TeamMember:
    """Return a member of the team.

    :raises NotFoundHere: there is none with this id.
    """
    if member_id not in team:
        raise NotFoundHere
    return team[member_id]


def check_owner_remains(team: Team, *, without: TeamMember) -> None:
    """Make sure that somebody else is an owner who is not locked, or that this person is none now.

    :raises TeamRefused: nobody is.
    """
    owners = [row for row in team.values() if row.role is TeamRole.OWNER and row.locked_at is None]
    if owners == [without]:
        raise TeamRefused(
            _("%(name)s is the last owner who can log in. Make somebody else an owner first.") % {"name": without.name}
        )


def end_attempts(member_id: int) -> None:
    """End a member's attempts to obtain a consent, and erase what they obtained, within the caller's transaction."""
    query = select(ConsentAttempt).where(
        ConsentAttempt.member_id == member_id, ConsentAttempt.step.in_(attempts.OPEN_STEPS)
    )
    for attempt in list(db.session.scalars(query)):
        ended = AttemptStep.DISCARDED if attempt.step is AttemptStep.CONFIRM else AttemptStep.CANCELLED
        attempts.end_within(attempt, attempt.step, ended)


def _record(kind: AuditKind, row: TeamMember, **facts: Any) -> None:
    trail.record(kind, actor_id=origin.current().member_id, subject=row.name, subject_member_id=row.id, **facts)


def _check_holds_nothing(principal: Principal, row: TeamMember) -> None:
    if held := holdings.held(principal, row.id):
        raise TeamRefused(
            _("%(name)s holds: %(held)s. A guest holds no accounts; they have to disconnect them first.")
            % {"name": row.name, "held": ", ".join(held)}
        )
