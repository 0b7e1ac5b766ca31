"""Proof of completeness: each payment's balance must follow from the one before it, to the cent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import ScalarSelect, func, select, type_coerce

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AccountSync, MonetaryAccount, Payment, PaymentChange

# An account whose payments carry no balances at all breaks everywhere: the first ones tell enough.
MOST_BREAKS = 100
_PROVED_FOR = timedelta(days=1)
# One payment told twice has two ids, and perhaps not quite the same moment.
_SAME_MOMENT = timedelta(minutes=2)

Kind = Literal["missing", "duplicate", "changed", "unknown"]


@dataclass(frozen=True)
class Gap:
    """A payment whose balance does not follow from the payment before it; `missing` is what lies between."""

    row_id: int
    missing: Decimal

    def as_json(self) -> list[Any]:
        return [self.row_id, str(self.missing)]


@dataclass(frozen=True)
class Proof:
    """Every payment up to `verified_id` adds up from the first one on; `breaks` are the ones that do not.

    `is_anew` tells that all payments were chained for it, and not only what was new.
    """

    verified_id: int | None
    breaks: list[Gap]
    is_anew: bool


@dataclass(frozen=True)
class Finding:
    """What a break seems to be.

    `payment` is the one that is there twice, has changed, or has no balance; for "missing" the one after the gap,
    and `before` the one before it, if there is one.
    """

    kind: Kind
    payment: Payment
    before: Payment | None
    difference: Decimal


def prove(account: MonetaryAccount) -> Proof:
    """Chain amounts and balances of all payments of an account, in bunq's order.

    The chain begins at zero when the end of history has been reached. A payment without a balance breaks it, once:
    the one after it cannot be blamed.
    """
    return _proof(account, _breaks(account, since=None), is_anew=True)


def prove_on(account: MonetaryAccount, state: AccountSync) -> Proof:
    """Do the same, but chain only from where something was stored since the last proof.

    A payment breaks the chain for what it is and what the one before it is: what is older than all that changed is as
    it was proved then. All of them are chained once a day nevertheless, in case they changed without us.
    """
    known = [Gap(int(row_id), Decimal(missing)) for row_id, missing in state.breaks]
    if state.proved_at is None or state.proved_at < clock.now() - _PROVED_FOR or len(known) >= MOST_BREAKS:
        return prove(account)
    since = state.unproved_from
    if since is not None:
        known = [gap for gap in known if gap.row_id < since] + _breaks(account, since=since)
    return _proof(account, known[:MOST_BREAKS], is_anew=False)


def _breaks(account: MonetaryAccount, *, since: int | None) -> list[Gap]:
    """Return the first payments that do not follow from the one before, of all or from a row on."""
    before = func.lag(Payment.balance_after).over(order_by=Payment.id)
    id_before = func.lag(Payment.id).over(order_by=Payment.id)
    chained = select(
        Payment.id, Payment.amount, Payment.balance_after, before.label("before"), id_before.label("id_before")
    ).where(Payment.account_id == account.id)
    if since is not None:
        # The one before the first is what that follows from.
        chained = chained.where(Payment.id >= func.coalesce(_row_before(account, since), since))
    rows = chained.subquery()
    # Compared as the whole numbers that are stored, so that the database is as exact as Decimal.
    off = func.coalesce(rows.c.balance_after, 0) - rows.c.amount - func.coalesce(rows.c.before, 0)
    query = (
        select(rows.c.id, type_coerce(off, Payment.amount.type).label("missing"))
        .where(
            rows.c.balance_after.is_(None) | ((off != 0) & (rows.c.before.is_not(None) | rows.c.id_before.is_(None)))
        )
        .order_by(rows.c.id)
        .limit(MOST_BREAKS)
    )
    if since is not None:
        query = query.where(rows.c.id >= since)
    return [Gap(row.id, row.missing) for row in db.session.execute(query)]


def _row_before(account: MonetaryAccount, row_id: int) -> ScalarSelect[int]:
    query = select(func.max(Payment.id)).where(Payment.account_id == account.id, Payment.id < row_id)
    return query.scalar_subquery()


def _proof(account: MonetaryAccount, breaks: list[Gap], *, is_anew: bool) -> Proof:
    return Proof(_newest(account, below=breaks[0].row_id if breaks else None), breaks, is_anew)


def _newest(account: MonetaryAccount, *, below: int | None) -> int | None:
    query = select(func.max(Payment.id)).where(Payment.account_id == account.id)
    if below is not None:
        query = query.where(Payment.id < below)
    newest: int | None = db.session.scalar(query)
    return newest


def explain(account: MonetaryAccount, breaks: Sequence[Sequence[Any]]) -> list[Finding]:
    """Tell for each break, as far as balances allow it, what it is; breaks of one cause are one finding."""
    found: list[Finding] = []
    mended: set[int] = set()
    for row_id, difference in breaks:
        if row_id in mended:
            continue
        around = _around(account, int(row_id))
        if around is not None:
            finding, more = _explained(account, *around, Decimal(difference))
            found.append(finding)
            mended |= more
    return found


def _explained(
    account: MonetaryAccount, before: Payment | None, payment: Payment, after: Payment | None, difference: Decimal
) -> tuple[Finding, set[int]]:
    """Explain one break; with it come the rows of other breaks that have the same cause."""
    if payment.balance_after is None:
        return Finding("unknown", payment, before, difference), set()
    changed = _changed([each for each in (payment, before) if each is not None])
    if changed is not None:
        # The balance of one that changed is off twice: from the one before it, and to the one after it.
        same = {after.id} if changed is payment and after is not None and _off(payment, after) == -difference else set()
        return Finding("changed", changed, before, difference), same
    for suspect in (payment, before):
        around = _around(account, suspect.id) if suspect is not None else None
        if around is not None and _is_twice(account, *around):
            return Finding("duplicate", around[1], around[0], difference), {around[2].id} if around[2] else set()
    if after is not None and _off(payment, after) == -difference:
        return Finding("changed", payment, before, difference), {after.id}
    return Finding("missing", payment, before, difference), set()


def _off(before: Payment | None, payment: Payment) -> Decimal | None:
    """Return by how much a balance does not follow from the one before; None when one of them is unknown."""
    start = before.balance_after if before is not None else Decimal(0)
    if start is None or payment.balance_after is None:
        return None
    return payment.balance_after - payment.amount - start


def _changed(suspects: Sequence[Payment]) -> Payment | None:
    """Return the one that is known to have changed after it was read."""
    query = select(PaymentChange.payment_row_id).where(
        PaymentChange.payment_row_id.in_([each.id for each in suspects]), PaymentChange.kind == "changed"
    )
    noted = set(db.session.scalars(query))
    return next((each for each in suspects if each.id in noted), None)


def _is_twice(account: MonetaryAccount, before: Payment | None, payment: Payment, after: Payment | None) -> bool:
    """Tell whether a payment has a twin and all would add up without it."""
    query = (
        select(Payment)
        .where(Payment.account_id == account.id, Payment.id != payment.id)
        .where(
            Payment.created_at.between(payment.created_at - _SAME_MOMENT, payment.created_at + _SAME_MOMENT),
            Payment.amount == payment.amount,
            Payment.counterparty_name == payment.counterparty_name,
            Payment.counterparty_iban.is_not_distinct_from(payment.counterparty_iban),
            Payment.description == payment.description,
        )
        .limit(1)
    )
    twin = db.session.scalar(query)
    if twin is None or payment.amount == 0:
        return False
    return _off(before, after) == 0 if after is not None else twin.balance_after == payment.balance_after


def _around(account: MonetaryAccount, row_id: int) -> tuple[Payment | None, Payment, Payment | None] | None:
    """Return a payment with the one before it and the one after it; None when it is no longer kept."""
    of_account = select(Payment).where(Payment.account_id == account.id)
    older = list(db.session.scalars(of_account.where(Payment.id <= row_id).order_by(Payment.id.desc()).limit(2)))
    newer = db.session.scalar(of_account.where(Payment.id > row_id).order_by(Payment.id).limit(1))
    if not older or older[0].id != row_id:
        return None
    return (older[1] if len(older) > 1 else None), older[0], newer
