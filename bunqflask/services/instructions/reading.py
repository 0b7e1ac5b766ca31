"""What people see of instructions: those on accounts that they see in full, and what they may do with each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased

from bunqflask.extensions import db
from bunqflask.models import (
    Collection,
    EndReason,
    ErrorKind,
    Instruction,
    InstructionKind,
    InstructionState,
    TeamMember,
)
from bunqflask.models.instructions import Body
from bunqflask.services.instructions import rights
from bunqflask.services.policy import NotFoundHere, VisibleAccount
from bunqflask.services.principal import Principal


@dataclass(frozen=True, kw_only=True)
class InstructionView:
    """An instruction as a principal sees it; ids but `bunq_id` and `payment_ids` are ours.

    `next_try_at` is when it is acted on next: while it is ahead, what waits can still be taken back here.
    """

    id: int
    kind: InstructionKind
    state: InstructionState
    reference: str
    connection_id: int
    account_id: int
    account_name: str
    account_iban: str | None
    holder_name: str
    currency: str
    body: Body
    content_hash: str
    amount: Decimal | None
    label: str
    batch: str | None
    created_at: datetime
    prepared_by: str
    is_own: bool
    approved_by: str
    approved_at: datetime | None
    sent_back: str
    sent_at: datetime | None
    opened_at: datetime | None
    next_try_at: datetime | None
    cancel_asked_at: datetime | None
    ended_at: datetime | None
    end_reason: EndReason | None
    error_kind: ErrorKind | None
    error_facts: dict[str, Any] | None
    bunq_id: int | None
    share_url: str | None
    payment_ids: tuple[int, ...]
    can_approve: bool
    can_cancel: bool
    can_change: bool
    can_send_back: bool


def get(principal: Principal, instruction_id: int) -> InstructionView:
    """Return an instruction.

    :raises NotFoundHere: there is none, or the principal does not see its account in full.
    """
    found = _views(principal, _query().where(Instruction.id == instruction_id))
    if not found:
        raise NotFoundHere
    return found[0]


def get_by_reference(principal: Principal, reference: str) -> InstructionView:
    """Return an instruction by its reference.

    :raises NotFoundHere: there is none, or the principal does not see its account in full.
    """
    found = _views(principal, _query().where(Instruction.reference == reference))
    if not found:
        raise NotFoundHere
    return found[0]


def get_many(principal: Principal, instruction_ids: Sequence[int]) -> dict[int, InstructionView]:
    """Return the instructions with some ids, by id, as far as the principal sees them."""
    return {each.id: each for each in _views(principal, _query().where(Instruction.id.in_(instruction_ids)))}


def list_all(
    principal: Principal,
    kinds: Iterable[InstructionKind],
    *,
    states: Iterable[InstructionState] | None = None,
    account_id: int | None = None,
    batch: str | None = None,
    in_collections: bool = True,
    older_than: int | None = None,
    limit: int = 100,
) -> list[InstructionView]:
    """Return instructions of some kinds, the newest first.

    :param states: only those in one of these.
    :param account_id: only those on this account of ours.
    :param batch: only those that were split from this.
    :param in_collections: also those of collections, of which there may be hundreds.
    :param older_than: only those with a smaller id, for the next page.
    """
    query = _query().where(Instruction.kind.in_(list(kinds))).order_by(Instruction.id.desc()).limit(limit)
    if states is not None:
        query = query.where(Instruction.state.in_(list(states)))
    if account_id is not None:
        query = query.where(Instruction.account_id == account_id)
    if batch is not None:
        query = query.where(Instruction.batch == batch)
    if not in_collections:
        is_in_one = select(Collection.id).where(Collection.reference == Instruction.batch).exists()
        query = query.where(~is_in_one)
    if older_than is not None:
        query = query.where(Instruction.id < older_than)
    return _views(principal, query)


@dataclass(frozen=True, kw_only=True)
class NotYetPaid:
    """What the drafts of an account that are neither accepted nor ended add up to, in euros, beside its balance."""

    account_name: str
    balance: Decimal | None
    amount: Decimal


def not_yet_paid(principal: Principal) -> list[NotYetPaid]:
    """Return the sums of the open drafts on the accounts that the principal sees in full."""
    accounts = rights.accounts_in_full(principal)
    query = select(Instruction.account_id, func.sum(Instruction.amount)).group_by(Instruction.account_id)
    query = query.where(Instruction.kind == InstructionKind.DRAFT, Instruction.ended_at.is_(None))
    found = db.session.execute(query.where(Instruction.account_id.in_(list(accounts))))
    sums = {account_id: amount or Decimal(0) for account_id, amount in found}
    return [
        NotYetPaid(account_name=each.row.description, balance=each.row.balance, amount=sums[key])
        for key, each in accounts.items()
        if key in sums
    ]


def _query() -> Select[Instruction, str, str]:
    preparer, approver = aliased(TeamMember), aliased(TeamMember)
    return (
        select(Instruction, preparer.name, approver.name)
        .outerjoin(preparer, preparer.id == Instruction.member_id)
        .outerjoin(approver, approver.id == Instruction.approved_by_id)
        .execution_options(populate_existing=True)
    )


def _views(principal: Principal, query: Select[*tuple[Any, ...]]) -> list[InstructionView]:
    accounts = rights.accounts_in_full(principal)
    rows: Sequence[Any] = db.session.execute(query.where(Instruction.account_id.in_(list(accounts)))).all()
    # Asked once, and only where it matters.
    has_own = any(row[0].state is InstructionState.PREPARED and row[0].member_id == principal.id for row in rows)
    is_alone = has_own and rights.is_alone(principal)
    return [_view(principal, row, accounts[row[0].account_id], is_alone=is_alone) for row in rows]


def _view(principal: Principal, found: Any, account: VisibleAccount, *, is_alone: bool) -> InstructionView:
    row, prepared_by, approved_by = found
    is_own = row.member_id == principal.id
    is_before_sending = row.state in (InstructionState.PREPARED, InstructionState.WAITING)
    decides = rights.decides(principal, account)
    could_approve = row.kind is InstructionKind.DRAFT and decides and (not is_own or is_alone)
    return InstructionView(
        id=row.id,
        kind=row.kind,
        state=row.state,
        reference=row.reference,
        connection_id=row.connection_id,
        account_id=row.account_id,
        account_name=account.row.description,
        account_iban=account.row.iban,
        holder_name=account.holder_name,
        currency=account.row.currency,
        body=row.body,
        content_hash=row.content_hash,
        amount=row.amount,
        label=row.label,
        batch=row.batch,
        created_at=row.created_at,
        prepared_by=prepared_by or "",
        is_own=is_own,
        approved_by=approved_by or "",
        approved_at=row.approved_at,
        sent_back=row.sent_back,
        sent_at=row.sent_at,
        opened_at=row.opened_at,
        next_try_at=row.next_try_at,
        cancel_asked_at=row.cancel_asked_at,
        ended_at=row.ended_at,
        end_reason=row.end_reason,
        error_kind=row.error_kind,
        error_facts=row.error_facts,
        bunq_id=row.bunq_id,
        share_url=row.result.get("share_url"),
        payment_ids=tuple(row.result.get("payment_ids", ())),
        can_approve=could_approve and row.state is InstructionState.PREPARED,
        can_cancel=(is_own or decides) and row.ended_at is None and row.cancel_asked_at is None,
        can_change=row.kind is InstructionKind.DRAFT and is_before_sending,
        can_send_back=row.kind is InstructionKind.DRAFT and is_before_sending and decides and not is_own,
    )
