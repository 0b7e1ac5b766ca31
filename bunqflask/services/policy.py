"""Who may do what. Each rule exists once, as a question (`can_x`) and as a check that raises (`check_can_x`).

Rights are on accounts. A member holds an account by a consent of theirs, or by a hand-over; a share lets others read
it, and may begin with the payments of some day. What is outside a principal's rights does not exist for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, Date, Select, false, literal, null, or_, select, true, type_coerce

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AccountHolder, AccountShare, Connection, Consent, ConsentGrantState, MonetaryAccount
from bunqflask.services.principal import Principal


class NotFoundHere(Exception):
    """There is no such row, or the principal may not see it: one error for both, so that ids cannot be probed."""


@dataclass(frozen=True)
class AccountRight:
    """What a principal may do with one account: read it, from the payments of a day on; all else if they hold it.

    `first_day` is None where all payments may be read.
    """

    is_held: bool
    first_day: date | None = None


@dataclass(frozen=True)
class VisibleAccount:
    """An account that a principal may see, with their right on it."""

    row: MonetaryAccount
    right: AccountRight


def accounts_seen_by(principal: Principal) -> dict[int, VisibleAccount]:
    """Return all accounts that the principal may see, by our id of each, with their rights on them."""
    held = select(AccountHolder.account_id, true().label("is_held"), type_coerce(null(), Date).label("first_day"))
    shared = select(AccountShare.account_id, false().label("is_held"), AccountShare.first_day)
    rights = (
        held.where(AccountHolder.member_id == principal.id)
        .union_all(shared.where(*_is_valid_for(principal)))
        .subquery("rights")
    )
    query = (
        select(MonetaryAccount, rights.c.is_held, rights.c.first_day)
        .join(rights, rights.c.account_id == MonetaryAccount.id)
        .order_by(MonetaryAccount.monetary_account_id)
        .execution_options(populate_existing=True)
    )
    found: dict[int, VisibleAccount] = {}
    for row, is_held, first_day in db.session.execute(query):
        right = AccountRight(bool(is_held), first_day)
        also = (found[row.id].right,) if row.id in found else ()
        found[row.id] = VisibleAccount(row, _widest((right, *also)))
    return found


def visible_accounts(principal: Principal) -> Select[int]:
    """Return a statement for our ids of the accounts that the principal may see; the condition behind every list."""
    shared = select(AccountShare.account_id).where(*_is_valid_for(principal))
    return select(MonetaryAccount.id).where(
        or_(MonetaryAccount.id.in_(held_accounts(principal)), MonetaryAccount.id.in_(shared))
    )


def held_accounts(principal: Principal) -> Select[int]:
    """Return a statement for our ids of the accounts that the principal holds: may sync, share and give up."""
    return select(AccountHolder.account_id).where(AccountHolder.member_id == principal.id)


def is_visible_to(principal: Principal) -> ColumnElement[bool]:
    """The condition that the principal may see a connection: one of its accounts, or a consent of their own on it."""
    of_accounts = select(MonetaryAccount.connection_id).where(MonetaryAccount.id.in_(visible_accounts(principal)))
    return or_(Connection.id.in_(of_accounts), Connection.id.in_(_with_own_consent(principal)))


def can_manage(principal: Principal, connection_id: int) -> bool:
    """Tell whether the principal may sync, share, renew and end a connection, as far as their own rights on it go.

    They hold one of its accounts, or a consent of theirs works.
    """
    holds = select(MonetaryAccount.connection_id).where(MonetaryAccount.id.in_(held_accounts(principal)))
    query = select(literal(1)).where(
        or_(
            literal(connection_id).in_(holds),
            literal(connection_id).in_(_with_own_consent(principal)),
        )
    )
    return db.session.scalar(query) is not None


def check_can_manage(principal: Principal, connection_id: int) -> None:
    """Make sure of the same.

    :raises NotFoundHere: the principal may not.
    """
    if not can_manage(principal, connection_id):
        raise NotFoundHere


def check_holds(principal: Principal, account_ids: Iterable[int]) -> None:
    """Make sure that the principal holds all of some accounts.

    :raises NotFoundHere: they do not.
    """
    wanted = set(account_ids)
    query = held_accounts(principal).where(AccountHolder.account_id.in_(wanted))
    if set(db.session.scalars(query)) != wanted:
        raise NotFoundHere


def _with_own_consent(principal: Principal) -> Select[int]:
    is_active = Consent.state == ConsentGrantState.ACTIVE
    return select(Consent.connection_id).where(Consent.member_id == principal.id, is_active)


def _is_valid_for(principal: Principal) -> list[ColumnElement[bool]]:
    """The conditions that a share lets the principal read now."""
    names_them = or_(AccountShare.member_id == principal.id, AccountShare.member_id.is_(None))
    return [names_them, or_(AccountShare.until.is_(None), AccountShare.until > clock.now())]


def _widest(rights: Iterable[AccountRight]) -> AccountRight:
    """Return what several rights on one account allow together: the earliest first day counts, none is earlier."""
    known = list(rights)
    is_held = any(each.is_held for each in known)
    days = [each.first_day for each in known if each.first_day is not None]
    return AccountRight(is_held, min(days) if len(days) == len(known) else None)
