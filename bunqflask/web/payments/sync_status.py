"""How far the payments of each account are synced, as pages say it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from flask import url_for

from bunqflask.i18n import gettext as _
from bunqflask.models import ConnectionState, ErrorKind
from bunqflask.services.connections import condition_texts
from bunqflask.services.connections.overview import AccountBalance, ConnectionOverview
from bunqflask.services.gateway.retry_policy import policy_for, waiting_lead
from bunqflask.services.payments import visibility
from bunqflask.services.payments.repository import Scope
from bunqflask.services.sync import late_changes, reconciliation, status
from bunqflask.services.sync.status import AccountStatus, SyncState
from bunqflask.web.connections.view_models import Icon, icon
from bunqflask.web.payments.place import account_url
from bunqflask.web.payments.presenters import Money
from bunqflask.web.ui import formatting

_MOST_GAPS = 5
_MOST_NAMED = 8
# bunq gives no payments of them, or none any more: nothing is wrong with those that are stored.
_NOT_UPDATED = (SyncState.STOPPED, SyncState.NOT_LISTED)
_MOST_CHANGES = 3
_LEVELS: dict[SyncState, Literal["ok", "warn", "neutral"]] = {
    SyncState.UP_TO_DATE: "ok",
    SyncState.GAP: "warn",
    SyncState.FAILING: "warn",
    SyncState.CATCHING_UP: "warn",
}


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A place where balances do not follow from one another; `url` is the address of its payment."""

    kind: reconciliation.Kind
    after: datetime | None
    before: datetime
    missing: Money
    url: str


@dataclass(frozen=True, kw_only=True)
class LateChanges:
    """Payments that changed, or came late, in the last days; the newest by name and address."""

    days: int
    count: int
    newest: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class SyncStatus:
    """How far the payments of one account are synced and verified; all times are UTC."""

    account_id: int
    name: str
    url: str
    icon: Icon
    level: Literal["ok", "warn", "neutral"]
    pill: str
    syncing: bool
    # what bunq's balance holds and the payments do not
    not_imported: Money | None = None
    stored_text: str | None = None
    expected_text: str | None = None
    next_call_s: int = 0
    verified_until: datetime | None = None
    verified_again: datetime | None = None
    gaps: list[Gap] = field(default_factory=list)
    more_gaps: int = 0
    synced_at: datetime | None = None
    next_try_at: datetime | None = None
    why: str | None = None
    may_sync: bool = True


