"""What programs ask of the API: a page of payments, and the change feed from its beginning."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.bench import databases, pages
from tests.bench.client import Page, Target, middle
from tests.bench.servers import App
from tests.bench.table import Row, at_least, at_most

LIST_MS, FEED_ROWS_PER_S = 8.0, 5_000
_ROUNDS, _LIMIT, _MOST_ROWS = 25, 1_000, 50_000


def measure(folder: Path) -> list[Row]:
    """Ask by a token of the member who has all payments, at every length of history."""
    rows: list[Row] = []
    for size in pages.sizes():
        with tempfile.TemporaryDirectory(dir=folder) as place:
            rows += _at(Path(place), size)
    return rows


def _at(folder: Path, size: int) -> list[Row]:
    filled = databases.filled(size)
    with App(folder, filled.url, API_CALLS_PER_MINUTE="100000") as site:
        asked = ("--scope", "payments:read", "--scope", "notes:read", "--days", "1")
        token = site.flask("token", "add", databases.EMAIL, *asked).stdout.split()[-1]
        headers = {"Authorization": f"Bearer {token}"}
        target = Target("ours", site.url, lambda: [*site.worker_pids, *databases.server_pids()], headers)
        listed = middle([target.open(Page(("/api/v1/payments?limit=50",))) for _ in range(_ROUNDS + 1)][1:])
        rate = _feed_rate(target)
        target.close()
    return [
        at_most(f"{size:>9,}  list of 50 payments, CPU", listed.cpu_ms, LIST_MS, " ms"),
        at_least(f"{size:>9,}  change feed, rows for a second of CPU", rate, FEED_ROWS_PER_S),
    ]


def _feed_rate(target: Target) -> float:
    """Follow the feed from its beginning, as far as is enough to measure; returns rows for each second of CPU."""
    cursor, count, cpu_ms, has_more = "", 0, 0.0, True
    while has_more and count < _MOST_ROWS:
        cost, text = target.ask(f"/api/v1/changes?limit={_LIMIT}&cursor={cursor}")
        page = json.loads(text)
        cpu_ms += cost.cpu_ms
        count += len(page["added"])
        cursor, has_more = page["next"], page["has_more"]
    return count / cpu_ms * 1000
