"""The month-end pack: every chosen format of every chosen account in one ZIP, written forward only.

The same statements and the same last manifest give the same bytes: times in the ZIP are the period's last day, names
are sorted, nothing says when or where it was made. (The deflate library has to be the same too; the SHA-256 of each
file in `manifest.json` hold anywhere.) `manifest.json` comes last, so a pack that has one is a whole pack.

Layout: formats that hold all accounts stand at the top (`payments-20261001-20261031.csv`), the others in a folder with
a file for each account that has payments (`camt053/Main-account-NL12BUNQ2034567890-10111-20261001-20261031.xml`).

The bank files alone make a ZIP too, for a package that takes every file in it for a statement.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any, BinaryIO, cast
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from bunqflask.exports.changes import FORMAT, describe
from bunqflask.exports.digests import MOST_MARKS, Digests
from bunqflask.exports.formats import FORMATS, Format, have_commas
from bunqflask.exports.statement import (
    ExportError,
    Statement,
    Sums,
    Totals,
    booked,
    caution,
    decimal_text,
    is_verified,
    totals_of,
)
from bunqflask.exports.text import Sink, guarded, name_part, plain, whole

# A file above this in a ZIP that is written forward needs the 64-bit form, and has to say so beforehand.
_LARGE = 1_900_000_000
_MANY = 100_000  # payments that may make such a file
# What an entry can take at most in any format: its fixed parts, and six bytes for each character of its texts.
_FIXED_BYTES, _BYTES_OF_A_CHARACTER = 2_500, 6

_ABOUT_BALANCES = (
    "account", "iban", "account_id", "currency", "first_day", "last_day", "zone", "opening", "money_in", "money_out",
    "closing", "payments", "verified", "notice",
)  # fmt: skip

Manifest = dict[str, Any]
# The name of a file, and what writes it.
Content = tuple[str, Callable[[BinaryIO], None]]


class AccountTwice(ExportError):
    """The same monetary account was handed in twice, and its payments would count twice."""


def write_pack(
    statements: Sequence[Statement],
    formats: Sequence[str],
    stream: BinaryIO,
    previous_manifest: Manifest | None = None,
    more: Iterable[Content] = (),
) -> Manifest:
    """Write a pack of these statements in these formats (names of `FORMATS`) and return its manifest.

    :param more: further files, by their names.

    `stream` is only written to, never sought. Keep the manifest and hand it in as `previous_manifest` next time.

    :raises AccountTwice: one monetary account in two statements.
    :raises ExportError: no statement, an unknown format, statements of different periods or zones, or a statement
        that a format refuses. What has been written until then is no valid ZIP.
    """
    _check(statements, formats)
    statements = sorted(statements, key=lambda statement: statement.account.monetary_account_id)
    first = statements[0]
    room = MOST_MARKS
    accounts, totals, volume = [], [], 0
    for place, statement in enumerate(statements):
        account, sums, size, room = _survey(statement, room)
        # Every file of the pack has to say the same, and one whose sums contradict it is not verified.
        statements[place] = replace(statement, verified=is_verified(statement, sums))
        accounts.append(account)
        totals.append(sums)
        volume += size
    manifest: Manifest = {
        "format": FORMAT,
        "first_day": _first_day(statements).isoformat(),
        "last_day": first.last_day.isoformat(),
        "zone": str(first.zone),
        "verified": all(statement.verified for statement in statements),
        "files": [],
        "accounts": accounts,
    }
    forward = _Forward(stream)
    with ZipFile(cast(BinaryIO, forward), "w", ZIP_DEFLATED) as archive:
        package = _Package(archive, first.last_day, large=volume > _LARGE)
        contents = [*_contents(statements, totals, formats, manifest, previous_manifest), *more]
        try:
            for name, write in sorted(contents, key=lambda content: content[0]):
                manifest["files"].append(package.add(name, write))
            package.add("manifest.json", _text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"))
        except BaseException:
            forward.stop()
            raise
    return manifest


def write_files(statements: Sequence[Statement], formats: Sequence[str], stream: BinaryIO) -> None:
    """Write a ZIP of the files of these formats and nothing else: at the top where it is one format.

    `stream` is only written to, never sought.

    :raises AccountTwice: one monetary account in two statements.
    :raises ExportError: as `write_pack`, or no account has payments.
    """
    _check(statements, formats)
    statements = sorted(statements, key=lambda statement: statement.account.monetary_account_id)
    totals = [totals_of(statement) for statement in statements]
    files = sorted(_files(statements, totals, formats), key=lambda content: content[0])
    if not files:
        raise ExportError("no account has payments in this period")
    forward = _Forward(stream)
    with ZipFile(cast(BinaryIO, forward), "w", ZIP_DEFLATED) as archive:
        package = _Package(archive, statements[0].last_day, large=sum(each.count for each in totals) > _MANY)
        try:
            for name, write in files:
                package.add(name.rpartition("/")[2] if len(set(formats)) == 1 else name, write)
        except BaseException:
            forward.stop()
            raise


def _first_day(statements: Sequence[Statement]) -> date:
    """Return the first day of a pack; an account may begin later, where no earlier payment of it may be seen."""
    return min(statement.first_day for statement in statements)


def _check(statements: Sequence[Statement], formats: Sequence[str]) -> None:
    if not statements:
        raise ExportError("a pack needs at least one account")
    unknown = sorted(set(formats) - FORMATS.keys())
    if unknown:
        raise ExportError(f"no such format: {', '.join(unknown)}")
    if len({(statement.last_day, str(statement.zone)) for statement in statements}) > 1:
        raise ExportError("the accounts of a pack share one last day and one zone")
    numbers = [statement.account.monetary_account_id for statement in statements]
    for number in numbers:
        if numbers.count(number) > 1:
            raise AccountTwice(f"monetary account {number} was handed in twice")


def _survey(statement: Statement, room: int) -> tuple[dict[str, Any], Totals, int, int]:
    """Pass over a statement once: its part of the manifest, its sums, its size at most, the room left for marks."""
    sums, digests, size = Sums(statement), Digests(room), 0
    for local, entry in booked(statement):
        sums.add(entry)
        digests.add(local.date(), entry)
        size += _FIXED_BYTES + _BYTES_OF_A_CHARACTER * (len(entry.counterparty_name) + len(entry.description))
    totals, account = sums.totals(), statement.account
    opening, closing = _balances(totals)
    marks, days = digests.marks, None
    if marks is None:
        days = [str(digests.days[day]) for day in sorted(digests.days)]
    else:
        room -= len(marks)
    part = {
        "monetary_account_id": account.monetary_account_id,
        "name": plain(account.name),
        "iban": account.iban and plain(account.iban),
        "currency": account.currency,
        "kind": plain(account.kind),
        "opening": opening,
        "money_in": decimal_text(totals.money_in),
        "money_out": decimal_text(totals.money_out),
        "closing": closing,
        "balances_agree": totals.agree,
        "payments": totals.count,
        "verified": is_verified(statement, totals),
        "notice": plain(statement.notice),
        "payments_sha256": digests.of_all(),
        "marks": None if marks is None else [str(mark) for mark in marks],
        "days": days,
    }
    return part, totals, size, room


def _contents(
    statements: Sequence[Statement],
    totals: Sequence[Totals],
    formats: Sequence[str],
    manifest: Manifest,
    previous: Manifest | None,
) -> Iterable[tuple[str, Callable[[BinaryIO], None]]]:
    """Yield name and writer of every file but the manifest."""
    yield "balances.csv", partial(_write_balances, statements, totals, have_commas(formats))
    yield "changes.txt", _text(describe(previous, manifest, partial(_names, statements)))
    yield "read-me.txt", _text(_read_me(statements, totals))
    if not manifest["verified"]:
        yield "NOT-VERIFIED.txt", _text(_warning(statements, totals))
    yield from _files(statements, totals, formats)


def _names(statements: Sequence[Statement], monetary_account_id: int, payment_ids: Collection[int]) -> dict[int, str]:
    """Return the names of the counterparties of some payments."""
    [of] = [each for each in statements if each.account.monetary_account_id == monetary_account_id]
    entries = (entry for entry in of.entries() if entry.payment_id in payment_ids)
    return {entry.payment_id: plain(entry.counterparty_name) for entry in entries}


def _files(
    statements: Sequence[Statement], totals: Sequence[Totals], formats: Sequence[str]
) -> Iterable[tuple[str, Callable[[BinaryIO], None]]]:
    """Yield name and writer of the files of each format; of accounts of their own, where they have payments."""
    with_payments = [statement for statement, sums in zip(statements, totals, strict=True) if sums.count]
    for name in set(formats):
        format_ = FORMATS[name]
        if format_.together:
            payments = file_name(format_, statements)
            write = format_.write_with_commas if have_commas(formats) else None
            yield payments, partial(write or format_.write, statements)
            if format_.write_ledger is not None:
                ledger = payments.replace(format_.stem, "ledger", 1)
                yield ledger, partial(format_.write_ledger, statements, payments)
        else:
            for statement in with_payments:
                yield f"{name}/{file_name(format_, [statement])}", partial(format_.write, [statement])


def file_name(format_: Format, statements: Sequence[Statement]) -> str:
    """Return what a file of one account or of all of them is called."""
    period = f"{_first_day(statements):%Y%m%d}-{statements[0].last_day:%Y%m%d}"
    if format_.together:
        return f"{format_.stem}-{period}.{format_.extension}"
    return f"{account_name(statements[0])}-{period}.{format_.extension}"


def account_name(statement: Statement) -> str:
    """Return the account in a file's name: "Main-account-NL12BUNQ2034567890-10111"."""
    account = statement.account
    parts = (name_part(account.name, longest=40), name_part(account.iban or "", longest=34))
    return "-".join([*(part for part in parts if part), str(account.monetary_account_id)])


