"""What gives a right on an account, as conditions of which statements are made; `policy` has the rules.

A member holds an account by a consent of theirs, or by a hand-over. A share lets others read it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Select,
    and_,
    bindparam,
    false,
    literal,
    not_,
    null,
    or_,
    select,
    true,
    type_coerce,
)

from bunqflask import clock
from bunqflask.extensions import table_of
from bunqflask.models import AccountHolder, AccountShare, MonetaryAccount, TeamRole
from bunqflask.services.principal import Principal, TokenBearer


@dataclass(frozen=True)
class AccountRight:
    """What a principal may do with one account: read it, from the payments of a day on; all else if they hold it.

    `first_day` is None where all payments may be read.
    """

    is_held: bool
    first_day: date | None = None


@dataclass(frozen=True)
class Asker:
    """What decides which accounts a principal sees; their statements are built once for each and used again."""

    id: int
    is_guest: bool
    account_ids: frozenset[int] | None


def asker_of(principal: Principal) -> Asker:
    """Return what decides about the accounts of a principal."""
    account_ids = principal.account_ids if isinstance(principal, TokenBearer) else None
    return Asker(principal.id, principal.role is TeamRole.GUEST, account_ids)


def within_token(asker: Asker, account_id: Any) -> list[ColumnElement[bool]]:
    """The condition that an account is one of those to which the principal's token is narrowed, if it is."""
    return [] if asker.account_ids is None else [account_id.in_(asker.account_ids)]


def is_valid_for(asker: Asker) -> list[ColumnElement[bool]]:
    """The conditions that a share lets somebody read now."""
    is_shared = is_shared_with(literal(asker.id), is_guest=literal(asker.is_guest))
    return [is_shared, *within_token(asker, AccountShare.account_id)]


def is_shared_with(member_id: ColumnElement[int], *, is_guest: ColumnElement[bool]) -> ColumnElement[bool]:
    """The condition that a share lets a member read now; a guest only sees what is shared with them by name."""
    names_them = or_(AccountShare.member_id == member_id, and_(AccountShare.member_id.is_(None), not_(is_guest)))
    # asked for when the statement is executed, which may be long after it was built
    now = bindparam("now", callable_=lambda: clock.now(), unique=True, type_=AccountShare.until.type)
    return and_(names_them, or_(AccountShare.until.is_(None), AccountShare.until > now))


def accounts_with_rights(asker: Asker, *columns: Any) -> Select[Any]:
    """Return a statement for columns of the accounts that somebody may see, and of each of their rights on these.

    The columns `is_held` and `first_day` come last. It is to be built once for each asker.
    """
    account, held, shared = (table_of(each).c for each in (MonetaryAccount, AccountHolder, AccountShare))
    holding = select(held.account_id, true().label("is_held"), type_coerce(null(), Date).label("first_day"))
    reading = select(shared.account_id, false().label("is_held"), shared.first_day)
    rights = (
        holding.where(held.member_id == asker.id, *within_token(asker, held.account_id))
        .union_all(reading.where(*is_valid_for(asker)))
        .subquery("rights")
    )
    return (
        select(*columns, rights.c.is_held, rights.c.first_day)
        .join(rights, rights.c.account_id == account.id)
        .order_by(account.monetary_account_id)
    )


def widest(rights: Iterable[AccountRight]) -> AccountRight:
    """Return what several rights on one account allow together: the earliest first day counts, none is earlier."""
    known = list(rights)
    is_held = any(each.is_held for each in known)
    days = [each.first_day for each in known if each.first_day is not None]
    return AccountRight(is_held, min(days) if len(days) == len(known) else None)
