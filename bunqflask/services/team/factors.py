"""Second factors: authenticator apps (RFC 6238) and recovery codes; those that a member has, and using them."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime

import pyotp
from pyotp.exceptions import OTPVerificationError
from sqlalchemy import ColumnElement, CursorResult, Update, delete, func, or_, select, update

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.models import AuditKind, Factor, FactorKind, MemberNotice, NoticeKind, RecoveryCode
from bunqflask.services.audit import origin, trail
from bunqflask.services.notices import inbox
from bunqflask.services.principal import Principal
from bunqflask.services.team import browsers, credentials, members, refusals, throttle
from bunqflask.services.team.logins import CurrentLogin
from bunqflask.services.team.throttle import LoginRefused
from bunqflask.services.team.visitor import Visitor

TRIES = 5
RECOVERY_CODES = 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP_LENGTH = 4, 4
_STEP_S = 30
_SHELL = Visitor(address="", user_agent="")
# Codes of the steps before and after count too: clocks differ.
_WINDOW = 1


class FactorRefused(LoginRefused):
    """A code is wrong, or was used before."""


@dataclass(frozen=True, kw_only=True)
class MembersFactor:
    """A second factor that a member has; times are aware UTC."""

    id: int
    kind: FactorKind
    name: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True)
class PendingTotp:
    """An authenticator app that is to be set up: its secret, and the address that a QR code gives it."""

    secret: str = field(repr=False)
    address: str = field(repr=False)


def list_for(principal: Principal) -> list[MembersFactor]:
    """Return a member's second factors, the oldest first."""
    columns = (Factor.id, Factor.kind, Factor.name, Factor.created_at, Factor.last_used_at)
    query = select(*columns).where(Factor.member_id == principal.id, Factor.activated_at.is_not(None))
    return [MembersFactor(**row._mapping) for row in db.session.execute(query.order_by(Factor.id))]


def has_any(member_id: int) -> bool:
    """Tell whether a member's password alone is not enough."""
    active = select(Factor.id).where(Factor.member_id == member_id, Factor.activated_at.is_not(None))
    return bool(db.session.scalar(select(active.exists())))


def count_recovery_codes(principal: Principal) -> int:
    """Return how many recovery codes a member has left."""
    query = select(func.count()).where(RecoveryCode.member_id == principal.id, RecoveryCode.used_at.is_(None))
    return db.session.scalar(query) or 0


def begin_totp(principal: Principal) -> None:
    """Make a secret for an authenticator app. It counts for nothing until `activate_totp`."""
    with transaction():
        db.session.execute(delete(Factor).where(*_pending_of(principal)))
        factor = Factor(
            member_id=principal.id, kind=FactorKind.TOTP, name="", created_at=clock.now(), activated_at=None
        )
        db.session.add(factor)
        db.session.flush()
        factor.secret = pyotp.random_base32()


def pending_totp(principal: Principal) -> PendingTotp | None:
    """Return the secret that waits for its first code, if there is one."""
    factor = db.session.scalars(select(Factor).where(*_pending_of(principal))).one_or_none()
    if factor is None or factor.secret is None:
        return None
    address = pyotp.TOTP(factor.secret).provisioning_uri(name=principal.email, issuer_name="bunqflask")
    return PendingTotp(factor.secret, address)


def activate_totp(login: CurrentLogin, code: str, password: str, name: str, visitor: Visitor) -> list[str]:
    """Let an authenticator app count, once it gave a right code; return recovery codes if the member had none.

    :raises LoginThrottled: too many tries in this login.
    :raises LoginRefused: it is not the member's password.
    :raises FactorRefused: the code is wrong, or nothing waits for one.
    """
    key, member = f"login:{login.id}", members.find(login.member.email)
    with refusals.of_password(login.member.email):
        member_id, password_hash = credentials.check_password(member, password, key)
    with transaction():
        credentials.lock_unchanged(member_id, password_hash)
        factor = db.session.scalars(select(Factor).where(*_pending_of(login.member)).with_for_update()).one_or_none()
        step = _step_of(factor, _plain(code)) if factor is not None else None
        if factor is None or step is None:
            raise FactorRefused
        factor.activated_at, factor.last_step = clock.now(), step
        factor.name = " ".join(name.split())[:60] or "Authenticator app"
        throttle.forget(key)
        return changed_within(login.member.id, "added", factor.name, login.browser_id, visitor)


def changed_within(member_id: int, change: str, factor: str, browser_id: int | None, visitor: Visitor) -> list[str]:
    """Do what follows from a change of factors, within the caller's transaction: no browser is trusted any more, the
    member is informed, and has recovery codes as long as they have a factor. Returns codes that were made just now.
    """
    browsers.distrust_all_within(member_id)
    facts = {"change": change, "factor": factor, **visitor.facts()}
    inbox.add_within(member_id, NoticeKind.FACTOR_CHANGED, browser_id=browser_id, **facts)
    actor_id = origin.current().member_id
    trail.record(AuditKind.FACTOR_CHANGED, actor_id=actor_id, subject_member_id=member_id, change=change, factor=factor)
    if not has_any(member_id):
        db.session.execute(delete(RecoveryCode).where(RecoveryCode.member_id == member_id))
        return []
    left = select(RecoveryCode.code_hash).where(RecoveryCode.member_id == member_id, RecoveryCode.used_at.is_(None))
    return [] if db.session.scalar(left.limit(1)) is not None else _make_codes(member_id)


