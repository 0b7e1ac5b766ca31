"""Numbers about this server for a monitoring system, all from the database: so they are true for every process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flask import current_app
from sqlalchemy import func, select

from bunqflask.database.outbox import Event
from bunqflask.extensions import db
from bunqflask.models import (
    AccountSync,
    Connection,
    ConnectionState,
    Consent,
    ConsentGrantState,
    MonetaryAccount,
    Payment,
    RateLimitWindow,
    WorkerHeartbeat,
)
from bunqflask.services import policy
from bunqflask.services.principal import Principal


@dataclass(frozen=True)
class Gauge:
    """A number that can go up and down, once for each set of labels; names and units as Prometheus asks for them.

    https://prometheus.io/docs/practices/naming/
    """

    name: str
    help: str
    values: Sequence[tuple[Mapping[str, str], float]] = field(default_factory=list)


def gather(principal: Principal) -> list[Gauge]:
    """Return all numbers; labels have our ids and states, no name of a person or company and no amount.

    :raises NotPermitted: the principal is neither owner nor admin.
    """
    policy.check_can_read_metrics(principal)
    return [*_of_connections(), *_of_accounts(), *_of_calls(), *_of_worker()]


def _of_connections() -> list[Gauge]:
    here = Connection.environment == current_app.config["BUNQ_ENVIRONMENT"]
    states = Counter(db.session.scalars(select(Connection.state).where(here)))
    newest = (
        select(Consent.connection_id, func.max(Consent.granted_at))
        .where(Consent.state == ConsentGrantState.ACTIVE)
        .group_by(Consent.connection_id)
    )
    synced = select(Connection.id, Connection.accounts_synced_at).where(
        here, Connection.accounts_synced_at.is_not(None)
    )
    return [
        Gauge(
            "bunqflask_connections",
            "Connections to bunq by state.",
            [({"state": state.value}, states[state]) for state in ConnectionState],
        ),
        Gauge(
            "bunqflask_connection_consent_timestamp_seconds",
            "When the newest working consent of a connection was given.",
            [_at(number, at) for number, at in db.session.execute(newest)],
        ),
        Gauge(
            "bunqflask_connection_last_sync_timestamp_seconds",
            "When the accounts of a connection were last listed by bunq.",
            [_at(number, at) for number, at in db.session.execute(synced)],
        ),
    ]


def _at(connection_id: int, at: datetime | None) -> tuple[Mapping[str, str], float]:
    return {"connection": str(connection_id)}, at.timestamp() if at else 0.0


def _of_accounts() -> list[Gauge]:
    oldest = (
        select(MonetaryAccount.connection_id, func.min(AccountSync.synced_at))
        .join(AccountSync, AccountSync.id == MonetaryAccount.id)
        .where(MonetaryAccount.uncovered_since.is_(None), AccountSync.synced_at.is_not(None))
        .group_by(MonetaryAccount.connection_id)
    )
    failing = select(func.count()).select_from(AccountSync).where(AccountSync.error_kind.is_not(None))
    uncovered = select(func.count()).select_from(MonetaryAccount).where(MonetaryAccount.uncovered_since.is_not(None))
    return [
        Gauge(
            "bunqflask_payments_last_sync_timestamp_seconds",
            "When the payments of a connection were last complete: of its accounts, the one that is furthest behind.",
            [_at(number, at) for number, at in db.session.execute(oldest)],
        ),
        Gauge(
            "bunqflask_accounts_failing", "Accounts whose last import failed.", [({}, db.session.scalar(failing) or 0)]
        ),
        Gauge(
            "bunqflask_accounts_uncovered",
            "Accounts that no permission covers any more.",
            [({}, db.session.scalar(uncovered) or 0)],
        ),
        Gauge(
            "bunqflask_newest_payment_timestamp_seconds",
            "When the newest stored payment was booked.",
            [({}, at.timestamp()) for at in db.session.scalars(select(func.max(Payment.created_at))) if at],
        ),
    ]


def _of_calls() -> list[Gauge]:
    rows = db.session.execute(select(RateLimitWindow.endpoint, RateLimitWindow.blocked_until)).all()
    return [
        Gauge(
            "bunqflask_bunq_blocked_until_timestamp_seconds",
            "Until when bunq takes no call of this kind, because its rate limit was reached.",
            [({"endpoint": row.endpoint}, row.blocked_until.timestamp()) for row in rows if row.blocked_until],
        )
    ]


def _of_worker() -> list[Gauge]:
    waiting = db.session.execute(
        select(func.count(), func.min(Event.created_at)).where(Event.handled_at.is_(None))
    ).one()
    seen_at = db.session.scalar(select(func.max(WorkerHeartbeat.seen_at)))
    return [
        Gauge("bunqflask_events_waiting", "Events that no worker has handled yet.", [({}, waiting[0])]),
        Gauge(
            "bunqflask_worker_heartbeat_timestamp_seconds",
            "The last sign of life of a worker.",
            [({}, seen_at.timestamp())] if seen_at else [],
        ),
    ]
