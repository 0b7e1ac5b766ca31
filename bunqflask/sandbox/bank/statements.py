"""Statements of an account: the ledger's entries of a period as CSV, MT940 or PDF.

Days are those of bunq's timestamps, UTC; which zone bunq takes is not documented.

https://doc.bunq.com/api-reference/customer-statement
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from bunqflask.sandbox.bank import accounts, ledger, payments, pdf
from bunqflask.sandbox.bank.store import Item, Json, Store

# Letters that do not fall apart into a plain one and an accent.
PLAIN = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "ł": "l", "Ł": "L", "€": "EUR"})

COLUMNS = ("Date", "Interest Date", "Amount", "Account", "Counterparty", "Name", "Description")


@dataclass(frozen=True)
class Line:
    """One payment in a statement. Cents; `balance` is the account's after it."""

    id: int
    day: date
    cents: int
    balance: int
    type: str
    iban: str
    name: str
    description: str
    attachments: tuple[int, ...]


@dataclass(frozen=True)
class Statement:
    """An account's payments of some days, both ends included. Cents."""

    account: Item
    holder: str
    start: date
    end: date
    opening: int
    closing: int
    currency: str
    lines: tuple[Line, ...]

    @property
    def iban(self) -> str:
        """Return the account's IBAN, "" where it has none."""
        return self.account.body["iban"] or ""


def make(store: Store, account: Item, start: date, end: date) -> Statement:
    """Read a statement from the ledger.

    The balance before it is the sum of all earlier payments, so that it agrees with the payments in any order.
    """
    first, after = f"{start.isoformat()} ", f"{(end + timedelta(days=1)).isoformat()} "
    opening = balance_before(store, account, start)
    running, lines, others = opening, [], dict[str, Json]()
    for entry in ledger.between(store, account.id, first, after):
        running += entry.amount
        key = repr(entry.counterparty)
        if key not in others:
            others[key] = payments.counterparty(store, entry.counterparty)
        lines.append(
            Line(
                id=entry.id,
                day=date.fromisoformat(entry.created[:10]),
                cents=entry.amount,
                balance=running,
                type=entry.type,
                iban=others[key]["iban"] or "",
                name=others[key]["display_name"] or "",
                description=entry.description,
                attachments=tuple(entry.extra.get("attachment", ())),
            )
        )
    _balance, currency = ledger.balance(store, account.id)
    holder = accounts.label(store, account)["display_name"]
    return Statement(account, holder, start, end, opening, running, currency, tuple(lines))


def balance_before(store: Store, account: Item, day: date) -> int:
    """Return what the account held when the day began, in cents."""
    with store.transaction():
        row = store.db.execute(
            "SELECT COALESCE(SUM(amount), 0) FROM ledger_entry WHERE account = ? AND created < ?",
            (account.id, f"{day.isoformat()} "),
        ).fetchone()
    return int(row[0])


def decimal(cents: int, point: str = ".") -> str:
    """Write an amount with two decimals and without thousands."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}{point}{abs(cents) % 100:02d}"


def to_csv(iban: str, lines: Iterable[Line], regional_format: str) -> bytes:
    """Write CSV, oldest payment first.

    UK_US separates by comma, quotes every field and has a decimal point; EUROPEAN separates by semicolon, quotes only
    where it must and has a decimal comma. Importers have seen both, and mixtures.
    """
    european = regional_format == "EUROPEAN"
    text = io.StringIO()
    writer = csv.writer(
        text,
        delimiter=";" if european else ",",
        quoting=csv.QUOTE_MINIMAL if european else csv.QUOTE_ALL,
        lineterminator="\n",
    )
    writer.writerow(COLUMNS)
    for line in lines:
        day, amount = line.day.isoformat(), decimal(line.cents, "," if european else ".")
        writer.writerow((day, day, amount, iban, line.iban, line.name, line.description))
    return text.getvalue().encode()


def to_mt940(statement: Statement, number: int) -> bytes:
    """Write SWIFT's MT940. bunq's own layout of :86: is not recorded; this one is common among Dutch banks."""
    head = [
        f":20:BUNQ{statement.account.id}"[:20],
        f":25:{statement.iban or statement.account.id} {statement.currency}",
        f":28C:{number}/1",
        f":60F:{_swift_balance(statement.opening, statement.start, statement.currency)}",
    ]
    body = [each for line in statement.lines for each in _swift_line(line)]
    tail = [f":62F:{_swift_balance(statement.closing, statement.end, statement.currency)}", "-"]
    return "".join(f"{each}\r\n" for each in head + body + tail).encode("ascii")


def _swift_balance(cents: int, day: date, currency: str) -> str:
    return f"{'D' if cents < 0 else 'C'}{day:%y%m%d}{currency}{decimal(abs(cents), ',')}"


def _swift_line(line: Line) -> list[str]:
    kind = {"EBA_SDD": "DDT", "INTEREST": "INT"}.get(line.type, "TRF")
    mark = "D" if line.cents < 0 else "C"
    booked = f":61:{line.day:%y%m%d%m%d}{mark}{decimal(abs(line.cents), ',')}N{kind}NONREF//{line.id}"
    told = f"/IBAN/{line.iban}" if line.iban else ""
    told += f"/NAME/{_swift_text(line.name)}/REMI/{_swift_text(line.description)}"
    # At most six lines of 65 signs; a line must not begin like a tag.
    parts = [told[at : at + 65] for at in range(0, min(len(told), 390), 65)]
    return [booked, ":86:" + parts[0], *(f" {each[1:]}" if each[0] in ":-" else each for each in parts[1:])]


def _swift_text(text: str) -> str:
    """Return a text in SWIFT's signs: accents dropped, everything else it lacks replaced."""
    plain = unicodedata.normalize("NFKD", text.translate(PLAIN)).encode("ascii", "ignore").decode()
    return "".join(sign if sign.isalnum() or sign in " /-?:().,'+" else "." for sign in " ".join(plain.split()))


PDF_COLUMNS = (
    pdf.Column("Date", 40, 10),
    pdf.Column("Name", 100, 26),
    pdf.Column("Description", 240, 36),
    pdf.Column("Amount", 485, 16, right=True),
    pdf.Column("Balance", 555, 16, right=True),
)


def to_pdf(store: Store, statement: Statement, *, include_attachment: bool) -> bytes:
    """Write a PDF; attachments of the payments become attached files of it."""
    files = []
    for line in statement.lines if include_attachment else ():
        for attachment_id in line.attachments:
            item, found = store.get("attachment", attachment_id), store.get_content(attachment_id)
            if item is not None and found is not None:
                files.append((f"{line.id}-{attachment_id} {item.body['description']}", *found))
    return pdf.Document(
        "Account statement",
        [
            *identity(statement.account, statement.holder),
            ("Period", f"{statement.start.isoformat()} to {statement.end.isoformat()}"),
            ("Opening balance", f"{statement.currency} {decimal(statement.opening)}"),
            ("Closing balance", f"{statement.currency} {decimal(statement.closing)}"),
        ],
        PDF_COLUMNS,
        [
            (each.day.isoformat(), each.name, each.description, decimal(each.cents), decimal(each.balance))
            for each in statement.lines
        ],
        files,
    ).to_bytes()


def identity(account: Item, holder: str) -> list[tuple[str, str]]:
    """Return the facts that name an account."""
    return [
        ("Account holder", holder),
        ("Account", account.body["description"]),
        ("IBAN", account.body["iban"] or "none"),
        ("BIC", "BUNQNL2A"),
    ]
