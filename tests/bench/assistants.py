"""What a search by an assistant costs: whole answers of MCP over HTTP, for words that are rare and frequent."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import requests

from tests.bench import databases, machine
from tests.bench.client import Cost, middle
from tests.bench.history import RARE_WORDS
from tests.bench.pages import sizes
from tests.bench.questions import FREQUENT_WORDS
from tests.bench.servers import App
from tests.bench.table import Row
from tests.protocol.mcp.assistant import headers_of, request_of

GOAL_MS = 20.0
_SETTLES_S = 0.001


def measure(folder: Path) -> list[Row]:
    """Measure searches at every length of history."""
    rows = []
    for size in sizes():
        with tempfile.TemporaryDirectory(dir=folder) as place:
            rows += _at(Path(place), size)
    return rows


def _at(folder: Path, size: int) -> list[Row]:
    filled = databases.filled(size)
    with App(folder, filled.url, API_CALLS_PER_MINUTE="99999") as site, requests.Session() as session:
        scopes = ("--scope", "balances:read", "--scope", "payments:read")
        token = site.flask("token", "add", databases.EMAIL, *scopes, "--days", "1").stdout.split()[-1]
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {token}"
        pids = [*site.worker_pids, *databases.server_pids()]
        kinds: dict[str, Sequence[dict[str, object]]] = {
            "newest 50": [{}] * 15,
            "a rare word": [{"q": word} for word in RARE_WORDS],
            "a frequent word": [{"q": word} for word in FREQUENT_WORDS],
        }
        return [
            _row(size, kind, [_cost(session, site.url, pids, each) for each in asked]) for kind, asked in kinds.items()
        ]


def _cost(session: requests.Session, url: str, pids: Sequence[int], asked: dict[str, object]) -> Cost:
    message = request_of("tools/call", {"name": "search_payments", "arguments": asked})
    before, started = machine.cpu_s(pids), time.monotonic()
    answer = session.post(f"{url}/mcp", json=message, headers=headers_of(message), timeout=120)
    wall_ms = (time.monotonic() - started) * 1000
    time.sleep(_SETTLES_S)
    found = answer.json()["result"]
    if found["isError"] or not found["structuredContent"]["items"]:
        raise AssertionError(f"{asked} finds nothing: {answer.text[:500]}")
    return Cost((machine.cpu_s(pids) - before) * 1000, wall_ms, len(answer.content))


def _row(size: int, kind: str, costs: Sequence[Cost]) -> Row:
    # The first one of each kind compiles its statement.
    cost = middle(list(costs[1:]))
    said = f"{cost.cpu_ms:7.1f} ms CPU  {cost.wall_ms:7.1f} ms in all  {cost.size / 1024:5.0f} kB"
    return Row(f"{size:>9,}  MCP search, {kind}", said, f"≤ {GOAL_MS:g} ms CPU", cost.cpu_ms <= GOAL_MS)
