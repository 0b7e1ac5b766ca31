"""View models of connections and accounts, and the labels for what bunq calls by a code.

The models are frozen and hold plain values, so a template cannot reach the database.

https://doc.bunq.com/api-reference/monetary-account
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from bunqflask.i18n import gettext as _
from bunqflask.i18n import ngettext
from bunqflask.web.errors.problem import Way
from bunqflask.web.ui.formatting import currency_name, name

Icon = Literal["bank", "joint", "savings", "external", "card", "investment", "unknown"]
PillKind = Literal["ok", "warn", "bad", "neutral"]
Place = Literal["open", "apart", "closed"]
Sharing = Literal["private", "members", "team", "guest"]

HOME_CURRENCY = "EUR"
COLOR = re.compile(r"#[0-9a-fA-F]{6}")
ICONS: dict[str, Icon] = {
    "MonetaryAccountBank": "bank",
    "MonetaryAccountLight": "bank",
    "MonetaryAccountSwitchService": "bank",
    "MonetaryAccountJoint": "joint",
    "MonetaryAccountSavings": "savings",
    "MonetaryAccountExternalSavings": "savings",
    "MonetaryAccountExternal": "external",
    "MonetaryAccountCard": "card",
    "MonetaryAccountInvestment": "investment",
}


# A page has many accounts: only what is shown is translated.
_TYPES = {
    "MonetaryAccountBank": lambda: _("Bank account"),
    "MonetaryAccountSavings": lambda: _("Savings account"),
    "MonetaryAccountExternal": lambda: _("At another bank"),
    "MonetaryAccountExternalSavings": lambda: _("Savings at another bank"),
    "MonetaryAccountCard": lambda: _("Card"),
    "MonetaryAccountInvestment": lambda: _("Investment"),
    "MonetaryAccountLight": lambda: _("Light account"),
    "MonetaryAccountSwitchService": lambda: _("Account moved from another bank"),
}
_STATES = {
    "BLOCKED": lambda: _("Blocked"),
    "FROZEN": lambda: _("Frozen"),
    "PENDING_CLOSURE": lambda: _("Closing"),
    "PENDING_REOPEN": lambda: _("Reopening"),
}


class Pill(NamedTuple):
    """The state of one account in one or two words."""

    kind: PillKind
    text: str


@dataclass(frozen=True, kw_only=True)
class ConditionNote:
    """Why a connection is not up to date, or is to be renewed: the same on every page that shows it. Times are UTC.

    `facts` are what bunq said, for those who hold accounts of it; `ways` is empty for those who can do nothing.
    """

    kind: Literal["bad", "warn", "info"]
    icon: str
    title: str
    lead: str
    who: str
    todo: tuple[str, ...] = ()
    since: datetime | None = None
    next_try_at: datetime | None = None
    facts: list[tuple[str, str]] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)


class Goal(NamedTuple):
    """How far a savings account is; `percent` from 0 to 100."""

    reached: Decimal
    target: Decimal
    percent: int


@dataclass(frozen=True, kw_only=True)
class CurrencyTotal:
    """A sum in one currency, and of how many accounts it is."""

    currency: str
    amount: Decimal
    count: int


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """One monetary account as a line of the list; `iban` is bare, `color` is #RRGGBB or nothing.

    `url` leads to its payments, where the line does. `uncovered_since` tells since when no permission covers it.
    `iban_ending` stands in place of an IBAN that is not to be seen yet.
    """

    connection_id: int
    monetary_account_id: int
    name: str
    type_label: str
    icon: Icon
    iban: str | None
    amount: Decimal | None
    currency: str
    color: str | None = None
    pill: Pill | None = None
    goal: Goal | None = None
    uncovered_since: datetime | None = None
    url: str | None = None
    iban_ending: str | None = None
    closed_on: date | None = None


@dataclass(frozen=True, kw_only=True)
class PermissionRow:
    """One consent: by which member, when, and for which accounts that the reader sees; times are UTC."""

    member_name: str
    is_own: bool
    granted_at: datetime
    lost_at: datetime | None
    accounts: list[str]


class Staying(NamedTuple):
    """An account that stays for the others who hold it; `is_updated` tells that a permission of theirs covers it."""

    account: str
    holders: list[str]
    is_updated: bool


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What happens when the reader gives up a connection: the accounts that are deleted, and those that stay.

    `ends_shares` tells that others read some of them because the reader shared them; `is_over` that the reader's own
    permission has ended already.
    """

    deleted: list[str]
    staying: list[Staying]
    ends_shares: bool
    is_over: bool


