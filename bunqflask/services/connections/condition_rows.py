"""Loading the rows that the condition of connections follows from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AccountSync, ConditionChange, Connection, Consent
from bunqflask.services.connections.condition import Rows


def of_whole(worker_seen_at: datetime | None, connection_id: int | None = None) -> list[Rows]:
    """Return the rows of whole connections, for work that no principal asks for.

    :param connection_id: the only one wanted.
    """
    here = Connection.environment == current_app.config["BUNQ_ENVIRONMENT"]
    query = select(Connection).where(here).order_by(Connection.id)
    if connection_id is not None:
        query = query.where(Connection.id == connection_id)
    accounts, consents = selectinload(Connection.monetary_accounts), selectinload(Connection.consents)
    query = query.options(accounts, consents.selectinload(Consent.accounts))
    found = list(db.session.scalars(query.execution_options(populate_existing=True)))
    before = latest([each.id for each in found])
    syncs = syncs_of([account.id for each in found for account in each.monetary_accounts])
    now, here_zone = clock.now(), zone()
    return [
        Rows(
            connection=each,
            state=each.state,
            state_since=each.state_since,
            consents=each.consents,
            accounts=each.monetary_accounts,
            syncs=syncs,
            remind_after_days=each.remind_after_days,
            before=before.get(each.id),
            worker_seen_at=worker_seen_at,
            now=now,
            zone=here_zone,
        )
        for each in found
    ]


def latest(connection_ids: Sequence[int]) -> dict[int, ConditionChange]:
    """Return the condition of each connection that was stored last, by our id of the connection."""
    newest = (
        select(func.max(ConditionChange.id))
        .where(ConditionChange.connection_id.in_(connection_ids))
        .group_by(ConditionChange.connection_id)
    )
    query = select(ConditionChange).where(ConditionChange.id.in_(newest))
    found = db.session.scalars(query.execution_options(populate_existing=True))
    return {each.connection_id: each for each in found}


def syncs_of(account_ids: Sequence[int]) -> dict[int, AccountSync]:
    """Return how far accounts are synced, by our ids of them."""
    query = select(AccountSync).where(AccountSync.id.in_(account_ids)).execution_options(populate_existing=True)
    return {each.id: each for each in db.session.scalars(query)}


def zone() -> ZoneInfo:
    """Return the time zone of this site."""
    chosen: ZoneInfo = current_app.config["TIME_ZONE"]
    return chosen
