"""The payments of an export, copied once from one state of the database into a temporary file.

Formats are written from the copy. So all files of a pack show one state, while the database is read only for as long
as the copy takes: an open reading transaction would keep SQLite from truncating its write-ahead log, and PostgreSQL
from removing deleted rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import BinaryIO, cast

import msgspec
from sqlalchemy import select

from bunqflask.exports.statement import Entry, EntryNote
from bunqflask.extensions import db
from bunqflask.models import Note, NoteSync, Payment
from bunqflask.models.payments import payment_id_of

_BATCH = 1_000
_COLUMNS = (
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
_Row = tuple[int, datetime, Decimal, str, Decimal | None, str, str | None, str, str, str]


class Snapshot:
    """Payments in a file without a name, of which nothing is left however the process ends; 1,000 in memory."""

    def __init__(self, own_ibans: Collection[str] = ()) -> None:
        self._own_ibans = frozenset(own_ibans)
        self._file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - closed by `close`
        self._encoder, self._decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(list[_Row])
        # of each account, where its batches begin and how many bytes they have
        self._batches: dict[int, list[tuple[int, int]]] = {}
        # the notes on payments, by our id of the account and bunq's of the payment: there are few
        self._notes: dict[tuple[int, int], tuple[EntryNote, ...]] = {}
        # how many payments were copied
        self.rows = 0

    def copy(self, account_id: int, since: datetime, before: datetime) -> None:
        """Copy payments of an account from `since` until before `before`, by booking time, then id."""
        query = (
            select(*_COLUMNS)
            .where(Payment.account_id == account_id, Payment.created_at >= since, Payment.created_at < before)
            .order_by(Payment.created_at, Payment.id)
            .execution_options(yield_per=_BATCH)
        )
        batches = self._batches.setdefault(account_id, [])
        for rows in db.session.execute(query).partitions():
            self.rows += len(rows)
            encoded = self._encoder.encode([tuple(row) for row in rows])
            batches.append((self._file.tell(), len(encoded)))
            self._file.write(encoded)

    def copy_notes(self, account_ids: Sequence[int]) -> None:
        """Copy what is stored of the notes on payments of some accounts, oldest first."""
        query = (
            select(
                NoteSync.account_id, Note.payment_row_id, Note.created_at, Note.author, Note.text, Note.attachment_ids
            )
            .join(NoteSync, NoteSync.id == Note.payment_row_id)
            .where(NoteSync.account_id.in_(account_ids))
            .order_by(Note.created_at, Note.kind, Note.note_id)
        )
        for account_id, row_id, created_at, author, text, files in db.session.execute(query):
            note = EntryNote(created_at=created_at, author=author, text=text, files=len(files))
            key = account_id, payment_id_of(row_id)
            self._notes[key] = (*self._notes.get(key, ()), note)

    def entries(self, account_id: int) -> Iterator[Entry]:
        """Yield the payments of an account in the same order; several readers may read alternately."""
        for offset, length in self._batches[account_id]:
            self._file.seek(offset)
            for row in self._decoder.decode(self._file.read(length)):
                yield Entry(
                    payment_id=row[0],
                    booked_at=row[1],
                    amount=row[2],
                    currency=row[3],
                    balance_after=row[4],
                    counterparty_name=row[5],
                    counterparty_iban=row[6],
                    description=row[7],
                    kind=row[8],
                    sub_kind=row[9],
                    is_own_transfer=row[6] in self._own_ibans,
                    notes=self._notes.get((account_id, row[0]), ()),
                )

    def close(self) -> None:
        """Give the file back to the system."""
        self._file.close()
