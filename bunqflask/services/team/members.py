"""The team: who has a login here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from bunqflask import clock, invisible
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import AuditKind, Browser, Login, PendingLogin, TeamMember, TeamRole
from bunqflask.services import policy
from bunqflask.services.audit import origin, trail
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal
from bunqflask.services.team import passwords

_EMAIL = re.compile(r"[^@\s\x00]{1,64}@[^@\s\x00]{1,180}")


class TeamRefused(Exception):
    """A change to the team was refused; the text says why, and `field` names the value of a form, if it is one."""

    def __init__(self, text: str, *, field: str = "") -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True, kw_only=True)
class Member:
    """A person with a login here; a principal."""

    id: int
    email: str
    name: str
    created_at: datetime
    role: TeamRole
    may_export: bool
    ends_at: datetime | None = None
    locked_at: datetime | None = None
    last_login_at: datetime | None = None
    password_hash: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a person may do here: `ends_at` is given for a guest, and for nobody else; others may always export."""

    role: TeamRole
    ends_at: datetime | None = None
    may_export: bool = True


def add(email: str, name: str, password: str, terms: Terms | None = None) -> Member:
    """Give a person a login; without terms the first one becomes an owner, and everybody later a member.

    :raises TeamRefused: the email is not one or is taken.
    :raises PasswordRefused: the password is too short, too long or easy to guess.
    """
    email = normalize_email(email)
    if find(email) is not None:
        raise _is_taken(email)
    password_hash = passwords.hash_new(password, email=email, name=name)
    with transaction():
        member = add_within(email, name, password_hash, terms or Terms(role=role_of_next()))
        actor_id = origin.current().member_id
        trail.record(AuditKind.MEMBER_ADDED, actor_id=actor_id, subject_member_id=member.id, role=member.role)
        return member


def add_within(email: str, name: str, password_hash: str, terms: Terms) -> Member:
    """Give a person a login within the caller's transaction.

    :raises TeamRefused: the email is taken; the transaction can only be rolled back then.
    """
    row = TeamMember(
        email=email,
        name=printable(name)[:120] or email.split("@", 1)[0],
        password_hash=password_hash,
        created_at=clock.now(),
        role=terms.role,
        ends_at=terms.ends_at,
        may_export=terms.may_export,
    )
    db.session.add(row)
    try:
        db.session.flush()
    except IntegrityError as error:
        raise _is_taken(email) from error
    return member_of(row)


def normalize_email(email: str) -> str:
    """Return an email as it is stored.

    :raises TeamRefused: it is not one.
    """
    email = email.strip().casefold()
    if not _EMAIL.fullmatch(email) or not email.isprintable():
        shown = printable(email)[:80] or _("Nothing")
        raise TeamRefused(_("%(email)s is not an email address.") % {"email": shown}, field="email")
    return email


def printable(text: str) -> str:
    """Return a text of one line without what nobody sees, such as control characters and marks of direction."""
    return " ".join(invisible.remove(text).split())


def role_of_next() -> TeamRole:
    """Return the role of a person about whom nothing is said: somebody has to be the owner."""
    return TeamRole.MEMBER if db.session.scalar(select(TeamMember.id).limit(1)) else TeamRole.OWNER


def list_all() -> list[Member]:
    """Return all team members, the first one first."""
    return [member_of(row) for row in db.session.scalars(select(TeamMember).order_by(TeamMember.id))]


def list_for(principal: Principal) -> list[Member]:
    """Return the team as a principal may see it: a guest sees themselves and the people who run the team."""
    everybody = list_all()
    if policy.can_see_team(principal):
        return everybody
    return [each for each in everybody if each.id == principal.id or policy.can_manage_people(each)]


def get_for(principal: Principal, member_id: int) -> Member:
    """Return a team member whom the principal may manage.

    :raises NotPermitted: the principal manages nobody.
    :raises NotFoundHere: there is no such member.
    """
    policy.check_can_manage_people(principal)
    row = db.session.get(TeamMember, member_id)
    if row is None:
        raise NotFoundHere
    return member_of(row)


def find(email: str) -> Member | None:
    """Return the team member with this email, whatever its capitals."""
    email = email.strip().casefold()
    if not _EMAIL.fullmatch(email) or not email.isprintable():
        return None
    row = db.session.scalars(select(TeamMember).filter_by(email=email)).one_or_none()
    return member_of(row) if row is not None else None


def require(email: str) -> Member:
    """Return the team member with this email.

    :raises TeamRefused: nobody has it.
    """
    member = find(email)
    if member is None:
        raise TeamRefused(f"Nobody here has the email {email.strip()}.")
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


def _is_taken(email: str) -> TeamRefused:
    return TeamRefused(_("%(email)s has a login already.") % {"email": email}, field="email")


def member_of(row: TeamMember) -> Member:
    """Return the read model of a team member."""
    return Member(**{name: getattr(row, name) for name in Member.__dataclass_fields__})
