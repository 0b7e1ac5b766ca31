"""A simulated bank for each test, in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from bunqflask.sandbox import Settings
from bunqflask.sandbox.server import Served, serve

from .hooks import Hook
from .openapi import watch

# Banks that have served a test: making one costs as much as some calls.
_idle: list[Flask] = []


@pytest.fixture
def bank(request: pytest.FixtureRequest) -> Iterator[Served]:
    """Serve a bank without rate limits; `@pytest.mark.bank(switch=value)` changes how it behaves.

    Every answer is compared with bunq's OpenAPI, where that file is at hand.
    """
    switches: dict[str, Any] = {"rate_limits": "off"}
    for mark in request.node.iter_markers("bank"):
        switches |= mark.kwargs
    app = _idle.pop() if _idle else None
    with serve(Settings(**switches), app=app) as served:
        if app is None:
            watch.over(served.app)
        yield served
    _idle.append(served.app)
    assert watch.take_differences() == []


@pytest.fixture
def hook() -> Iterator[Hook]:
    """Serve a webhook target."""
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()