def _text(text: str) -> Callable[[BinaryIO], None]:
    def write(stream: BinaryIO) -> None:
        stream.write(whole(text).encode("utf-8"))

    return write


def _write_balances(
    statements: Sequence[Statement], totals: Sequence[Totals], has_commas: bool, stream: BinaryIO
) -> None:
    sink = Sink(stream)
    sink.write("\ufeff")
    rows = csv.writer(sink, delimiter=";" if has_commas else ",")
    rows.writerow(_ABOUT_BALANCES)
    for statement, sums in zip(statements, totals, strict=True):
        account = statement.account
        opening, closing = _balances(sums)
        amounts = (opening, decimal_text(sums.money_in), decimal_text(sums.money_out), closing)
        rows.writerow(
            (
                guarded(account.name),
                guarded(account.iban or ""),
                account.monetary_account_id,
                account.currency,
                statement.first_day,
                statement.last_day,
                str(statement.zone),
                *(each and each.replace(".", "," if has_commas else ".") for each in amounts),
                sums.count,
                "yes" if statement.verified else "no",
                guarded(caution(statement, sums) or statement.notice),
            )
        )
    sink.flush()


def _balances(totals: Totals) -> tuple[str, str] | tuple[None, None]:
    """Return opening and closing balance as text, or none where they are not known."""
    return (decimal_text(totals.opening), decimal_text(totals.closing)) if totals.known else (None, None)


