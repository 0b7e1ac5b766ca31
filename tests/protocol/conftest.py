"""What the tests over HTTP have in common: slow secrets, made quickly where they are not what a test is about."""

from itertools import cycle

import pytest
from argon2 import PasswordHasher

from bunqflask.bunq import protocol
from bunqflask.services import team

_QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
_NOBODY = _QUICK.hash("nobody")
# More than any test makes known to one bank.
_KEYS_OF_A_PROCESS = 6
_make_key = protocol.new_private_key
_made: list[str] = []


@pytest.fixture(autouse=True)
def quick_passwords(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords insecurely but fast: nearly every test logs somebody in, and few are about that."""
    if "real_passwords" not in request.fixturenames:
        monkeypatch.setattr(team, "_hasher", _QUICK)
        monkeypatch.setattr(team, "_nobody_hash", _NOBODY)


@pytest.fixture(autouse=True)
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a few key pairs once for all tests of a process; they are true ones, and take turns."""
    numbers = cycle(range(_KEYS_OF_A_PROCESS))

    def next_key() -> str:
        number = next(numbers)
        while len(_made) <= number:
            _made.append(_make_key())
        return _made[number]

    monkeypatch.setattr(protocol, "new_private_key", next_key)


@pytest.fixture
def real_passwords() -> None:
    """Hash passwords as the app does."""
