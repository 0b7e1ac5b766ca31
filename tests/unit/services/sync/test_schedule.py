"""When accounts fall due, by their rows alone."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from bunqflask import clock
from bunqflask.models import AccountSync, Connection, ErrorKind, MonetaryAccount
from bunqflask.services.sync import schedule
from bunqflask.services.sync.schedule import _due, _Stored

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def is_due(
    *,
    callbacks: bool = False,
    came: timedelta | None = None,
    balance: str | None = "10",
    after_newest: str | None = "10",
    **state: Any,
) -> bool:
    now = clock.now()
    at = {name: now - value if isinstance(value, timedelta) else value for name, value in state.items()}
    account = MonetaryAccount(id=1, balance=None if balance is None else Decimal(balance))
    connection = Connection(
        monetary_accounts=[account],
        callbacks_set_at=now if callbacks else None,
        callback_received_at=None if came is None else now - came,
    )
    newest = None if after_newest is None else Decimal(after_newest)
    return bool(_due(connection, _Stored({1: AccountSync(id=1, missing=(), **at)}, {1: newest}), now))


@pytest.mark.parametrize(
    ("expected", "state"),
    [
        (True, {"synced_at": None}),
        (False, {"synced_at": 59 * MINUTE}),
        (True, {"synced_at": 61 * MINUTE}),
        (True, {"synced_at": 61 * MINUTE, "callbacks": True}),
        (False, {"synced_at": 61 * MINUTE, "callbacks": True, "came": 23 * HOUR}),
        (True, {"synced_at": 61 * MINUTE, "callbacks": True, "came": 25 * HOUR}),
        (True, {"synced_at": 61 * MINUTE, "came": HOUR}),
        (False, {"synced_at": 23 * HOUR, "callbacks": True, "came": HOUR}),
        (True, {"synced_at": 25 * HOUR, "callbacks": True, "came": HOUR}),
        (True, {"synced_at": MINUTE, "follow_up_at": timedelta(0)}),
        (False, {"synced_at": MINUTE, "follow_up_at": -MINUTE}),
        (True, {"synced_at": -HOUR}),
        (True, {"synced_at": 2 * MINUTE, "requested_at": MINUTE}),
        (False, {"synced_at": MINUTE, "requested_at": 2 * MINUTE}),
        (True, {"synced_at": MINUTE, "full_import": ()}),
        (True, {"synced_at": MINUTE, "balance": "11"}),
        (True, {"synced_at": MINUTE, "balance": "11", "balance_difference": Decimal(2)}),
        (False, {"synced_at": MINUTE, "balance": "11", "balance_difference": Decimal(1)}),
        (False, {"synced_at": MINUTE, "balance": None}),
        (False, {"synced_at": MINUTE, "after_newest": None}),
        (False, {"synced_at": 2 * HOUR, "error_kind": ErrorKind.UNAVAILABLE, "next_try_at": -MINUTE}),
        (True, {"synced_at": MINUTE, "error_kind": ErrorKind.UNAVAILABLE, "next_try_at": MINUTE}),
        (True, {"synced_at": MINUTE, "error_kind": ErrorKind.UNAVAILABLE, "next_try_at": -HOUR}),
        (False, {"synced_at": MINUTE, "error_kind": ErrorKind.NOT_LISTED, "next_try_at": -5 * HOUR}),
    ],
)
def test_an_account_is_due(expected: bool, state: dict[str, Any]) -> None:
    assert is_due(**state) == expected


def test_an_account_that_no_consent_covers_is_never_due() -> None:
    account = MonetaryAccount(id=1, uncovered_since=clock.now())
    assert _due(Connection(monetary_accounts=[account]), _Stored({}, {}), clock.now()) == []


def test_with_callbacks_payments_are_listed_daily_all_the_same() -> None:
    # bunq gives a callback up after six tries within some hours.
    assert schedule.FRESH < schedule.FRESH_WITH_CALLBACKS <= timedelta(days=1)
