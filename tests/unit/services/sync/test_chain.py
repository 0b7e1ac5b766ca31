"""The order of payments of one moment, by their balances alone."""

import itertools
import random
from decimal import Decimal

import pytest

from bunqflask.services.sync.chain import Step, end_of


def steps(*found: tuple[int, int | None]) -> list[Step]:
    return [Step(Decimal(amount), None if balance is None else Decimal(balance)) for amount, balance in found]


@pytest.mark.parametrize(
    ("found", "start", "end"),
    [
        (steps((10, 10)), 0, 10),
        (steps((10, 11)), 0, None),
        (steps((15, 30), (5, 15)), 10, 30),
        (steps((15, 30), (5, 16)), 10, None),
        (steps((-5, 5), (5, 10), (-5, 5)), 10, 5),
        (steps((-5, 5), (5, 10)), 10, 10),
        (steps((0, 10)), 10, 10),
        (steps((1, 11), (1, 101), (-1, 100)), 10, None),
        (steps((1, None)), 10, None),
    ],
)
def test_an_order_in_which_the_balances_follow_is_found(found: list[Step], start: int, end: int | None) -> None:
    expected = None if end is None else Decimal(end)
    assert {end_of(each, Decimal(start)) for each in itertools.permutations(found)} == {expected}


def test_it_finds_one_exactly_where_trying_all_of_them_does() -> None:
    rng = random.Random(7)
    for _ in range(2000):
        found = steps(*((rng.choice((-2, -1, 1, 2)), rng.randint(0, 4)) for _ in range(rng.randint(1, 5))))
        start = Decimal(rng.randint(0, 4))
        ends = {end_in_order(start, order) for order in itertools.permutations(found)} - {None}
        assert end_of(found, start) == next(iter(ends), None)
        assert len(ends) <= 1


def end_in_order(balance: Decimal, order: tuple[Step, ...]) -> Decimal | None:
    for each in order:
        balance += each.amount
        if balance != each.balance:
            return None
    return balance
