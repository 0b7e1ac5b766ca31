"""The sandbox's own clock: real time plus an offset that a test or a person may move forward."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

FORMAT = "%Y-%m-%d %H:%M:%S.%f"

# How far ahead of real time the clock may run: dates end at the year 9999, and what is due later must still fit.
FARTHEST_S = 100 * 365 * 86400


class Clock:
    """Tells the time in aware UTC; moves forward only."""

    def __init__(self, offset_s: float = 0.0) -> None:
        self.offset_s = offset_s

    def now(self) -> datetime:
        """Return the sandbox's current time."""
        return datetime.now(UTC) + timedelta(seconds=self.offset_s)

    def timestamp(self) -> float:
        """Return the current time in seconds since 1970."""
        return time.time() + self.offset_s

    def advance(self, seconds: float) -> None:
        """Move the clock forward.

        :raises ValueError: `seconds` is negative (sessions and ids never run backwards), or no date lies so far ahead.
        """
        if seconds < 0:
            raise ValueError("the clock only moves forward")
        # Written so that NaN, which compares false with everything, is refused too.
        if not seconds <= FARTHEST_S - self.offset_s:
            raise ValueError("the clock moves at most 100 years ahead of real time; reset the sandbox to start again")
        self.offset_s += seconds


def bunq_time(instant: datetime) -> str:
    """Write a time as bunq does: UTC, six digits, no zone.

    https://doc.bunq.com/basics/pagination
    """
    return instant.astimezone(UTC).strftime(FORMAT)


def parse_bunq_time(text: str) -> datetime:
    """Read bunq's timestamp, or ISO 8601 with or without a zone, as aware UTC.

    :raises ValueError: not a timestamp.
    """
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
