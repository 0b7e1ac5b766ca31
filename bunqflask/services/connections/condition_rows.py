"""Loading the rows that the condition of whole connections follows from, for work that no principal asks for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import Connection, MonetaryAccount
from bunqflask.services.connections.condition import Rows
from bunqflask.services.connections.rows import consents_of, latest_changes, syncs_of


@dataclass(frozen=True, kw_only=True)
class WholeRows(Rows):
    """The rows of a whole connection: itself and its accounts, on which its condition is written."""

    connection: Connection
    accounts: Collection[MonetaryAccount]


def of_whole(worker_seen_at: datetime | None, connection_id: int | None = None) -> list[WholeRows]:
    """Return the rows of whole connections.

    :param connection_id: the only one wanted.
    """
    here = Connection.environment == current_app.config["BUNQ_ENVIRONMENT"]
    query = select(Connection).where(here).order_by(Connection.id)
    if connection_id is not None:
        query = query.where(Connection.id == connection_id)
    query = query.options(selectinload(Connection.monetary_accounts))
    found = list(db.session.scalars(query.execution_options(populate_existing=True)))
    ids = [each.id for each in found]
    consents, before = consents_of(ids), latest_changes(ids)
    syncs = syncs_of(account.id for each in found for account in each.monetary_accounts)
    now, here_zone = clock.now(), zone()
    return [
        WholeRows(
            connection=each,
            state=each.state,
            state_since=each.state_since,
            listed_at=each.accounts_synced_at,
            consents=consents.get(each.id, []),
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


def zone() -> ZoneInfo:
    """Return the time zone of this site."""
    chosen: ZoneInfo = current_app.config["TIME_ZONE"]
    return chosen
