"""The condition of a connection: one state machine, a pure function of rows and of the time.

    working -> renew soon (its holders' own reminder is near) -> stopped -> disconnected

A verdict of bunq stops a connection at once: it refuses the permission although it accepts this server, or it refuses
this server. What may pass without anybody doing anything stops it after an hour: no answer, or one that cannot be used.
A connection that has stopped works again after a complete update, and not before: so nothing flaps while an error is
tried again. Pages ask for the condition of what their reader sees, the worker for that of the whole connection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Protocol

from bunqflask.models import Condition, ConnectionState, ConsentGrantState, ErrorKind, StopReason
from bunqflask.services.connections.rows import ChangeRow, ConsentRow, SyncRow
from bunqflask.services.connections.standing import Recovery, Standing

STOPPED_AFTER = timedelta(hours=1)
# Updates are at most a day apart, where bunq's callbacks come; this is when one is missing.
LATE_AFTER = timedelta(hours=26)
WORKER_IS_GONE_AFTER = timedelta(minutes=2)
RENEW_SOON_DAYS = 14

_REASONS = {
    ErrorKind.SERVER_REFUSED: StopReason.ADDRESS,
    ErrorKind.INSTALLATION_REFUSED: StopReason.INSTALLATION,
    ErrorKind.NOT_SET_UP: StopReason.INSTALLATION,
    ErrorKind.UNAVAILABLE: StopReason.BUNQ_AWAY,
    ErrorKind.NO_ANSWER: StopReason.BUNQ_AWAY,
    # refused, and for so long bunq has given no answer about whom
    ErrorKind.CHECKING: StopReason.BUNQ_AWAY,
    ErrorKind.NOT_TRUSTED: StopReason.ANSWERS,
    ErrorKind.NOT_UNDERSTOOD: StopReason.ANSWERS,
    ErrorKind.REFUSED_ONCE: StopReason.REFUSED,
    ErrorKind.REFUSED: StopReason.ACCOUNTS,
}
# The worst first: which one is shown where accounts differ.
_WORST = tuple(StopReason)
_VERDICTS = (StopReason.REFUSED, StopReason.ADDRESS, StopReason.INSTALLATION)
_ERRORS = (*_VERDICTS, StopReason.BUNQ_AWAY, StopReason.ANSWERS)


class Account(Protocol):
    """What a condition needs to know of an account itself."""

    @property
    def id(self) -> int: ...
    @property
    def is_covered(self) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What a condition follows from: of a whole connection, or as much of it as somebody sees.

    `state` and `state_since` are of the connection, as far as it is seen; `listed_at` is when bunq last listed its
    accounts. `remind_after_days` is None where no reminder is wanted, or for somebody who cannot renew it. `before` is
    the condition that was stored last. `worker_seen_at` is the last sign of life of any worker. Times are UTC.
    """

    state: ConnectionState
    state_since: datetime
    listed_at: datetime | None
    consents: Collection[ConsentRow]
    accounts: Collection[Account]
    syncs: Mapping[int, SyncRow]
    remind_after_days: int | None
    before: ChangeRow | None
    worker_seen_at: datetime | None
    now: datetime
    zone: tzinfo


@dataclass(frozen=True, kw_only=True)
class _Fault:
    """Why one account, or a consent without accounts, is not updated; it may pass before it counts as a stop."""

    reason: StopReason
    since: datetime
    is_stop: bool
    account_id: int | None = None
    facts: dict[str, Any] | None = None
    next_try_at: datetime | None = None
    is_asked_again: bool = False


def assess(rows: Rows) -> Standing:
    """Return the condition of a connection."""
    faults = list(_faults(rows))
    shown = _shared(rows) | {"is_current": rows.state == ConnectionState.ACTIVE and not faults}
    if rows.state == ConnectionState.DISCONNECTED:
        return Standing(condition=Condition.DISCONNECTED, since=rows.state_since, **shown)
    stops = [fault for fault in faults if fault.is_stop]
    if rows.state == ConnectionState.LOST and not stops:
        stops = [_Fault(reason=StopReason.REFUSED, since=rows.state_since, is_stop=True, facts=_last_facts(rows))]
    if not stops and _is_worker_gone(rows):
        seen_at = rows.worker_seen_at or rows.state_since
        stops = [_Fault(reason=StopReason.NO_WORKER, since=seen_at, is_stop=True)]
    before = _stopped_before(rows)
    if stops:
        # Without a worker no fault is found, and what was complete before says nothing of now.
        return _stopped(rows, stops, before, shown | {"is_current": False})
    if before is not None and not _is_complete_since(rows, before, faults):
        recovery = _recovery(rows, before, faults)
        return _still_stopped(before, shown | {"is_current": False, "recovery": recovery})
    return _works(rows, shown)


