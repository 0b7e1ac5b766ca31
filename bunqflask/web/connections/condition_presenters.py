"""From conditions, days and events of connections to what their pages show."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from markupsafe import Markup, escape

from bunqflask.i18n import gettext as _
from bunqflask.i18n import ngettext
from bunqflask.models import Condition, ConditionChange, RenewalReminder
from bunqflask.services.audit.reading import TrailEvent
from bunqflask.services.connections import condition_texts
from bunqflask.services.connections.days import TOLERATED, Day
from bunqflask.services.connections.overview import ConnectionOverview
from bunqflask.services.connections.standing import Actor, Standing
from bunqflask.services.principal import Principal
from bunqflask.web.audit import presenters as audit
from bunqflask.web.connections.presenters import Kind, condition_note, condition_pill, kind, sharing
from bunqflask.web.connections.view_models import ConditionNote, Pill, PillKind, Sharing
from bunqflask.web.ui import formatting

SHOWN_ENTRIES = 20
_WITHOUT_UPDATE_FROM = timedelta(hours=1)
_STEP, _BAR, _HEIGHT = 10, 7, 32
# The worst first.
_ORDER = (Condition.STOPPED, Condition.RENEW_SOON, Condition.WORKING, Condition.DISCONNECTED)


@dataclass(frozen=True, kw_only=True)
class ConnectionRow:
    """A connection in the list of all. Times are UTC; `age` and `remind_after` are days.

    `given_at` is when the oldest permission in use was given; `ended` says what became of one that is not in use.
    """

    id: int
    name: str
    kind: Kind
    sharing: Sharing
    condition: Condition
    pill: Pill
    needs_somebody: bool
    may_act: bool
    is_renewal_the_way: bool
    is_own: bool
    given_at: datetime | None
    age: int
    remind_after: int | None
    reminder_day: date | None
    days_left: int
    since: datetime
    complete_at: datetime | None
    ended: str
    note: ConditionNote | None


@dataclass(frozen=True, kw_only=True)
class StripBar:
    """One day of the strip: `kind` is s-ok, s-late, s-bad or s-none."""

    x: str
    y: int
    height: int
    kind: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Strip:
    """The last 30 days: the bars, what they sum up to, and the days that were not good, in words."""

    bars: list[StripBar]
    width: int
    height: int
    summary: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something that happened to a connection; `at` is UTC."""

    at: datetime
    kind: PillKind
    icon: str
    text: Markup | str


def rows(connections: Iterable[ConnectionOverview], now: datetime) -> list[ConnectionRow]:
    """Return the list of all connections, those that need somebody first."""
    found = [row(each, now) for each in connections]
    return sorted(found, key=lambda each: (_ORDER.index(each.condition), each.reminder_day or date.max, each.id))


def row(connection: ConnectionOverview, now: datetime) -> ConnectionRow:
    """Return one connection as the list shows it."""
    standing, today = connection.standing, now.astimezone(formatting.zone()).date()
    given_on = standing.given_at.astimezone(formatting.zone()).date() if standing.given_at else today
    return ConnectionRow(
        id=connection.id,
        name=connection.holder_name,
        kind=kind(connection.holder_type),
        sharing=sharing(connection),
        condition=standing.condition,
        pill=condition_pill(connection),
        needs_somebody=standing.needs_somebody,
        may_act=connection.may_manage,
        is_renewal_the_way=standing.who == Actor.HOLDER or standing.condition == Condition.DISCONNECTED,
        is_own=bool(connection.held) or any(each.is_own for each in connection.permissions),
        given_at=standing.given_at,
        age=(today - given_on).days,
        remind_after=connection.remind_after_days,
        reminder_day=standing.reminder_day,
        days_left=(standing.reminder_day - today).days if standing.reminder_day else 0,
        since=standing.since,
        complete_at=standing.complete_at,
        ended=_ended(standing),
        note=condition_note(connection),
    )


def summary(found: Collection[ConnectionRow]) -> str:
    """Return how many connections are in each condition."""
    counts = {each: sum(row.condition == each for row in found) for each in _ORDER}
    texts = {
        Condition.STOPPED: _("%(n)d stopped"),
        Condition.RENEW_SOON: _("%(n)d to renew soon"),
        Condition.WORKING: _("%(n)d working"),
        Condition.DISCONNECTED: _("%(n)d disconnected"),
    }
    return " · ".join(texts[each] % {"n": count} for each, count in counts.items() if count)


