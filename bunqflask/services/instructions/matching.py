"""Which payments came of a draft, and of which draft a payment came.

bunq names the payments of an accepted draft, and repeats our reference in each of them. Either is enough: a payment may
be synced before the draft is seen to be accepted, and bunq may leave one of the two out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select

from bunqflask.extensions import db
from bunqflask.models import Instruction, InstructionKind, Payment, PaymentRaw
from bunqflask.models.payments import LARGEST_PAYMENT_ID, row_id
from bunqflask.services.instructions import rights
from bunqflask.services.instructions.reading import InstructionView
from bunqflask.services.principal import Principal

_REFERENCE = re.compile(r"(BF[A-Z0-9]{10})(?:-([0-9]{1,3}))?", re.ASCII)
# bunq books the payments of a draft when it is accepted; its clock and the look at it may be apart.
_BEFORE_ACCEPTANCE, _AFTER_ACCEPTANCE = timedelta(days=1), timedelta(days=2)


@dataclass(frozen=True)
class Paid:
    """A stored payment that came of a draft; `line` counts the draft's payments from 1, None where it is not known."""

    line: int | None
    payment_row_id: int
    created_at: datetime


@dataclass(frozen=True)
class Origin:
    """The draft of which a payment came; `id` is ours."""

    id: int
    reference: str
    label: str


def payments_of(found: InstructionView) -> list[Paid]:
    """Return the stored payments that came of a draft, as they were booked."""
    if found.opened_at is None:
        return []
    named = [row_id(each, found.account_id) for each in found.payment_ids if each <= LARGEST_PAYMENT_ID]
    until = (found.ended_at or found.opened_at) + _AFTER_ACCEPTANCE
    text = PaymentRaw.data["merchant_reference"].as_string()
    in_time = Payment.created_at.between(found.opened_at - _BEFORE_ACCEPTANCE, until)
    is_ours = Payment.id.in_(named) if named else and_(in_time, text.startswith(found.reference))
    query = select(Payment.id, Payment.created_at, text).join(PaymentRaw, PaymentRaw.id == Payment.id)
    query = query.where(Payment.account_id == found.account_id, Payment.amount < 0, is_ours)
    paid = []
    for payment_row_id, created_at, repeated in db.session.execute(query.order_by(Payment.created_at, Payment.id)):
        reference, line = _read(repeated)
        if payment_row_id in named or reference == found.reference:
            paid.append(Paid(line if reference == found.reference else None, payment_row_id, created_at))
    return paid


def origin_of(
    principal: Principal, account_id: int, payment_id: int, created_at: datetime, raw: Mapping[str, Any]
) -> Origin | None:
    """Return of which draft a payment came, with one statement; None if of none.

    :param account_id: ours, of an account that the principal sees in full.
    :param payment_id: bunq's.
    :param raw: bunq's JSON of the payment.
    """
    if not rights.may_see_instructions(principal):
        return None
    reference, _line = _read(raw.get("merchant_reference"))
    around = Instruction.ended_at.between(created_at - _AFTER_ACCEPTANCE, created_at + _AFTER_ACCEPTANCE)
    columns = Instruction.id, Instruction.reference, Instruction.label, Instruction.result
    query = select(*columns).filter_by(account_id=account_id, kind=InstructionKind.DRAFT)
    for row in db.session.execute(query.where(or_(Instruction.reference == reference, around))):
        if row.reference == reference or payment_id in row.result.get("payment_ids", ()):
            return Origin(row.id, row.reference, row.label)
    return None


def _read(text: object) -> tuple[str | None, int | None]:
    """Return the reference of ours that a payment repeats, and which payment of the draft it names."""
    read = _REFERENCE.fullmatch(text) if isinstance(text, str) else None
    return (read[1], int(read[2]) if read[2] else None) if read is not None else (None, None)
