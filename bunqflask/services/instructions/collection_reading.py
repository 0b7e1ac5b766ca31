"""What people see of collections: those on accounts that they see in full, how much has come in, and from whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import (
    AuditKind,
    Collection,
    CollectionItem,
    EndReason,
    Instruction,
    InstructionKind,
    InstructionState,
    MonetaryAccount,
    Party,
    TeamMember,
)
from bunqflask.services import policy
from bunqflask.services.audit import trail
from bunqflask.services.instructions import reading, rights
from bunqflask.services.instructions.reading import InstructionView
from bunqflask.services.policy import NotFoundHere, VisibleAccount
from bunqflask.services.principal import Principal

KINDS = (InstructionKind.REQUEST, InstructionKind.LINK)


class PersonState(StrEnum):
    """How far somebody is who was asked for money."""

    # bunq is still to be asked, or its answer is
    BEING_SENT = "being_sent"
    OPEN = "open"
    # bunq shows a payment, which is not imported yet
    BEING_IMPORTED = "being_imported"
    PAID_IN_PART = "paid_in_part"
    PAID = "paid"
    BEING_TAKEN_BACK = "being_taken_back"
    # here or at bunq
    TAKEN_BACK = "taken_back"
    EXPIRED = "expired"
    # by the payer
    REFUSED = "refused"
    # bunq refused it, or it could not be sent: nobody was asked
    NOT_SENT = "not_sent"


_STATES = {
    InstructionState.OPEN: PersonState.OPEN,
    InstructionState.ACCEPTED: PersonState.PAID,
    InstructionState.CANCELLED: PersonState.TAKEN_BACK,
    InstructionState.REJECTED: PersonState.REFUSED,
    InstructionState.FAILED: PersonState.NOT_SENT,
}
_ENDED_UNPAID = (PersonState.TAKEN_BACK, PersonState.EXPIRED, PersonState.REFUSED, PersonState.NOT_SENT)


@dataclass(frozen=True, kw_only=True)
class CollectionView:
    """A collection: of `people`, `paid` have paid and `over` will not any more; amounts are in `currency`."""

    id: int
    reference: str
    kind: InstructionKind
    name: str
    description: str
    account_id: int
    account_name: str
    holder_name: str
    currency: str
    created_at: datetime
    closed_at: datetime | None
    prepared_by: str
    is_own: bool
    can_take_back: bool
    can_ask: bool
    people: int
    paid: int
    over: int
    asked: Decimal
    received: Decimal

    @property
    def open(self) -> int:
        """How many people are still asked."""
        return self.people - self.paid - self.over


@dataclass(frozen=True, kw_only=True)
class ItemView:
    """A person of a collection, with the request or the link by which they are asked, or were asked last."""

    id: int
    name: str
    payer: Party | None
    received: Decimal
    paid_at: datetime | None
    ended_at: datetime | None
    instruction: InstructionView
    state: PersonState
    can_ask_again: bool


def list_all(
    principal: Principal,
    *,
    kinds: Iterable[InstructionKind] = KINDS,
    older_than: int | None = None,
    limit: int = 50,
) -> list[CollectionView]:
    """Return the collections that the principal sees, the newest first.

    :param kinds: only those that are sent as these.
    :param older_than: only those with a smaller id, for the next page.
    """
    query = _query().where(Collection.kind.in_(list(kinds))).order_by(Collection.id.desc()).limit(limit)
    return _views(principal, query if older_than is None else query.where(Collection.id < older_than))


def list_open(principal: Principal) -> list[CollectionView]:
    """Return those of which somebody has still to pay, the newest first."""
    return _views(principal, _query().where(Collection.closed_at.is_(None)).order_by(Collection.id.desc()))


def get(principal: Principal, collection_id: int) -> CollectionView:
    """Return a collection.

    :raises NotFoundHere: there is none, or the principal does not see its account in full.
    """
    return _one(principal, Collection.id == collection_id)


def get_by_reference(principal: Principal, reference: str) -> CollectionView:
    """Return a collection by its reference.

    :raises NotFoundHere: there is none, or the principal does not see its account in full.
    """
    return _one(principal, Collection.reference == reference)


def items_of(principal: Principal, collection: CollectionView) -> list[ItemView]:
    """Return the people of a collection that the principal sees, in the order of its list."""
    query = select(CollectionItem).filter_by(collection_id=collection.id).order_by(CollectionItem.id)
    rows = db.session.scalars(query.execution_options(populate_existing=True)).all()
    by_id = reading.get_many(principal, [each.instruction_id for each in rows])
    return [_item(collection, each, by_id[each.instruction_id]) for each in rows if each.instruction_id in by_id]


def item_of(principal: Principal, collection: CollectionView, item_id: int) -> ItemView:
    """Return one person of a collection that the principal sees.

    :raises NotFoundHere: there is no such person in it.
    """
    found = next((each for each in items_of(principal, collection) if each.id == item_id), None)
    if found is None:
        raise NotFoundHere
    return found


def export(principal: Principal, collection_id: int) -> tuple[CollectionView, list[ItemView]]:
    """Return a collection with its people for a file, and record that it was exported.

    :raises NotFoundHere: there is none, or the principal does not see its account in full.
    :raises NotPermitted: they may not export.
    """
    with transaction():
        found = get(principal, collection_id)
        policy.check_can_export(principal)
        trail.record(
            AuditKind.COLLECTION_EXPORTED,
            actor_id=principal.id,
            connection_id=db.session.get_one(MonetaryAccount, found.account_id).connection_id,
            subject=found.name,
            account_ids=[found.account_id],
        )
        return found, items_of(principal, found)


def _query() -> Select[*tuple[Any, ...]]:
    is_over = CollectionItem.ended_at.is_not(None) & CollectionItem.paid_at.is_(None)
    sums = (
        select(
            CollectionItem.collection_id,
            func.count().label("people"),
            func.count(CollectionItem.paid_at).label("paid"),
            func.count().filter(is_over).label("over"),
            func.sum(Instruction.amount).label("asked"),
            func.sum(CollectionItem.received).label("received"),
        )
        .join(Instruction, Instruction.id == CollectionItem.instruction_id)
        .group_by(CollectionItem.collection_id)
        .subquery()
    )
    return (
        select(Collection, TeamMember.name, sums)
        .join(sums, sums.c.collection_id == Collection.id)
        .outerjoin(TeamMember, TeamMember.id == Collection.member_id)
        .execution_options(populate_existing=True)
    )


def _one(principal: Principal, is_it: ColumnElement[bool]) -> CollectionView:
    found = _views(principal, _query().where(is_it))
    if not found:
        raise NotFoundHere
    return found[0]


def _views(principal: Principal, query: Select[*tuple[Any, ...]]) -> list[CollectionView]:
    accounts = rights.accounts_in_full(principal)
    rows: Sequence[Any] = db.session.execute(query.where(Collection.account_id.in_(list(accounts)))).all()
    return [_view(principal, each, accounts[each[0].account_id]) for each in rows]


def _view(principal: Principal, found: Any, account: VisibleAccount) -> CollectionView:
    row: Collection = found[0]
    is_own = row.member_id == principal.id
    return CollectionView(
        id=row.id,
        reference=row.reference,
        kind=row.kind,
        name=row.name,
        description=row.description,
        account_id=row.account_id,
        account_name=account.row.description,
        holder_name=account.holder_name,
        currency=account.row.currency,
        created_at=row.created_at,
        closed_at=row.closed_at,
        prepared_by=found[1] or "",
        is_own=is_own,
        can_take_back=row.closed_at is None and (is_own or rights.can_approve(principal, account, None)),
        can_ask=rights.can_prepare(principal, account, row.kind),
        people=found.people,
        paid=found.paid,
        over=found.over,
        asked=found.asked,
        received=found.received,
    )


def _item(collection: CollectionView, row: CollectionItem, asked_by: InstructionView) -> ItemView:
    state = _state_of(row, asked_by)
    is_unpaid = state in _ENDED_UNPAID and not asked_by.payment_ids
    return ItemView(
        id=row.id,
        name=row.name,
        payer=row.payer,
        received=row.received,
        paid_at=row.paid_at,
        ended_at=row.ended_at,
        instruction=asked_by,
        state=state,
        can_ask_again=collection.can_ask and is_unpaid,
    )


def _state_of(row: CollectionItem, asked_by: InstructionView) -> PersonState:
    if row.paid_at is not None or asked_by.state is InstructionState.ACCEPTED:
        return PersonState.PAID
    if row.received:
        return PersonState.PAID_IN_PART
    if asked_by.payment_ids:
        return PersonState.BEING_IMPORTED
    if asked_by.cancel_asked_at is not None and asked_by.ended_at is None:
        return PersonState.BEING_TAKEN_BACK
    if asked_by.end_reason is EndReason.EXPIRED:
        return PersonState.EXPIRED
    return _STATES.get(asked_by.state, PersonState.BEING_SENT)
