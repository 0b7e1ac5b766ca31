"""When the payments of a generated history happen: its time range, and the timestamps in it.

The rules are those of history.py.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from bunqflask.sandbox.bank import accounts
from bunqflask.sandbox.bank.clock import bunq_time, parse_bunq_time
from bunqflask.sandbox.bank.store import Item, Store

PER_DAY = 4
# bunq has had customers since the end of 2015.
EARLIEST = datetime(2016, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
HOUR_US = 3_600_000_000
MORNING_US, NIGHT_US, MIDNIGHT_US = 6 * HOUR_US, 23 * HOUR_US, 24 * HOUR_US


def spans(store: Store, wanted: Sequence[tuple[Item, int]]) -> list[tuple[datetime, datetime]]:
    """Return the time range of a history of so many payments for each account; customers begin earlier if need be."""
    now = store.clock.now()
    end = now.replace(minute=0, second=0, microsecond=0)
    lengths = [timedelta(days=math.ceil(payments / PER_DAY)) for _account, payments in wanted]
    starts = [max(EARLIEST, end - each) for each in lengths]
    owners = [account.owner or 0 for account, _payments in wanted]
    newest = _newest(store, owners)
    if not _is_untouched(store):
        starts = [max(newest, start) for start in starts]
        end = end if end - newest > timedelta(hours=1) else now
    elif newest > min(starts):
        _move_back(store, owners, min(starts))
    else:
        pairs = zip(starts, lengths, strict=True)
        starts = [newest if end - newest < each * PER_DAY else start for start, each in pairs]
    return [(start + MICROSECOND, end) for start in starts]


def _newest(store: Store, owners: list[int]) -> datetime:
    """Return the time of the latest payment of the bank, or of the latest opening of an account of these users."""
    times = [account.created for owner in owners for account in accounts.of_user(store, owner)]
    paid = store.db.execute("SELECT MAX(created) FROM ledger_entry").fetchone()[0]
    return parse_bunq_time(max([*times, *([paid] if paid else [])]))


def _is_untouched(store: Store) -> bool:
    """Tell whether all accounts of the bank hold nothing but what they were opened with."""
    later = (
        "SELECT 1 FROM ledger_entry JOIN item ON item.id = ledger_entry.account"
        " WHERE ledger_entry.created <> item.created LIMIT 1"
    )
    return store.db.execute(later).fetchone() is None


def _move_back(store: Store, owners: list[int], start: datetime) -> None:
    """Let these users begin before `start`, and where their payments are not alone, all users by as much."""
    paid = store.db.execute("SELECT MAX(created) FROM ledger_entry").fetchone()[0]
    if paid and (late := parse_bunq_time(paid) - start) > timedelta(0):
        by = timedelta(days=math.ceil(late / DAY))
        for user in store.select("user"):
            _begin_earlier(store, user.id, by)
        for (each,) in store.db.execute("SELECT DISTINCT created FROM ledger_entry").fetchall():
            store.db.execute("UPDATE ledger_entry SET created = ? WHERE created = ?", (_earlier(each, by), each))
    for owner in owners:
        opened = max((account.created for account in accounts.of_user(store, owner)), default="")
        if opened and (late := parse_bunq_time(opened) - start) > timedelta(0):
            _begin_earlier(store, owner, timedelta(days=math.ceil(late / DAY)))


def _earlier(text: str, by: timedelta) -> str:
    return bunq_time(parse_bunq_time(text) - by)


def _begin_earlier(store: Store, user_id: int, by: timedelta) -> None:
    """Let a user and his accounts begin earlier."""
    user = store.get("user", user_id)
    for item in [*accounts.of_user(store, user_id), *([user] if user else [])]:
        updated = _earlier(item.updated, by) if item.updated == item.created else item.updated
        store.db.execute(
            "UPDATE item SET created = ?, updated = ? WHERE id = ?", (_earlier(item.created, by), updated, item.id)
        )


def timestamps(rng: random.Random, count: int, start: datetime, end: datetime) -> Iterator[tuple[date, str]]:
    """Return `count` timestamps in order, each with its day; the number per day varies.

    :raises ValueError: there are fewer microseconds than payments.
    """
    windows = _windows(start, end, MORNING_US, NIGHT_US) or _windows(start, end, 0, MIDNIGHT_US)
    weights = [(high - low) * rng.uniform(0.5, 1.5) for _day, low, high in windows]
    total, so_far, done = sum(weights), 0.0, 0
    for index, (day, low, high) in enumerate(windows):
        so_far += weights[index]
        until = count if index == len(windows) - 1 else int(count * so_far / total)
        if until - done > high - low:
            raise ValueError("there is no time for so many payments since the last one")
        prefix = day.isoformat()
        for offset in sorted(rng.sample(range(low, high), until - done)):
            seconds, micros = divmod(offset, 1_000_000)
            minutes, seconds = divmod(seconds, 60)
            yield day, f"{prefix} {minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{micros:06d}"
        done = until
    if done < count:
        raise ValueError("there is no time for so many payments since the last one")


def _windows(start: datetime, end: datetime, from_us: int, until_us: int) -> list[tuple[date, int, int]]:
    """Return each day with the microseconds since midnight in which payments happen."""
    windows = []
    for number in range((end.date() - start.date()).days + 1):
        day = start.date() + number * DAY
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        low = max(from_us, (start - midnight) // MICROSECOND)
        high = min(until_us, (end - midnight) // MICROSECOND)
        if low < high:
            windows.append((day, low, high))
    return windows
