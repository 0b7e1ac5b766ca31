"""What programs ask most often: a list of 50 payments from the API, uncached, over HTTP to gunicorn."""

from __future__ import annotations

from pathlib import Path

from tests.bench import databases, pages
from tests.bench.client import Page, Target, middle
from tests.bench.servers import App
from tests.bench.table import Row, at_most

GOAL_MS = 8.0
_CALLS, _NOT_COUNTED = 40, 5
_NEWEST = Page(("/api/v1/payments?limit=50",), '"items":[{')


def measure(folder: Path) -> list[Row]:
    """Ask for the newest payments at every length of history, each time anew."""
    return [_at(folder, size) for size in pages.sizes()]


def _at(folder: Path, size: int) -> Row:
    with App(folder, databases.filled(size).url, API_CALLS_PER_MINUTE="999999") as site:
        made = site.flask("token", "add", databases.EMAIL, "--scope", "payments:read", "--days", "1")
        token = made.stdout.splitlines()[-1]
        pids = [*site.worker_pids, *databases.server_pids()]
        target = Target("ours", site.url, lambda: pids, {"Authorization": f"Bearer {token}"})
        for _ in range(_NOT_COUNTED):
            target.open(_NEWEST)
        cost = middle([target.open(_NEWEST) for _ in range(_CALLS)])
        target.close()
        site.flask("token", "end", databases.EMAIL, token)
    more = f"  ({cost.wall_ms:.1f} ms in all, {cost.size / 1024:.0f} kB)"
    return at_most(f"{size:>9,}  API list of 50 payments", cost.cpu_ms, GOAL_MS, " ms CPU", more)
