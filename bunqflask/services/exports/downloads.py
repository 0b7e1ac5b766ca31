"""What a bookkeeper gets: the payments of a period, in one format or all of them in a pack, with their balances.

Written to a file of ours first, never straight to the reader: so memory stays small whatever the size, and an error
on the way is shown on a page instead of breaking off a download.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from bunqflask import clock
from bunqflask.database.transactions import release, transaction
from bunqflask.database.upsert import insert_into
from bunqflask.exports.formats import FORMATS
from bunqflask.exports.pack import Manifest, write_pack
from bunqflask.exports.statement import Statement
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import AuditKind, Pack, PackAccount
from bunqflask.services import policy
from bunqflask.services.audit import trail
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.exports import statements
from bunqflask.services.exports.snapshot import Snapshot
from bunqflask.services.exports.statements import Period
from bunqflask.services.payments.repository import Scope
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal

_FIRST_YEAR = 1970


class PeriodRefused(Exception):
    """The period or the choice of accounts and formats cannot be exported; the text says why."""


@dataclass(frozen=True)
class Download:
    """A finished export: its bytes in a file at its beginning, and how to call and announce it."""

    file: BinaryIO
    name: str
    media_type: str


def make(
    principal: Principal, scope: Scope, *, account_ids: Sequence[int], formats: Sequence[str], period: Period
) -> Download:
    """Write the payments of a period: one format to one file where it can be, and else a pack.

    The database is read first, in the transaction in which the scope was read, and released before anything is
    written.

    :raises NotFoundHere: an account is not in scope, or was erased meanwhile.
    :raises NotPermitted: the principal is a guest who was not allowed to export.
    :raises PeriodRefused: nothing to export, or a period that ends before it begins or is not over.
    :raises ExportError: a value does not fit the format.
    """
    policy.check_can_export(principal)
    _check(formats, period)
    accounts = statements.chosen(scope, account_ids)
    if not accounts:
        raise PeriodRefused(_("No payments have been imported for these accounts yet."))
    snapshot = Snapshot()
    # Without a name in the file system, so that nothing is left of it however the process ends.
    file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - closed by its reader
    try:
        taken = statements.take(scope, accounts, period, snapshot)
        download = _write(principal, accounts, taken, formats, period, file)
        _record(principal, accounts, formats, period, rows=snapshot.rows)
    except BaseException:
        file.close()
        raise
    finally:
        snapshot.close()
    file.seek(0)
    return download


def _check(formats: Sequence[str], period: Period) -> None:
    if not formats or any(name not in FORMATS for name in formats):
        raise PeriodRefused(_("Choose at least one format."))
    if period.last_day < period.first_day:
        raise PeriodRefused(_("The period ends before it begins."))
    if period.last_day > clock.now().astimezone(period.zone).date():
        raise PeriodRefused(_("The period ends in the future."))
    # The first days of the calendar are outside it in another zone, and no bank account is that old.
    if period.first_day.year < _FIRST_YEAR:
        raise PeriodRefused(_("The period begins before %(year)s.") % {"year": _FIRST_YEAR})


def _write(
    principal: Principal,
    accounts: Sequence[AccountBalance],
    taken: list[Statement],
    formats: Sequence[str],
    period: Period,
    file: BinaryIO,
) -> Download:
    name = f"bunqflask-{period.first_day:%Y%m%d}-{period.last_day:%Y%m%d}"
    if len(formats) == 1 and (FORMATS[formats[0]].together or len(taken) == 1):
        only = FORMATS[formats[0]]
        release()
        only.write(taken, file)
        return Download(file, f"{name}.{only.extension}", only.media_type)
    key = _key(principal, accounts, period)
    before: Pack | None = db.session.get(Pack, key)
    previous = before.manifest if before else None
    release()
    manifest = write_pack(taken, formats, file, previous)
    _remember(principal, key, manifest, accounts)
    return Download(file, f"{name}.zip", "application/zip")


def _record(
    principal: Principal, accounts: Sequence[AccountBalance], formats: Sequence[str], period: Period, *, rows: int
) -> None:
    with transaction():
        trail.record(
            AuditKind.EXPORTED,
            actor_id=principal.id,
            account_ids=[account.id for account in accounts],
            first_day=str(period.first_day),
            last_day=str(period.last_day),
            formats=list(formats),
            rows=rows,
        )


def _key(principal: Principal, accounts: Sequence[AccountBalance], period: Period) -> str:
    numbers = sorted(account.monetary_account_id for account in accounts)
    text = f"{principal.id}:{numbers}:{period.first_day}:{period.last_day}"
    return hashlib.sha256(text.encode()).hexdigest()


def _remember(principal: Principal, key: str, manifest: Manifest, accounts: Sequence[AccountBalance]) -> None:
    """Store the manifest for the next pack of the same accounts and period, with the accounts that it names.

    :raises NotFoundHere: an account or the member was erased while the pack was written.
    """
    made = {"manifest": manifest, "made_at": clock.now()}
    try:
        with transaction():
            # In one statement: a second press may make the same pack at the same time.
            keep = insert_into(Pack).values(key=key, member_id=principal.id, **made)
            db.session.execute(keep.on_conflict_do_update(index_elements=["key"], set_=made))
            # A joint account may have been named through another connection before.
            db.session.execute(delete(PackAccount).where(PackAccount.pack_key == key))
            named = [{"pack_key": key, "account_id": account.id} for account in accounts]
            db.session.execute(insert_into(PackAccount).on_conflict_do_nothing(), named)
    except IntegrityError as error:
        raise NotFoundHere from error