@dataclass(frozen=True, kw_only=True)
class LostConnection:
    """A connection whose permission bunq refuses; `may_reconnect` tells that the reader can ask for another one."""

    id: int
    title: str
    since: datetime | None
    may_reconnect: bool


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How the accounts of a list stand: lost connections, failing accounts, and those no longer updated.

    Only accounts that ought to be updated count: `current_count` of them. Of many the first are named. `checked_at` is
    when the balances were last compared with bunq's, the earliest of them; `data_from` when payments were last listed.
    """

    lost: list[LostConnection]
    failing: list[SyncStatus]
    failing_count: int
    current_count: int
    stopped: list[tuple[str, str, datetime]]
    stopped_count: int
    data_from: datetime | None
    checked_at: datetime | None


def standing(scope: Scope) -> Standing:
    """Show how the accounts of a list stand."""
    found = status.of_connections(scope.connections)
    shown = [(scope.accounts[each], scope.by_id[scope.accounts[each].connection_id]) for each in scope.ids]
    current = [(account, owner) for account, owner in shown if found[account.id].state not in _NOT_UPDATED]
    failing = [(account, owner) for account, owner in current if _is_failing(found[account.id])]
    stopped = [
        (account, account.uncovered_since or owner.state_since)
        for account, owner in shown
        if found[account.id].state == SyncState.STOPPED and owner.state != ConnectionState.LOST
    ]
    return Standing(
        lost=[lost for each in scope.connections if (lost := lost_connection(each))],
        failing=[present(account, owner, found[account.id]) for account, owner in failing[:_MOST_NAMED]],
        failing_count=len(failing),
        current_count=len(current),
        stopped=[(formatting.name(each.name), account_url(each), since) for each, since in stopped[:_MOST_NAMED]],
        stopped_count=len(stopped),
        data_from=min((time for each, _owner in current if (time := found[each.id].synced_at)), default=None),
        checked_at=min((time for _account, owner in current if (time := owner.accounts_synced_at)), default=None),
    )


def lost_connection(connection: ConnectionOverview) -> LostConnection | None:
    """Return what to say about a connection whose permission bunq refuses; None while there is nothing to say.

    It is lost only after hours of refusals, but the holder can mend it from the first.
    """
    is_lost, name = connection.state == ConnectionState.LOST, formatting.name(connection.holder_name)
    if not is_lost and (connection.state, connection.error_kind) != (ConnectionState.ACTIVE, ErrorKind.REFUSED_ONCE):
        return None
    return LostConnection(
        id=connection.id,
        title=condition_texts.must_approve(name) if is_lost else condition_texts.has_stopped(name),
        since=connection.state_since if is_lost else connection.accounts_synced_at,
        may_reconnect=connection.may_manage,
    )


def _is_failing(of_account: AccountStatus) -> bool:
    """An account is not failing while its newest payments are fetched, unless it was never imported to the end."""
    if of_account.state == SyncState.SYNCING:
        return of_account.synced_at is None
    return of_account.state != SyncState.UP_TO_DATE


def present(account: AccountBalance, connection: ConnectionOverview, of_account: AccountStatus) -> SyncStatus:
    """Show how far an account is synced."""
    missing = of_account.not_imported if of_account.state in (SyncState.CATCHING_UP, SyncState.GAP) else None
    return SyncStatus(
        account_id=account.id,
        name=formatting.name(account.name),
        url=account_url(account),
        icon=icon(account.wrapper),
        level=_LEVELS.get(of_account.state, "neutral"),
        pill=_pill(of_account),
        syncing=of_account.state == SyncState.SYNCING,
        not_imported=Money(missing, account.currency) if missing else None,
        stored_text=formatting.number(of_account.stored) if of_account.stored is not None else None,
        expected_text=formatting.number(of_account.expected) if of_account.expected is not None else None,
        next_call_s=of_account.next_call_in_s,
        verified_until=of_account.verified_until,
        verified_again=of_account.verified_again_from,
        synced_at=of_account.synced_at,
        next_try_at=of_account.next_try_at,
        why=_why(account, connection, of_account.error_kind) or _unreadable(of_account),
        may_sync=connection.state == ConnectionState.ACTIVE and account.is_covered and account.is_held,
    )


def present_with_gaps(account: AccountBalance, connection: ConnectionOverview, of_account: AccountStatus) -> SyncStatus:
    """Show the same, with the places where balances do not follow from one another."""
    since = visibility.since(account)
    findings = (
        reconciliation.findings(account.id, since=since, limit=_MOST_GAPS) if of_account.discrepancy_count else []
    )
    return replace(
        present(account, connection, of_account),
        gaps=[_gap(each) for each in findings],
        more_gaps=max(0, of_account.discrepancy_count - _MOST_GAPS),
    )


def why_over(account: AccountBalance, connection: ConnectionOverview) -> str | None:
    """Say why an account is not updated any more; None while it is."""
    if connection.state == ConnectionState.LOST:
        return f"{condition_texts.must_approve(formatting.name(connection.holder_name))}."
    if connection.state != ConnectionState.ACTIVE:
        return _("This connection was disconnected here.")
    if account.uncovered_since is None:
        return None
    return _("No permission covers this account any more, since %(day)s.") % {
        "day": formatting.day(account.uncovered_since)
    }


def late_changes_of(account: AccountBalance) -> LateChanges:
    """Tell how many payments of an account changed or came late in the last days, and name the newest."""
    since = visibility.since(account)
    newest = late_changes.newest_of(account.id, since, _MOST_CHANGES)
    named = [
        (formatting.name(each.counterparty_name), url_for("payments.show", payment_row_id=each.row_id))
        for each in newest
    ]
    count = late_changes.count(account.id, since) if newest else 0
    return LateChanges(days=late_changes.SHOWN_FOR.days, count=count, newest=named)


def _pill(of_account: AccountStatus) -> str:
    if of_account.state == SyncState.INCOMPLETE:
        return _("Partly imported") if of_account.has_payments else _("Not imported yet")
    return {
        SyncState.SYNCING: _("Importing"),
        SyncState.STOPPED: _("No longer updated"),
        SyncState.NOT_LISTED: _("Not available from bunq"),
        SyncState.GAP: _("Gap found"),
        SyncState.FAILING: _("Not up to date"),
        SyncState.CATCHING_UP: _("Catching up"),
        SyncState.UP_TO_DATE: _("Complete"),
    }[of_account.state]


def _gap(finding: reconciliation.Finding) -> Gap:
    return Gap(
        kind=finding.kind,
        after=finding.before.created_at if finding.before else None,
        before=finding.payment.created_at,
        missing=Money(abs(finding.difference), finding.payment.currency),
        url=url_for("payments.show", payment_row_id=finding.payment.id),
    )


def _why(account: AccountBalance, connection: ConnectionOverview, error_kind: ErrorKind | None) -> str | None:
    if over := why_over(account, connection):
        return over
    if error_kind is None:
        return None
    if error_kind == ErrorKind.WAITING:
        return waiting_lead()
    policy = policy_for(error_kind)
    return f"{policy.title}. {policy.lead}"


def _unreadable(of_account: AccountStatus) -> str | None:
    if not of_account.unreadable:
        return None
    ids = ", ".join(str(each or "?") for each in of_account.unreadable[:_MOST_GAPS])
    return _("bunq lists payments that we can’t read, with these numbers: %(ids)s. They are missing here.") % {
        "ids": ids
    }
