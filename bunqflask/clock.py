"""The time, aware and in UTC; one function, so that a test can move it.

A server's clock may be wrong by hours, and be corrected later. Times that it stored then lie in the past, where nothing
waits for them, or too far in the future: code that asks whether a time has come asks also whether it `is_ahead`.
"""

from datetime import UTC, datetime, timedelta

# Hosts that share a database differ by less than this.
SKEW = timedelta(minutes=5)


def now() -> datetime:
    """Return the present time, aware, in UTC."""
    return datetime.now(UTC)


def is_ahead(time: datetime, by: timedelta = timedelta(0)) -> bool:
    """Tell whether a stored time is further in the future than by this: then a wrong clock has stored it."""
    return time > now() + by + SKEW


def is_over(time: datetime | None, *, after: timedelta) -> bool:
    """Tell whether something was done so long ago, or never, that it is to be done again."""
    return time is None or time < now() - after or is_ahead(time)


def has_come(time: datetime | None, *, longest: timedelta) -> bool:
    """Tell whether a time has come until which something waits; nothing waits for longer than `longest`."""
    return time is None or time <= now() or is_ahead(time, longest)
