"""Calendar files, read back by a parser that only knows the standard's lines."""

from datetime import UTC, date, datetime, timedelta

from icalendar import Calendar

from bunqflask import calendar_files
from bunqflask.calendar_files import CalendarDay

CHANGED = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)


def a_day(**changes: object) -> CalendarDay:
    values: dict[str, object] = {
        "uid": "reminder-7@geld.example.org",
        "day": date(2026, 12, 31),
        "title": "Renew Bakkerij Ümit; B.V., Utrecht",
        "text": "Open the page.\nPress Renew.",
        "changed_at": CHANGED,
    }
    return CalendarDay(**values | changes)  # type: ignore[arg-type]


def unfolded(written: bytes) -> list[str]:
    """Return the content lines as RFC 5545 §3.1 puts them together again."""
    return written.decode().replace("\r\n ", "").split("\r\n")


def test_a_day_is_one_all_day_event_that_keeps_nobody_busy() -> None:
    written = calendar_files.write(
        [a_day(url="https://geld.example.org/c/7", alarm_before=timedelta(days=7))], name="bunq"
    )
    lines = unfolded(written)

    assert {
        "UID:reminder-7@geld.example.org",
        "DTSTAMP:20261101T123000Z",
        "DTSTART;VALUE=DATE:20261231",
        "DTEND;VALUE=DATE:20270101",
        "SUMMARY:Renew Bakkerij Ümit\\; B.V.\\, Utrecht",
        "DESCRIPTION:Open the page.\\nPress Renew.",
        "URL:https://geld.example.org/c/7",
        "TRANSP:TRANSPARENT",
        "TRIGGER:-P7D",
        "ACTION:DISPLAY",
    } <= set(lines)
    assert lines.count("BEGIN:VEVENT") == lines.count("END:VEVENT") == 1


def test_a_calendar_says_its_name_and_how_often_to_read_it_as_the_standard_demands() -> None:
    lines = unfolded(calendar_files.write([], name="Reminders"))
    assert {"NAME:Reminders", "X-WR-CALNAME:Reminders", "REFRESH-INTERVAL;VALUE=DURATION:PT12H"} <= set(lines)
    assert "METHOD:PUBLISH" in lines


def test_no_line_is_longer_than_75_bytes_and_none_carries_what_nobody_sees() -> None:
    long = "Ⓑ" * 80 + "\x07\u202e"
    written = calendar_files.write([a_day(title=long, text=long)], name=long)
    assert all(len(line) <= 75 for line in written.split(b"\r\n"))
    assert b"\x07" not in written
    [event] = Calendar.from_ical(written).walk("VEVENT")
    assert event["SUMMARY"] == "Ⓑ" * 80
