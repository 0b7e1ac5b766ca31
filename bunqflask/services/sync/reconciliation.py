"""Reconciliation: each payment's balance must follow from the one before it, to the cent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from sqlalchemy import ScalarSelect, func, select, type_coerce

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AccountSync, Discrepancy, LateChangeKind, Payment, PaymentChange
from bunqflask.services.sync import chain

# An account whose payments carry no balances has a discrepancy at each: the first ones are enough.
MOST_DISCREPANCIES = 100
_FULL_CHECK_EVERY = timedelta(days=1)
# One payment listed twice has two ids, and perhaps not quite the same time.
_SAME_TIME = timedelta(minutes=2)
# More payments at once are left in bunq's order.
_MOST_AT_ONCE = 50

Kind = Literal["missing", "duplicate", "changed", "unknown"]


@dataclass(frozen=True)
class Check:
    """The result of a reconciliation: every balance up to `verified_id` follows from the one before it.

    `is_full` tells that all payments were compared for it, and not only the new ones.
    """

    verified_id: int | None
    discrepancies: tuple[Discrepancy, ...]
    is_full: bool


@dataclass(frozen=True)
class Finding:
    """What a discrepancy seems to be.

    `payment` is the one that is there twice, has changed, or has no balance; for "missing" the one after the hole,
    and `before` the one before it, if there is one.
    """

    kind: Kind
    payment: Payment
    before: Payment | None
    difference: Decimal


def check_all(account_id: int) -> Check:
    """Compare amounts and balances of all payments of an account, in bunq's order.

    The chain begins at zero when the end of history has been reached. A payment without a balance is one discrepancy:
    the payment after it is none. Within two minutes any order in which the balances follow is right. An account none of
    whose payments has a balance has no discrepancy, and is not verified either.
    """
    if not _has_balances(account_id):
        return Check(None, (), is_full=True)
    return _check(account_id, _discrepancies(account_id, since=None), is_full=True)


def check_new(account_id: int, state: AccountSync) -> Check:
    """Do the same, but compare only from where something was stored since the last check.

    A discrepancy depends on a payment and the one before it: what is older than all changes is as it was found then.
    All payments are compared once a day nevertheless.
    """
    known = list(state.discrepancies)
    is_old = state.reconciled_at is None or state.reconciled_at < clock.now() - _FULL_CHECK_EVERY
    if is_old or len(known) >= MOST_DISCREPANCIES:
        return check_all(account_id)
    since = state.unreconciled_from
    if not _has_balances(account_id):
        return Check(None, (), is_full=False)
    if since is not None:
        since = _begin_of_group(account_id, since)
        known = [each for each in known if each.row_id < since] + _discrepancies(account_id, since=since)
    return _check(account_id, known[:MOST_DISCREPANCIES], is_full=False)


def _discrepancies(account_id: int, *, since: int | None) -> list[Discrepancy]:
    """Return the first payments that do not follow from the one before, of all or from a row on."""
    before = func.lag(Payment.balance_after).over(order_by=Payment.id)
    id_before = func.lag(Payment.id).over(order_by=Payment.id)
    chained = select(
        Payment.id, Payment.amount, Payment.balance_after, before.label("before"), id_before.label("id_before")
    ).where(Payment.account_id == account_id)
    if since is not None:
        # The one before the first is what that follows from.
        chained = chained.where(Payment.id >= func.coalesce(_row_before(account_id, since), since))
    rows = chained.subquery()
    # Compared as the whole numbers that are stored, so that the database is as exact as Decimal.
    off = func.coalesce(rows.c.balance_after, 0) - rows.c.amount - func.coalesce(rows.c.before, 0)
    query = (
        select(rows.c.id, type_coerce(off, Payment.amount.type).label("missing"))
        .where(
            rows.c.balance_after.is_(None) | ((off != 0) & (rows.c.before.is_not(None) | rows.c.id_before.is_(None)))
        )
        .order_by(rows.c.id)
        .limit(MOST_DISCREPANCIES)
    )
    if since is not None:
        query = query.where(rows.c.id >= since)
    found = [Discrepancy(row.id, row.missing) for row in db.session.execute(query)]
    return found if len(found) == MOST_DISCREPANCIES else _without_disorder(account_id, found)


def _without_disorder(account_id: int, found: Sequence[Discrepancy]) -> list[Discrepancy]:
    """Leave out those of payments that are in order by their balances, though not by bunq's numbers."""
    left, settled = list[Discrepancy](), dict[int, Decimal]()
    for each in found:
        if each.row_id not in settled:
            settled |= _settled(account_id, each.row_id)
        difference = settled.get(each.row_id, each.difference)
        if difference:
            left.append(Discrepancy(each.row_id, difference))
    return left


