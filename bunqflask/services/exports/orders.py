"""Exports that programs order, for a day. Their files are written when they are fetched, with the rights of that time.

The files are not stored, so nothing of an account that was erased, or of a right that ended, is left in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import delete, func, select

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.exports.statement import ExportError
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import ExportOrder
from bunqflask.services import policy
from bunqflask.services.exports import downloads, statements
from bunqflask.services.exports.downloads import Download, PeriodRefused
from bunqflask.services.exports.statements import Period
from bunqflask.services.payments import repository
from bunqflask.services.payments.repository import Scope
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal

KEPT_FOR = timedelta(days=1)
MOST_OF_MEMBER = 100


@dataclass(frozen=True, kw_only=True)
class Order:
    """An export that was ordered; `account_ids` are ours."""

    id: int
    created_at: datetime
    expires_at: datetime
    account_ids: tuple[int, ...]
    formats: tuple[str, ...]
    first_day: date
    last_day: date
    only_files: bool
    with_receipts: bool


def add(
    principal: Principal,
    *,
    account_ids: Sequence[int],
    formats: Sequence[str],
    first_day: date,
    last_day: date,
    only_files: bool,
    with_receipts: bool,
) -> Order:
    """Order an export of some accounts, or of all that the principal sees.

    :raises NotFoundHere: the principal does not see one of the accounts.
    :raises NotPermitted: the principal is a guest who was not allowed to export.
    :raises PeriodRefused: there is nothing to export, or too much is ordered; the text says why.
    """
    period = Period(first_day=first_day, last_day=last_day, zone=statements.zone())
    scope = repository.scope_of(principal)
    accounts, period = downloads.check(
        principal,
        scope,
        account_ids=account_ids,
        formats=formats,
        period=period,
        only_files=only_files,
        with_receipts=with_receipts,
    )
    row = ExportOrder(
        member_id=principal.id,
        created_at=clock.now(),
        account_ids=tuple(account.id for account in accounts),
        formats=tuple(dict.fromkeys(formats)),
        first_day=period.first_day,
        last_day=period.last_day,
        only_files=only_files,
        with_receipts=with_receipts,
    )
    with transaction():
        of_member = select(func.count()).select_from(ExportOrder).where(ExportOrder.member_id == principal.id)
        if (db.session.scalar(of_member) or 0) >= MOST_OF_MEMBER:
            raise PeriodRefused(_("You ordered %(count)s exports within a day.") % {"count": MOST_OF_MEMBER})
        db.session.add(row)
        db.session.flush()
        return _order(row)


def list_for(principal: Principal) -> list[Order]:
    """Return the exports that the principal ordered, of accounts that they see, the newest first.

    :raises NotPermitted: the principal is a guest who was not allowed to export.
    """
    policy.check_can_export(principal)
    scope = repository.scope_of(principal)
    query = select(ExportOrder).where(ExportOrder.member_id == principal.id).order_by(ExportOrder.id.desc())
    return [_order(row) for row in db.session.scalars(query) if _is_there(row, scope)]


def get(principal: Principal, order_id: int) -> Order:
    """Return one of them.

    :raises NotFoundHere: there is none.
    :raises NotPermitted: the principal is a guest who was not allowed to export.
    """
    policy.check_can_export(principal)
    return _order(_find(principal, repository.scope_of(principal), order_id))


def write(principal: Principal, order_id: int) -> Download:
    """Write the files of an order.

    :raises NotFoundHere: there is none, or the principal does not see one of its accounts any more.
    :raises NotPermitted: the principal is a guest who was not allowed to export.
    :raises PeriodRefused: there is nothing to export any more, or a value does not fit the format.
    :raises TooManyReceipts: there are more than a pack holds.
    """
    policy.check_can_export(principal)
    scope = repository.scope_of(principal)
    order = _order(_find(principal, scope, order_id))
    try:
        return downloads.make(
            principal,
            scope,
            account_ids=order.account_ids,
            formats=order.formats,
            period=Period(first_day=order.first_day, last_day=order.last_day, zone=statements.zone()),
            only_files=order.only_files,
            with_receipts=order.with_receipts,
        )
    except ExportError as error:
        text = _("This cannot be written in the chosen format: %(why)s.") % {"why": str(error)}
        raise PeriodRefused(text) from error


def delete_expired() -> None:
    """Delete the orders that are over, in a transaction of its own."""
    with transaction():
        db.session.execute(delete(ExportOrder).where(ExportOrder.created_at < clock.now() - KEPT_FOR))


def _find(principal: Principal, scope: Scope, order_id: int) -> ExportOrder:
    row = db.session.get(ExportOrder, order_id)
    if row is None or row.member_id != principal.id or not _is_there(row, scope):
        raise NotFoundHere
    return row


def _is_there(row: ExportOrder, scope: Scope) -> bool:
    return row.created_at > clock.now() - KEPT_FOR and set(row.account_ids) <= scope.accounts.keys()


def _order(row: ExportOrder) -> Order:
    return Order(
        id=row.id,
        created_at=row.created_at,
        expires_at=row.created_at + KEPT_FOR,
        account_ids=row.account_ids,
        formats=row.formats,
        first_day=row.first_day,
        last_day=row.last_day,
        only_files=row.only_files,
        with_receipts=row.with_receipts,
    )
