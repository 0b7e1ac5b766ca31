"""Generated payment histories of an account; the same number and seed give the same payments.

Rules, and why:

- The history lies between the opening balance and the bank's current time, in time order, under the next free ids,
  so that a larger id is never an earlier payment. It ends at the last full hour, and money rests at night.
- It has one to four payments a day. If that reaches back before the accounts were opened, and the owner's accounts
  hold nothing but their opening balances, the owner becomes a customer of longer standing: the beginnings of his
  accounts and their opening balances move back by whole days, at most to the bank's first year; beyond that the days
  get busier. Accounts that have already been used keep their past, and the history is squeezed in behind it.
- It leaves every balance as it found it, to the cent. What went to the owner's other accounts comes back near the
  end; then one transfer from or to his account at another bank makes up the difference, less what the last few
  purchases will cost. Only a history of a single payment cannot come out even: it is interest.
- No balance is set here: each payment is a movement of the ledger, the other side of which is another account of the
  same owner or the outside world. The past makes no events and no webhooks.

https://doc.bunq.com/api-reference/payment
"""

from __future__ import annotations

import json
import math
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from bunqflask.sandbox.bank import accounts, ledger, people, sample_payments
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.clock import bunq_time, parse_bunq_time
from bunqflask.sandbox.bank.ledger import Movement
from bunqflask.sandbox.bank.sample_payments import Kind
from bunqflask.sandbox.bank.store import Item, Json, Store

MAXIMUM = 10_000_000
JODIS_MAIN = 2083712
PER_DAY = 4
# bunq has had customers since the end of 2015.
EARLIEST = datetime(2016, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
HOUR_US = 3_600_000_000
MORNING_US, NIGHT_US, MIDNIGHT_US = 6 * HOUR_US, 23 * HOUR_US, 24 * HOUR_US

# How many purchases follow after the books were balanced, and how many cents an account keeps in hand.
LAST_PURCHASES = 9
IN_HAND = 25_00


@dataclass(frozen=True, kw_only=True)
class Made:
    """A generated history: the number of payments and their time range (bunq's timestamps)."""

    account: int
    payments: int
    start: str
    end: str


def make(bank: Bank, account_id: int, payments: int, *, seed: int = 0) -> Made:
    """Give an account a history of so many payments, in one transaction.

    :raises ValueError: no such open account, too few or too many payments, or no time for them since its last one.
    """
    if not 1 <= payments <= MAXIMUM:
        raise ValueError(f"payments is a number from 1 to {MAXIMUM}")
    store = bank.store
    with store.transaction():
        # SQLite cannot look for a larger number, and no id is that large.
        account = store.get("monetary_account", account_id) if abs(account_id) < 2**63 else None
        if account is None or account.body["status"] != "ACTIVE":
            raise ValueError(f"no open account has the id {account_id}")
        start, end = _span(store, account, payments)
        rng = random.Random(f"{seed} {payments} {account_id}")  # noqa: S311 - repeatable, not secret
        generator = _Generator(store, account, rng)
        ledger.move_many(store, _movements(generator, rng, payments, start, end))
        store.write_meta("history", "1")
    return Made(account=account_id, payments=payments, start=bunq_time(start), end=bunq_time(end))


def from_json(bank: Bank, body: Json) -> Json:
    """Make a history as `POST /__sandbox/seed` asks for it: payments, and if need be account and seed.

    :raises ValueError: a member is not a whole number, or `make` refuses.
    """
    numbers = {"account": JODIS_MAIN, "seed": 0, **body}
    if set(numbers) != {"payments", "account", "seed"}:
        raise ValueError("the body has the members payments, account and seed")
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in numbers.values()):
        raise ValueError("payments, account and seed are whole numbers")
    return asdict(make(bank, numbers["account"], numbers["payments"], seed=numbers["seed"]))


# The time range.


def _span(store: Store, account: Item, payments: int) -> tuple[datetime, datetime]:
    """Return the time range of the history; move the opening of the accounts back if it must be longer."""
    family = accounts.of_user(store, account.owner or 0)
    newest = _newest(store, family)
    now = store.clock.now()
    end = now.replace(minute=0, second=0, microsecond=0)
    wanted = timedelta(days=math.ceil(payments / PER_DAY))
    start = max(EARLIEST, end - wanted)
    if not _is_untouched(store, family):
        start = max(newest, start)
        end = end if end - start > timedelta(hours=1) else now
    elif newest > start:
        _move_back(store, account.owner or 0, timedelta(days=math.ceil((newest - start) / DAY)))
    elif end - newest < wanted * PER_DAY:
        start = newest
    return start + MICROSECOND, end


def _newest(store: Store, family: list[Item]) -> datetime:
    """Return the time of the latest entry or opening of these accounts."""
    times = [account.created for account in family]
    for account in family:
        times += [entry.created for entry in ledger.entries(store, account.id, below=None, above=None, limit=1)]
    return parse_bunq_time(max(times))