def _read_me(statements: Sequence[Statement], totals: Sequence[Totals]) -> str:
    first = statements[0]
    lines = [
        f"Payments from {_first_day(statements)} to {first.last_day}, both days included.",
        f"Days are days in {first.zone}.",
        "",
    ]
    for statement, sums in zip(statements, totals, strict=True):
        state = "verified to the cent" if statement.verified else caution(statement, sums)
        count = f"{sums.count} payment{'' if sums.count == 1 else 's'}" if sums.count else "no payments, no bank file"
        lines.append(f"{_title(statement)}: {count}, {state}")
    lines += [
        "",
        "balances.csv   opening and closing balance, money in and out of each account",
        "changes.txt    what changed since the last pack",
        "manifest.json  the SHA-256 of each file; keep it to compare the next pack with",
    ]
    return "\n".join(lines) + "\n"


def _warning(statements: Sequence[Statement], totals: Sequence[Totals]) -> str:
    lines = ["These accounts are NOT verified complete for the period. Do not close your books on them.", ""]
    lines += [
        f"{_title(statement)}: {caution(statement, sums)}"
        for statement, sums in zip(statements, totals, strict=True)
        if not statement.verified
    ]
    return "\n".join(lines) + "\n"


def _title(statement: Statement) -> str:
    account = statement.account
    parts = (account.name, account.iban or "", str(account.monetary_account_id))
    return " · ".join(filter(None, map(plain, parts)))


class _Package:
    """Adds files to the ZIP and weighs them."""

    def __init__(self, archive: ZipFile, day: date, *, large: bool) -> None:
        self._archive = archive
        self._moment = (day.year, day.month, day.day, 0, 0, 0)
        self._large = large

    def add(self, name: str, write: Callable[[BinaryIO], None]) -> dict[str, Any]:
        """Write one file, and return its line of the manifest."""
        about = ZipInfo(name, self._moment)
        about.compress_type = ZIP_DEFLATED
        about.create_system = 3  # the same bytes from every kind of machine
        about.external_attr = 0o644 << 16
        with self._archive.open(about, "w", force_zip64=self._large) as file:
            weighed = _Weighed(cast(BinaryIO, file))
            write(cast(BinaryIO, weighed))
        return {"name": name, "bytes": weighed.length, "sha256": weighed.digest.hexdigest()}


class _Weighed(io.RawIOBase):
    """Passes on what is written, and computes its length and hash."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.length = 0
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._stream.write(piece)
        self.digest.update(piece)
        self.length += len(piece)
        return len(piece)


class _Forward(io.RawIOBase):
    """Hides that a stream can be sought, so that a file and a download get the same bytes; silent once stopped."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._stopped = False

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        if not self._stopped:
            self._stream.write(piece)
        return len(piece)

    def stop(self) -> None:
        """Let nothing more out: a broken pack must not get the directory that would make it look whole."""
        self._stopped = True