@dataclass(frozen=True, kw_only=True)
class ConnectionCard:
    """One connection with its accounts, as the reader may see it.

    `sharing` is `guest` for who reads it because a member shared it; of the `held_count` accounts that the reader
    holds, others see `shared_count`. `is_to_be_renewed` tells that it has stopped until its permission is renewed.
    Times are UTC.
    """

    id: int
    name: str
    kind: Literal["person", "company", "unknown"]
    state: Literal["active", "lost", "disconnected"]
    pill: Pill
    note: ConditionNote | None
    sharing: Sharing
    may_act: bool
    is_to_be_renewed: bool = False
    connected_by: list[str] = field(default_factory=list)
    shared_with: list[str] = field(default_factory=list)
    shared_count: int = 0
    held_count: int = 0
    permissions: list[PermissionRow] = field(default_factory=list)
    sums: list[CurrencyTotal] = field(default_factory=list)
    open: list[AccountRow] = field(default_factory=list)
    apart: list[AccountRow] = field(default_factory=list)
    closed: list[AccountRow] = field(default_factory=list)
    updated_at: datetime | None = None
    updating: bool = False
    worker_is_missing: bool = False
    next_try_at: datetime | None = None
    wants_sync: bool = False
    polling_trigger: str | None = None
    focus: bool = False


def type_label(wrapper: str, currency: str, co_owners: Sequence[str] = ()) -> str:
    """The kind of account in words, from the key bunq wraps it in; an unknown kind keeps bunq's own name."""
    if wrapper in _TYPES:
        label = _TYPES[wrapper]()
    elif wrapper == "MonetaryAccountJoint":
        label = _joint_label(co_owners)
    else:
        bare = name(wrapper.removeprefix("MonetaryAccount"), 40)
        label = _("%(type)s (account type new to us)") % {"type": bare}
    if currency == HOME_CURRENCY:
        return label
    return _("%(type)s, %(currency)s") % {"type": label, "currency": currency_name(currency)}


def icon(wrapper: str) -> Icon:
    """The drawing that goes with the kind of account."""
    return ICONS.get(wrapper, "unknown")


def color(value: object) -> str | None:
    """bunq's colour of an account if it is six hexadecimal digits; anything else becomes nothing."""
    return value if isinstance(value, str) and COLOR.fullmatch(value) else None


def place(status: str, *, covered: bool = True) -> Place:
    """Where an account stands in the list: with the others, apart from them, or folded away."""
    if status == "CANCELLED":
        return "closed"
    return "apart" if status in ("BLOCKED", "FROZEN") or not covered else "open"


def pill(
    status: str,
    sub_status: str = "NONE",
    *,
    amount: Decimal | None = None,
    covered: bool = True,
    waiting_for: Sequence[str] = (),
) -> Pill | None:
    """What is special about an account, most important first; nothing for an account like any other.

    :param covered: a permission covers it.
    :param waiting_for: names of the co-owners who have not yet accepted.
    """
    if not covered:
        return Pill("warn", _("No longer updated"))
    if status == "PENDING_ACCEPTANCE":
        return Pill("neutral", _waiting_text(waiting_for))
    if status == "BLOCKED" and sub_status == "ONLY_ACCEPTING_INCOMING":
        return Pill("neutral", _("Only incoming"))
    if status in _STATES:
        return Pill("neutral", _STATES[status]())
    if status not in ("ACTIVE", "CANCELLED"):
        return Pill("neutral", _("%(state)s (state new to us)") % {"state": name(status, 30)})
    return Pill("bad", _("Overdrawn")) if amount is not None and amount < 0 else None


def goal(reached: Decimal | None, target: Decimal | None) -> Goal | None:
    """The progress towards a savings goal; nothing where no goal above zero is set."""
    if reached is None or target is None or target <= 0:
        return None
    percent = int(min(max(reached / target, Decimal(0)), Decimal(1)) * 100)
    return Goal(reached, target, percent)


def totals(rows: Iterable[AccountRow]) -> list[CurrencyTotal]:
    """One exact sum per currency, the home currency first; currencies are never added up."""
    sums: dict[str, Decimal] = {}
    counts: Counter[str] = Counter()
    for row in rows:
        if row.amount is not None:
            sums[row.currency] = sums.get(row.currency, Decimal(0)) + row.amount
            counts[row.currency] += 1
    ordered = sorted(sums, key=lambda currency: (currency != HOME_CURRENCY, currency))
    return [CurrencyTotal(currency=each, amount=sums[each], count=counts[each]) for each in ordered]


def _joint_label(co_owners: Sequence[str]) -> str:
    names = [name(each, 60) for each in co_owners]
    if not names:
        return _("Joint account")
    if len(names) == 1:
        return _("Joint with %(name)s") % {"name": names[0]}
    if len(names) == 2:
        return _("Joint with %(first)s and %(second)s") % {"first": names[0], "second": names[1]}
    others = len(names) - 1
    return ngettext("Joint with %(name)s and %(n)d other", "Joint with %(name)s and %(n)d others", others) % {
        "name": names[0],
        "n": others,
    }


def _waiting_text(waiting_for: Sequence[str]) -> str:
    if len(waiting_for) == 1:
        return _("Waiting for co-owner %(name)s") % {"name": name(waiting_for[0], 40)}
    return _("Waiting for co-owners") if waiting_for else _("Waiting for acceptance")
