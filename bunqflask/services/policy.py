"""Who may do what. Each rule exists once, as a question (`can_x`) and as a check that raises (`check_can_x`)."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_, select

from bunqflask.models import Connection, ConnectionMember
from bunqflask.services.principal import Principal


class NotFoundHere(Exception):
    """There is no such row, or the principal may not see it: one error for both, so that ids cannot be probed."""


def is_visible_to(principal: Principal) -> ColumnElement[bool]:
    """The condition that the principal may see a connection: it belongs to them, or is shared with the team."""
    own = select(ConnectionMember.connection_id).where(ConnectionMember.member_id == principal.id)
    return or_(Connection.id.in_(own), Connection.shared_at.is_not(None))


def can_manage(principal: Principal, connection: Connection) -> bool:
    """Tell whether the principal may share, renew and end a connection: they consented to it, or confirmed a consent.

    The connection's members have to be loaded.
    """
    return any(each.member_id == principal.id for each in connection.members)


def check_can_manage(principal: Principal, connection: Connection) -> None:
    """Make sure of the same.

    :raises NotFoundHere: the principal may not.
    """
    if not can_manage(principal, connection):
        raise NotFoundHere
