"""Facts for a look at payments before they are sent: whom the account paid before, and how much.

The facts are of the account alone, so they tell nobody about payments of accounts that they do not see.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, or_, select

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import DraftBody, Instruction, InstructionKind, InstructionState, MonetaryAccount, Payment
from bunqflask.payment_files import marks
from bunqflask.payment_files.lines import PaymentLine
from bunqflask.payment_files.marks import EarlierPayment, Facts
from bunqflask.services.payments import local_days

# Who was paid longer ago counts as unknown again; so the whole of a long history is not read for each look.
KNOWN_FOR = timedelta(days=2 * 365)


def of_account(account: MonetaryAccount, *, but: int | None = None) -> Facts:
    """Return the facts about an account that the caller may see in full.

    :param but: a draft of ours that is looked at, and so is no earlier one.
    """
    today = local_days.day_of(clock.now())
    payees: dict[str, set[str]] = defaultdict(set)
    usual: dict[str, set[Decimal]] = defaultdict(set)
    for iban, name, largest in db.session.execute(_payees(account.id)):
        payees[iban].add(name)
        usual[iban].add(-largest)
    return Facts(
        today=today,
        payees=payees,
        usual_amounts=usual,
        recent=[*_recent_payments(account.id, today), *_recent_drafts(account.id, today, but)],
        balance=account.balance,
    )


def payees_of(account: MonetaryAccount) -> dict[str, set[str]]:
    """Return the IBANs that an account paid before, with the names they had then, as `Facts.payees`."""
    payees: dict[str, set[str]] = defaultdict(set)
    for iban, name, _largest in db.session.execute(_payees(account.id)):
        payees[iban].add(name)
    return payees


def lines_of(body: DraftBody) -> list[PaymentLine]:
    """Return the payments of a draft as lines, numbered from 1."""
    return [
        PaymentLine(
            number=number,
            amount=each.amount,
            amount_text="",
            name=each.name,
            iban=each.iban,
            description=each.description,
            end_to_end_id=each.end_to_end_id,
        )
        for number, each in enumerate(body.lines, start=1)
    ]


def marks_of_draft(account: MonetaryAccount, instruction_id: int, body: DraftBody) -> list[marks.Mark]:
    """Return what to look at in a draft before it is approved; `line` counts its payments from 1."""
    return marks.marks_of(lines_of(body), of_account(account, but=instruction_id))


def _payees(account_id: int) -> Any:
    paid_out = Payment.amount < 0, Payment.counterparty_iban.is_not(None), Payment.currency == "EUR"
    return (
        select(Payment.counterparty_iban, Payment.counterparty_name, func.min(Payment.amount))
        .where(Payment.account_id == account_id, Payment.created_at >= clock.now() - KNOWN_FOR, *paid_out)
        .group_by(Payment.counterparty_iban, Payment.counterparty_name)
    )


def _recent_payments(account_id: int, today: date) -> Iterator[EarlierPayment]:
    columns = Payment.counterparty_iban, Payment.amount, Payment.description, Payment.created_at
    query = select(*columns).where(Payment.account_id == account_id, Payment.amount < 0)
    since = local_days.start_of(today - marks.SAME_DESCRIPTION_WITHIN)
    query = query.where(Payment.created_at >= since, Payment.counterparty_iban.is_not(None))
    for iban, amount, description, created_at in db.session.execute(query):
        if iban is not None:
            day = local_days.day_of(created_at)
            yield EarlierPayment(iban=iban, amount=-amount, description=description, day=day)


def _recent_drafts(account_id: int, today: date, but: int | None) -> Iterator[EarlierPayment]:
    """Yield the payments of drafts that are open, and of accepted ones, which may not be synced as payments yet."""
    since = local_days.start_of(today - marks.SAME_DESCRIPTION_WITHIN)
    is_accepted = (Instruction.state == InstructionState.ACCEPTED) & (Instruction.ended_at >= since)
    query = select(Instruction).filter_by(account_id=account_id, kind=InstructionKind.DRAFT)
    query = query.where(or_(Instruction.ended_at.is_(None), is_accepted))
    for row in db.session.scalars(query if but is None else query.where(Instruction.id != but)):
        day = local_days.day_of(row.ended_at or row.created_at)
        for line in row.body.lines if isinstance(row.body, DraftBody) else ():
            yield EarlierPayment(
                iban=line.iban,
                amount=line.amount,
                description=line.description,
                day=day,
                is_draft=row.ended_at is None,
            )
