"""The states of a connection: made by a consent, lost when bunq refuses it, ended here. Helpers take part in the
caller's transaction."""

from __future__ import annotations

from sqlalchemy import select

from bunqflask import clock
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db
from bunqflask.models import Connection, ConnectionMember, ConnectionState


def mark(connection: Connection, state: ConnectionState) -> None:
    """Record a connection's new state and since when; an earlier error is over."""
    connection.state, connection.state_since = state, clock.now()
    connection.refused_at = None
    connection.clear_error()


def find_or_add(environment: str, granted_user_id: int, granted_user_type: str, name: str) -> tuple[Connection, bool]:
    """Return the one connection of a bunq user, locked, and whether it is new.

    Two consents of one bunq user at the same time meet at the unique key: there is never a second row.
    """
    now = clock.now()
    values = {
        "environment": environment,
        "granted_user_id": granted_user_id,
        "granted_user_type": granted_user_type,
        "display_name": name,
        "state": ConnectionState.ACTIVE,
        "state_since": now,
        "consented_at": now,
    }
    added = db.session.execute(
        insert_into(Connection).values(**values).on_conflict_do_nothing().returning(Connection.id)
    )
    is_new = added.first() is not None
    query = select(Connection).filter_by(environment=environment, granted_user_id=granted_user_id)
    return db.session.scalars(query.with_for_update().execution_options(populate_existing=True)).one(), is_new


def admit(connection_id: int, member_id: int) -> None:
    """Let a connection belong to a team member as well."""
    values = {"connection_id": connection_id, "member_id": member_id, "since": clock.now()}
    db.session.execute(insert_into(ConnectionMember).values(**values).on_conflict_do_nothing())
