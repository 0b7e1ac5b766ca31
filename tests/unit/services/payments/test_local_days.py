"""Days and months of the site's zone: every timestamp belongs to exactly one of each, also when clocks change."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from bunqflask.services.payments import local_days
from bunqflask.services.payments.local_days import FIRST_DAY, LAST_DAY

ZONES = ("Europe/Amsterdam", "America/St_Johns", "Asia/Kathmandu", "America/Havana", "Pacific/Apia")
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture(autouse=True, params=ZONES)
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """An app whose days are those of a zone: Havana's clocks change at midnight, Apia once left a day out."""
    app = Flask(__name__)
    app.config["TIME_ZONE"] = ZoneInfo(request.param)
    with app.app_context():
        yield request.param


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_timestamp_is_in_its_day_and_in_no_other(at: datetime) -> None:
    day = local_days.day_of(at)
    assert FIRST_DAY <= day <= LAST_DAY
    assert local_days.start_of(day) <= at <= local_days.end_of(day)
    if local_days.end_of(day) != datetime.max.replace(tzinfo=UTC):
        assert at < local_days.end_of(day)


@given(st.dates(date(1970, 1, 1), date(2199, 12, 31)))
def test_a_day_begins_where_the_one_before_it_ends(day: date) -> None:
    begins = local_days.start_of(day)
    assert begins == local_days.end_of(day - timedelta(days=1))
    if begins < local_days.end_of(day):
        assert local_days.day_of(begins) == day
        assert local_days.day_of(begins - MICROSECOND) < day


@given(st.dates(FIRST_DAY, LAST_DAY), st.integers(0, 2_000))
def test_months_and_days_follow_one_another(first: date, length: int) -> None:
    last = min(first + timedelta(days=length), LAST_DAY)
    days = list(local_days.days(first, last))
    assert (days[0], days[-1]) == (first, last)
    assert all(after - before == timedelta(days=1) for before, after in pairwise(days))
    assert list(local_days.months(first, last)) == sorted({day.replace(day=1) for day in days})
    for day in days:
        assert local_days.month_of(day) <= day <= local_days.last_of_month(local_days.month_of(day))


def test_days_when_clocks_change_have_23_and_25_hours(zone: str) -> None:
    if zone == "Europe/Amsterdam":
        for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 11, 22), 24)):
            assert local_days.end_of(day) - local_days.start_of(day) == timedelta(hours=hours)


def test_all_before_and_after_the_days_that_are_counted_is_one_day_each() -> None:
    assert local_days.day_of(datetime(1, 1, 1, tzinfo=UTC)) == FIRST_DAY
    assert local_days.day_of(datetime(9999, 12, 31, 23, tzinfo=UTC)) == LAST_DAY
    assert local_days.start_of(FIRST_DAY) == datetime.min.replace(tzinfo=UTC)
    assert local_days.end_of(LAST_DAY) == datetime.max.replace(tzinfo=UTC)
    assert list(local_days.days(date(2200, 1, 1), date(2200, 1, 31))) == [LAST_DAY]
