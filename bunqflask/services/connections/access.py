"""Connections: who may see one, sharing it with the team, and ending it."""

from __future__ import annotations

from flask import current_app
from sqlalchemy import String, bindparam, func, or_, select, type_coerce
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InvalidRequestError

from bunqflask import clock, unchanged
from bunqflask.extensions import db, table_of
from bunqflask.models import Connection, ConnectionMember, ConsentAttempt, MonetaryAccount
from bunqflask.services.gateway import abandoned_sessions
from bunqflask.services.payments import aggregates
from bunqflask.services.sync import webhooks
from bunqflask.services.team.members import Member

# A person waits for the page while the session is closed; bunq's limit may be worth a moment, not more.


_connection, _belongs = table_of(Connection).c, table_of(ConnectionMember).c
_members = (
    select(func.count(), func.max(_belongs.member_id))
    .where(_belongs.connection_id == _connection.id)
    .correlate(table_of(Connection))
)
# Asked for most pages, and so of the tables: making objects takes twice as long.
_STAMPS = select(
    _connection.id,
    # As the driver gives them: they are only compared.
    *(
        type_coerce(_connection[name], String)
        for name in (
            "status",
            "status_since",
            "accounts_read_at",
            "trouble",
            "trouble_since",
            "next_try_at",
            "lease_until",
            "shared_at",
            "consented_at",
        )
    ),
    _members.with_only_columns(func.count()).scalar_subquery(),
    _members.with_only_columns(func.max(_belongs.member_id)).scalar_subquery(),
).where(
    or_(
        _connection.shared_at.is_not(None),
        _connection.id.in_(select(_belongs.connection_id).where(_belongs.member_id == bindparam("member_id"))),
    )
)


class NotFoundHere(Exception):
    """There is no such row, or it is not this team member's to see: the two are told apart to nobody."""


def get_for(member: Member, connection_id: int) -> Connection:
    """Return a connection that the member may see: their own, or one shared with the team.

    :raises NotFoundHere: there is none.
    """
    query = _visible_to(member).where(Connection.id == connection_id)
    found: Connection | None = db.session.scalars(query).unique().one_or_none()
    if found is None:
        raise NotFoundHere
    return found


def get_own(member: Member, connection_id: int) -> Connection:
    """Return a connection that belongs to the member, who may therefore change it.

    :raises NotFoundHere: there is none, or the member only reads it because it is shared.
    """
    found = get_for(member, connection_id)
    if not belongs_to(found, member):
        raise NotFoundHere
    return found


def list_for(member: Member) -> list[Connection]:
    """Return all connections the member may see, the oldest first."""
    return list(db.session.scalars(_visible_to(member).order_by(Connection.id)).unique())


def list_active() -> list[Connection]:
    """Return every connection that works, for work that no team member asks for."""
    query = db.select(Connection).filter_by(environment=current_app.config["BUNQ_ENVIRONMENT"], status="active")
    return list(db.session.scalars(query.order_by(Connection.id)))


def by_id(connection_id: int) -> Connection:
    """Return a connection for work that no team member asks for.

    :raises NotFoundHere: there is none.
    """
    found: Connection | None = db.session.get(Connection, connection_id)
    if found is None:
        raise NotFoundHere
    return found


def stamp(member: Member, connection_id: int | None = None) -> tuple[tuple[object, ...], ...]:
    """Return what changes whenever a page about these connections would: one short question to the database.

    Accounts are only ever stored together with `accounts_read_at`, so their rows need not be asked.

    :raises NotFoundHere: the connection asked for is not there for this member.
    """
    found = unchanged.ask(
        ("connections", member.id), lambda: db.session.execute(_STAMPS, {"member_id": member.id}).all()
    )
    stamps = tuple(tuple(row) for row in found if connection_id in (None, row.id))
    if connection_id is not None and not stamps:
        raise NotFoundHere
    return stamps


