"""Days and months of this site's time zone, and the timestamps at which they begin.

Payments with impossible timestamps exist: all before `FIRST_DAY` count as one day, and all from `LAST_DAY` on. So every
timestamp belongs to exactly one day, and the days of a history can be counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import current_app

FIRST_DAY, LAST_DAY = date(1969, 12, 31), date(2200, 1, 1)
_EVER, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
A_DAY = timedelta(days=1)


def zone() -> ZoneInfo:
    """Return the time zone of this site."""
    chosen: ZoneInfo = current_app.config["TIME_ZONE"]
    return chosen


def day_of(timestamp: datetime) -> date:
    """Return the local day of a timestamp, between `FIRST_DAY` and `LAST_DAY`."""
    if timestamp.year <= FIRST_DAY.year - 1 or timestamp.year >= LAST_DAY.year + 1:
        return FIRST_DAY if timestamp.year < FIRST_DAY.year else LAST_DAY
    return min(max(timestamp.astimezone(zone()).date(), FIRST_DAY), LAST_DAY)


def start_of(day: date) -> datetime:
    """Return the timestamp at which a local day begins."""
    if day <= FIRST_DAY:
        return _EVER
    return datetime(day.year, day.month, day.day, tzinfo=zone()).astimezone(UTC)


def end_of(day: date) -> datetime:
    """Return the timestamp at which a local day ends and the next one begins, 23 to 25 hours after its beginning."""
    return _NEVER if day >= LAST_DAY else start_of(day + A_DAY)


def month_of(day: date) -> date:
    """Return the first day of the month of a day."""
    return day.replace(day=1)


def year_of(day: date) -> date:
    """Return the first day of the year of a day."""
    return day.replace(month=1, day=1)


def last_of_year(year: date) -> date:
    """Return the last day of a year."""
    return year.replace(month=12, day=31)


def last_of_month(month: date) -> date:
    """Return the last day of a month."""
    return (month + timedelta(days=31)).replace(day=1) - A_DAY


def days(first: date, last: date) -> Iterator[date]:
    """Yield all days from one to another, both among them, as far as days are counted."""
    day, last = max(first, FIRST_DAY), min(last, LAST_DAY)
    while day <= last:
        yield day
        day += A_DAY


def months(first: date, last: date) -> Iterator[date]:
    """Yield the first day of each month from that of one day to that of another."""
    month = month_of(first)
    while month <= last:
        yield month
        month = last_of_month(month) + A_DAY
