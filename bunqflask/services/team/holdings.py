"""What a team member holds, and what of it nobody else does, as far as the person who asks may know it."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.i18n import ngettext
from bunqflask.models import Connection, MonetaryAccount
from bunqflask.services import policy
from bunqflask.services.connections import rights
from bunqflask.services.principal import Operator, Principal


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
