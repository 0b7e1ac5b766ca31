"""The rights of members on accounts, when they end: given up, or handed over to somebody else.

A right ends with the consents behind it, and with it end the shares that its holder granted. An account on which
nobody holds a right any more is deleted with its payments. All helpers take part in the caller's transaction, which
has locked the connections.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import delete, select, update

from bunqflask import clock
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db
from bunqflask.models import (
    AccountHolder,
    AccountShare,
    Connection,
    Consent,
    ConsentAccount,
    ConsentGrantState,
    MonetaryAccount,
    TeamMember,
)
from bunqflask.services.connections import lifecycle


def lock_members() -> None:
    """Keep all members as they are until the transaction ends: before rows are stored that name some of them.

    A transaction that removes a member, or changes a role, locks all members and then what is theirs. One that locked a
    connection first and its members later would wait for the other, which waits for the connection.
    """
    db.session.execute(select(TeamMember.id).order_by(TeamMember.id).with_for_update(read=True, key_share=True)).all()


def held_by(member_id: int, connection_id: int | None = None) -> set[int]:
    """Return our ids of the accounts that a member holds, of all connections or of one."""
    query = select(AccountHolder.account_id).where(AccountHolder.member_id == member_id)
    if connection_id is not None:
        of_connection = select(MonetaryAccount.id).filter_by(connection_id=connection_id)
        query = query.where(AccountHolder.account_id.in_(of_connection))
    return set(db.session.scalars(query))


def held_alone(member_id: int, connection_id: int | None = None) -> set[int]:
    """Return those of them that nobody else holds: they are deleted when the member gives them up."""
    held = held_by(member_id, connection_id)
    others = select(AccountHolder.account_id).where(AccountHolder.member_id != member_id)
    return held - set(db.session.scalars(others.where(AccountHolder.account_id.in_(held))))


def end_consents(member_id: int, connection: Connection) -> None:
    """End all consents of a member on a connection; what was imported stays readable."""
    own = select(Consent).filter_by(member_id=member_id, connection_id=connection.id, state=ConsentGrantState.ACTIVE)
    for consent in list(db.session.scalars(own)):
        lifecycle.end(consent, ConsentGrantState.ENDED)
    lifecycle.settle(connection)


def give_up(member_id: int, account_ids: Collection[int]) -> None:
    """End a member's own right on some accounts, and the shares that they granted on them."""
    holding = delete(AccountHolder).where(AccountHolder.member_id == member_id)
    granted = delete(AccountShare).where(AccountShare.granted_by_id == member_id)
    for query, column in ((holding, AccountHolder.account_id), (granted, AccountShare.account_id)):
        db.session.execute(query.where(column.in_(account_ids)).execution_options(synchronize_session=False))


def without_holder(connection_id: int) -> list[int]:
    """Return our ids of the accounts of a connection that nobody holds, locked."""
    held = select(AccountHolder.account_id)
    query = select(MonetaryAccount.id).where(
        MonetaryAccount.connection_id == connection_id, MonetaryAccount.id.not_in(held)
    )
    return list(db.session.scalars(query.with_for_update()))


def hand_over(member_id: int, heir_id: int, account_ids: Collection[int]) -> None:
    """Let another member take over some accounts, with the consents that cover them and the shares granted on them.

    A consent cannot be divided: its new member also holds the other accounts that it covers.
    """
    covering = select(ConsentAccount.consent_id).where(ConsentAccount.account_id.in_(account_ids))
    own = select(Consent.id).filter_by(member_id=member_id, state=ConsentGrantState.ACTIVE)
    moved: Sequence[int] = list(db.session.scalars(own.where(Consent.id.in_(covering))))
    also = select(ConsentAccount.account_id).where(ConsentAccount.consent_id.in_(moved))
    for account_id in sorted({*account_ids, *db.session.scalars(also)}):
        right = {"account_id": account_id, "member_id": heir_id, "since": clock.now()}
        db.session.execute(insert_into(AccountHolder).values(**right).on_conflict_do_nothing())
    consents = update(Consent).where(Consent.id.in_(moved)).values(member_id=heir_id)
    granted = update(AccountShare).where(AccountShare.granted_by_id == member_id)
    shares = granted.where(AccountShare.account_id.in_(account_ids)).values(granted_by_id=heir_id)
    for query in (consents, shares):
        db.session.execute(query.execution_options(synchronize_session="fetch"))
