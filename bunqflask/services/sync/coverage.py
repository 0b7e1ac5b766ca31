"""Which parts of a history are here without a gap, and what a page of it adds to them. Pure: no database, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bunqflask.bunq.payment import PaymentPage


@dataclass
class Stretch:
    """A part of history that is here without a gap, from the newest to the oldest payment id."""

    newest: int
    oldest: int
    reaches_end: bool

    def as_json(self) -> list[int | bool]:
        return [self.newest, self.oldest, self.reaches_end]


def merge(stretches: Iterable[Stretch], page: PaymentPage, *, below: int | None) -> list[Stretch]:
    """Add a page to the known stretches: a new one on top, or the top one going on below an id."""
    known = [Stretch(each.newest, each.oldest, each.reaches_end) for each in stretches]
    ids = [payment.payment_id for payment in page.payments]
    # How far a page of other things than payments goes is told by its paging alone.
    reached = ids or ([] if page.older_id is None else [page.older_id])
    at_end = page.older_id is None
    if below is None:
        known = [each for each in known if each.newest >= each.oldest]
        # Without a payment yet its newest is 0: what comes later may have any id above.
        known.insert(0, Stretch(max(ids, default=0), min(reached, default=0), at_end))
    else:
        top = known[0]
        if top.newest < top.oldest:
            top.newest = max(ids, default=0)
        brings_older = any(each < below for each in reached)
        top.oldest = min([top.oldest, *reached])
        top.reaches_end = top.reaches_end or at_end or not (brings_older or page.is_paged)
    return _joined(known)


def _joined(known: list[Stretch]) -> list[Stretch]:
    """Join the top stretch with those it has reached or passed."""
    top, rest = known[0], known[1:]
    while rest and (top.oldest <= rest[0].newest or top.reaches_end):
        top.oldest = min(top.oldest, rest[0].oldest)
        top.newest = max(top.newest, rest[0].newest)
        top.reaches_end = top.reaches_end or rest[0].reaches_end
        rest.pop(0)
    return [top, *rest]
