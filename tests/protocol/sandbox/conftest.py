"""A simulated bank for each test, in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bunqflask.sandbox import Settings
from bunqflask.sandbox.server import Served, serve

from .hooks import Hook
from .openapi import watch


@pytest.fixture
def bank(request: pytest.FixtureRequest) -> Iterator[Served]:
    """Serve a bank without rate limits; `@pytest.mark.bank(switch=value)` changes how it behaves.

    Every answer is compared with bunq's OpenAPI, where that file is at hand.
    """
    switches: dict[str, Any] = {"rate_limits": "off"}
    for mark in request.node.iter_markers("bank"):
        switches |= mark.kwargs
    with serve(Settings(**switches)) as served:
        watch.over(served.app)
        yield served
    assert watch.take_differences() == []


@pytest.fixture
def hook() -> Iterator[Hook]:
    """Serve a webhook target."""
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()
