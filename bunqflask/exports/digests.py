"""Short marks of payments, so that a pack can show what changed without containing the payments themselves.

A mark is payment id, local day, amount and twelve hexadecimal digits of a SHA-256 over everything the bank says of the
payment except the balance after it, which moves when an older payment appears. A pack holds at most `MOST_MARKS` of
them; an account with more has one line per day instead, and then changes are known to the day.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from bunqflask.exports.statement import Entry, decimal_text
from bunqflask.exports.text import whole

MOST_MARKS = 50_000
_DIGITS = 12
_ROUND = 1 << 64


@dataclass(frozen=True)
class Mark:
    """What a pack remembers of one payment."""

    payment_id: int
    day: date
    amount: Decimal
    digest: str

    def __str__(self) -> str:
        return f"{self.payment_id} {self.day} {decimal_text(self.amount)} {self.digest}"

    @classmethod
    def read(cls, line: str) -> "Mark":
        """Read what `str` wrote; raises ValueError or ArithmeticError for anything else."""
        payment_id, day, amount, digest = line.split(" ")
        int(digest, 16)
        return cls(int(payment_id), date.fromisoformat(day), _finite(amount), digest)


@dataclass(frozen=True)
class Day:
    """What a pack remembers of one day of an account."""

    day: date
    count: int
    amount: Decimal
    digest: int

    def __str__(self) -> str:
        return f"{self.day} {self.count} {decimal_text(self.amount)} {self.digest:016x}"

    @classmethod
    def read(cls, line: str) -> "Day":
        """Read what `str` wrote; raises ValueError or ArithmeticError for anything else."""
        day, count, amount, digest = line.split(" ")
        return cls(date.fromisoformat(day), int(count), _finite(amount), int(digest, 16))

    def with_mark(self, mark: Mark) -> "Day":
        # Added up, so that the order of a day's payments does not matter.
        digest = (self.digest + int(mark.digest, 16)) % _ROUND
        return Day(self.day, self.count + 1, self.amount + mark.amount, digest)


def _finite(text: str) -> Decimal:
    amount = Decimal(text)
    if not amount.is_finite():
        raise ValueError("not an amount")
    return amount


def by_day(marks: Iterable[Mark]) -> dict[date, Day]:
    """Return the days that these marks make up."""
    days: dict[date, Day] = {}
    for mark in marks:
        days[mark.day] = days.get(mark.day, Day(mark.day, 0, Decimal(), 0)).with_mark(mark)
    return days


@dataclass
class Digests:
    """Collects the marks of one account while its entries pass by; at most `room` of them are stored."""

    room: int
    marks: list[Mark] | None = field(default_factory=list)
    days: dict[date, Day] = field(default_factory=dict)
    _whole: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, day: date, entry: Entry) -> None:
        said = _said(entry)
        mark = Mark(entry.payment_id, day, entry.amount, hashlib.sha256(said).hexdigest()[:_DIGITS])
        balance = "" if entry.balance_after is None else decimal_text(entry.balance_after)
        self._whole.update(said + f" {balance}\n".encode())
        self.days[day] = self.days.get(day, Day(day, 0, Decimal(), 0)).with_mark(mark)
        if self.marks is not None:
            self.marks.append(mark)
            if len(self.marks) > self.room:
                self.marks = None

    def of_all(self) -> str:
        """Return the SHA-256 over all entries in their order, balances included."""
        return self._whole.hexdigest()


def _said(entry: Entry) -> bytes:
    """Return everything the bank says of a payment except the balance after it, in one unmistakable form."""
    values = (
        entry.payment_id,
        entry.booked_at.isoformat(),
        decimal_text(entry.amount),
        entry.currency,
        whole(entry.counterparty_name),
        whole(entry.counterparty_iban or ""),
        whole(entry.description),
        entry.kind,
        entry.sub_kind,
    )
    return json.dumps(values, ensure_ascii=True).encode("ascii")
