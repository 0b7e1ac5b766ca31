"""How many connections need somebody's attention, as a part of a statement that is made anyway."""

from __future__ import annotations

from typing import Any

from sqlalchemy import FromClause, ScalarSelect, and_, func, not_, or_, select

from bunqflask.extensions import table_of
from bunqflask.models import (
    AccountHolder,
    AccountShare,
    Condition,
    Connection,
    ConnectionState,
    MonetaryAccount,
    TeamRole,
    WorkerHeartbeat,
)
from bunqflask.services.account_rights import is_shared_with

_connection, _account, _holder = (table_of(each).c for each in (Connection, MonetaryAccount, AccountHolder))
_beat = table_of(WorkerHeartbeat).c


def count_for(member: FromClause, worker_gone_at: Any) -> ScalarSelect[int]:
    """Return the number of connections of which a member sees an account that is not updated, or is to be renewed.

    What is near its reminder counts for those who hold it: nobody else can renew it. Guests can do nothing, so nothing
    counts for them.

    :param member: the table of members, as the statement around it has it.
    :param worker_gone_at: a worker that gave its last sign of life before then is gone, and nothing is updated.
    """
    member_id, is_guest = member.c.id, member.c.role == TeamRole.GUEST
    held = select(_holder.account_id).where(_holder.member_id == member_id).correlate(member)
    shared = select(AccountShare.account_id).where(is_shared_with(member_id, is_guest=is_guest)).correlate(member)
    seen = or_(_account.id.in_(held), _account.id.in_(shared))
    of_stopped = select(_account.connection_id).where(_account.stopped_since.is_not(None), seen)
    of_held = select(_account.connection_id).where(_account.id.in_(held))
    of_seen = select(_account.connection_id).where(seen)
    a_worker_lives = select(_beat.worker).where(_beat.seen_at >= worker_gone_at).exists()
    is_left_alone = and_(
        _connection.state == ConnectionState.ACTIVE,
        _connection.state_since < worker_gone_at,
        _connection.id.in_(of_seen),
        ~a_worker_lives,
    )
    is_to_be_renewed = and_(_connection.condition == Condition.RENEW_SOON, _connection.id.in_(of_held))
    needing = or_(_connection.id.in_(of_stopped), is_to_be_renewed, is_left_alone)
    return select(func.count()).select_from(table_of(Connection)).where(not_(is_guest), needing).scalar_subquery()
