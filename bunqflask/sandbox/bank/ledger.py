"""The ledger: double entry, and the only place where a balance changes.

Each movement is a pair of entries of opposite amount. An account's balance is the sum of its entries, and each
entry remembers the balance after it. Money that enters or leaves the bank comes from or goes to an account that
stands for the outside world, one per currency, so that all balances together are always zero.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from bunqflask.sandbox.bank.clock import bunq_time
from bunqflask.sandbox.bank.store import Json, Store

COLUMNS = "id, account, movement, amount, balance_after, created, type, sub_type, description, counterparty, extra"


class InsufficientFunds(Exception):
    """A movement would take an account below its overdraft limit."""


class CurrencyMismatch(Exception):
    """A movement between accounts of different currencies."""


@dataclass(frozen=True)
class Entry:
    """One side of a movement: what bunq shows as a payment. Amounts in cents."""

    id: int
    account: int
    movement: int
    amount: int
    balance_after: int
    created: str
    type: str
    sub_type: str
    description: str
    counterparty: Json
    extra: Json


def open_account(store: Store, account: int, currency: str, *, overdraft: int | None = 0) -> None:
    """Open an account at zero. `overdraft` is in cents; None is without limit."""
    with store.transaction():
        store.db.execute("INSERT INTO ledger_account VALUES (?, ?, 0, ?)", (account, currency, overdraft))


def outside(store: Store, currency: str) -> int:
    """Return the account that stands for the outside world in a currency."""
    with store.transaction():
        row = store.db.execute("SELECT id FROM ledger_account WHERE id < 0 AND currency = ?", (currency,)).fetchone()
        if row is not None:
            return int(row[0])
        lowest = store.db.execute("SELECT MIN(id) FROM ledger_account").fetchone()[0] or 0
        account = min(int(lowest), 0) - 1
        open_account(store, account, currency, overdraft=None)
    return account


def balance(store: Store, account: int) -> tuple[int, str]:
    """Return (cents, currency) of an account."""
    with store.transaction():
        row = store.db.execute("SELECT balance, currency FROM ledger_account WHERE id = ?", (account,)).fetchone()
    return int(row[0]), str(row[1])


def overdraft(store: Store, account: int) -> int:
    """Return the overdraft limit in cents."""
    with store.transaction():
        row = store.db.execute("SELECT overdraft FROM ledger_account WHERE id = ?", (account,)).fetchone()
    return int(row[0] or 0)


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Money to be moved between two accounts. `cents` is above zero; `created` is bunq's timestamp, None for now.

    `debit_sees` and `credit_sees` say who the counterparty is for each side; `debit_extra` and `credit_extra` are
    further members of each side's payment.
    """

    debit: int
    credit: int
    cents: int
    description: str
    debit_sees: Json
    credit_sees: Json
    type: str = "BUNQ"
    sub_type: str = "PAYMENT"
    created: str | None = None
    debit_extra: Json | None = None
    credit_extra: Json | None = None


def move(store: Store, transfer: Transfer) -> tuple[int, int]:
    """Move money and return the ids of the two entries, debit first.

    :raises InsufficientFunds: the debited account may not go that low.
    :raises CurrencyMismatch: the accounts have different currencies.
    """
    cents = transfer.cents
    assert cents > 0
    assert transfer.debit != transfer.credit
    with store.transaction():
        low, low_currency = balance(store, transfer.debit)
        high, high_currency = balance(store, transfer.credit)
        if low_currency != high_currency:
            raise CurrencyMismatch
        limit = store.db.execute("SELECT overdraft FROM ledger_account WHERE id = ?", (transfer.debit,)).fetchone()[0]
        if limit is not None and low - cents < -limit:
            raise InsufficientFunds
        movement = store.next_id(2)
        shared = (
            transfer.created or bunq_time(store.clock.now()),
            transfer.type,
            transfer.sub_type,
            transfer.description,
        )
        for entry_id, account, signed_cents, after, sees, extra in (
            (movement, transfer.debit, -cents, low - cents, transfer.debit_sees, transfer.debit_extra),
            (movement + 1, transfer.credit, cents, high + cents, transfer.credit_sees, transfer.credit_extra),
        ):
            written = json.dumps(sees, ensure_ascii=False), json.dumps(extra, ensure_ascii=False) if extra else None
            store.db.execute(
                "INSERT INTO ledger_entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (entry_id, account, movement, signed_cents, after, *shared, *written),
            )
            store.db.execute("UPDATE ledger_account SET balance = ? WHERE id = ?", (after, account))
    return movement, movement + 1


class Movement(NamedTuple):
    """One of many movements. Cents above zero; `created` is bunq's time; what each side sees is written as JSON."""

    debit: int
    credit: int
    cents: int
    created: str
    type: str
    sub_type: str
    description: str
    debit_sees: str
    credit_sees: str


