"""Abilities: what an owner lets this server write at bunq for a connection. All are off until then."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from sqlalchemy import delete, select

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.database.types import fits
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import Ability, AuditKind, Connection, ConnectionAbility, MonetaryAccount, TeamRole
from bunqflask.services import policy
from bunqflask.services.audit import trail
from bunqflask.services.gateway import installations
from bunqflask.services.policy import NotFoundHere, NotPermitted
from bunqflask.services.principal import Principal


class AbilityOff(NotPermitted):
    """An owner has not switched this on; the text says so, for a person."""


def of_connection(connection_id: int) -> frozenset[Ability]:
    """Return what is switched on for a connection."""
    return frozenset(db.session.scalars(select(ConnectionAbility.ability).filter_by(connection_id=connection_id)))


def of_connections(connection_ids: Iterable[int]) -> dict[int, frozenset[Ability]]:
    """Return what is switched on for each of some connections."""
    columns = ConnectionAbility.connection_id, ConnectionAbility.ability
    found: dict[int, set[Ability]] = {each: set() for each in connection_ids}
    for connection_id, ability in db.session.execute(select(*columns).where(columns[0].in_(list(found)))):
        found[connection_id].add(ability)
    return {key: frozenset(on) for key, on in found.items()}


def limits_of(connection_id: int, *, lock: bool = False) -> tuple[Decimal | None, Decimal | None]:
    """Return what may be approved of drafts in one day, in euros: in all, and by one person; None: any sum.

    :param lock: let no other approval of the connection pass until the caller's transaction has ended.
    """
    found = db.session.get(ConnectionAbility, (connection_id, Ability.DRAFTS), with_for_update=lock or None)
    return (found.day_limit, found.approver_limit) if found is not None else (None, None)


def check_is_on(connection_id: int, ability: Ability) -> None:
    """Make sure that something is switched on.

    :raises AbilityOff: it is not.
    """
    if ability not in of_connection(connection_id):
        raise AbilityOff(_("This is switched off for this connection. An owner can switch it on under Connections."))


def can_switch(principal: Principal, connection_id: int) -> bool:
    """Tell whether the principal may switch abilities of a connection: an owner who sees one of its accounts."""
    return principal.role is TeamRole.OWNER and _sees(principal, connection_id)


def check_can_see(principal: Principal, connection_id: int) -> None:
    """Make sure that the principal may know what is switched on: a member who sees an account of the connection.

    :raises NotFoundHere: they are a guest, or see none.
    """
    if principal.role is TeamRole.GUEST or not _sees(principal, connection_id):
        raise NotFoundHere


def why_not_here(ability: Ability) -> str:
    """Return why this server can never have an ability, for a person; empty when it can."""
    installation = installations.find_current() if ability is Ability.TRANSFERS else None
    if installation is not None and installation.psd2_certificate is not None:
        return _("bunq does not let a licensed party move money, not even between accounts of one person.")
    return ""


def switch(
    principal: Principal,
    connection_id: int,
    ability: Ability,
    *,
    on: bool,
    day_limit: Decimal | None = None,
    approver_limit: Decimal | None = None,
) -> None:
    """Switch an ability of a connection on or off; an owner does that. Nothing happens where it is so already.

    :param day_limit: of drafts, in euros: what may be approved in one day in all; None: any sum.
    :param approver_limit: the same, by one person.
    :raises NotFoundHere: the principal sees none of its accounts.
    :raises NotPermitted: the principal is no owner, or this server can never have it.
    :raises ValueError: a limit is not above zero.
    """
    for limit in (day_limit, approver_limit):
        if limit is not None and not (fits(limit) and limit > 0):
            raise ValueError(_("A limit has to be above zero."))
    with transaction():
        # Asked first, so that others cannot find out which connections there are.
        if principal.role is not TeamRole.OWNER:
            raise NotPermitted(_("Only owners switch on what this site may do at bunq."))
        if not can_switch(principal, connection_id):
            raise NotFoundHere
        if on and (reason := why_not_here(ability)):
            raise NotPermitted(reason)
        if _is_so(connection_id, ability, on, day_limit, approver_limit):
            return
        db.session.execute(delete(ConnectionAbility).filter_by(connection_id=connection_id, ability=ability))
        if on:
            made = ConnectionAbility(connection_id=connection_id, ability=ability, since=clock.now())
            if ability is Ability.DRAFTS:
                made.day_limit, made.approver_limit = day_limit, approver_limit
            db.session.add(made)
        trail.record(
            AuditKind.ABILITY_SWITCHED,
            actor_id=principal.id,
            connection_id=connection_id,
            subject=db.session.get_one(Connection, connection_id).display_name,
            account_ids=db.session.scalars(select(MonetaryAccount.id).filter_by(connection_id=connection_id)),
            ability=ability.value,
            on=on,
        )


def _is_so(
    connection_id: int, ability: Ability, on: bool, day_limit: Decimal | None, approver_limit: Decimal | None
) -> bool:
    """Tell whether an ability is switched as somebody wants it; until the transaction ends, nobody switches it."""
    # The connection stands for a row that may not be there yet.
    db.session.execute(select(Connection.id).where(Connection.id == connection_id).with_for_update())
    found = db.session.get(ConnectionAbility, (connection_id, ability), populate_existing=True)
    if found is None or not on:
        return found is None and not on
    return ability is not Ability.DRAFTS or (found.day_limit, found.approver_limit) == (day_limit, approver_limit)


def _sees(principal: Principal, connection_id: int) -> bool:
    return connection_id in {each.row.connection_id for each in policy.accounts_seen_by(principal).values()}