def _is_untouched(store: Store, family: list[Item]) -> bool:
    """Tell whether these accounts hold nothing but what outside brought at their opening."""
    for account in family:
        found = ledger.entries(store, account.id, below=None, above=None, limit=2)
        if len(found) > 1:
            return False
        for entry in found:
            others = store.db.execute("SELECT account FROM ledger_entry WHERE movement = ?", (entry.movement,))
            if min(row[0] for row in others) > 0:
                return False
    return True


def _move_back(store: Store, owner: int, by: timedelta) -> None:
    """Let a user and his accounts begin earlier, their opening balances too."""

    def earlier(text: str) -> str:
        return bunq_time(parse_bunq_time(text) - by)

    family = accounts.of_user(store, owner)
    user = store.get("user", owner)
    for item in [*family, *([user] if user else [])]:
        updated = earlier(item.updated) if item.updated == item.created else item.updated
        store.db.execute(
            "UPDATE item SET created = ?, updated = ? WHERE id = ?", (earlier(item.created), updated, item.id)
        )
    for account in family:
        for entry in ledger.entries(store, account.id, below=None, above=None, limit=1):
            store.db.execute(
                "UPDATE ledger_entry SET created = ? WHERE movement = ?", (earlier(entry.created), entry.movement)
            )


def _timestamps(rng: random.Random, count: int, start: datetime, end: datetime) -> Iterator[tuple[date, str]]:
    """Return `count` timestamps in order, each with its day; the number per day varies.

    :raises ValueError: there are fewer microseconds than payments.
    """
    windows = _windows(start, end, MORNING_US, NIGHT_US) or _windows(start, end, 0, MIDNIGHT_US)
    weights = [(high - low) * rng.uniform(0.5, 1.5) for _day, low, high in windows]
    total, so_far, done = sum(weights), 0.0, 0
    for index, (day, low, high) in enumerate(windows):
        so_far += weights[index]
        until = count if index == len(windows) - 1 else int(count * so_far / total)
        if until - done > high - low:
            raise ValueError("there is no time for so many payments since the last one")
        prefix = day.isoformat()
        for offset in sorted(rng.sample(range(low, high), until - done)):
            seconds, micros = divmod(offset, 1_000_000)
            minutes, seconds = divmod(seconds, 60)
            yield day, f"{prefix} {minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{micros:06d}"
        done = until
    if done < count:
        raise ValueError("there is no time for so many payments since the last one")


