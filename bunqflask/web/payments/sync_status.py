"""How far the payments of each account are read, and whether they add up, as pages say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from flask import url_for

from bunqflask.database import leases
from bunqflask.i18n import gettext as _
from bunqflask.models import AccountSync, Connection, MonetaryAccount
from bunqflask.services.payments import repository
from bunqflask.services.sync import late_changes, payment_sync, progress, reconciliation
from bunqflask.web.connections.view_models import Icon, icon
from bunqflask.web.errors import messages
from bunqflask.web.payments.presenters import Money, account_url, number
from bunqflask.web.ui import formatting

_MOST_GAPS = 5
_MOST_CHANGES = 3


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A place where payments do not add up, and what it seems to be; `url` is the address of its payment."""

    kind: reconciliation.Kind
    after: datetime | None
    before: datetime
    missing: Money
    url: str


@dataclass(frozen=True, kw_only=True)
class LateChanges:
    """Payments that of late changed, or came after later ones had been read; the newest by name and address."""

    days: int
    count: int
    newest: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class ReadingState:
    """How far the payments of one account are read and proved; all moments are UTC."""

    account_id: int
    name: str
    url: str
    icon: Icon
    level: Literal["ok", "warn", "neutral"]
    pill: str
    reading: bool
    kept_text: str | None = None
    # while it is read: of about how many, and in how many seconds bunq allows the next call
    expected_text: str | None = None
    next_call_s: int = 0
    verified_until: datetime | None = None
    verified_again: datetime | None = None
    gaps: list[Gap] = field(default_factory=list)
    more_gaps: int = 0
    read_at: datetime | None = None
    next_try_at: datetime | None = None
    why: str | None = None
    may_read: bool = True


def state(account: MonetaryAccount, sync_state: AccountSync | None, connection: Connection) -> ReadingState:
    """Show how far an account is read, in the order in which it matters: reading, trouble, gaps, fine."""
    reading = sync_state is not None and leases.is_taken(sync_state)
    trouble, next_try_at = _trouble(sync_state, connection)
    level, words = _level(account, sync_state, connection, trouble=trouble, reading=reading)
    gaps = _gaps(account, sync_state.breaks[:_MOST_GAPS]) if sync_state else []
    known = sync_state.read_at if sync_state else None
    expected = progress.expected_total(account, sync_state) if reading and sync_state else None
    return ReadingState(
        account_id=account.id,
        name=formatting.name(account.description),
        url=account_url(account),
        icon=icon(account.wrapper),
        level=level,
        pill=words,
        reading=reading,
        kept_text=number(repository.count(account)) if reading or known is None else None,
        expected_text=number(expected) if expected is not None else None,
        next_call_s=progress.next_call_in_s() if reading else 0,
        verified_until=_verified_until(account, sync_state),
        verified_again=_verified_again(account, sync_state),
        gaps=gaps,
        more_gaps=max(0, len(sync_state.breaks) - _MOST_GAPS) if sync_state else 0,
        read_at=known,
        next_try_at=next_try_at,
        why=_why(account, trouble, connection),
        may_read=connection.status == "active" and account.is_shared,
    )


def why_over(account: MonetaryAccount, connection: Connection) -> str | None:
    """Say why bunq shows us nothing more of an account; None while it does."""
    if connection.status == "lost":
        return _("%(name)s needs to approve again.") % {"name": formatting.name(connection.display_name)}
    if connection.status != "active":
        return _("This connection was ended here.")
    return None if account.is_shared else _("This account is no longer shared with us.")


def late_changes_of(account: MonetaryAccount) -> LateChanges:
    """Tell how many payments of an account changed or came late, of late, and name the newest."""
    newest = late_changes.newest_of(account, _MOST_CHANGES)
    named = [
        (formatting.name(each.counterparty_name), url_for("payments.show", payment_row_id=each.id)) for each in newest
    ]
    return LateChanges(
        days=late_changes.TOLD_FOR.days, count=late_changes.count(account) if newest else 0, newest=named
    )


def _trouble(sync_state: AccountSync | None, connection: Connection) -> tuple[str | None, datetime | None]:
    """What keeps an account from being read, and the next try: its own trouble, else that of all its connection."""
    if sync_state is not None and sync_state.trouble:
        return sync_state.trouble, sync_state.next_try_at
    if connection.status == "active" and connection.trouble not in (None, "waiting"):
        return connection.trouble, connection.next_try_at
    return None, None


def _level(
    account: MonetaryAccount,
    sync_state: AccountSync | None,
    connection: Connection,
    *,
    trouble: str | None,
    reading: bool,
) -> tuple[Literal["ok", "warn", "neutral"], str]:
    if reading:
        return "neutral", _("Reading")
    if connection.status != "active" or not account.is_shared:
        return "neutral", _("No longer updated")
    if trouble == payment_sync.NOT_LISTED:
        return "neutral", _("Not listed by bunq")
    if sync_state is None or sync_state.read_at is None:
        return "neutral", _("Not read yet") if sync_state is None or not sync_state.stretches else _("Read in part")
    if sync_state.breaks:
        return "warn", _("Something is missing")
    if trouble:
        return "warn", _("Not up to date")
    return "ok", _("Complete")


def _verified_until(account: MonetaryAccount, sync_state: AccountSync | None) -> datetime | None:
    """All of a history that adds up is verified until its last reading; else until the last that adds up."""
    if sync_state is None or sync_state.read_at is None:
        return None
    if not sync_state.breaks:
        return sync_state.read_at
    found = repository.with_previous(account, sync_state.verified_id) if sync_state.verified_id else []
    return found[0].created_at if found else None


def _verified_again(account: MonetaryAccount, sync_state: AccountSync | None) -> datetime | None:
    """From where on payments add up again, up to the newest; None when it is not known, or nothing is missing."""
    breaks = sync_state.breaks if sync_state else []
    if not breaks or len(breaks) >= reconciliation.MOST_BREAKS:
        return None
    found = repository.with_previous(account, int(breaks[-1][0]))
    return found[0].created_at if found else None


def _gaps(account: MonetaryAccount, breaks: Sequence[Sequence[Any]]) -> list[Gap]:
    return [
        Gap(
            kind=each.kind,
            after=each.before.created_at if each.before else None,
            before=each.payment.created_at,
            missing=Money(abs(each.difference), each.payment.currency),
            url=url_for("payments.show", payment_row_id=each.payment.id),
        )
        for each in reconciliation.explain(account, breaks)
    ]


def _why(account: MonetaryAccount, trouble: str | None, connection: Connection) -> str | None:
    if over := why_over(account, connection):
        return over
    if trouble is None:
        return None
    if trouble == "waiting":
        return _("bunq asks us to wait for a moment.")
    title, lead, *_rest = messages.trouble(trouble)
    return f"{title}. {lead}"
