"""The toolbar above a list of payments: month, holder, accounts, and what its form sends along unseen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from bunqflask import clock
from bunqflask.i18n import gettext as _
from bunqflask.services.payments import local_days
from bunqflask.services.payments.repository import Scope
from bunqflask.web.payments import filter_form
from bunqflask.web.payments.filter_form import Asked, Values
from bunqflask.web.payments.place import Place
from bunqflask.web.ui import formatting

_MONTHS = 12


class Choice(NamedTuple):
    """One of a menu's links."""

    label: str
    url: str
    is_chosen: bool


class AccountChoice(NamedTuple):
    """One account that can be ticked."""

    value: str
    label: str
    is_chosen: bool


class AccountGroup(NamedTuple):
    """The accounts of one holder."""

    holder: str
    accounts: list[AccountChoice]


@dataclass(frozen=True, kw_only=True)
class Toolbar:
    """What the toolbar shows and sends; menus with nothing to choose are empty.

    `hidden` are names and values of what it does not show and keeps. `later` is None in the running month.
    """

    hidden: list[tuple[str, str]]
    month_title: str
    months: list[Choice]
    earlier: str
    later: str | None
    holder_title: str
    holders: list[Choice]
    account_title: str
    accounts: list[AccountGroup]
    filter_url: str
    filter_count: int


def of(place: Place, scope: Scope) -> Toolbar:
    """Make the toolbar of a list; `scope` is all that the principal may see."""
    asked, this_month = place.asked, local_days.month_of(local_days.day_of(clock.now()))
    shown = asked.month
    earlier = _before(shown or this_month)
    later = _after(shown) if shown and shown < this_month else None
    holder = asked.values.get("holder")
    of_all_dates = place.url(asked.with_days(None, None))
    return Toolbar(
        hidden=hidden(place, shown=("q", "direction", "account")),
        month_title=formatting.day(shown, "month") if shown else _dates(asked),
        months=[
            Choice(_("All dates"), of_all_dates, not asked.wanted.first_day),
            *(
                Choice(formatting.day(each, "month"), _month_url(of_all_dates, each), each == shown)
                for each in _last_months()
            ),
        ],
        earlier=_month_url(of_all_dates, earlier),
        later=_month_url(of_all_dates, later) if later else None,
        holder_title=_("Holder") if holder is None or "holder" in asked.errors else holders(asked.scope)[0][1],
        holders=_holders(place, scope),
        account_title=_account_title(asked),
        accounts=[] if place.account else accounts(asked),
        filter_url=place.filter_url(),
        filter_count=len(asked.chips),
    )


def hidden(place: Place, *, shown: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the arguments of a list that a form sends along unseen: all but those it shows."""
    values: Values = place.kept | place.asked.values
    pairs = ((name, [value] if isinstance(value, str) else value) for name, value in values.items())
    return [(name, text) for name, texts in pairs if name not in shown for text in texts]


def holders(scope: Scope) -> list[tuple[str, str]]:
    """Return the holders with accounts in scope: the connection's id as text, and the name."""
    return [(str(each.id), formatting.name(each.holder_name, 60)) for each in scope.connections if each.accounts]


def accounts(asked: Asked) -> list[AccountGroup]:
    """Return the accounts to choose from, under whose they are; none where there is one only."""
    ids, chosen = set(asked.scope.ids), asked.values.get("account", [])
    if len(ids) < 2:
        return []
    groups = [
        AccountGroup(
            formatting.name(connection.holder_name, 60),
            [
                AccountChoice(str(each.id), filter_form.account_label(each), str(each.id) in chosen)
                for each in connection.accounts
                if each.id in ids
            ],
        )
        for connection in asked.scope.connections
    ]
    return [group for group in groups if group.accounts]


def month_links(place: Place) -> list[Choice]:
    """Return links to this month and the last one, for forms that ask for days."""
    this_month, last_month = _last_months()[:2]
    of_all_dates = place.url(place.asked.with_days(None, None))
    return [
        Choice(words, _month_url(of_all_dates, month), month == place.asked.month)
        for words, month in ((_("This month"), this_month), (_("Last month"), last_month))
    ]


def _holders(place: Place, scope: Scope) -> list[Choice]:
    found = holders(scope)
    if place.account or len(found) < 2:
        return []
    chosen = place.asked.values.get("holder")
    return [
        Choice(_("All holders"), place.url(place.asked.with_holder(None)), chosen is None),
        *(Choice(name, place.url(place.asked.with_holder(int(value))), value == chosen) for value, name in found),
    ]


def _account_title(asked: Asked) -> str:
    chosen = asked.wanted.account_ids
    if not chosen or "account" in asked.errors:
        return _("Account")
    if len(chosen) == 1:
        return filter_form.account_label(asked.scope.accounts[next(iter(chosen))])
    return _("%(count)s accounts") % {"count": len(chosen)}


def _dates(asked: Asked) -> str:
    first, last = asked.wanted.first_day, asked.wanted.last_day
    return _("Some dates") if first or last else _("All dates")


def _month_url(of_all_dates: str, month: date) -> str:
    """Return the address of a month; that of all dates, to which it is added, is made once for a toolbar."""
    return f"{of_all_dates}{'&' if '?' in of_all_dates else '?'}from={month}&to={local_days.last_of_month(month)}"


def _last_months() -> list[date]:
    months = [local_days.month_of(local_days.day_of(clock.now()))]
    while len(months) < _MONTHS:
        months.append(_before(months[-1]))
    return months


def _before(month: date) -> date:
    return local_days.month_of(month - timedelta(days=1))


def _after(month: date) -> date:
    return local_days.last_of_month(month) + local_days.A_DAY
