"""The periods that people export again and again; one that is not over ends today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from bunqflask.i18n import gettext as _

# Those that depend on nothing but the day.
OF_A_DAY = ("last-month", "this-month", "last-quarter", "this-quarter", "last-year", "this-year")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A period under a name, both days included."""

    name: str
    label: str
    first_day: date
    last_day: date


def offered(today: date, exported_until: date | None) -> list[Preset]:
    """Return the presets of a day; `exported_until` is the last day of the last export, if there was one."""
    month, quarter, year = today.replace(day=1), _quarter(today), date(today.year, 1, 1)
    found = [
        _preset("last-month", _("Last month"), _month_before(month), _day_before(month)),
        _preset("this-month", _("This month so far"), month, today),
        _preset("last-quarter", _("Last quarter"), _quarter(_day_before(quarter)), _day_before(quarter)),
        _preset("this-quarter", _("This quarter so far"), quarter, today),
        _preset("last-year", _("Last year"), date(year.year - 1, 1, 1), _day_before(year)),
        _preset("this-year", _("This year so far"), year, today),
    ]
    yesterday = _day_before(today)
    if exported_until is not None and exported_until < yesterday:
        # The bank may still book payments of today.
        since = exported_until + timedelta(days=1)
        found.append(_preset("since-last", _("Since the last export, until yesterday"), since, yesterday))
    return found


def _preset(name: str, label: str, first_day: date, last_day: date) -> Preset:
    return Preset(name=name, label=label, first_day=first_day, last_day=last_day)


def _day_before(day: date) -> date:
    return day - timedelta(days=1)


def _month_before(first_of_month: date) -> date:
    return _day_before(first_of_month).replace(day=1)


def _quarter(day: date) -> date:
    return date(day.year, day.month - (day.month - 1) % 3, 1)
