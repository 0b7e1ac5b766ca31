"""Generated payment histories of an account; the same number and seed give the same payments.

Rules, and why:

- The history lies between the opening balances and the bank's current time, under the next free ids. A larger id is
  never an earlier payment, over all customers of the bank: histories of several of them are made together, and one
  that is made later begins behind the newest payment of the bank. It ends at the last full hour, and money rests at
  night.
- It has one to four payments a day. If that reaches back before the accounts were opened, and nobody's accounts hold
  more than their opening balances, the customers become customers of longer standing: the beginnings of their accounts
  and the opening balances move back by whole days, at most to the bank's first year; beyond that the days get busier.
- It leaves every balance as it found it, to the cent. What went to the owner's other accounts comes back near the
  end; then one transfer from or to his account at another bank makes up the difference, less what the last few
  purchases will cost. Only a history of a single payment cannot come out even: it is interest.
- No balance is set here: each payment is a movement of the ledger, the other side of which is another account of the
  same owner or the outside world. What belongs to the payments is made with them (past.py).

https://doc.bunq.com/api-reference/payment
"""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from heapq import merge
from operator import attrgetter
from typing import NamedTuple

from bunqflask.sandbox.bank import accounts, history_span, ledger, past, people, sample_payments
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.clock import bunq_time
from bunqflask.sandbox.bank.ledger import Movement
from bunqflask.sandbox.bank.sample_payments import Kind
from bunqflask.sandbox.bank.store import Item, Json, Store

MAXIMUM = 10_000_000
JODIS_MAIN = 2083712
DAY = timedelta(days=1)

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


@dataclass(frozen=True, kw_only=True)
class Order:
    """A history to be made: of which account, and of how many payments."""

    account: int
    payments: int
    seed: int = 0


def make(bank: Bank, *orders: Order) -> list[Made]:
    """Give each of these accounts, which belong to different users, a history; in one transaction.

    :raises ValueError: no such open account, two accounts of one user, too few or too many payments, or no time for
        them since the last one.
    """
    store = bank.store
    with store.transaction():
        found = [_account(store, each) for each in orders]
        if len({account.owner for account in found}) < len(orders):
            raise ValueError("histories that are made together belong to different users")
        made, streams = [], []
        spans = history_span.spans(
            store, [(account, order.payments) for account, order in zip(found, orders, strict=True)]
        )
        # Moving the beginnings back changed the accounts.
        found = [_account(store, each) for each in orders]
        for account, order, (start, end) in zip(found, orders, spans, strict=True):
            rng = random.Random(f"{order.seed} {order.payments} {account.id}")  # noqa: S311 - repeatable, not secret
            generator = _Generator(store, account, rng)
            streams.append(_movements(generator, rng, order.payments, start, end))
            made.append(Made(account=account.id, payments=order.payments, start=bunq_time(start), end=bunq_time(end)))
        family = [each for account in found for each in accounts.of_user(store, account.owner or 0)]
        past.write(bank, family, found, merge(*streams, key=attrgetter("created")))
        store.write_meta("history", "1")
    return made


def _account(store: Store, order: Order) -> Item:
    if not 1 <= order.payments <= MAXIMUM:
        raise ValueError(f"payments is a number from 1 to {MAXIMUM}")
    # SQLite cannot look for a larger number, and no id is that large.
    account = store.get("monetary_account", order.account) if abs(order.account) < 2**63 else None
    if account is None or account.body["status"] != "ACTIVE":
        raise ValueError(f"no open account has the id {order.account}")
    return account


def from_json(bank: Bank, body: Json) -> Json:
    """Make histories as `POST /__sandbox/seed` asks for them: payments, and if need be account, or several, and seed.

    :raises ValueError: a member is not a whole number, or `make` refuses.
    """
    told = {"account": JODIS_MAIN, "seed": 0, **body}
    if set(told) != {"payments", "account", "seed"}:
        raise ValueError("the body has the members payments, account and seed")
    wanted = told["account"] if isinstance(told["account"], list) else [told["account"]]
    numbers = (told["payments"], told["seed"], *wanted)
    if not wanted or not all(isinstance(each, int) and not isinstance(each, bool) for each in numbers):
        raise ValueError("payments and seed are whole numbers, and account one or a list of them")
    orders = [Order(account=each, payments=told["payments"], seed=told["seed"]) for each in wanted]
    return {"histories": [asdict(each) for each in make(bank, *orders)]}


# The payments.


def _movements(
    generator: _Generator, rng: random.Random, payments: int, start: datetime, end: datetime
) -> Iterator[Movement]:
    """Return the movements of a history in time order."""
    last = min(LAST_PURCHASES, payments // 2)
    body = payments - 1 - last
    purchases = [generator.draw(rng.choice(sample_payments.PURCHASES)) for _ in range(last)]
    for index, (day, when) in enumerate(history_span.timestamps(rng, payments, start, end)):
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
