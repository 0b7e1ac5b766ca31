"""Loading connections for background work, which sees all of them, and the accounts of one for a principal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import Boolean, Date, Integer, Select, bindparam, false, null, select, true, type_coerce
from sqlalchemy.orm import selectinload
from sqlalchemy.orm.interfaces import ORMOption

from bunqflask.extensions import db, table_of
from bunqflask.models import (
    AccountHolder,
    AccountShare,
    Connection,
    ConnectionState,
    Consent,
    MonetaryAccount,
    TeamRole,
)
from bunqflask.services import account_rights
from bunqflask.services.account_rights import AccountRight
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal, TokenBearer

_WHOLE: tuple[ORMOption, ...] = (
    selectinload(Connection.monetary_accounts),
    selectinload(Connection.consents).selectinload(Consent.accounts),
)


def list_active() -> list[Connection]:
    """Return every connection that works, with its accounts and consents, for work that no principal asks for."""
    here = Connection.environment == current_app.config["BUNQ_ENVIRONMENT"]
    query = select(Connection).where(here, Connection.state == ConnectionState.ACTIVE).order_by(Connection.id)
    return list(db.session.scalars(query.options(*_WHOLE)).unique())


def by_id(connection_id: int) -> Connection:
    """Return a connection with its accounts and consents, for work that no principal asks for.

    :raises NotFoundHere: there is none.
    """
    found = db.session.get(Connection, connection_id, options=_WHOLE, populate_existing=True)
    if found is None:
        raise NotFoundHere
    return found


@dataclass(frozen=True)
class AccountOnConnection:
    """An account of a connection as a principal may see it: its id here, bunq's id, its IBANs, and the right on it."""

    id: int
    monetary_account_id: int
    ibans: tuple[str, ...]
    right: AccountRight


def accounts_on(principal: Principal, connection_id: int) -> list[AccountOnConnection]:
    """Return the accounts of one connection that the principal may see, in bunq's order: plain values, and quickly."""
    asked = {
        "member_id": principal.id,
        "is_guest": principal.role is TeamRole.GUEST,
        "connection_id": connection_id,
    }
    # None: a token for all accounts. One whose accounts were all erased has none left, which is not the same.
    chosen = principal.account_ids if isinstance(principal, TokenBearer) else None
    found: dict[int, AccountOnConnection] = {}
    for row in db.session.connection().execute(_ON_CONNECTION, asked):
        if chosen is not None and row.id not in chosen:
            continue
        right = AccountRight(bool(row.is_held), row.first_day)
        also = (found[row.id].right,) if row.id in found else ()
        ibans = (row.iban, *row.other_ibans) if row.iban else ()
        found[row.id] = AccountOnConnection(
            row.id, row.monetary_account_id, ibans, account_rights.widest((right, *also))
        )
    return list(found.values())


def _on_connection() -> Select[Any]:
    """Make the statement of `accounts_on`, once."""
    account, holder, share = (table_of(each).c for each in (MonetaryAccount, AccountHolder, AccountShare))
    member_id = bindparam("member_id", type_=Integer)
    held = select(holder.account_id, true().label("is_held"), type_coerce(null(), Date).label("first_day"))
    shared = select(share.account_id, false().label("is_held"), share.first_day)
    is_shared = account_rights.is_shared_with(member_id, is_guest=bindparam("is_guest", type_=Boolean))
    rights = held.where(holder.member_id == member_id).union_all(shared.where(is_shared)).subquery("rights")
    return (
        select(
            account.id,
            account.monetary_account_id,
            account.iban,
            account.other_ibans,
            rights.c.is_held,
            rights.c.first_day,
        )
        .join(rights, rights.c.account_id == account.id)
        .where(account.connection_id == bindparam("connection_id"))
        .order_by(account.monetary_account_id)
    )


_ON_CONNECTION = _on_connection()
