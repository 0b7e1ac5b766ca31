"""Whether the balance of an account has fallen below the limit that a member chose: noticed once, until it is above."""

from __future__ import annotations

from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.models import NoticeSettings
from bunqflask.services import policy
from bunqflask.services.principal import Principal


def newly_below(person: Principal) -> list[int]:
    """Return our ids of the accounts that have come below the limit since the last time, in the caller's transaction.

    The limit counts in the currency of each account that the member sees.
    """
    query = select(NoticeSettings).where(NoticeSettings.member_id == person.id).with_for_update()
    row = db.session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if row is None or row.low_balance is None:
        return []
    limit = row.low_balance
    seen = policy.accounts_seen_by(person).values()
    below = sorted(each.row.id for each in seen if each.row.balance is not None and each.row.balance < limit)
    newly = [each for each in below if each not in row.below]
    if tuple(below) != row.below:
        row.below = tuple(below)
    return newly
