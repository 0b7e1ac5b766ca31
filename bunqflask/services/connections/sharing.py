"""Sharing accounts: a holder lets named members, or the whole team, read one, for a time or for good."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import current_app
from sqlalchemy import delete, select
from sqlalchemy.orm import aliased

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import AccountShare, AuditKind, MonetaryAccount, TeamMember, TeamRole
from bunqflask.services import policy
from bunqflask.services.audit import trail
from bunqflask.services.connections import rights
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal

_LAST_YEAR = 2199


class ShareRefused(Exception):
    """A wish that cannot be fulfilled; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share that is valid now. `member_name` is None for the whole team; `is_own`: the principal made it.

    `last_day` is the last local day on which it counts, None where it has no end.
    """

    id: int
    account_id: int
    account_name: str
    iban: str | None
    member_name: str | None
    granted_by_name: str
    is_own: bool
    last_day: date | None
    first_day: date | None


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a holder wants to share, and with whom: named members, all members of today, or also those who join later.

    `last_day` is the last day of the share, `first_day` that of the payments; both local, both optional.
    """

    account_ids: Sequence[int]
    member_ids: Sequence[int] = ()
    with_team: bool = False
    with_future_members: bool = False
    first_day: date | None = None
    last_day: date | None = None


def list_for(principal: Principal, connection_id: int) -> list[Share]:
    """Return the valid shares of the accounts of a connection that the principal holds, account by account."""
    reader, granter = aliased(TeamMember), aliased(TeamMember)
    query = (
        select(AccountShare, MonetaryAccount.description, MonetaryAccount.iban, reader.name, granter.name)
        .join(MonetaryAccount, MonetaryAccount.id == AccountShare.account_id)
        .outerjoin(reader, reader.id == AccountShare.member_id)
        .join(granter, granter.id == AccountShare.granted_by_id)
        .where(MonetaryAccount.connection_id == connection_id)
        .where(AccountShare.account_id.in_(policy.held_accounts(principal)))
        .where(AccountShare.until.is_(None) | (AccountShare.until > clock.now()))
        .order_by(MonetaryAccount.monetary_account_id, AccountShare.id)
    )
    return [
        Share(
            id=share.id,
            account_id=share.account_id,
            account_name=account_name,
            iban=iban,
            member_name=member_name,
            granted_by_name=granted_by,
            is_own=share.granted_by_id == principal.id,
            last_day=_last_day(share.until),
            first_day=share.first_day,
        )
        for share, account_name, iban, member_name, granted_by in db.session.execute(query)
    ]


def add(principal: Principal, wish: Wish) -> None:
    """Share accounts that the principal holds; a share with the same people from before is replaced.

    :raises NotPermitted: the principal is a guest.
    :raises NotFoundHere: the principal does not hold one of them.
    :raises ShareRefused: nothing to share, nobody to share with, or a day that cannot be.
    """
    policy.check_can_share(principal)
    until = _until(wish.last_day)
    with transaction():
        rights.lock_members()
        policy.check_holds(principal, wish.account_ids)
        readers = _readers(principal, wish)
        if not wish.account_ids or not readers:
            raise ShareRefused(_("Choose at least one account and one person."))
        for account_id in dict.fromkeys(wish.account_ids):
            _end_within(principal, account_id, readers)
            db.session.add_all(
                AccountShare(
                    account_id=account_id,
                    member_id=member_id,
                    granted_by_id=principal.id,
                    since=clock.now(),
                    until=until,
                    first_day=wish.first_day,
                )
                for member_id in readers
            )
        _record_within(principal.id, wish, readers)


def add_within(granter_id: int, member_id: int, account_ids: Collection[int]) -> None:
    """Share accounts with a new member, as far as the member who grants it still holds them.

    Takes part in the caller's transaction, which has locked the members.
    """
    held = sorted(rights.held_by(granter_id) & set(account_ids))
    if not held:
        return
    db.session.add_all(
        AccountShare(account_id=each, member_id=member_id, granted_by_id=granter_id, since=clock.now()) for each in held
    )
    # The granter chose it when they invited; it is the new member who is here now.
    _record_within(None, Wish(account_ids=held), [member_id])


def end(principal: Principal, share_id: int) -> None:
    """End a share that the principal made.

    :raises NotFoundHere: there is none.
    """
    with transaction():
        share = db.session.get(AccountShare, share_id)
        if share is None or share.granted_by_id != principal.id:
            raise NotFoundHere
        db.session.delete(share)
        about: dict[str, Any] = {"subject_member_id": share.member_id, "account_ids": [share.account_id]}
        trail.record(AuditKind.UNSHARED, actor_id=principal.id, how="ended", **about)


def delete_expired() -> None:
    """Delete the shares that are over, in a transaction of its own."""
    with transaction():
        over = delete(AccountShare).where(AccountShare.until <= clock.now())
        for row in db.session.execute(over.returning(AccountShare.account_id, AccountShare.member_id)).all():
            about: dict[str, Any] = {"subject_member_id": row.member_id, "account_ids": [row.account_id]}
            trail.record(AuditKind.UNSHARED, actor_id=None, how="expired", **about)


def _record_within(actor_id: int | None, wish: Wish, readers: Sequence[int | None]) -> None:
    ids = [each for each in readers if each is not None]
    names = db.session.scalars(select(TeamMember.name).where(TeamMember.id.in_(ids)).order_by(TeamMember.id))
    trail.record(
        AuditKind.SHARED,
        actor_id=actor_id,
        subject_member_id=ids[0] if len(ids) == 1 else None,
        account_ids=wish.account_ids,
        people=list(names),
        team=None in readers,
        first_day=str(wish.first_day) if wish.first_day is not None else None,
        last_day=str(wish.last_day) if wish.last_day is not None else None,
    )


def _readers(principal: Principal, wish: Wish) -> list[int | None]:
    """Return the members to share with, the principal left out; None for all, also those who join later.

    A guest is not of the team: what is shared with them names them.
    """
    if wish.with_future_members:
        return [None]
    query = select(TeamMember.id).where(TeamMember.id != principal.id).order_by(TeamMember.id)
    named = TeamMember.id.in_(wish.member_ids)
    query = query.where(named | (TeamMember.role != TeamRole.GUEST) if wish.with_team else named)
    return list(db.session.scalars(query))


def _end_within(principal: Principal, account_id: int, readers: Collection[int | None]) -> None:
    own = delete(AccountShare).filter_by(account_id=account_id, granted_by_id=principal.id)
    named = AccountShare.member_id.in_([each for each in readers if each is not None])
    condition = named | AccountShare.member_id.is_(None) if None in readers else named
    db.session.execute(own.where(condition))


def _last_day(until: datetime | None) -> date | None:
    zone: ZoneInfo = current_app.config["TIME_ZONE"]
    return (until - timedelta(seconds=1)).astimezone(zone).date() if until is not None else None


def _until(last_day: date | None) -> datetime | None:
    """Return when a share ends whose last day is given: at the end of this local day.

    :raises ShareRefused: the day is over, or after all days that can be.
    """
    if last_day is None:
        return None
    if last_day.year > _LAST_YEAR:
        raise ShareRefused(_("Choose an end date before %(year)s.") % {"year": _LAST_YEAR + 1})
    zone: ZoneInfo = current_app.config["TIME_ZONE"]
    until = datetime.combine(last_day + timedelta(days=1), time.min, zone)
    if until <= clock.now():
        raise ShareRefused(_("The end date is over already."))
    return until