def remove(login: CurrentLogin, factor_id: int, visitor: Visitor) -> None:
    """Remove one of the member's factors; one that is gone is no error."""
    with transaction():
        theirs = Factor.id == factor_id, Factor.member_id == login.member.id
        name = db.session.scalar(delete(Factor).where(*theirs).returning(Factor.name))
        if name is not None:
            changed_within(login.member.id, "removed", name, login.browser_id, visitor)


def take_away(member_id: int, factor_id: int | None = None) -> list[str]:
    """Remove one or all of a member's factors for whom the server's shell asks; return their names.

    If there were any, all logins of the member end, and no browser is known any more.
    """
    with transaction():
        chosen = Factor.member_id == member_id, Factor.activated_at.is_not(None)
        removed = delete(Factor).where(*chosen)
        if factor_id is not None:
            removed = removed.where(Factor.id == factor_id)
        names = list(db.session.scalars(removed.returning(Factor.name)))
        if names:
            members.end_logins_within(member_id)
            change = "reset" if factor_id is None else "removed"
            changed_within(member_id, change, ", ".join(names), None, _SHELL)
        return names


def new_codes(login: CurrentLogin, visitor: Visitor) -> list[str]:
    """Replace the member's recovery codes, and return the new ones; this is the only time that they can be read."""
    member_id = login.member.id
    with transaction():
        if not has_any(member_id):
            return []
        used = MemberNotice.member_id == member_id, MemberNotice.kind == NoticeKind.RECOVERY_CODE_USED
        db.session.execute(update(MemberNotice).where(*used).values(dismissed_at=clock.now()))
        codes = _make_codes(member_id)
        changed_within(member_id, "codes", "", login.browser_id, visitor)
        return codes


def use_code_within(member_id: int, code: str, visitor: Visitor) -> None:
    """Use a code of an authenticator app, or a recovery code, within the caller's transaction; each counts once.

    :raises FactorRefused: it is wrong, or was used before.
    """
    plain = _plain(code)
    if re.fullmatch(r"[0-9]{6}", plain):
        _use_totp(member_id, plain)
    else:
        _use_recovery_code(member_id, plain, visitor)


def _use_totp(member_id: int, code: str) -> None:
    query = select(Factor).where(
        Factor.member_id == member_id, Factor.kind == FactorKind.TOTP, Factor.activated_at.is_not(None)
    )
    for factor in db.session.scalars(query.order_by(Factor.id)):
        step = _step_of(factor, code)
        if step is None:
            continue
        # A step recorded by a clock that was ahead must not block the app until that time has come.
        ahead = clock.now().timestamp() // _STEP_S + clock.SKEW.total_seconds() // _STEP_S
        unused = Factor.id == factor.id, or_(Factor.last_step < step, Factor.last_step > ahead)
        used = update(Factor).where(*unused).values(last_step=step, last_used_at=clock.now())
        if _count(used) == 1:
            return
    raise FactorRefused


def _use_recovery_code(member_id: int, code: str, visitor: Visitor) -> None:
    unused = (
        RecoveryCode.code_hash == digest(code.lower()),
        RecoveryCode.member_id == member_id,
        RecoveryCode.used_at.is_(None),
    )
    if _count(update(RecoveryCode).where(*unused).values(used_at=clock.now())) != 1:
        raise FactorRefused
    query = select(func.count()).where(RecoveryCode.member_id == member_id, RecoveryCode.used_at.is_(None))
    facts = {**visitor.facts(), "left": db.session.scalar(query) or 0}
    inbox.add_within(member_id, NoticeKind.RECOVERY_CODE_USED, **facts)
    trail.record(AuditKind.RECOVERY_CODE_USED, actor_id=member_id)


def _make_codes(member_id: int) -> list[str]:
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.member_id == member_id))
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    now = clock.now()
    db.session.add_all(
        RecoveryCode(code_hash=digest(_plain(code)), member_id=member_id, created_at=now) for code in codes
    )
    db.session.flush()
    return codes


def _new_code() -> str:
    """Return a random code of 79 bits, in groups that are easy to copy from paper."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
    return "-".join(groups)


def _step_of(factor: Factor, code: str) -> int | None:
    """Return the step of 30 seconds of which this is the code, or None."""
    if factor.secret is None:
        return None
    try:
        return pyotp.TOTP(factor.secret).verify_and_get_timecode(code, for_time=clock.now(), valid_window=_WINDOW)
    except OTPVerificationError:
        return None


def _pending_of(principal: Principal) -> tuple[ColumnElement[bool], ...]:
    return Factor.member_id == principal.id, Factor.kind == FactorKind.TOTP, Factor.activated_at.is_(None)


def _plain(code: str) -> str:
    return re.sub(r"[\s-]", "", code)[:80]


def _count(statement: Update) -> int:
    result = db.session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount
