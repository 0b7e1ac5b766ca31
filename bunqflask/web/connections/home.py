"""What the first page shows above the connections: the total, what needs somebody, this month, the newest payments."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from flask import url_for

from bunqflask import clock
from bunqflask.i18n import gettext as _
from bunqflask.services.payments import local_days
from bunqflask.services.payments.lines import Direction
from bunqflask.services.payments.this_month import Change, Days, ThisMonth
from bunqflask.web.connections.view_models import ConnectionCard, CurrencyTotal, totals
from bunqflask.web.payments.presenters import row
from bunqflask.web.ui import formatting

# Older balances are named with their day beside the total.
_OLD_AFTER = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A connection whose balances are not in the total, because nothing updates them; `updated_at` is UTC."""

    name: str
    updated_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Total:
    """What all balances add up to that are updated, each account at bunq once.

    `oldest_at` is when the oldest of these balances was updated (UTC), where that is worth saying.
    """

    sums: list[CurrencyTotal]
    oldest_at: datetime | None
    left_out: list[LeftOut]


@dataclass(frozen=True, kw_only=True)
class NewestRow:
    """One of the newest payments; `created_at` is UTC."""

    url: str
    name: str
    direction: Direction
    amount: Decimal
    currency: str
    account: str
    created_at: datetime
    is_today: bool


@dataclass(frozen=True, kw_only=True)
class MonthView:
    """Money in and out of the running month and of the same days before; the newest payments."""

    title: str
    days: str
    days_before: str | None
    changes: tuple[Change, ...]
    own_count: int
    newest: list[NewestRow]
    is_complete: bool


def total(cards: Sequence[ConnectionCard]) -> Total:
    """Add up the balances that are updated; a joint account may be seen through two connections."""
    current = [card for card in cards if card.state == "active"]
    rows = {row.monetary_account_id: row for card in reversed(current) for row in card.open}
    times = [card.updated_at for card in current if card.open and card.updated_at is not None]
    oldest = min(times, default=None)
    return Total(
        sums=totals(rows.values()),
        oldest_at=oldest if oldest and clock.is_over(oldest, after=_OLD_AFTER) else None,
        left_out=[
            LeftOut(name=card.name, updated_at=card.updated_at)
            for card in cards
            if card.state != "active" and any(row.monetary_account_id not in rows for row in card.open)
        ],
    )


def needing_reconnect(cards: Sequence[ConnectionCard], renewing: Collection[int | None]) -> list[ConnectionCard]:
    """Return the connections that have stopped until the reader renews them, without those being renewed."""
    return [card for card in cards if card.is_to_be_renewed and card.may_act and card.id not in renewing]


def month(found: ThisMonth) -> MonthView | None:
    """Show the running month; nothing where no payment is stored."""
    if not found.newest:
        return None
    urls = (url_for("payments.show", payment_row_id=0).removesuffix("0"), "")
    return MonthView(
        title=_("%(month)s so far") % {"month": formatting.day(found.days.first, "month")},
        days=_span(found.days),
        days_before=_span(found.days_before) if all(each.before for each in found.changes) else None,
        changes=found.changes,
        own_count=sum(each.now.own_count for each in found.changes),
        newest=[
            NewestRow(
                url=shown.url,
                name=shown.name,
                direction=shown.direction,
                amount=shown.amount,
                currency=shown.currency,
                account=formatting.name(line.account_name, 60),
                created_at=line.created_at,
                is_today=local_days.day_of(line.created_at) == found.days.last,
            )
            for line, shown in ((line, row(line, urls, None)) for line in found.newest)
        ],
        is_complete=found.is_complete,
    )


def _span(days: Days) -> str:
    last = formatting.day(days.last, "tick")
    return last if days.first == days.last else f"{days.first.day}–{last}"
