"""Loading connections: for a principal, who sees some accounts of them, and for background work, which sees all."""

from __future__ import annotations

from flask import current_app
from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from bunqflask.extensions import db
from bunqflask.models import Connection, ConnectionState, Consent
from bunqflask.services import policy
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal


def visible_to(principal: Principal) -> Select[Connection]:
    """Return a statement for the connections of which the principal may see an account.

    They come with all their consents, also those that do not concern the principal: the caller has to leave these out.
    Consents are joined, so each connection comes once for each: its result has to be made unique.
    """
    return (
        select(Connection)
        .where(policy.is_visible_to(principal))
        .options(
            joinedload(Connection.consents).joinedload(Consent.accounts),
            joinedload(Connection.consents).joinedload(Consent.member),
        )
        .execution_options(populate_existing=True)
    )


def list_active() -> list[Connection]:
    """Return every connection that works, with its accounts and consents, for work that no principal asks for."""
    here = Connection.environment == current_app.config["BUNQ_ENVIRONMENT"]
    query = select(Connection).where(here, Connection.state == ConnectionState.ACTIVE).order_by(Connection.id)
    return list(db.session.scalars(query.options(*_whole())).unique())


def by_id(connection_id: int) -> Connection:
    """Return a connection with its accounts and consents, for work that no principal asks for.

    :raises NotFoundHere: there is none.
    """
    found = db.session.get(Connection, connection_id, options=_whole(), populate_existing=True)
    if found is None:
        raise NotFoundHere
    return found


def _whole() -> list[ORMOption]:
    return [
        selectinload(Connection.monetary_accounts),
        selectinload(Connection.consents).selectinload(Consent.accounts),
    ]
