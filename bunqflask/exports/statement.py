"""What every format is made of: one monetary account over one period, its entries produced when asked for."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

# Beyond this no format of ours could carry a sum exactly (ISO 20022: 18 digits).
LARGEST_AMOUNT = Decimal(10) ** 15
CENT = Decimal("0.01")


class ExportError(ValueError):
    """A statement that cannot be written as asked; its text names ids and amounts, never a person."""


class StatementBroken(ExportError):
    """The statement contradicts itself: an entry of another day or currency, or an amount that is none."""


class DoesNotFit(ExportError):
    """The format has no room for this value, and a cut would falsify it."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """A monetary account as a bookkeeper knows it."""

    name: str
    iban: str | None
    currency: str
    holder: str
    monetary_account_id: int
    kind: str


@dataclass(frozen=True, kw_only=True)
class EntryNote:
    """A note that somebody made on a payment at bunq, with how many files; `created_at` is aware, None if untold."""

    created_at: datetime | None
    author: str
    text: str
    files: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One payment as booked; `amount` is signed, money in is positive. `booked_at` is aware UTC.

    `is_own_transfer` says that the other side is an account of the same people, in this export or not. `notes` are
    those that were fetched from bunq, oldest first.

    https://doc.bunq.com/api-reference/payment
    """

    payment_id: int
    booked_at: datetime
    amount: Decimal
    currency: str
    balance_after: Decimal | None
    counterparty_name: str
    counterparty_iban: str | None
    description: str
    kind: str
    sub_kind: str
    is_own_transfer: bool
    notes: tuple[EntryNote, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One account from `first_day` to `last_day`, both included, as days of `zone`.

    `entries()` yields them oldest first, and anew at each call: a format may iterate twice, and none stores them.
    `verified` says that the bank's balances and the amounts agree to the cent; `notice` says it to a person.
    """

    account: Account
    first_day: date
    last_day: date
    zone: ZoneInfo
    opening: Decimal | None
    closing: Decimal | None
    verified: bool
    notice: str
    entries: Callable[[], Iterator[Entry]]


# What every format's `write` takes.
Statements = Statement | Sequence[Statement]


def each(statements: Statements) -> Sequence[Statement]:
    """Return the statements, whether one came or several."""
    return [statements] if isinstance(statements, Statement) else statements


@dataclass(frozen=True, kw_only=True)
class Totals:
    """A statement's sums. `money_out` is zero or negative.

    Where the bank's balances are unknown, what can be derived from the entries is; `known` is False where nothing
    could be. Then `opening` and `closing` count from zero, for the formats that cannot do without, and the others
    write none. `agree` says that opening and entries add up to the closing.
    """

    count: int
    money_in: Decimal
    money_out: Decimal
    opening: Decimal
    closing: Decimal
    known: bool
    agree: bool


def booked(statement: Statement) -> Iterator[tuple[datetime, Entry]]:
    """Yield each entry with its local time, checked against what the statement says of itself.

    :raises StatementBroken: an entry outside the period, in another currency, without a usable amount, or whose time
        has no zone.
    """
    zone, first_day, last_day = statement.zone, statement.first_day, statement.last_day
    currency = statement.account.currency
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()):
        raise StatementBroken("the account's currency is not an ISO 4217 code")
    for entry in statement.entries():
        if entry.booked_at.tzinfo is None:
            raise StatementBroken(f"payment {entry.payment_id} has a time without a zone")
        local = entry.booked_at.astimezone(zone)
        if not first_day <= local.date() <= last_day:
            raise StatementBroken(f"payment {entry.payment_id} was booked outside {first_day} to {last_day}")
        if entry.currency != currency:
            raise StatementBroken(f"payment {entry.payment_id} is not in {currency}, the currency of its account")
        if not entry.amount.is_finite() or abs(entry.amount) >= LARGEST_AMOUNT:
            raise StatementBroken(f"payment {entry.payment_id} has no usable amount")
        yield local, entry


def booked_in_all(statements: Sequence[Statement]) -> Iterator[tuple[Statement, datetime, Entry]]:
    """Yield the entries of several statements in one order of time, each with its statement and its local time.

    :raises StatementBroken: see `booked`.
    """

    def of(statement: Statement) -> Iterator[tuple[Statement, datetime, Entry]]:
        for local, entry in booked(statement):
            yield statement, local, entry

    return heapq.merge(*map(of, statements), key=lambda found: found[2].booked_at)


class Sums:
    """Adds up a statement while its entries pass by."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._count = 0
        self._money_in = self._money_out = Decimal("0.00")
        self._derived: Decimal | None = None

    def add(self, entry: Entry) -> None:
        self._count += 1
        if entry.amount < 0:
            self._money_out += entry.amount
        else:
            self._money_in += entry.amount
        if self._derived is None and entry.balance_after is not None:
            self._derived = entry.balance_after - self._money_in - self._money_out

    def totals(self) -> Totals:
        """Return what has been added up so far, with the balances around it."""
        change = self._money_in + self._money_out
        opening, closing = self._statement.opening, self._statement.closing
        if opening is None and closing is None:
            opening = self._derived
        known = opening is not None or closing is not None
        if opening is None:
            opening = Decimal("0.00") if closing is None else closing - change
        if closing is None:
            closing = opening + change
        return Totals(
            count=self._count,
            money_in=self._money_in,
            money_out=self._money_out,
            opening=opening,
            closing=closing,
            known=known,
            agree=opening + change == closing,
        )


def totals_of(statement: Statement) -> Totals:
    """Return the sums of a statement, in one pass over its entries."""
    sums = Sums(statement)
    for _, entry in booked(statement):
        sums.add(entry)
    return sums.totals()


def is_verified(statement: Statement, totals: Totals) -> bool:
    """Tell whether the statement may be called verified; one whose own sums contradict it may not."""
    return statement.verified and totals.agree


def caution(statement: Statement, totals: Totals | None = None) -> str:
    """Return what a reader of this statement has to know before trusting it; empty when it is verified."""
    agree = totals is None or totals.agree
    sentences = [] if statement.verified and agree else ["NOT VERIFIED COMPLETE."]
    if not statement.verified and statement.notice:
        sentences.append(statement.notice)
    if totals is not None and not totals.known:
        sentences.append("The bank's balances are not known: where a file has to state them, they count from zero.")
    if not agree:
        sentences.append("The opening balance and the entries do not add up to the closing balance.")
    return " ".join(sentences)


def day_before(day: date) -> date:
    return day - timedelta(days=1)


def day_after(day: date) -> date:
    return day + timedelta(days=1)


def begin_of(statement: Statement) -> datetime:
    """Return the start of the period, in its zone."""
    return datetime.combine(statement.first_day, time.min, statement.zone)


def end_of(statement: Statement) -> datetime:
    """Return the last second of the period, in its zone.

    Where a format wants to know when it was made, this is the answer: the same statement gives the same bytes.
    """
    return datetime.combine(statement.last_day, time(23, 59, 59), statement.zone)


def decimal_text(amount: Decimal) -> str:
    """Return an amount with a point and two decimals, or more where it has more: "-1234.50"."""
    text = f"{amount:f}"
    if text[-3:-2] == "." and text[0] != "-":
        return text
    if not amount:
        return "0.00"
    if text[-3:-2] == ".":
        return text
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0'):0<2}"
