"""What a bookkeeper gets: the payments of a period, in one format or all of them in a pack, with their balances.

Written to a file of ours first, never straight to the reader: so memory stays small whatever the size, and what
goes wrong on the way is told on a page instead of breaking off a download.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, BinaryIO, cast
from zoneinfo import ZoneInfo

from flask import current_app
from sqlalchemy import select

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.database.upsert import insert_into
from bunqflask.exports.formats import FORMATS
from bunqflask.exports.pack import write_pack
from bunqflask.exports.statement import Account, Entry, Statement
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import AccountSync, Connection, Discrepancy, Pack, Payment
from bunqflask.services.connections.overview import AccountBalance, ConnectionOverview
from bunqflask.services.payments.repository import Scope
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal
from bunqflask.services.sync import reconciliation

_A_THOUSAND = 1_000
_FIRST_YEAR = 1970
# A notice names so many places, as one sentence has to hold them.
_MOST_PLACES = 5
_ENTRY_COLUMNS = (
    Payment.id,
    Payment.payment_id,
    Payment.created_at,
    Payment.amount,
    Payment.currency,
    Payment.balance_after,
    Payment.counterparty_name,
    Payment.counterparty_iban,
    Payment.description,
    Payment.type,
    Payment.sub_type,
)


class PeriodRefused(Exception):
    """The period or the choice of accounts and formats cannot be exported; the text says why."""


@dataclass(frozen=True)
class Download:
    """A finished export: its bytes in a file at its beginning, and how to call and announce it."""

    file: BinaryIO
    name: str
    media_type: str


def make(
    principal: Principal,
    scope: Scope,
    *,
    account_ids: Sequence[int],
    formats: Sequence[str],
    first_day: date,
    last_day: date,
) -> Download:
    """Write the payments of a period: one format to one file where it can be, and else a pack.

    :raises NotFoundHere: an account is not in scope.
    :raises PeriodRefused: nothing to export, or a period that ends before it begins or is not over.
    :raises ExportError: a value does not fit the format.
    """
    _check(formats, first_day, last_day)
    statements = [_statement(account, first_day, last_day) for account in chosen(scope, account_ids)]
    if not statements:
        raise PeriodRefused(_("No payments have been read for these accounts yet."))
    period = f"{first_day:%Y%m%d}-{last_day:%Y%m%d}"
    # Without a name in the file system, so that nothing is left of it however the process ends.
    file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - closed by whoever sends it
    try:
        if len(formats) == 1 and (FORMATS[formats[0]].together or len(statements) == 1):
            only = FORMATS[formats[0]]
            only.write(statements, file)
            download = Download(file, f"bunqflask-{period}.{only.extension}", only.media_type)
        else:
            _write_pack(principal, statements, formats, file)
            download = Download(file, f"bunqflask-{period}.zip", "application/zip")
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return download


def zone() -> ZoneInfo:
    """The time zone in which an export's days begin and end: one for the whole site, so that packs agree."""
    chosen: ZoneInfo = current_app.config["TIME_ZONE"]
    return chosen


def chosen(scope: Scope, account_ids: Sequence[int]) -> list[AccountBalance]:
    """Return the accounts with these rows, or all in scope, whose payments have been read.

    :raises NotFoundHere: one of them is not in scope.
    """
    if any(account_id not in scope.accounts for account_id in account_ids):
        raise NotFoundHere
    found = [scope.accounts[account_id] for account_id in account_ids or sorted(scope.accounts)]
    # A joint account may be read through two connections: its payments count once, from where it is known best.
    best = sorted((account for account in found if _has_history(account)), key=_read_until)
    once = {account.monetary_account_id: account for account in best}
    return sorted(once.values(), key=lambda account: account.id)


def _read_until(account: AccountBalance) -> tuple[bool, bool, datetime, int]:
    """Sort histories: whole ones over those read in part, what adds up over what does not, then the one read last."""
    state: AccountSync | None = db.session.get(AccountSync, account.id)
    if state is None or not state.covered:
        return False, False, datetime.min.replace(tzinfo=UTC), account.id
    return (
        bool(state.covered[0].reaches_end),
        not state.discrepancies,
        state.synced_at or datetime.min.replace(tzinfo=UTC),
        account.id,
    )


def with_history(connection: ConnectionOverview) -> list[AccountBalance]:
    """Return the accounts of a connection whose payments have been imported."""
    return [account for account in connection.accounts if _has_history(account)]


def _has_history(account: AccountBalance) -> bool:
    state: AccountSync | None = db.session.get(AccountSync, account.id)
    return state is not None and bool(state.covered)


def _check(formats: Sequence[str], first_day: date, last_day: date) -> None:
    if not formats or any(name not in FORMATS for name in formats):
        raise PeriodRefused(_("Choose at least one format."))
    if last_day < first_day:
        raise PeriodRefused(_("The period ends before it begins."))
    if last_day > clock.now().astimezone(zone()).date():
        raise PeriodRefused(_("The period ends in the future."))
    # The first days of the calendar are outside it in another zone, and no bank account is that old.
    if first_day.year < _FIRST_YEAR:
        raise PeriodRefused(_("The period begins before %(year)s.") % {"year": _FIRST_YEAR})