def strip(days: Sequence[Day]) -> Strip:
    """Return the drawing of the last days, with the same in words."""
    bars, bad = [], []
    for number, each in enumerate(days):
        level, text = _level(each.longest_gap)
        height = {"ok": _HEIGHT, "late": 20, "bad": 8, "none": 2}[level]
        title = f"{formatting.day(each.day, 'tick')}: {text}"
        x = f"{number * _STEP + 1.5:.1f}"
        bars.append(StripBar(x=x, y=_HEIGHT - height, height=height, kind=f"s-{level}", title=title))
        if level in ("late", "bad"):
            bad.append(title)
    levels = [each.kind.removeprefix("s-") for each in bars]
    parts = [
        (levels.count("ok"), _("%(n)d up to date")),
        (levels.count("late"), _("%(n)d late")),
        (levels.count("bad"), _("%(n)d without update")),
        (levels.count("none"), _("%(n)d not known")),
    ]
    said = " · ".join(text % {"n": count} for count, text in parts if count)
    label = "; ".join([_("Last %(n)d days: %(said)s") % {"n": len(days), "said": said}, *bad])
    return Strip(bars=bars, width=len(days) * _STEP, height=_HEIGHT, summary=said, label=label)


def duration(length: timedelta) -> str:
    """Return a length of time in hours and minutes."""
    minutes = max(1, int(length.total_seconds()) // 60)
    hours, rest = divmod(minutes, 60)
    parts = [ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}] if hours else []
    return " ".join([*parts, *([_("%(n)d min") % {"n": rest}] if rest or not hours else [])])


def timeline(
    principal: Principal,
    changes: Sequence[ConditionChange],
    reminders: Iterable[RenewalReminder],
    events: Iterable[TrailEvent],
) -> list[Entry]:
    """Return what happened to a connection, newest first."""
    found = [*_of_changes(changes), *(_of_reminder(each) for each in reminders)]
    for event in events:
        shown = audit.view(principal, event)
        found.append(
            Entry(at=event.at, kind="neutral", icon="key", text=Markup("{}: {}").format(shown.who, shown.what))
        )
    return sorted(found, key=lambda each: each.at, reverse=True)[:SHOWN_ENTRIES]


def _of_changes(changes: Sequence[ConditionChange]) -> Iterable[Entry]:
    """The trail tells of what was connected and disconnected; here is what happened between."""
    for number, each in enumerate(changes):
        before = changes[number + 1] if number + 1 < len(changes) else None
        if each.condition == Condition.STOPPED:
            why = condition_texts.reason(each.reason)
            again = before is not None and before.condition == Condition.STOPPED
            text = _("Still stopped: %(why)s") if again else _("Stopped: %(why)s")
            yield Entry(at=each.noted_at if again else each.since, kind="bad", icon="warning", text=text % {"why": why})
        elif before is not None and before.condition == Condition.STOPPED and each.condition != Condition.DISCONNECTED:
            length = duration(each.noted_at - before.since)
            text = _("Works again, after %(length)s without a complete update") % {"length": length}
            yield Entry(at=each.noted_at, kind="ok", icon="tick", text=text)


def _of_reminder(given: RenewalReminder) -> Entry:
    text = _("Reminder: renew by %(day)s") % {"day": formatting.day(given.day)}
    return Entry(at=given.given_at, kind="warn", icon="clock", text=text)


def _level(gap: timedelta | None) -> tuple[str, str]:
    if gap is None:
        return "none", _("not known")
    if gap < TOLERATED:
        return "ok", _("up to date")
    text = _("%(length)s without a complete update") % {"length": duration(gap)}
    return ("late" if gap < _WITHOUT_UPDATE_FROM else "bad"), str(escape(text))


def _ended(standing: Standing) -> str:
    when = formatting.day(standing.since, "short")
    if standing.condition == Condition.DISCONNECTED:
        return _("Ended here on %(when)s") % {"when": when}
    if standing.given_at is None:
        return _("bunq refuses it since %(when)s") % {"when": when}
    return ""