def _settled(account_id: int, row_id: int) -> dict[int, Decimal]:
    """Return the differences at the payments booked together, and at the one after it, if their balances follow.

    These are the neighbours of a payment by bunq's numbers that were booked within two minutes of it.
    """
    before, group, after = _group(account_id, row_id)
    end = _end_of(before, group)
    if end is None or len(group) == 1:
        return {}
    found = {each.id: Decimal(0) for each in group}
    if after is not None and after.balance_after is not None:
        found[after.id] = after.balance_after - after.amount - end
    return found


def balance_at_end(account_id: int) -> tuple[int | None, Decimal | None]:
    """Return the newest row, and the balance after all payments: that of the last in the order of balances."""
    newest = db.session.scalar(select(func.max(Payment.id)).where(Payment.account_id == account_id))
    if newest is None:
        return None, None
    before, group, _after = _group(account_id, newest)
    end = _end_of(before, group)
    return newest, end if end is not None else db.session.get_one(Payment, newest).balance_after


def _end_of(before: Payment | None, group: Sequence[Payment]) -> Decimal | None:
    start = before.balance_after if before is not None else Decimal(0)
    steps = [chain.Step(each.amount, each.balance_after) for each in group]
    return chain.end_of(steps, start) if steps and start is not None else None


def _group(account_id: int, row_id: int) -> tuple[Payment | None, list[Payment], Payment | None]:
    """Return the payments booked together in bunq's order, and those before and after them."""
    of_account = select(Payment).where(Payment.account_id == account_id)
    older = of_account.where(Payment.id <= row_id).order_by(Payment.id.desc()).limit(_MOST_AT_ONCE + 1)
    newer = of_account.where(Payment.id > row_id).order_by(Payment.id).limit(_MOST_AT_ONCE)
    near = [*reversed(list(db.session.scalars(older))), *db.session.scalars(newer)]
    place = next((number for number, each in enumerate(near) if each.id == row_id), None)
    if place is None:
        return None, [], None
    at, first, last = near[place].created_at, place, place
    while first > 0 and abs(near[first - 1].created_at - at) <= _SAME_TIME:
        first -= 1
    while last + 1 < len(near) and abs(near[last + 1].created_at - at) <= _SAME_TIME:
        last += 1
    if last - first >= _MOST_AT_ONCE - 1:
        return None, [], None
    return near[first - 1] if first else None, near[first : last + 1], near[last + 1] if last + 1 < len(near) else None


def _begin_of_group(account_id: int, row_id: int) -> int:
    """Return the first row that a change of this one may put in another order."""
    at = select(Payment.created_at).where(Payment.id == row_id).scalar_subquery()
    time = db.session.scalar(select(at))
    if time is None:
        return row_id
    near = Payment.created_at.between(time - _SAME_TIME, time + _SAME_TIME)
    first = select(func.min(Payment.id)).where(Payment.account_id == account_id, near)
    return min(row_id, db.session.scalar(first) or row_id)


def _has_balances(account_id: int) -> bool:
    """Tell whether bunq gives any balance with the payments of an account, or it has no payment."""
    of_account = select(Payment.id).where(Payment.account_id == account_id)
    known = of_account.where(Payment.balance_after.is_not(None)).limit(1)
    return db.session.scalar(known) is not None or db.session.scalar(of_account.limit(1)) is None


def _row_before(account_id: int, row_id: int) -> ScalarSelect[int]:
    query = select(func.max(Payment.id)).where(Payment.account_id == account_id, Payment.id < row_id)
    return query.scalar_subquery()


