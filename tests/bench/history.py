"""An invented history of payments: the same for bunqflask, which imports it from a bank, and for its peers.

Everything follows from the number of payments, the accounts and the newest moment, so a server can answer for any
page of it, and another program can be given the same payments as a file.
"""

from __future__ import annotations

import bisect
import random
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

YEARS = 6
FIRST_ID, ID_STEP = 1_000_000, 3
ACCOUNTS_EACH = 4
# One account gets most of it, as people's main accounts do; the next persons' accounts are like the first ones'.
SHARES = (30, 15, 10, 5, 20, 10, 7, 3)
ACCOUNT_NAMES = ("Main", "Groceries and household", "Savings for the roof", "Holidays")

RARE_WORDS = ("xylophone", "zeppelin", "quagmire", "ukulele", "obelisk")
_RARE_EACH = 4

_PLACES = ("Utrecht", "Köln", "Zürich", "Groningen", "São Paulo", "Leiden", "Malmö", "Gent", "Ede", "Łódź")
_TRADES = ("Bakkerij", "Café", "Garage", "Supermarkt", "Apotheek", "Boekhandel", "Restaurant", "Tandarts", "Energie")
_NAMES = ("de Vries", "Jansen", "Okafor", "Müller", "Nguyễn", "Smit", "Visser", "Bos", "Peters", "van Dijk", "Yılmaz")
_TEXTS = (
    "groceries for the week, till {number}",
    "rent, contract {number}",
    "invoice {number}, thank you",
    "bread and rolls {number}",
    "a round of coffee, table {number}",
    "repair of the bicycle, order {number}",
    "refund of order {number}",
    "monthly bill, customer {number}",
)
_TYPES = ("MASTERCARD", "MASTERCARD", "MASTERCARD", "IDEAL", "EBA_SCT", "EBA_SCT", "BUNQ", "EBA_SDD")
_WITHOUT_IBAN = ("MASTERCARD",)
_ONE_IN_TRANSFERS = 25


@dataclass(frozen=True)
class Account:
    """An account of the history, by bunq's id of it."""

    id: int
    name: str
    iban: str


@dataclass(frozen=True)
class Entry:
    """One payment; amounts in cents, below zero when money went out."""

    id: int
    account: Account
    at: datetime
    cents: int
    balance_cents: int
    type: str
    name: str
    iban: str | None
    text: str


class History:
    """So many payments on the accounts of some bunq users, in time order up to the newest one."""

    def __init__(self, size: int, user_ids: Sequence[int], newest: datetime) -> None:
        self.size, self.newest = size, newest
        self.accounts = [account for user_id in user_ids for account in accounts_of(user_id)]
        self._step = timedelta(days=365 * YEARS) / size
        rng = random.Random(size)
        shares = [SHARES[number % len(SHARES)] for number in range(len(self.accounts))]
        self._owners = array("H", rng.choices(range(len(self.accounts)), shares, k=size))
        self._draws = array("q", (rng.getrandbits(62) for _ in range(size)))
        self._numbers: list[array[int]] = [array("q") for _ in self.accounts]
        self._balances = array("q", bytes(8 * size))
        balances = [0] * len(self.accounts)
        for number, owner in enumerate(self._owners):
            self._numbers[owner].append(number)
            balances[owner] += self._cents(number)
            self._balances[number] = balances[owner]
        self.balances = {account.id: balances[place] for place, account in enumerate(self.accounts)}
        every = max(1, size // (len(RARE_WORDS) * _RARE_EACH + 1))
        self._rare = {every * (1 + place): RARE_WORDS[place % len(RARE_WORDS)] for place in range(_RARE_EACH * 5)}

    def entries(self) -> Iterator[Entry]:
        """Yield all payments, oldest first."""
        return (self.entry(number) for number in range(self.size))

    def page(self, account_id: int, *, below: int | None, above: int | None, count: int) -> list[Entry]:
        """Return payments of an account, newest first, as bunq pages them: `below` and `above` are ids."""
        place = next(place for place, account in enumerate(self.accounts) if account.id == account_id)
        numbers = self._numbers[place]
        end = len(numbers) if below is None else bisect.bisect_left(numbers, _first_number_from(below))
        if above is not None:
            start = bisect.bisect_left(numbers, _first_number_from(above + 1))
            end = min(end, start + count)
        else:
            start = max(0, end - count)
        return [self.entry(number) for number in reversed(numbers[start:end])]

    def count(self, account_id: int) -> int:
        """Return how many payments an account has."""
        return next(
            len(numbers)
            for account, numbers in zip(self.accounts, self._numbers, strict=True)
            if account.id == account_id
        )

    def entry(self, number: int) -> Entry:
        """Return the payment with a number, counted from the oldest one."""
        draw, owner = self._draws[number], self._owners[number]
        draw, kind = divmod(draw >> 16, len(_TYPES))
        draw, trade = divmod(draw, len(_TRADES))
        draw, person = divmod(draw, len(_NAMES))
        draw, place = divmod(draw, len(_PLACES))
        draw, text = divmod(draw, len(_TEXTS))
        draw, transfer = divmod(draw, _ONE_IN_TRANSFERS)
        name, iban = f"{_TRADES[trade]} {_NAMES[person]} {_PLACES[place]}", f"NL42TEST{draw % 10**10:010}"
        if transfer == 0 and len(self.accounts) > 1:
            other = self.accounts[(owner + 1 + draw % (len(self.accounts) - 1)) % len(self.accounts)]
            kind, name, iban = _TYPES.index("BUNQ"), other.name, other.iban
        said = _TEXTS[text].format(number=draw % 100_000)
        if number in self._rare:
            said = f"{self._rare[number]} lesson, {said}"
        return Entry(
            id=FIRST_ID + number * ID_STEP,
            account=self.accounts[owner],
            at=self.newest - self._step * (self.size - 1 - number),
            cents=self._cents(number),
            balance_cents=self._balances[number],
            type=_TYPES[kind],
            name=name,
            iban=None if _TYPES[kind] in _WITHOUT_IBAN else iban,
            text=said,
        )

    def _cents(self, number: int) -> int:
        """Return the amount: mostly small and out, now and then large and in; nothing is ever of zero."""
        draw = self._draws[number] & 0xFFFF
        if draw % 8:
            size = 1 + draw * 37 % 2_000
            return size if draw % 19 == 0 else -size
        size = 1 + draw * 37 % 30_000
        return -size if draw % 7 in (0, 1) else size


def accounts_of(user_id: int) -> list[Account]:
    """Return the accounts that a bunq user has here."""
    return [
        Account(user_id * 10 + place, name, f"NL{10 + place}TEST{user_id % 10**9:09}{place}")
        for place, name in enumerate(ACCOUNT_NAMES)
    ]


def moment_now() -> datetime:
    """Return the newest moment for a history that is made now."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)


def _first_number_from(payment_id: int) -> int:
    return -((FIRST_ID - payment_id) // ID_STEP) if payment_id > FIRST_ID else 0
