"""What a team member holds, and what of it nobody else does, as far as the person who asks may know it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select

from bunqflask.extensions import db, table_of
from bunqflask.i18n import ngettext
from bunqflask.models import AccountHolder, AccountShare, Connection, MonetaryAccount, TeamMember, TeamRole
from bunqflask.services import account_rights, policy
from bunqflask.services.connections import rights
from bunqflask.services.principal import Operator, Principal


@dataclass(frozen=True)
class HeldAccount:
    """An account that a member holds, and the bunq user to whom it belongs."""

    id: int
    name: str
    holder_name: str
    iban: str | None


def list_held(principal: Principal) -> list[HeldAccount]:
    """Return the accounts that the principal holds, by bunq user."""
    query = (
        select(MonetaryAccount.id, MonetaryAccount.description, Connection.display_name, MonetaryAccount.iban)
        .join(Connection, Connection.id == MonetaryAccount.connection_id)
        .where(MonetaryAccount.id.in_(policy.held_accounts(principal)))
        .order_by(Connection.id, MonetaryAccount.monetary_account_id)
    )
    return [HeldAccount(*row) for row in db.session.execute(query)]


def count_seen() -> tuple[dict[int, int], int]:
    """Return how many accounts each team member may see now, and how many there are."""
    member = table_of(TeamMember).c
    held = select(AccountHolder.member_id, AccountHolder.account_id)
    is_read = account_rights.is_shared_with(member.id, is_guest=member.role == TeamRole.GUEST)
    shared = select(member.id, AccountShare.account_id).join_from(table_of(TeamMember), AccountShare, is_read)
    seen = held.union(shared).subquery()
    counts = select(seen.c.member_id, func.count().label("accounts")).group_by(seen.c.member_id)
    total = db.session.scalar(select(func.count()).select_from(MonetaryAccount)) or 0
    return {row.member_id: row.accounts for row in db.session.execute(counts)}, total


def held(principal: Principal, member_id: int) -> list[str]:
    """Return the names of the accounts that a member holds; those that the principal may not see are only counted."""
    return _names(principal, rights.held_by(member_id))


def held_alone(principal: Principal, member_id: int) -> list[str]:
    """Return the same of the accounts that a member holds and nobody else does."""
    return _names(principal, rights.held_alone(member_id))


def _names(principal: Principal, account_ids: Collection[int]) -> list[str]:
    """Return the names of accounts, each with that of the bunq user to whom it belongs."""
    query = (
        select(Connection.display_name, MonetaryAccount.description)
        .join(MonetaryAccount, MonetaryAccount.connection_id == Connection.id)
        .where(MonetaryAccount.id.in_(account_ids))
        .order_by(MonetaryAccount.id)
    )
    if not isinstance(principal, Operator):
        query = query.where(MonetaryAccount.id.in_(policy.visible_accounts(principal)))
    names = [f"{row.description} of {row.display_name}" for row in db.session.execute(query)]
    hidden = len(account_ids) - len(names)
    if hidden:
        text = ngettext("%(n)d account that you may not see", "%(n)d accounts that you may not see", hidden)
        names.append(text % {"n": hidden})
    return names
