"""The conditions of connections as they were stored: each change once, with the event that people are informed by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from flask import current_app
from sqlalchemy import select, update

from bunqflask import clock
from bunqflask.database.transactions import emit, release, transaction
from bunqflask.extensions import db
from bunqflask.models import (
    Condition,
    ConditionChange,
    Connection,
    ConnectionState,
    EventKind,
    RenewalReminder,
    StopReason,
)
from bunqflask.services import workers
from bunqflask.services.connections import condition_rows, days, reminders
from bunqflask.services.connections.condition import STOPPED_AFTER, assess
from bunqflask.services.connections.condition_rows import WholeRows
from bunqflask.services.connections.rows import ChangeRow
from bunqflask.services.connections.standing import Standing


def standings() -> dict[int, Standing]:
    """Return the conditions of all connections as a whole, live, by our id of each; for background work."""
    return {rows.connection.id: assess(rows) for rows in condition_rows.of_whole(workers.last_seen_at())}


def note_changes() -> None:
    """Store how each connection stands now, where that has changed, and emit what people are informed about.

    It is for a worker, so one lives. Any number of workers may do it: each change is stored under the connection's lock
    and after another look, so once.
    """
    looked = [(rows, assess(rows)) for rows in condition_rows.of_whole(clock.now())]
    due = {
        rows.connection.id: standing for rows, standing in looked if reminders.step(standing, _today(rows)) is not None
    }
    ungiven = reminders.ungiven(due, clock.now().astimezone(condition_rows.zone()).date())
    changed = [rows.connection.id for rows, standing in looked if _differs(rows, standing)]
    release()
    for connection_id in sorted({*changed, *ungiven}):
        with transaction():
            locked = select(Connection.id).where(Connection.id == connection_id).with_for_update()
            if db.session.scalar(locked) is not None:
                [rows] = condition_rows.of_whole(clock.now(), connection_id)
                _write(rows, assess(rows))


def note_absence() -> None:
    """After a time in which no worker ran: store that nothing was updated, if that was for longer than is promised.

    For a worker that starts, before its first sign of life. The connections work again after a complete update.
    """
    seen_at = workers.last_seen_at()
    if seen_at is None or seen_at > clock.now() - STOPPED_AFTER or clock.is_ahead(seen_at):
        return
    with transaction():
        here = Connection.environment == current_app.config["BUNQ_ENVIRONMENT"]
        active = select(Connection.id).where(here, Connection.state == ConnectionState.ACTIVE)
        db.session.execute(active.order_by(Connection.id).with_for_update()).all()
        seen_at = workers.last_seen_at()
        if workers.is_alive() or seen_at is None:
            return
        for rows in condition_rows.of_whole(seen_at):
            is_stopped = rows.before is not None and rows.before.condition == Condition.STOPPED
            if rows.connection.state != ConnectionState.ACTIVE or is_stopped or rows.connection.current_until is None:
                continue
            stopped = Standing(condition=Condition.STOPPED, since=seen_at, reason=StopReason.NO_WORKER)
            _change(rows, stopped)


def changes_of(connection_id: int, account_ids: Sequence[int], *, limit: int) -> list[ConditionChange]:
    """Return the newest changes of a connection, newest first, as far as they concern some of these accounts."""
    query = select(ConditionChange).where(ConditionChange.connection_id == connection_id)
    found = db.session.scalars(query.order_by(ConditionChange.id.desc()).limit(limit))
    seen = set(account_ids)
    return [each for each in found if not each.account_ids or seen & set(each.account_ids)]


def reminders_of(connection_id: int, *, limit: int) -> list[RenewalReminder]:
    """Return the newest reminders of a connection that were given, newest first."""
    query = select(RenewalReminder).where(RenewalReminder.connection_id == connection_id)
    return list(db.session.scalars(query.order_by(RenewalReminder.given_at.desc()).limit(limit)))


def _differs(rows: WholeRows, standing: Standing) -> bool:
    """Tell whether something is to be written about a connection, besides a reminder."""
    is_changed = rows.before is None or not _is_same(rows.before, standing)
    return is_changed or _accounts_differ(rows, standing) or days.is_due(rows.connection, standing, rows.now)


def _write(rows: WholeRows, standing: Standing) -> None:
    before = rows.before
    if before is None or not _is_same(before, standing):
        _change(rows, standing)
    elif _accounts_differ(rows, standing):
        stored = update(ConditionChange).where(ConditionChange.id == before.id)
        db.session.execute(stored.values(account_ids=standing.account_ids))
        _mark_accounts(rows, standing)
    if days.is_due(rows.connection, standing, rows.now):
        days.record(rows.connection, rows.now, rows.zone)
    reminders.give(rows.connection.id, standing, _today(rows))


def _change(rows: WholeRows, standing: Standing) -> None:
    """Store a change and emit its event; within a transaction that has locked the connection."""
    connection, before = rows.connection, rows.before
    was_stopped = before is not None and before.condition == Condition.STOPPED
    db.session.add(
        ConditionChange(
            connection_id=connection.id,
            condition=standing.condition,
            reason=standing.reason,
            since=standing.since,
            noted_at=clock.now(),
            account_ids=standing.account_ids,
            facts=standing.facts,
        )
    )
    connection.condition = standing.condition
    _mark_accounts(rows, standing)
    if standing.condition == Condition.STOPPED:
        emit(
            EventKind.CONNECTION_STOPPED,
            connection_id=connection.id,
            reason=standing.reason,
            since=standing.since.isoformat(),
            account_ids=list(standing.account_ids),
        )
    elif was_stopped and before is not None and standing.condition in (Condition.WORKING, Condition.RENEW_SOON):
        emit(
            EventKind.CONNECTION_RECOVERED,
            connection_id=connection.id,
            stopped_since=before.since.isoformat(),
            account_ids=list(before.account_ids),
        )


def _is_same(before: ChangeRow, standing: Standing) -> bool:
    return (before.condition, before.reason) == (standing.condition, standing.reason)


def _stopped_since(account_id: int, standing: Standing, known: datetime | None) -> datetime | None:
    if standing.condition != Condition.STOPPED or standing.recovery is not None:
        return None
    is_concerned = not standing.account_ids or account_id in standing.account_ids
    return (known or standing.since) if is_concerned else None


def _accounts_differ(rows: WholeRows, standing: Standing) -> bool:
    known = {each.id: each.stopped_since for each in rows.accounts}
    if rows.before is not None and rows.before.account_ids != standing.account_ids:
        return True
    return any(since != _stopped_since(each, standing, since) for each, since in known.items())


def _mark_accounts(rows: WholeRows, standing: Standing) -> None:
    for account in rows.accounts:
        account.stopped_since = _stopped_since(account.id, standing, account.stopped_since)


def _today(rows: WholeRows) -> date:
    return rows.now.astimezone(rows.zone).date()