def _write_pack(principal: Principal, statements: list[Statement], formats: Sequence[str], file: BinaryIO) -> None:
    numbers = sorted(statement.account.monetary_account_id for statement in statements)
    first, last = statements[0].first_day, statements[0].last_day
    key = hashlib.sha256(f"{principal.id}:{numbers}:{first}:{last}".encode()).hexdigest()
    before: Pack | None = db.session.get(Pack, key)
    manifest = write_pack(statements, formats, file, before.manifest if before else None)
    made = {"manifest": manifest, "made_at": clock.now()}
    with transaction():
        # In one statement: a second press may make the same pack at the same time.
        keep = insert_into(Pack).values(key=key, member_id=principal.id, **made)
        db.session.execute(keep.on_conflict_do_update(index_elements=["key"], set_=made))


def _statement(account: AccountBalance, first_day: date, last_day: date) -> Statement:
    since = datetime.combine(first_day, time.min, zone())
    before = datetime.combine(last_day + timedelta(days=1), time.min, zone())
    connection: Connection | None = db.session.get(Connection, account.connection_id)
    state: AccountSync | None = db.session.get(AccountSync, account.id)
    whole = state is not None and bool(state.covered) and bool(state.covered[0].reaches_end)
    opening = _balance_before(account, since)
    if opening is None and whole and not _has_payments_before(account, since):
        opening = Decimal(0)  # the history is whole, and it begins later
    closing = _balance_before(account, before)
    if closing is None and not _has_payments_before(account, before):
        closing = opening
    notice = _notice(account, state, before, whole=whole)
    return Statement(
        account=Account(
            name=account.name,
            iban=account.iban,
            currency=account.currency,
            holder=connection.display_name if connection else "",
            monetary_account_id=account.monetary_account_id,
            kind=account.wrapper.removeprefix("MonetaryAccount"),
        ),
        first_day=first_day,
        last_day=last_day,
        zone=zone(),
        opening=opening,
        closing=closing,
        verified=not notice,
        notice=notice,
        entries=lambda: _entries(account.id, since, before),
    )


def _notice(account: AccountBalance, state: AccountSync | None, before: datetime, *, whole: bool) -> str:
    """Say why a period is not verified complete; empty when it is."""
    if not whole or state is None:
        return _("The history of this account has not been read to its beginning yet.")
    is_over = before <= clock.now()
    # A period that is over has to be read once after its end.
    if state.synced_at is None or (is_over and state.synced_at < before):
        return _("bunq was last asked for these payments before the period ended.")
    query = select(Payment.id).where(
        Payment.id.in_([each.row_id for each in state.discrepancies]), Payment.created_at < before
    )
    within = set(db.session.scalars(query))
    if within:
        return _broken(account, [each for each in state.discrepancies if each.row_id in within])
    return "" if is_over else _("The period is not over: more payments may come.")


def _broken(account: AccountBalance, discrepancies: Sequence[Discrepancy]) -> str:
    """Say where amounts and balances do not add up, and what it seems to be."""
    kinds = {
        "missing": _("something is missing before the payment of %(time)s"),
        "duplicate": _("the payment of %(time)s is there twice"),
        "changed": _("the payment of %(time)s has changed"),
        "unknown": _("bunq tells no balance after the payment of %(time)s"),
    }
    places = [
        kinds[each.kind] % {"time": f"{each.payment.created_at.astimezone(zone()):%Y-%m-%d %H:%M}"}
        for each in reconciliation.explain(account.id, discrepancies)
    ]
    if len(places) > _MOST_PLACES:
        places = [*places[:_MOST_PLACES], _("and %(count)s more") % {"count": len(places) - _MOST_PLACES}]
    return _("Amounts and balances do not add up: %(places)s.") % {"places": "; ".join(places)}


def _balance_before(account: AccountBalance, moment: datetime) -> Decimal | None:
    query = (
        select(Payment.balance_after)
        .where(Payment.account_id == account.id, Payment.created_at < moment)
        .order_by(Payment.id.desc())
        .limit(1)
    )
    found: Decimal | None = db.session.scalar(query)
    return found


def _has_payments_before(account: AccountBalance, moment: datetime) -> bool:
    query = select(Payment.id).where(Payment.account_id == account.id, Payment.created_at < moment).limit(1)
    return db.session.scalar(query) is not None


def _entries(account_id: int, since: datetime, before: datetime) -> Iterator[Entry]:
    """Yield the payments of a period, oldest first, a thousand at a time and none of them kept."""
    last = 0
    while True:
        query = (
            select(*_ENTRY_COLUMNS)
            .where(Payment.account_id == account_id, Payment.id > last)
            .where(Payment.created_at >= since, Payment.created_at < before)
            .order_by(Payment.id)
            .limit(_A_THOUSAND)
        )
        rows: Sequence[Any] = db.session.execute(query).all()
        for row in rows:
            yield Entry(
                payment_id=row.payment_id,
                booked_at=row.created_at,
                amount=row.amount,
                currency=row.currency,
                balance_after=row.balance_after,
                counterparty_name=row.counterparty_name,
                counterparty_iban=row.counterparty_iban,
                description=row.description,
                kind=row.type,
                sub_kind=row.sub_type,
            )
        if len(rows) < _A_THOUSAND:
            return
        last = rows[-1].id
