"""Calendar files of whole days, for any calendar program: downloaded once, or subscribed to.

https://www.rfc-editor.org/rfc/rfc5545, https://www.rfc-editor.org/rfc/rfc7986
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from bunqflask import invisible

# Imported where it is used: few processes write calendars, and each would hold 3 MB for it.
if TYPE_CHECKING:
    from icalendar import Alarm, Event

MEDIA_TYPE = "text/calendar"
_PRODUCT = "-//bunqflask//EN"
_READ_AGAIN_AFTER = timedelta(hours=12)


@dataclass(frozen=True, kw_only=True)
class CalendarDay:
    """Something to remember on a day.

    `uid` stays the same for as long as it is the same thing, so that a program which reads the file again moves the
    entry and adds none. `changed_at` (UTC) is when its day or text was decided. `alarm_before` is how long before the
    day's beginning a program warns; None: not at all.
    """

    uid: str
    day: date
    title: str
    text: str
    changed_at: datetime
    url: str | None = None
    alarm_before: timedelta | None = None


def write(days: Iterable[CalendarDay], *, name: str) -> bytes:
    """Return a calendar file with these days; `name` is what a program calls the calendar."""
    from icalendar import Calendar, vDuration

    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("name", _text(name))
    # What programs read that do not know RFC 7986 yet.
    calendar.add("x-wr-calname", _text(name))
    again = vDuration(_READ_AGAIN_AFTER)
    # The library leaves out the type, which RFC 7986 demands.
    again.params["VALUE"] = "DURATION"
    calendar.add("refresh-interval", again, encode=False)
    for each in days:
        calendar.add_component(_event(each))
    written: bytes = calendar.to_ical()
    return written


def _event(shown: CalendarDay) -> Event:
    from icalendar import Event

    event = Event()
    event.add("uid", shown.uid)
    event.add("dtstamp", shown.changed_at)
    event.add("dtstart", shown.day)
    event.add("dtend", shown.day + timedelta(days=1))
    event.add("summary", _text(shown.title))
    event.add("description", _text(shown.text))
    # A reminder keeps nobody busy.
    event.add("transp", "TRANSPARENT")
    if shown.url is not None:
        event.add("url", shown.url)
    if shown.alarm_before is not None:
        event.add_component(_alarm(shown.title, shown.alarm_before))
    return event


def _alarm(title: str, before: timedelta) -> Alarm:
    from icalendar import Alarm

    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", _text(title))
    alarm.add("trigger", -before)
    return alarm


def _text(text: str) -> str:
    return "\n".join(invisible.remove(line) for line in text.splitlines())
