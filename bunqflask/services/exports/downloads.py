"""What a bookkeeper gets: the payments of a period, in one format or all of them in a pack, with their balances.

Written to a file of ours first, never straight to the reader: so memory stays small whatever the size, and an error
on the way is shown on a page instead of breaking off a download.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any, BinaryIO, cast

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from bunqflask import clock
from bunqflask.database.transactions import release, transaction
from bunqflask.database.upsert import insert_into
from bunqflask.exports.formats import FORMATS
from bunqflask.exports.pack import Content, Manifest, account_name, file_name, write_files, write_pack
from bunqflask.exports.statement import Statement
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import AuditKind, Pack, PackAccount
from bunqflask.services import policy
from bunqflask.services.audit import trail
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.exports import receipts, statements
from bunqflask.services.exports.receipts import Receipts
from bunqflask.services.exports.snapshot import Snapshot
from bunqflask.services.exports.statements import Period
from bunqflask.services.payments.repository import Scope
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal, TokenBearer

FIRST_YEAR = 1970


class PeriodRefused(Exception):
    """The period or the choice of accounts and formats cannot be exported; the text says why."""


@dataclass(frozen=True)
class Download:
    """A finished export: its bytes in a file at its beginning, how to call and announce it, and whether it adds up."""

    file: BinaryIO
    name: str
    media_type: str
    verified: bool


def make(
    principal: Principal,
    scope: Scope,
    *,
    account_ids: Sequence[int],
    formats: Sequence[str],
    period: Period,
    only_files: bool = False,
    with_receipts: bool = False,
) -> Download:
    """Write the payments of a period: one format to one file where it can be, and else a pack.

    With `only_files` a ZIP has nothing but the files of the formats, for a program that reads all that is in it; with
    `with_receipts` it is a pack that holds the files of payments that are known here, fetched from bunq.

    The database is read first, in the transaction in which the scope was read, and released before anything is
    written.

    A period that is not over is exported until today.

    :raises NotFoundHere: an account is not in scope, or was erased meanwhile.
    :raises NotPermitted: the principal is a guest who was not allowed to export.
    :raises PeriodRefused: nothing to export, or a period that ends before it begins or begins in the future.
    :raises TooManyReceipts: there are more than a pack holds.
    :raises ExportError: a value does not fit the format.
    """
    accounts, period = check(
        principal,
        scope,
        account_ids=account_ids,
        formats=formats,
        period=period,
        only_files=only_files,
        with_receipts=with_receipts,
    )
    snapshot = Snapshot(statements.own_ibans(scope, accounts))
    # Without a name in the file system, so that nothing is left of it however the process ends.
    file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - closed by its reader
    fetched = Receipts() if with_receipts else None
    try:
        taken = statements.take(scope, accounts, period, snapshot)
        if with_receipts:
            fetched = receipts.fetch(principal, accounts, period)
        download = _write(principal, accounts, taken, formats, period, file, only_files=only_files, fetched=fetched)
        _record(principal, accounts, formats, period, rows=snapshot.rows)
    except BaseException:
        file.close()
        raise
    finally:
        snapshot.close()
        if fetched is not None:
            fetched.close()
    file.seek(0)
    return download


def check(
    principal: Principal,
    scope: Scope,
    *,
    account_ids: Sequence[int],
    formats: Sequence[str],
    period: Period,
    only_files: bool = False,
    with_receipts: bool = False,
) -> tuple[list[AccountBalance], Period]:
    """Return the accounts that would be exported, all in scope unless named, and the period as far as it is over.

    :raises NotFoundHere: an account is not in scope.
    :raises NotPermitted: the principal is a guest who was not allowed to export.
    :raises PeriodRefused: nothing to export, or a period that ends before it begins or begins in the future.
    """
    policy.check_can_export(principal)
    today = clock.now().astimezone(period.zone).date()
    _check(formats, period, today)
    accounts = statements.chosen(scope, account_ids)
    if not accounts:
        raise PeriodRefused(_("No payments have been imported for these accounts yet."))
    if only_files and with_receipts:
        raise PeriodRefused(_("Receipts come with a whole pack, and not with “Only the files”."))
    return accounts, replace(period, last_day=min(period.last_day, today))


def _check(formats: Sequence[str], period: Period, today: date) -> None:
    if not formats or any(name not in FORMATS for name in formats):
        raise PeriodRefused(_("Choose at least one format."))
    if period.last_day < period.first_day:
        raise PeriodRefused(_("The period ends before it begins."))
    if period.first_day > today:
        raise PeriodRefused(_("The period begins in the future."))
    # The first days of the calendar are outside it in another zone, and no bank account is that old.
    if period.first_day.year < FIRST_YEAR:
        raise PeriodRefused(_("The period begins before %(year)s.") % {"year": FIRST_YEAR})


def _write(
    principal: Principal,
    accounts: Sequence[AccountBalance],
    taken: list[Statement],
    formats: Sequence[str],
    period: Period,
    file: BinaryIO,
    *,
    only_files: bool,
    fetched: Receipts | None,
) -> Download:
    only = FORMATS[formats[0]]
    is_one_file = len(formats) == 1 and (only.together or len(taken) == 1) and only.write_ledger is None
    is_plain = is_one_file or only_files or (len(formats) == 1 and only.write_ledger is not None)
    if is_plain and fetched is None:
        release()
        if is_one_file:
            only.write(taken, file)
            return Download(file, _marked(file_name(only, taken), taken), only.media_type, _is_verified(taken))
        write_files(taken, formats, file)
        name = f"{_name_of(taken)}-{'-'.join(sorted(formats))}.zip" if len(formats) < 3 else f"{_name_of(taken)}.zip"
        return Download(file, _marked(name, taken), "application/zip", _is_verified(taken))
    key = _key(principal, accounts, period)
    before: Pack | None = db.session.get(Pack, key)
    previous = before.manifest if before else None
    release()
    manifest = write_pack(taken, formats, file, previous, more=[] if fetched is None else _contents_of(fetched))
    _remember(principal, key, manifest, accounts)
    return Download(file, f"pack-{_name_of(taken)}.zip", "application/zip", manifest["verified"])


def _contents_of(fetched: Receipts) -> list[Content]:
    """Return the receipts as files of a pack, and the list of those that bunq did not hand out."""
    files: list[Content] = [(name, partial(fetched.write, name)) for name in fetched.files]
    if fetched.missing:
        text = "bunq did not hand out these files. Make the pack again to try once more.\n\n"
        missing = (text + "".join(f"{each}\n" for each in fetched.missing)).encode()
        files.append(("receipts/NOT-FETCHED.txt", lambda stream: _write_all(missing, stream)))
    return files


def _write_all(content: bytes, stream: BinaryIO) -> None:
    stream.write(content)


def _name_of(taken: Sequence[Statement]) -> str:
    """Return accounts and period in a file's name: "Main-account-NL12BUNQ2034567890-10111-20261001-20261031"."""
    period = f"{min(each.first_day for each in taken):%Y%m%d}-{taken[0].last_day:%Y%m%d}"
    return f"{account_name(taken[0]) if len(taken) == 1 else f'{len(taken)}-accounts'}-{period}"


def _marked(name: str, taken: Sequence[Statement]) -> str:
    """Return a file's name that says what not every format has room for: that the period is not verified."""
    return name if _is_verified(taken) else f"not-verified-{name}"


def _is_verified(taken: Sequence[Statement]) -> bool:
    return all(statement.verified for statement in taken)


def _record(
    principal: Principal, accounts: Sequence[AccountBalance], formats: Sequence[str], period: Period, *, rows: int
) -> None:
    facts: dict[str, Any] = {"token": principal.token_id} if isinstance(principal, TokenBearer) else {}
    with transaction():
        trail.record(
            AuditKind.EXPORTED,
            actor_id=principal.id or None,
            account_ids=[account.id for account in accounts],
            first_day=str(period.first_day),
            last_day=str(period.last_day),
            formats=list(formats),
            rows=rows,
            **facts,
        )


def _key(principal: Principal, accounts: Sequence[AccountBalance], period: Period) -> str:
    # With other first days of payments, an earlier pack may hold what may not be seen any more.
    numbers = sorted(f"{account.monetary_account_id} {account.first_day or ''}".strip() for account in accounts)
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
