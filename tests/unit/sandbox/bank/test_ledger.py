"""The ledger: whatever happens, no cent appears or vanishes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunqflask.sandbox.bank import ledger
from bunqflask.sandbox.bank.store import Store

ACCOUNTS = (1, 2, 3, 4)
OVERDRAFT = {1: 0, 2: 0, 3: 50_00, 4: 0}


def _bank() -> Store:
    store = Store(":memory:")
    for account, limit in OVERDRAFT.items():
        ledger.open_account(store, account, "EUR", overdraft=limit)
    return store


def _move(store: Store, debit: int, credit: int, cents: int) -> tuple[int, int]:
    return ledger.move(
        store, ledger.Transfer(debit=debit, credit=credit, cents=cents, description="", debit_sees={}, credit_sees={})
    )


PLACES = st.sampled_from([0, *ACCOUNTS])
MOVES = st.lists(st.tuples(PLACES, PLACES, st.integers(1, 200_00), st.booleans()), max_size=60)


@settings(max_examples=150)
@given(MOVES)
def test_no_cent_appears_or_vanishes(moves: list[tuple[int, int, int, bool]]) -> None:
    store = _bank()
    outside = ledger.outside(store, "EUR")
    for debit, credit, cents, fails_later in moves:
        if debit == credit:
            continue
        before = {account: ledger.balance(store, account)[0] for account in (*ACCOUNTS, outside)}
        try:
            with store.transaction():
                _move(store, debit or outside, credit or outside, cents)
                if fails_later:
                    raise KeyError
        except (ledger.InsufficientFunds, KeyError):
            assert before == {account: ledger.balance(store, account)[0] for account in (*ACCOUNTS, outside)}
    total = 0
    for account in (*ACCOUNTS, outside):
        entries = ledger.entries(store, account, below=None, above=None, limit=1000)[::-1]
        balance = 0
        for entry in entries:
            balance += entry.amount
            assert entry.balance_after == balance
            if account != outside:
                assert balance >= -OVERDRAFT[account]
        assert ledger.balance(store, account) == (balance, "EUR")
        total += balance
    assert total == 0
    pairs = store.db.execute("SELECT COUNT(*), SUM(amount) FROM ledger_entry GROUP BY movement").fetchall()
    assert all(pair == (2, 0) for pair in pairs)
    store.close()


def test_overdraft_limit_is_the_floor() -> None:
    store = _bank()
    _move(store, 3, 1, 50_00)
    with pytest.raises(ledger.InsufficientFunds):
        _move(store, 3, 1, 1)
    assert ledger.balance(store, 3) == (-50_00, "EUR")
    store.close()


def test_money_does_not_change_currency() -> None:
    store = _bank()
    ledger.open_account(store, 9, "USD")
    with pytest.raises(ledger.CurrencyMismatch):
        _move(store, 3, 9, 1)
    store.close()