def reminder_day(given_at: datetime | None, after_days: int | None, zone: tzinfo) -> date | None:
    """Return the local day on which the holders want to be reminded of a permission given then."""
    if given_at is None or after_days is None:
        return None
    return given_at.astimezone(zone).date() + timedelta(days=after_days)


def _shared(rows: Rows) -> dict[str, Any]:
    given_at = _given_at(rows)
    times = [state.synced_at for state in _listed_syncs(rows)]
    complete_at = min((each for each in times if each is not None), default=None) if all(times) else None
    return {
        "given_at": given_at,
        "reminder_day": reminder_day(given_at, rows.remind_after_days, rows.zone),
        "complete_at": complete_at or (None if times else rows.listed_at),
    }


def _stopped(rows: Rows, stops: list[_Fault], before: ChangeRow | None, shown: dict[str, Any]) -> Standing:
    reason = min((fault.reason for fault in stops), key=_WORST.index)
    if before is not None and before.reason is not None and not _replaces(reason, before.reason):
        reason = reason if _is_approved_since(rows, before) else before.reason
    alike = [fault for fault in stops if fault.reason == reason]
    if before is not None and not alike:
        return _still_stopped(before, shown)
    since = min(fault.since for fault in alike)
    if before is not None:
        since = min(since, before.since)
    worst = max(alike, key=lambda fault: (fault.facts is not None, fault.since))
    return Standing(
        condition=Condition.STOPPED,
        since=min(since, rows.now),
        reason=reason,
        facts=worst.facts,
        account_ids=tuple(sorted({fault.account_id for fault in stops if fault.account_id is not None})),
        is_asked_again=worst.is_asked_again,
        next_try_at=worst.next_try_at,
        **shown,
    )


def _still_stopped(before: ChangeRow, shown: dict[str, Any]) -> Standing:
    return Standing(
        condition=Condition.STOPPED,
        since=before.since,
        reason=before.reason,
        facts=before.facts,
        account_ids=before.account_ids,
        **shown,
    )


def _works(rows: Rows, shown: dict[str, Any]) -> Standing:
    day = shown["reminder_day"]
    soon = day - timedelta(days=RENEW_SOON_DAYS) if day is not None else None
    if soon is not None and rows.now.astimezone(rows.zone).date() >= soon:
        since = datetime(soon.year, soon.month, soon.day, tzinfo=rows.zone)
        return Standing(condition=Condition.RENEW_SOON, since=since.astimezone(rows.now.tzinfo), **shown)
    before = rows.before
    since = before.since if before is not None and before.condition == Condition.WORKING else rows.state_since
    if before is not None and before.condition in (Condition.STOPPED, Condition.RENEW_SOON):
        since = max(shown["complete_at"] or rows.now, before.since)
    return Standing(condition=Condition.WORKING, since=min(since, rows.now), **shown)


def _replaces(new: StopReason, old: StopReason) -> bool:
    """Tell whether a reason takes the place of another: a verdict of bunq always, a lesser one only of a lesser one."""
    if new in _VERDICTS:
        return True
    return old not in _ERRORS and new in _ERRORS


def _recovery(rows: Rows, before: ChangeRow, faults: Collection[_Fault]) -> Recovery | None:
    """Return why a stop is about to end, of which no fault is left that counts as one."""
    if _is_approved_since(rows, before):
        return Recovery.APPROVED
    return Recovery.CAUSE_GONE if not faults else None


def _is_approved_since(rows: Rows, before: ChangeRow) -> bool:
    """Tell whether a permission was given after one was refused, or refused some accounts."""
    if before.reason not in (StopReason.REFUSED, StopReason.ACCOUNTS):
        return False
    works = [each for each in rows.consents if each.state == ConsentGrantState.ACTIVE]
    return any(each.granted_at > before.since for each in works)


def _stopped_before(rows: Rows) -> ChangeRow | None:
    """Return the stop that was stored last, if it concerns an account that is looked at."""
    before = rows.before
    if before is None or before.condition != Condition.STOPPED:
        return None
    seen = {account.id for account in rows.accounts}
    return before if not before.account_ids or seen & set(before.account_ids) else None


def _is_complete_since(rows: Rows, before: ChangeRow, faults: Collection[_Fault]) -> bool:
    """Tell whether everything was updated since a stop was stored."""
    listed_at = rows.listed_at
    if faults or listed_at is None or listed_at <= before.noted_at:
        return False
    covered = [each for each in rows.accounts if each.is_covered]
    concerned = [each for each in covered if not before.account_ids or each.id in before.account_ids]
    return all(_is_synced(rows.syncs.get(account.id)) for account in concerned)


def _is_synced(state: SyncRow | None) -> bool:
    if state is None:
        return False
    if state.error_kind == ErrorKind.NOT_LISTED:
        return True
    if state.synced_at is None or state.error_kind not in (None, ErrorKind.WAITING):
        return False
    return state.requested_at is None or state.requested_at <= state.synced_at


