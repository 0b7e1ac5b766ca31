"""Spans of time as sets of moments: what is joined, chosen and taken out loses no moment and gains none."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bunqflask.services.payments import time_ranges
from bunqflask.services.payments.time_ranges import Span

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at(number: int) -> datetime:
    return NOON + timedelta(hours=number)


def hours(found: Iterable[Span]) -> list[int]:
    return [number for since, before in found for number in range(-50, 50) if since <= at(number) < before]


SPANS = st.lists(
    st.tuples(st.integers(-40, 40), st.integers(1, 9)).map(lambda each: (at(each[0]), at(sum(each)))), max_size=8
)


@given(SPANS)
def test_joined_spans_are_the_same_time_once(some: list[Span]) -> None:
    found = time_ranges.joined(some)
    assert hours(found) == sorted(set(hours(some)))
    assert all(before < since for (_since, before), (since, _before) in pairwise(found))


@given(SPANS, SPANS)
def test_chosen_parts_lie_within_and_what_is_left_is_the_rest(some: list[Span], others: list[Span]) -> None:
    whole = time_ranges.joined(some)
    parts = time_ranges.chosen(whole, others)
    assert set(parts) <= set(others)
    assert set(hours(parts)) <= set(hours(whole))
    rest = time_ranges.without(whole, parts)
    assert sorted(hours(parts) + hours(rest)) == hours(whole)


@given(SPANS)
def test_parts_that_are_apart_are_all_chosen(some: list[Span]) -> None:
    whole = time_ranges.joined(some)
    assert time_ranges.chosen([(time_ranges.EVER, time_ranges.NEVER)], whole) == whole
    assert time_ranges.without(whole, whole) == []


def test_spans_are_shared_by_those_who_have_them() -> None:
    one, other = (at(0), at(1)), (at(3), at(5))
    assert time_ranges.shared({1: [one, other], 2: [other], 3: []}) == {one: [1], other: [1, 2]}