def move_many(store: Store, movements: Iterable[Movement], *, ids_each: int = 2) -> None:
    """Move money many times, under ascending ids: all or nothing.

    Each movement takes `ids_each` ids; its entries have the first two, and the others are free for what belongs to it.
    `movements` is read while they are written, so it must not move money or take ids itself.

    :raises InsufficientFunds: a debited account may not go that low.
    :raises CurrencyMismatch: the accounts of a movement have different currencies.
    """
    with store.transaction():
        held = dict(store.db.execute("SELECT id, balance FROM ledger_account"))
        before = dict(held)
        # A savepoint, because a transaction around this one may live on after an exception.
        store.db.execute("SAVEPOINT move_many")
        try:
            store.db.executemany(
                "INSERT INTO ledger_entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                _sides(store, movements, held, ids_each),
            )
            store.db.executemany(
                "UPDATE ledger_account SET balance = ? WHERE id = ?",
                [(cents, account) for account, cents in held.items() if cents != before[account]],
            )
            newest = store.db.execute("SELECT MAX(movement) FROM ledger_entry").fetchone()[0] or 0
            store.next_id(max(0, newest + ids_each - store.next_id(0)))
        except BaseException:
            store.db.execute("ROLLBACK TO move_many")
            raise
        finally:
            store.db.execute("RELEASE move_many")


def _sides(
    store: Store, movements: Iterable[Movement], held: dict[int, int], ids_each: int
) -> Iterator[tuple[Any, ...]]:
    """Return both entries of each movement, from the next free id on; keep what the accounts hold up to date."""
    first_id = store.next_id(0)
    rows = store.db.execute("SELECT id, currency, overdraft FROM ledger_account").fetchall()
    currencies = {account: currency for account, currency, _limit in rows}
    limits = {account: limit for account, _currency, limit in rows}
    for debit, credit, cents, *when_and_what, debit_sees, credit_sees in movements:
        assert cents > 0
        assert debit != credit
        if currencies[debit] != currencies[credit]:
            raise CurrencyMismatch
        held[debit] = low = held[debit] - cents
        held[credit] = high = held[credit] + cents
        if limits[debit] is not None and low < -limits[debit]:
            raise InsufficientFunds
        yield first_id, debit, first_id, -cents, low, *when_and_what, debit_sees
        yield first_id + 1, credit, first_id, cents, high, *when_and_what, credit_sees
        first_id += ids_each


def entry(store: Store, account: int, entry_id: int) -> Entry | None:
    """Return one entry of an account, or None."""
    found = _select(store, "account = ? AND id = ?", (account, entry_id))
    return found[0] if found else None


def entries(store: Store, account: int, *, below: int | None, above: int | None, limit: int) -> list[Entry]:
    """Return entries newest first: the newest, those below an id, or those directly above one."""
    if above is not None:
        return _select(store, "account = ? AND id > ? ORDER BY id ASC LIMIT ?", (account, above, limit))[::-1]
    if below is not None:
        return _select(store, "account = ? AND id < ? ORDER BY id DESC LIMIT ?", (account, below, limit))
    return _select(store, "account = ? ORDER BY id DESC LIMIT ?", (account, limit))


def amend(store: Store, entry_id: int, *, description: str | None = None, **extra: Any) -> bool:
    """Change the texts of an entry, never how much it moves; False when there is no such entry."""
    with store.transaction():
        row = store.db.execute("SELECT description, extra FROM ledger_entry WHERE id = ?", (entry_id,)).fetchone()
        if row is None:
            return False
        more = json.dumps((json.loads(row[1]) if row[1] else {}) | extra, ensure_ascii=False)
        said = row[0] if description is None else description
        store.db.execute("UPDATE ledger_entry SET description = ?, extra = ? WHERE id = ?", (said, more, entry_id))
        return True


def between(store: Store, account: int, start: str, end: str) -> list[Entry]:
    """Return the entries of an account created from `start` up to before `end` (bunq times), oldest first."""
    return _select(store, "account = ? AND created >= ? AND created < ? ORDER BY id", (account, start, end))


def since(store: Store, first_id: int) -> Iterator[Entry]:
    """Yield the entries of all accounts of the bank from an id on, in the order of their ids."""
    query = f"SELECT {COLUMNS} FROM ledger_entry WHERE id >= ? AND account > 0 ORDER BY id"  # noqa: S608 - a constant
    return map(_entry, store.db.execute(query, (first_id,)))


def _entry(row: tuple[Any, ...]) -> Entry:
    return Entry(*row[:9], *(json.loads(each) if each else {} for each in row[9:]))


def _select(store: Store, where: str, values: tuple[Any, ...]) -> list[Entry]:
    rows = store.found(f"SELECT {COLUMNS} FROM ledger_entry WHERE {where}", values)  # noqa: S608 - the texts above
    return [_entry(row) for row in rows]
