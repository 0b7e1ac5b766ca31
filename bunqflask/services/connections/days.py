"""The days of a connection: for how long at a time it was not up to date on each, for the strip of 30 days.

Days are those of this site's time zone, so one has 23 to 25 hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from sqlalchemy import delete, select

from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db
from bunqflask.models import Connection, ConnectionDay
from bunqflask.services.connections.standing import Standing

SHOWN_DAYS = 30
# How exactly it is recorded up to when a connection was up to date.
_RECORDED_EVERY = timedelta(minutes=5)
# A restart, or an error that the next try has mended, is no time without updates.
TOLERATED = timedelta(minutes=15)
_A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Day:
    """A day and the longest time on it without a complete update; None where nothing is known about it."""

    day: date
    longest_gap: timedelta | None


def start_of(day: date, zone: tzinfo) -> datetime:
    """Return the time at which a local day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def split(start: datetime, end: datetime, zone: tzinfo) -> Iterator[tuple[date, timedelta]]:
    """Yield each local day that a time without updates touches, and how much of that time is in it."""
    day = start.astimezone(zone).date()
    while start < end:
        next_day = start_of(day + _A_DAY, zone)
        yield day, min(end, next_day) - start
        day, start = day + _A_DAY, next_day


def is_due(connection: Connection, standing: Standing, now: datetime) -> bool:
    """Tell whether it is to be recorded that a connection is up to date."""
    known = connection.current_until
    return standing.is_current and (known is None or not now - _RECORDED_EVERY < known <= now)


def record(connection: Connection, now: datetime, zone: tzinfo) -> None:
    """Record that a connection is up to date now, and a time before in which it was not, within the caller's unit.

    The caller has locked the connection.
    """
    since, gaps = connection.current_until, {now.astimezone(zone).date(): timedelta(0)}
    if since is not None and since < now - TOLERATED:
        oldest = max(since, now - 2 * SHOWN_DAYS * _A_DAY)
        gaps |= dict(split(oldest, now, zone))
    for day, gap in gaps.items():
        added = insert_into(ConnectionDay).values(
            connection_id=connection.id, day=day, longest_gap_s=int(gap.total_seconds())
        )
        longer = {"longest_gap_s": added.excluded.longest_gap_s}
        is_longer = ConnectionDay.longest_gap_s < added.excluded.longest_gap_s
        db.session.execute(
            added.on_conflict_do_update(index_elements=["connection_id", "day"], set_=longer, where=is_longer)
        )
    connection.current_until = now
    old = now.astimezone(zone).date() - 2 * SHOWN_DAYS * _A_DAY
    db.session.execute(
        delete(ConnectionDay).where(ConnectionDay.connection_id == connection.id, ConnectionDay.day < old)
    )


def strip(connection_id: int, current_until: datetime | None, now: datetime, zone: tzinfo) -> list[Day]:
    """Return the last 30 days, the oldest first; a time without updates that goes on counts too.

    :param current_until: up to when the connection is known to have been up to date.
    """
    today = now.astimezone(zone).date()
    first = today - (SHOWN_DAYS - 1) * _A_DAY
    query = select(ConnectionDay.day, ConnectionDay.longest_gap_s).where(
        ConnectionDay.connection_id == connection_id, ConnectionDay.day >= first
    )
    gaps = {row.day: timedelta(seconds=row.longest_gap_s) for row in db.session.execute(query)}
    if current_until is not None and current_until < now - TOLERATED:
        for day, gap in split(max(current_until, start_of(first, zone)), now, zone):
            gaps[day] = max(gap, gaps.get(day, timedelta(0)))
    return [Day(day, gaps.get(day)) for day in (first + number * _A_DAY for number in range(SHOWN_DAYS))]
