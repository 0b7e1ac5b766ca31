"""Files of payments for a pack: those that are known here, fetched from bunq, which alone keeps them, one call each."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import BinaryIO, cast

from flask import current_app
from sqlalchemy import select

from bunqflask.bunq.errors import BunqError
from bunqflask.database.transactions import release
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import Payment
from bunqflask.services.audit import looks
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.exports.statements import Period
from bunqflask.services.payments import file_types, filters, local_days, notes, visibility
from bunqflask.services.payments.filters import Filter
from bunqflask.services.payments.notes import File, FileGone
from bunqflask.services.principal import Principal

# bunq allows three such calls in three seconds, and a browser waits for about a minute.
MOST = 40
_PATIENCE_S = 10.0
_IN_MEMORY = 1024 * 1024


class TooManyReceipts(Exception):
    """There are more files in the period than can be fetched while somebody waits; the text says what to do."""


@dataclass(frozen=True)
class Receipts:
    """What was fetched, by the names in the pack, and the names of what bunq did not hand out."""

    files: dict[str, BinaryIO] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def write(self, name: str, stream: BinaryIO) -> None:
        """Write a file."""
        self.files[name].seek(0)
        shutil.copyfileobj(self.files[name], stream)

    def close(self) -> None:
        """Give the files back to the system."""
        for each in self.files.values():
            each.close()


def fetch(principal: Principal, accounts: Sequence[AccountBalance], period: Period) -> Receipts:
    """Fetch the files that are known of the payments of a period; each is recorded as opened.

    :raises TooManyReceipts: there are more than `MOST`.
    """
    wanted = _list(principal, accounts, period)
    if len(wanted) > MOST:
        text = _(
            "There are %(count)d receipts in this period, and a pack holds %(most)d: choose fewer days or accounts."
        )
        raise TooManyReceipts(text % {"count": len(wanted), "most": MOST})
    release()
    found = Receipts()
    try:
        for day, file in wanted:
            _fetch(principal, day, file, found)
    except BaseException:
        found.close()
        raise
    return found


def _list(principal: Principal, accounts: Sequence[AccountBalance], period: Period) -> list[tuple[date, File]]:
    """Return the known files with the local day of their payment, the oldest first; each of bunq's once."""
    query = (
        select(Payment.id, Payment.created_at)
        .where(Payment.account_id.in_([each.id for each in accounts]), *visibility.conditions(accounts, Payment))
        .where(Payment.created_at >= period.since, Payment.created_at < period.before)
        .where(*filters.conditions(Filter(receipt="known"), Payment))
        .order_by(Payment.created_at, Payment.id)
        .limit(MOST + 1)
    )
    found: dict[int, tuple[date, File]] = {}
    for row_id, created_at in db.session.execute(query).all():
        for each in notes.list_files(principal, row_id):
            file = notes.find_file(principal, row_id, each.attachment_id)
            found.setdefault(each.attachment_id, (local_days.day_of(created_at), file))
    return list(found.values())


def _fetch(principal: Principal, day: date, file: File, found: Receipts) -> None:
    try:
        content = notes.read_file(file, patience_s=_PATIENCE_S)
    except (BunqError, FileGone) as error:
        current_app.logger.warning("attachment %s is not in a pack: %s", file.attachment_id, error)
        found.missing.append(f"{day} payment {file.payment_id}, file {file.attachment_id}")
        return
    looks.record_attachment(principal, file.account_id, payment=file.payment_id, attachment=file.attachment_id)
    stored = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115 - closed by `close`
    stored.write(content)
    found.files[f"receipts/{day}-{file_types.name_of(file, content)}"] = stored
