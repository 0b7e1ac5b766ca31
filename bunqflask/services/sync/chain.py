"""The order in which payments booked together were booked, by their balances. Pure: no database, no clock.

bunq numbers payments booked together in any order. Each payment leads from one balance to another, so a group of them
is right in any order in which each goes on from the balance that the one before it has left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple


class Step(NamedTuple):
    """A payment as far as balances go; `balance` is the one after it."""

    amount: Decimal
    balance: Decimal | None


def end_of(steps: Sequence[Step], start: Decimal) -> Decimal | None:
    """Return the balance after all steps in some order that begins at a balance; None where there is no such order.

    That is a trail through all edges of a graph whose nodes are balances (Hierholzer, 1873): it exists when all edges
    hang together and every node but the first and the last is left as often as it is reached.
    """
    edges = [(each.balance - each.amount, each.balance) for each in steps if each.balance is not None]
    if len(edges) != len(steps):
        return None
    surplus = Counter(reached for _left, reached in edges)
    surplus.subtract(left for left, _reached in edges)
    surplus[start] += 1
    ends = [balance for balance, count in surplus.items() if count]
    if len(ends) != 1 or surplus[ends[0]] != 1 or not _hang_together(edges, start):
        return None
    return ends[0]


def _hang_together(edges: Iterable[tuple[Decimal, Decimal]], start: Decimal) -> bool:
    neighbours: dict[Decimal, set[Decimal]] = {start: set()}
    for left, reached in edges:
        neighbours.setdefault(left, set()).add(reached)
        neighbours.setdefault(reached, set()).add(left)
    seen, waiting = {start}, [start]
    while waiting:
        new = neighbours[waiting.pop()] - seen
        seen |= new
        waiting += new
    return len(seen) == len(neighbours)
