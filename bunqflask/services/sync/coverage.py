"""Which ranges of a history are stored without a hole, and what a page of payments adds to them.

Pure: no database, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence

from bunqflask.bunq.payment import PaymentPage
from bunqflask.models.payments import LARGEST_PAYMENT_ID
from bunqflask.models.sync import CoveredRange


def merge(covered: Sequence[CoveredRange], page: PaymentPage, *, below: int | None) -> tuple[CoveredRange, ...]:
    """Add a page to the covered ranges: a new range on top, or the top one going on below an id."""
    ids = [payment.payment_id for payment in page.payments]
    # What cannot be stored is covered too: it is named as a gap. An id without bounds says nothing about neighbours.
    ids += [each for each in page.unreadable if 0 < each <= LARGEST_PAYMENT_ID]
    # How far a page without payments goes, only its paging says.
    reached = ids or ([] if page.older_id is None else [page.older_id])
    at_end = page.older_id is None
    if below is None:
        filled = [each for each in covered if each.newest >= each.oldest]
        # Without a payment yet its newest id is 0: what comes later may have any id above.
        top = CoveredRange(max(ids, default=0), min(reached, default=0), at_end)
        return _joined(top, filled)
    top, *rest = covered
    newest = max(ids, default=0) if top.newest < top.oldest else top.newest
    brings_older = any(each < below for each in reached)
    reaches_end = top.reaches_end or at_end or not (brings_older or page.is_paged)
    return _joined(CoveredRange(newest, min([top.oldest, *reached]), reaches_end), rest)


def contains(covered: Sequence[CoveredRange], payment_id: int) -> bool:
    """Tell whether a payment with this id belongs to a range that is covered."""
    return any(payment_id <= each.newest and (each.reaches_end or payment_id >= each.oldest) for each in covered)


def is_complete(covered: Sequence[CoveredRange]) -> bool:
    """Tell whether the newest range goes back to the first payment."""
    return bool(covered) and covered[0].reaches_end


def _joined(top: CoveredRange, rest: list[CoveredRange]) -> tuple[CoveredRange, ...]:
    """Join the top range with those that it has reached or passed."""
    while rest and (top.oldest <= rest[0].newest or top.reaches_end):
        following = rest.pop(0)
        top = CoveredRange(
            max(top.newest, following.newest),
            min(top.oldest, following.oldest),
            top.reaches_end or following.reaches_end,
        )
    return (top, *rest)
