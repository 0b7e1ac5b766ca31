"""Which payments of an account a principal may see: all, or those from a local day on.

Payments before that day do not exist for them: in lists, totals, charts, exports, and when asked for by their address.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, literal, select

from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.payments import local_days, ranges
from bunqflask.services.payments.ranges import TimeRange


def since(account: AccountBalance) -> datetime:
    """Return the timestamp from which on payments of an account exist for the principal."""
    return local_days.start_of(account.first_day or local_days.FIRST_DAY)


def conditions(accounts: Iterable[AccountBalance], payment: Any) -> list[ColumnElement[bool]]:
    """Return what it takes that payments of some accounts may be seen; nothing where all of them may.

    :param payment: the model or an alias of it.
    """
    hidden = [
        TimeRange(each.id, each.first_day, local_days.start_of(local_days.FIRST_DAY), since(each))
        for each in accounts
        if each.first_day is not None
    ]
    if not hidden:
        return []
    before = ranges.of_times(hidden)
    is_hidden = (
        select(literal(1))
        .select_from(before.from_clause)
        .where(before["account_id"] == payment.account_id, payment.created_at < before["before"])
        .correlate_except(before.from_clause)
        .exists()
    )
    return [~is_hidden]
