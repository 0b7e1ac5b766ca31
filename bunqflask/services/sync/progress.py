"""How far a backfill is: of about how many payments, as bunq gives no number, and when it goes on."""

from __future__ import annotations

import math
from datetime import timedelta

from sqlalchemy import func, select

from bunqflask.bunq import resources
from bunqflask.bunq.limits import PAYMENTS
from bunqflask.extensions import db
from bunqflask.models import AccountSync, CoveredRange, MonetaryAccount, Payment
from bunqflask.models.payments import row_id
from bunqflask.services.gateway import rate_limiter

# From payments of less time than this nothing can be estimated.
_ENOUGH = timedelta(hours=1)


def expected_total(account_id: int, state: AccountSync) -> int | None:
    """Return about how many payments an account has: as many a day since it was opened as in what is imported.

    In two figures, as it is a guess. None once the history has been imported to its beginning, or without anything to
    go by.
    """
    top = state.covered[0] if state.covered else CoveredRange(0, 0, False)
    raw = db.session.scalar(select(MonetaryAccount.raw).where(MonetaryAccount.id == account_id))
    opened_at = resources.read_time((raw or {}).get("created"))
    if top.reaches_end or opened_at is None:
        return None
    query = select(func.count(), func.min(Payment.created_at), func.max(Payment.created_at)).where(
        Payment.account_id == account_id,
        Payment.id.between(row_id(top.oldest, account_id), row_id(top.newest, account_id)),
    )
    count, since, until = db.session.execute(query).one()
    if not count or until - since < _ENOUGH or since <= opened_at:
        return None
    guess = round(count * (1 + (since - opened_at) / (until - since)))
    digits = len(str(guess)) - 2
    return max(round(guess, -digits) if digits > 0 else guess, count)


def next_call_in_s() -> int:
    """Return in how many seconds bunq allows the next page of payments, of whatever account."""
    return math.ceil(rate_limiter.next_call_in_s(PAYMENTS))
