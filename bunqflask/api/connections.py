"""Connections to bunq, and asking for an update of one."""

from __future__ import annotations

from flask import g, url_for

from bunqflask.api.blueprint import endpoint
from bunqflask.api.schemas import Accepted, ConnectionItem, Connections
from bunqflask.models import TokenScope
from bunqflask.services import policy
from bunqflask.services.connections import condition_texts, overview
from bunqflask.services.connections.overview import ConnectionOverview
from bunqflask.services.principal import Principal
from bunqflask.services.sync import connection_sync

_TAG = "Connections"


@endpoint("GET", "/connections", answer=Connections, scope=TokenScope.BALANCES_READ, tag=_TAG)
def connections() -> Connections:
    """All connections of which the token sees an account, the oldest first."""
    return list_of(g.bearer)


@endpoint("GET", "/connections/<int:connection_id>", answer=ConnectionItem, scope=TokenScope.BALANCES_READ, tag=_TAG)
def connection(connection_id: int) -> ConnectionItem:
    """One connection."""
    return _item(overview.get(g.bearer, connection_id, with_standing=True))


@endpoint(
    "POST",
    "/connections/<int:connection_id>/sync",
    answer=Accepted,
    scope=TokenScope.BALANCES_READ,
    tag=_TAG,
    status=202,
)
def sync_connection(connection_id: int) -> tuple[Accepted, int, dict[str, str]]:
    """Ask for an update of a connection’s accounts and payments; a worker does it, within bunq’s limits."""
    policy.check_can_refresh(g.bearer)
    policy.check_can_manage(g.bearer, connection_id)
    connection_sync.request(g.bearer, connection_id)
    address = url_for("api.connection", connection_id=connection_id, _external=True)
    return Accepted(state_at=address), 202, {"Location": address, "Retry-After": "5"}


def list_of(principal: Principal) -> Connections:
    """Return the connections of which a principal sees an account."""
    return Connections([_item(each) for each in overview.list_all(principal, with_people=False, with_standing=True)])


def _item(found: ConnectionOverview) -> ConnectionItem:
    standing = found.standing
    said = condition_texts.explanation(standing, found.holder_name)
    return ConnectionItem(
        id=str(found.id),
        holder_name=found.holder_name,
        holder_type=found.holder_type,
        state=standing.condition.value,
        state_since=standing.since,
        reason=standing.reason.value if standing.reason else None,
        who=standing.who.value,
        explanation=said.text if said else None,
        given_at=standing.given_at,
        reminder_on=standing.reminder_day,
        session_until=found.session_until,
        complete_at=standing.complete_at,
        accounts_updated_at=found.accounts_synced_at,
        error=found.error_kind.value if found.error_kind else None,
        next_try_at=found.next_try_at,
        consents=[each.granted_at for each in found.permissions],
        account_ids=[str(each.id) for each in found.accounts],
    )
