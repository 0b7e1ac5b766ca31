"""The time, aware and in UTC; one function, so that a test can move it.

A clock may be wrong by hours, and be set right. What was noted by it then lies in the past, where nothing waits for
it, or ahead of all that can be: so whoever asks whether a moment has come asks also whether it `is_ahead`.
"""

from datetime import UTC, datetime, timedelta

# Hosts that share a database are nearer to each other than this.
SKEW = timedelta(minutes=5)


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def is_ahead(moment: datetime, by: timedelta = timedelta(0)) -> bool:
    """Tell whether a noted moment is further ahead than by this: then a clock that was wrong has noted it."""
    return moment > now() + by + SKEW


def is_over(moment: datetime | None, *, after: timedelta) -> bool:
    """Tell whether what was done at a moment is so long ago, or was never done, that it is to be done again."""
    return moment is None or moment < now() - after or is_ahead(moment)


def has_come(moment: datetime | None, *, longest: timedelta) -> bool:
    """Tell whether a moment has come until which something rests, and nothing rests for longer than `longest`."""
    return moment is None or moment <= now() or is_ahead(moment, longest)