def _windows(start: datetime, end: datetime, from_us: int, until_us: int) -> list[tuple[date, int, int]]:
    """Return each day with the microseconds since midnight in which payments happen."""
    windows = []
    for number in range((end.date() - start.date()).days + 1):
        day = start.date() + number * DAY
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        low = max(from_us, (start - midnight) // MICROSECOND)
        high = min(until_us, (end - midnight) // MICROSECOND)
        if low < high:
            windows.append((day, low, high))
    return windows


# The payments.


def _movements(
    generator: _Generator, rng: random.Random, payments: int, start: datetime, end: datetime
) -> Iterator[Movement]:
    """Return the movements of a history in time order."""
    last = min(LAST_PURCHASES, payments // 2)
    body = payments - 1 - last
    purchases = [generator.draw(rng.choice(sample_payments.PURCHASES)) for _ in range(last)]
    for index, (day, when) in enumerate(_timestamps(rng, payments, start, end)):
        generator.advance_to(day, when)
        if payments == 1:
            yield generator.happen(generator.draw(sample_payments.INTEREST))
        elif index < body:
            yield generator.live(body - index)
        elif index == body:
            yield generator.balance_books(purchases)
        else:
            yield generator.happen(purchases[index - body - 1])


class _Drawn(NamedTuple):
    """A payment about to happen. Cents, below zero when the account pays."""

    type: str
    sub_type: str
    cents: int
    other: str
    text: str


class _Generator:
    """Generates the payments of one account in time order and tracks its balance, in cents."""

    def __init__(self, store: Store, account: Item, rng: random.Random) -> None:
        self.rng = rng
        self.account = account.id
        owner = people.by_id(store, account.owner or 0)
        self.held, self.currency = ledger.balance(store, account.id)
        self.in_the_end = self.held
        self.floor = -ledger.overdraft(store, account.id)
        self.plenty = self.floor + 2 * max(self.held - self.floor, 300_000)
        self.outside = ledger.outside(store, self.currency)
        self.savings = _savings(store, account)
        self.put_aside: dict[int, int] = {}
        self.own_sees = json.dumps({"account": account.id})
        self.elsewhere = sample_payments.party(accounts.display_name(owner), sample_payments.ELSEWHERE)
        self.due: deque[Kind] = deque()
        self.to_meet: dict[Kind, list[tuple[str, str]]] = {}
        self.bought: deque[_Drawn] = deque(maxlen=20)
        self.day: date | None = None
        self.when, self.month = "", ""

    def advance_to(self, day: date, when: str) -> None:
        """Advance to the next timestamp; the monthly payments of the days in between fall due."""
        self.when = when
        if day != self.day:
            self.month = f"{sample_payments.MONTHS[day.month - 1]} {day.year}"
            since = day if self.day is None else self.day + DAY
            for number in range((day - since).days + 1):
                self.due.extend(sample_payments.MONTHLY.get((since + number * DAY).day, ()))
            self.day = day

    def live(self, left: int) -> Movement:
        """Let the next thing happen, with `left` things to come before the books are balanced, this one included."""
        if left <= len(self.put_aside):
            return self._take_back(everything=True)
        if self.held > self.plenty:
            surplus = (self.held - self.plenty // 2) // 100_00 * 100_00
            return self.happen(_Drawn("EBA_SCT", "SCT", -surplus, self.elsewhere, "Savings"))
        if self.due:
            kind = self.due.popleft()
        else:
            (kind,) = self.rng.choices(sample_payments.EVERYDAY, cum_weights=sample_payments.EVERYDAY_WEIGHTS)
        if kind is sample_payments.TO_SAVINGS:
            return self._save(left) or self.live(left)
        drawn = self._refund() if kind is sample_payments.REFUND else self.draw(kind)
        if self._can_afford(drawn.cents):
            return self.happen(drawn)
        if self.put_aside and self.rng.random() < 0.5:
            return self._take_back(everything=False)
        return self.happen(self.draw(sample_payments.CLIENT))

    def draw(self, kind: Kind) -> _Drawn:
        """Choose the party and the amount of a payment of this kind."""
        other, text = self._meet(kind)
        cents = self.rng.randrange(kind.low, kind.high + 1, kind.step)
        if "{" in text:
            text = sample_payments.fill(text, cents, self.rng.randrange(100_000, 1_000_000), self.month)
        return _Drawn(kind.type, kind.sub_type, cents, other, text)

    def _meet(self, kind: Kind) -> tuple[str, str]:
        """Choose a counterparty, each equally often, so that a long history contains all of them."""
        waiting = self.to_meet.setdefault(kind, [])
        if not waiting:
            waiting.extend(self.rng.sample(kind.others, len(kind.others)))
        return waiting.pop()

    def happen(self, drawn: _Drawn) -> Movement:
        """Move the money of a payment in or out of the bank."""
        if drawn.type == "MASTERCARD" and drawn.cents < 0 and drawn.sub_type == "PAYMENT":
            self.bought.append(drawn)
        return self._move(self.outside, drawn)

    def balance_books(self, purchases: list[_Drawn]) -> Movement:
        """Move what is missing, or too much, so that the purchases to come leave the balance as it was found."""
        to_come = sum(each.cents for each in purchases)
        missing = self.in_the_end - to_come - self.held
        if missing == 0:
            purchases[0] = purchases[0]._replace(cents=purchases[0].cents - 1)
            missing = 1
        text = "From savings" if missing > 0 else "Savings"
        return self.happen(_Drawn("EBA_SCT", "SCT", missing, self.elsewhere, text))

    def _can_afford(self, cents: int) -> bool:
        return cents > 0 or self.held + cents >= self.floor + IN_HAND

    def _refund(self) -> _Drawn:
        """Give back the money for something bought, or interest if nothing was."""
        if not self.bought:
            return self.draw(sample_payments.INTEREST)
        bought = self.bought.popleft()
        refund = sample_payments.REFUND
        return _Drawn(refund.type, refund.sub_type, -bought.cents, bought.other, f"Refund {bought.text}")

    def _save(self, left: int) -> Movement | None:
        """Put something aside on another account of the same owner, if there is one, money, and time to return it."""
        kind = sample_payments.TO_SAVINGS
        cents = self.rng.randrange(kind.low, kind.high + 1, kind.step)
        if not self.savings or left <= len(self.savings) + 1 or not self._can_afford(-cents):
            return None
        savings = self.rng.choice(self.savings)
        self.put_aside[savings] = self.put_aside.get(savings, 0) + cents
        return self._to_own(savings, -cents, "Putting aside 🐷")

    def _take_back(self, *, everything: bool) -> Movement:
        savings, cents = next(iter(self.put_aside.items()))
        if not everything and cents > 100_00:
            cents = cents // 2
        self.put_aside[savings] -= cents
        if not self.put_aside[savings]:
            del self.put_aside[savings]
        return self._to_own(savings, cents, "Back from savings")

    def _to_own(self, savings: int, cents: int, text: str) -> Movement:
        kind = sample_payments.TO_SAVINGS
        drawn = _Drawn(kind.type, kind.sub_type, cents, json.dumps({"account": savings}), text)
        return self._move(savings, drawn)

    def _move(self, where: int, drawn: _Drawn) -> Movement:
        cents = drawn.cents
        self.held += cents
        shared = (abs(cents), self.when, drawn.type, drawn.sub_type, drawn.text)
        if cents < 0:
            return Movement(self.account, where, *shared, drawn.other, self.own_sees)
        return Movement(where, self.account, *shared, self.own_sees, drawn.other)


def _savings(store: Store, account: Item) -> list[int]:
    """Return the owner's other accounts that money can be put aside on."""
    return [
        each.id
        for each in accounts.of_user(store, account.owner or 0)
        if each.id != account.id
        and each.body["status"] == "ACTIVE"
        and each.body["currency"] == account.body["currency"]
        and each.body["wrapper"] in (accounts.BANK, accounts.SAVINGS, accounts.JOINT)
    ]