def _faults(rows: Rows) -> Iterator[_Fault]:
    for account in rows.accounts:
        fault = _fault_of_account(account.id, rows)
        if fault is not None:
            yield fault
    for consent in rows.consents:
        if consent.state == ConsentGrantState.ACTIVE and not consent.account_ids:
            fault = _fault_of_consent(consent, rows.now)
            if fault is not None:
                yield fault


def _fault_of_account(account_id: int, rows: Rows) -> _Fault | None:
    """An account is updated if one of its consents works; which one is refused besides does not matter."""
    covering = [each for each in rows.consents if account_id in each.account_ids]
    active = [each for each in covering if each.state == ConsentGrantState.ACTIVE]
    if not active:
        last = max(covering, key=lambda each: (each.state_since, each.id), default=None)
        if last is None or last.state != ConsentGrantState.LOST or _is_left_out(last, rows.consents):
            return None
        return _Fault(
            reason=StopReason.REFUSED,
            since=last.state_since,
            is_stop=True,
            account_id=account_id,
            facts=last.error_facts,
        )
    faults = [_fault_of_consent(each, rows.now, account_id) for each in active]
    found = [fault for fault in faults if fault is not None]
    if len(found) == len(active):
        return min(found, key=lambda fault: (fault.is_stop, _WORST.index(fault.reason)))
    return _fault_of_sync(account_id, rows, min(each.granted_at for each in active))


def _is_left_out(lost: ConsentRow, consents: Collection[ConsentRow]) -> bool:
    """Tell whether the member of a lost consent has given another one since, without ticking the account."""
    return any(each.member_id == lost.member_id and each.granted_at > lost.granted_at for each in consents)


def _fault_of_consent(consent: ConsentRow, now: datetime, account_id: int | None = None) -> _Fault | None:
    kind, since = consent.error_kind, consent.error_since or now
    if consent.refused_since is not None:
        kind, since = ErrorKind.REFUSED_ONCE, consent.refused_since
    if kind is None or kind not in _REASONS:
        return None
    reason = _REASONS[kind]
    return _Fault(
        reason=reason,
        since=since,
        is_stop=reason in _VERDICTS or since <= now - STOPPED_AFTER,
        account_id=account_id,
        facts=consent.error_facts,
        next_try_at=consent.next_try_at,
        is_asked_again=kind == ErrorKind.REFUSED_ONCE,
    )


def _fault_of_sync(account_id: int, rows: Rows, granted_at: datetime) -> _Fault | None:
    """An error that is about one account's payments, or a sync that should have come long ago."""
    state = rows.syncs.get(account_id)
    kind = state.error_kind if state is not None else None
    if state is not None and kind in _REASONS:
        # What failed with a permission that was renewed since says nothing of the new one.
        since = max(state.error_since or rows.now, granted_at)
        reason = _REASONS[kind] if kind != ErrorKind.CHECKING else StopReason.ACCOUNTS
        return _Fault(
            reason=reason,
            since=since,
            is_stop=since <= rows.now - STOPPED_AFTER,
            account_id=account_id,
            facts=state.error_facts,
            next_try_at=state.next_try_at,
        )
    is_syncing = state is not None and state.lease_until is not None and state.lease_until > rows.now
    synced_at = state.synced_at if state is not None else None
    since = synced_at or granted_at
    if kind == ErrorKind.NOT_LISTED or is_syncing or since > rows.now - LATE_AFTER:
        return None
    return _Fault(reason=StopReason.LATE, since=since, is_stop=True, account_id=account_id)


def _is_worker_gone(rows: Rows) -> bool:
    seen_at = rows.worker_seen_at or rows.state_since
    return seen_at < rows.now - WORKER_IS_GONE_AFTER


def _listed_syncs(rows: Rows) -> list[SyncRow]:
    """Return how far those accounts are synced whose payments bunq lists; a row without times for a new account."""
    covered = [account.id for account in rows.accounts if account.is_covered]
    found = [rows.syncs.get(account_id) or SyncRow(account_id, None) for account_id in covered]
    return [state for state in found if state.error_kind != ErrorKind.NOT_LISTED]


def _given_at(rows: Rows) -> datetime | None:
    """Return when the oldest permission in use was given: of each account, the newest that covers it is in use."""
    newest: dict[int | None, datetime] = {}
    for consent in rows.consents:
        if consent.state != ConsentGrantState.ACTIVE:
            continue
        account_ids: Collection[int | None] = consent.account_ids
        for account_id in account_ids or [None]:
            newest[account_id] = max(newest.get(account_id, consent.granted_at), consent.granted_at)
    seen = {account.id for account in rows.accounts}
    of_seen = [given_at for account_id, given_at in newest.items() if account_id in seen]
    return min(of_seen or newest.values(), default=None)


def _last_facts(rows: Rows) -> dict[str, Any] | None:
    last = max(rows.consents, key=lambda each: (each.state_since, each.id), default=None)
    return last.error_facts if last is not None else None
