"""What people see of collections: those on accounts that they see in full, how much has come in, and from whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, func, select

from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import (
    AuditKind,
    Collection,
    CollectionItem,
    Instruction,
    InstructionKind,
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
    """A person of a collection, with the request or the link by which they are asked."""

    id: int
    name: str
    payer: Party | None
    received: Decimal
    paid_at: datetime | None
    ended_at: datetime | None
    instruction: InstructionView


def list_all(principal: Principal, *, older_than: int | None = None, limit: int = 50) -> list[CollectionView]:
    """Return the collections that the principal sees, the newest first.

    :param older_than: only those with a smaller id, for the next page.
    """
    query = _query().order_by(Collection.id.desc()).limit(limit)
    return _views(principal, query if older_than is None else query.where(Collection.id < older_than))


def list_open(principal: Principal) -> list[CollectionView]:
    """Return those of which somebody has still to pay, the newest first."""
    return _views(principal, _query().where(Collection.closed_at.is_(None)).order_by(Collection.id.desc()))


def get(principal: Principal, collection_id: int) -> CollectionView:
    """Return a collection.

    :raises NotFoundHere: there is none, or the principal does not see its account in full.
    """
    found = _views(principal, _query().where(Collection.id == collection_id))
    if not found:
        raise NotFoundHere
    return found[0]


def items_of(principal: Principal, collection: CollectionView) -> list[ItemView]:
    """Return the people of a collection that the principal sees, in the order of its list."""
    views = reading.list_all(
        principal, [collection.kind], batch=collection.reference, account_id=collection.account_id, limit=1000
    )
    by_id = {each.id: each for each in views}
    query = select(CollectionItem).filter_by(collection_id=collection.id).order_by(CollectionItem.id)
    rows = db.session.scalars(query.execution_options(populate_existing=True))
    return [
        ItemView(
            id=each.id,
            name=each.name,
            payer=each.payer,
            received=each.received,
            paid_at=each.paid_at,
            ended_at=each.ended_at,
            instruction=by_id[each.instruction_id],
        )
        for each in rows
        if each.instruction_id in by_id
    ]


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
        people=found.people,
        paid=found.paid,
        over=found.over,
        asked=found.asked,
        received=found.received,
    )
