"""From events to what the page shows: days with sentences, and the filters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from markupsafe import Markup

from bunqflask import clock
from bunqflask.devices import device
from bunqflask.i18n import gettext as _
from bunqflask.services.audit import reading
from bunqflask.services.audit.reading import TrailEvent
from bunqflask.services.principal import Principal
from bunqflask.web.audit import sentences
from bunqflask.web.payments.presenters import day_title
from bunqflask.web.ui import formatting


@dataclass(frozen=True, kw_only=True)
class EventView:
    """One event: who did what, when and from where."""

    id: int
    initials: str
    who: str
    what: Markup
    at: datetime
    place: str


@dataclass(frozen=True, kw_only=True)
class DayOfEvents:
    """The events of one day, newest first; `is_continued` when the page before ended in this day."""

    id: str
    title: str
    day: str
    is_continued: bool
    events: list[EventView]


def days(principal: Principal, events: list[TrailEvent], *, after_day: str = "") -> list[DayOfEvents]:
    """Return the days of some events, in the time zone of this site.

    :param after_day: the day in which the page before ended, such as 2026-01-31.
    """
    today = _day(clock.now())
    return [
        DayOfEvents(
            id=f"events-{day}",
            title=day_title(day, today),
            day=str(day),
            is_continued=after_day == str(day),
            events=[view(principal, event) for event in each],
        )
        for day, each in groupby(events, key=lambda event: _day(event.at))
    ]


def newest(principal: Principal, count: int) -> list[EventView]:
    """Return the newest events that the principal may know of."""
    return [view(principal, event) for event in reading.page_for(principal, reading.Wanted(), size=count).events]


def view(principal: Principal, event: TrailEvent) -> EventView:
    """Return one event as the principal reads it."""
    who = name_of(event.actor)
    if event.actor_id == principal.id:
        who = _("You")
    elif event.actor_id is None:
        who = _("%(user)s on the command line") % {"user": who} if who else _unknown(event)
    return EventView(
        id=event.id,
        initials=formatting.initials(name_of(event.actor))[:2] or "?",
        who=who,
        what=sentences.what(event),
        at=event.at,
        place=" · ".join(part for part in (device(event.browser) if event.browser else "", event.address) if part),
    )


def name_of(actor: str) -> str:
    """Return the name of a member without their email."""
    name, _bracket, _email = actor.rpartition(" <")
    return name or actor


def _unknown(event: TrailEvent) -> str:
    return _("This server") if event.is_by_server else _("Somebody not logged in")


def _day(moment: datetime) -> date:
    return moment.astimezone(formatting.zone()).date()
