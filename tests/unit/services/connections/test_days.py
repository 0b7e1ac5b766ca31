"""How a time without updates is divided among local days: also those of 23 and of 25 hours."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from bunqflask.services.connections.days import Day, split
from bunqflask.web.connections.condition_presenters import duration, strip

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
HOUR = timedelta(hours=1)


def at(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def test_a_time_within_a_day_is_in_that_day() -> None:
    assert list(split(at(11, 12, 2), at(11, 12, 6, 40), AMSTERDAM)) == [(date(2026, 11, 12), timedelta(minutes=280))]


def test_a_time_over_midnight_is_in_both_days_of_this_site() -> None:
    found = list(split(at(6, 1, 20), at(6, 2, 1), AMSTERDAM))
    assert found == [(date(2026, 6, 1), 2 * HOUR), (date(2026, 6, 2), 3 * HOUR)]


def test_the_last_sunday_of_march_has_23_hours() -> None:
    found = dict(split(at(3, 28, 0), at(3, 31, 0), AMSTERDAM))
    assert found[date(2026, 3, 29)] == 23 * HOUR
    assert found[date(2026, 3, 30)] == 24 * HOUR
    assert sum(found.values(), timedelta(0)) == 72 * HOUR


def test_the_last_sunday_of_october_has_25_hours() -> None:
    found = dict(split(at(10, 24, 0), at(10, 27, 0), AMSTERDAM))
    assert found[date(2026, 10, 24)] == 22 * HOUR
    assert found[date(2026, 10, 25)] == 25 * HOUR
    assert sum(found.values(), timedelta(0)) == 72 * HOUR
    # The hour that comes twice is two hours.
    assert dict(split(at(10, 25, 0), at(10, 25, 2), AMSTERDAM)) == {date(2026, 10, 25): 2 * HOUR}


def test_nothing_lasts_for_no_time() -> None:
    assert list(split(at(6, 1, 5), at(6, 1, 5), AMSTERDAM)) == []


def test_a_length_is_said_in_hours_and_minutes() -> None:
    said = [duration(timedelta(minutes=each)) for each in (0, 4, 60, 61, 280)]
    assert said == ["1 min", "4 min", "1 hour", "1 hour 1 min", "4 hours 40 min"]


def test_the_strip_says_the_same_in_words() -> None:
    gaps = [None, timedelta(0), timedelta(minutes=14), timedelta(minutes=20), timedelta(hours=3)]
    drawn = strip([Day(date(2026, 11, number + 1), gap) for number, gap in enumerate(gaps)])
    assert [each.kind for each in drawn.bars] == ["s-none", "s-ok", "s-ok", "s-late", "s-bad"]
    assert drawn.summary == "2 up to date · 1 late · 1 without update · 1 not known"
    assert drawn.label.startswith("Last 5 days: 2 up to date")
    assert "20 min without a complete update" in drawn.label
    assert "3 hours without a complete update" in drawn.label
    assert drawn.width == 50
