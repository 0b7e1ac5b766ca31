"""Reminders to renew a permission: when its holders want them. bunq names no date at which a permission ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from urllib.parse import urlsplit

from flask import current_app
from sqlalchemy import select

from bunqflask import calendar_files, clock
from bunqflask.calendar_files import CalendarDay
from bunqflask.database.transactions import emit, transaction
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import Condition, Connection, EventKind, RenewalReminder
from bunqflask.services import policy
from bunqflask.services.connections.overview import ConnectionOverview
from bunqflask.services.connections.standing import Standing
from bunqflask.services.principal import Principal

LONGEST_DAYS = 730
# How many days before the day, and on it.
DAYS_BEFORE = (14, 7, 1, 0)
_ALARM_BEFORE = timedelta(days=7)


class ReminderRefused(Exception):
    """A reminder cannot be so; the text says why, for a person."""


def set_days(principal: Principal, connection_id: int, days: int | None) -> None:
    """Set after how many days the holders of a connection want to be reminded to renew it; None for never.

    :raises ReminderRefused: it is no such number.
    :raises NotFoundHere: the principal may not.
    """
    policy.check_can_manage(principal, connection_id)
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        raise ReminderRefused(_("Choose a number of days from 1 to %(count)s.") % {"count": LONGEST_DAYS})
    with transaction():
        connection = db.session.get_one(Connection, connection_id, populate_existing=True, with_for_update=True)
        connection.remind_after_days = days


def step(standing: Standing, today: date) -> int | None:
    """Return which reminder is due, by its number of days before the day; None for none."""
    if standing.reminder_day is None or standing.condition not in (Condition.WORKING, Condition.RENEW_SOON):
        return None
    left = (standing.reminder_day - today).days
    return min((each for each in DAYS_BEFORE if left <= each), default=None)


def ungiven(standings: Mapping[int, Standing], today: date) -> list[int]:
    """Return the connections, of those for which a reminder is due, to which it was not given yet."""
    if not standings:
        return []
    columns = (RenewalReminder.connection_id, RenewalReminder.day, RenewalReminder.days_before)
    query = select(*columns).where(RenewalReminder.connection_id.in_(standings))
    given = {tuple(row) for row in db.session.execute(query)}
    return [each for each, found in standings.items() if (each, found.reminder_day, step(found, today)) not in given]


def give(connection_id: int, standing: Standing, today: date) -> bool:
    """Emit the reminder that is due, unless it was given before; part of the caller's unit of work."""
    days_before = step(standing, today)
    if days_before is None or standing.reminder_day is None:
        return False
    values = {
        "connection_id": connection_id,
        "day": standing.reminder_day,
        "days_before": days_before,
        "given_at": clock.now(),
    }
    added = insert_into(RenewalReminder).values(**values).on_conflict_do_nothing()
    if db.session.execute(added.returning(RenewalReminder.day)).first() is None:
        return False
    left = max((standing.reminder_day - today).days, 0)
    emit(
        EventKind.RENEWAL_DUE,
        connection_id=connection_id,
        day=standing.reminder_day.isoformat(),
        days_left=left,
    )
    return True


def calendar(connections: Iterable[ConnectionOverview]) -> bytes:
    """Return a calendar file with the reminder of each connection that the reader can renew."""
    found = [(each, _day_of(each)) for each in connections]
    return calendar_files.write((_entry(each, day) for each, day in found if day is not None), name=_("Renew bunq"))


def _day_of(connection: ConnectionOverview) -> date | None:
    is_over = connection.standing.condition == Condition.DISCONNECTED or not connection.may_manage
    return None if is_over else connection.standing.reminder_day


def _entry(connection: ConnectionOverview, day: date) -> CalendarDay:
    standing, root = connection.standing, current_app.config["PUBLIC_URL"].rstrip("/")
    return CalendarDay(
        uid=f"connection-{connection.id}@{urlsplit(root).hostname}",
        day=day,
        title=_("Renew bunq: %(name)s") % {"name": connection.holder_name},
        text=_("This is your own reminder: bunq does not say when a permission ends."),
        changed_at=standing.given_at or standing.since,
        url=f"{root}/connections/{connection.id}",
        alarm_before=_ALARM_BEFORE,
    )
