"""What a team member holds, and what of it nobody else does, by the names that people know."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.models import Connection, MonetaryAccount
from bunqflask.services.connections import rights


def held(member_id: int) -> list[str]:
    """Return the names of the accounts that a member holds."""
    return _names(rights.held_by(member_id))


def held_alone(member_id: int) -> list[str]:
    """Return the names of the accounts that a member holds and nobody else does."""
    return _names(rights.held_alone(member_id))


def _names(account_ids: Collection[int]) -> list[str]:
    """Return the names of accounts, each with that of the bunq user to whom it belongs."""
    query = select(Connection.display_name, MonetaryAccount.description).join(
        MonetaryAccount, MonetaryAccount.connection_id == Connection.id
    )
    found = db.session.execute(query.where(MonetaryAccount.id.in_(account_ids)).order_by(MonetaryAccount.id))
    return [f"{row.description} of {row.display_name}" for row in found]