def _check(account_id: int, discrepancies: list[Discrepancy], *, is_full: bool) -> Check:
    newest = select(func.max(Payment.id)).where(Payment.account_id == account_id)
    if discrepancies:
        newest = newest.where(Payment.id < discrepancies[0].row_id)
    return Check(db.session.scalar(newest), tuple(discrepancies), is_full)


def is_fully_known(state: AccountSync) -> bool:
    """Tell whether all discrepancies of an account are known, and not only the first `MOST_DISCREPANCIES`."""
    return len(state.discrepancies) < MOST_DISCREPANCIES


def is_verified(state: AccountSync | None, *, earlier_id: int, row_id: int) -> bool:
    """Tell whether the balance after a payment is verified, and none after `earlier_id` up to it breaks the chain.

    It is when all balances follow from the first payment to it, or from the last discrepancy on.
    """
    if state is None or state.verified_id is None:
        return False
    if row_id <= state.verified_id:
        return True
    if not state.discrepancies or not is_fully_known(state):
        return False
    last = state.discrepancies[-1].row_id
    return row_id >= last and (not earlier_id or earlier_id >= last)


def findings(account_id: int, *, since: datetime, limit: int) -> list[Finding]:
    """Return what the first discrepancies of an account seem to be; payments before `since` do not show."""
    state = db.session.get(AccountSync, account_id)
    if state is None:
        return []
    query = select(Payment.id).where(Payment.id.in_([each.row_id for each in state.discrepancies]))
    seen = set(db.session.scalars(query.where(Payment.created_at >= since)))
    found = explain(account_id, [each for each in state.discrepancies if each.row_id in seen][:limit])
    return [
        each if each.before is None or each.before.created_at >= since else replace(each, before=None)
        for each in found
        if each.payment.created_at >= since
    ]


def explain(account_id: int, discrepancies: Sequence[Discrepancy]) -> list[Finding]:
    """Return what each discrepancy is, as far as balances show it; those of one cause are one finding."""
    found: list[Finding] = []
    explained: set[int] = set()
    for each in discrepancies:
        if each.row_id in explained:
            continue
        around = _around(account_id, each.row_id)
        if around is not None:
            finding, more = _explained(account_id, *around, each.difference)
            found.append(finding)
            explained |= more
    return found


def _explained(
    account_id: int, before: Payment | None, payment: Payment, after: Payment | None, difference: Decimal
) -> tuple[Finding, set[int]]:
    """Explain one discrepancy; with it come the rows of others that have the same cause."""
    if payment.balance_after is None:
        return Finding("unknown", payment, before, difference), set()
    changed = _changed([each for each in (payment, before) if each is not None])
    if changed is not None:
        # The balance of one that changed is off twice: from the one before it, and to the one after it.
        same = {after.id} if changed is payment and after is not None and _off(payment, after) == -difference else set()
        return Finding("changed", changed, before, difference), same
    for suspect in (payment, before):
        around = _around(account_id, suspect.id) if suspect is not None else None
        if around is not None and _is_twice(account_id, *around):
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
    """Return the one that is known to have changed after its import."""
    query = select(PaymentChange.payment_row_id).where(
        PaymentChange.payment_row_id.in_([each.id for each in suspects]), PaymentChange.kind == LateChangeKind.CHANGED
    )
    changed = set(db.session.scalars(query))
    return next((each for each in suspects if each.id in changed), None)


def _is_twice(account_id: int, before: Payment | None, payment: Payment, after: Payment | None) -> bool:
    """Tell whether a payment has a twin and all would add up without it."""
    query = (
        select(Payment)
        .where(Payment.account_id == account_id, Payment.id != payment.id)
        .where(
            Payment.created_at.between(payment.created_at - _SAME_TIME, payment.created_at + _SAME_TIME),
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


def _around(account_id: int, row_id: int) -> tuple[Payment | None, Payment, Payment | None] | None:
    """Return a payment with the one before it and the one after it; None when it is no longer stored."""
    of_account = select(Payment).where(Payment.account_id == account_id)
    older = list(db.session.scalars(of_account.where(Payment.id <= row_id).order_by(Payment.id.desc()).limit(2)))
    newer = db.session.scalar(of_account.where(Payment.id > row_id).order_by(Payment.id).limit(1))
    if not older or older[0].id != row_id:
        return None
    return (older[1] if len(older) > 1 else None), older[0], newer