def belongs_to(connection: Connection, member: Member) -> bool:
    """Tell whether the member consented to it, or confirmed a consent to it."""
    return any(each.member_id == member.id for each in connection.members)


def share(connection: Connection, member: Member) -> None:
    """Let the whole team read a connection."""
    connection.shared_by_id, connection.shared_at = member.id, clock.now()
    db.session.commit()


def unshare(connection: Connection) -> None:
    """Keep a connection to the members it belongs to."""
    connection.shared_by_id = connection.shared_at = None
    db.session.commit()


def disconnect(connection: Connection, *, erase: bool) -> None:
    """End a connection: erase token and keys, close bunq's session, and keep or erase what was read.

    The grant itself stays at bunq until its holder withdraws it in the bunq app: there is no call for that.

    :raises NotFoundHere: somebody else has erased it meanwhile.
    """
    webhooks.remove(connection)
    try:
        # A renewal may end at this moment: what it has just stored is ended too.
        db.session.refresh(connection, with_for_update=True)
    except InvalidRequestError as error:
        raise NotFoundHere from error
    session, own_installation = connection.session, connection.installation
    # What must not fail comes first, and together: from here on, nothing of ours can use the grant.
    abandoned_sessions.leave(session, own_installation)
    if erase:
        # A renewal that is still under way goes on by itself, and must not lose what it holds.
        db.session.execute(db.delete(ConsentAttempt).where(ConsentAttempt.connection_id == connection.id))
        db.session.delete(connection)
        db.session.flush()
        aggregates.forget_gone()
    else:
        connection.access_token = None
        connection.session_id = None
        connection.installation_id = None
        mark(connection, "disconnected")
    db.session.commit()
    abandoned_sessions.close(session, own_installation)


def mark(connection: Connection, status: str, reason: str | None = None) -> None:
    """Note a connection's new state and since when; what troubled it before is over."""
    connection.status, connection.status_reason, connection.status_since = status, reason, clock.now()
    connection.trouble = connection.trouble_facts = connection.trouble_since = None
    connection.next_try_at = connection.refused_at = None


def find_or_add(environment: str, granted_user_id: int, granted_user_type: str, name: str) -> tuple[Connection, bool]:
    """Return the one connection of a bunq user, locked, and whether it is new. Does not commit.

    Two consents of one bunq user at the same time meet at the unique key: there is never a second row.
    """
    now = clock.now()
    fresh = Connection(
        environment=environment,
        granted_user_id=granted_user_id,
        granted_user_type=granted_user_type,
        display_name=name,
        status="active",
        status_since=now,
        consented_at=now,
    )
    values = {
        column.key: getattr(fresh, column.key)
        for column in Connection.__table__.columns
        if getattr(fresh, column.key) is not None
    }
    insert = sqlite.insert if db.engine.dialect.name == "sqlite" else postgresql.insert
    added = db.session.execute(insert(Connection).values(**values).on_conflict_do_nothing().returning(Connection.id))
    is_new = added.first() is not None
    query = db.select(Connection).filter_by(environment=environment, granted_user_id=granted_user_id)
    return db.session.scalars(query.with_for_update().execution_options(populate_existing=True)).one(), is_new


def admit(connection: Connection, member_id: int) -> None:
    """Let a connection belong to a team member as well. Does not commit."""
    if all(each.member_id != member_id for each in connection.members):
        connection.members.append(ConnectionMember(member_id=member_id, since=clock.now()))


def accounts_of(connection: Connection) -> list[MonetaryAccount]:
    """Return a connection's monetary accounts in bunq's order."""
    return connection.monetary_accounts


def _visible_to(member: Member) -> db.Select[tuple[Connection]]:  # type: ignore[name-defined]
    own = db.select(ConnectionMember.connection_id).filter_by(member_id=member.id)
    return db.select(Connection).where(or_(Connection.id.in_(own), Connection.shared_at.is_not(None)))
