"""What the tests over HTTP have in common: slow secrets, made quickly where they are not what a test is about."""

import pytest
from argon2 import PasswordHasher

from bunqflask.services import team

_QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
_NOBODY = _QUICK.hash("nobody")


@pytest.fixture(autouse=True)
def quick_passwords(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords insecurely but fast: nearly every test logs somebody in, and few are about that."""
    if "real_passwords" not in request.fixturenames:
        monkeypatch.setattr(team, "_hasher", _QUICK)
        monkeypatch.setattr(team, "_nobody_hash", _NOBODY)


@pytest.fixture(autouse=True)
def quick_keys(pooled_keys: None) -> None:
    """Take key pairs that are made already."""


@pytest.fixture
def real_passwords() -> None:
    """Hash passwords as the app does."""
