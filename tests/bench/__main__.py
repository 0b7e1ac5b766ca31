"""`make bench`: what people feel of bunqflask, measured in one run, each figure beside its goal.

ONLY=word            only the sections with that word in their names
PEERS=1              datasette, fava and hledger-web beside it, with the same payments (installs the first two)
SIZES=10000,100000   other lengths of history
SOAK=1               only the steady load of half an hour; another number is its minutes
DATABASE=postgresql  on a throw-away PostgreSQL server, for the sections that ask a database much

Two large databases are made at the first run and kept under .venv/bench.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.bench import (
    api,
    assistants,
    bunq_calls,
    databases,
    export_memory,
    feed,
    machine,
    pages,
    soak,
    starting,
    syncing,
    waiting,
)
from tests.bench.table import Row, show

SECTIONS: dict[str, Callable[[Path], list[Row]]] = {
    "pages": pages.measure,
    "api": api.measure,
    "feed": feed.measure,
    "assistants": assistants.measure,
    "home": waiting.home,
    "polls": waiting.polls,
    "memory": waiting.memory,
    "sync": syncing.measure,
    "limits": syncing.limits,
    "export": export_memory.measure,
    "bunq": bunq_calls.measure,
    "start": starting.measure,
}


def main() -> int:
    """Measure what is asked for and print the tables; returns the exit status."""
    only = os.environ.get("ONLY", "")
    sections = {"soak": soak.measure} if os.environ.get("SOAK") else SECTIONS
    chosen = {name: measure for name, measure in sections.items() if only in name}
    if not chosen:
        print(f"ONLY is a part of one of these: {', '.join(sections)}", file=sys.stderr)
        return 2
    kind = databases.chosen()
    # So that servers end with the run, also when it is told to end early.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(machine.describe())
    with databases.place(kind):
        worked = [_run(name, measure, kind) for name, measure in chosen.items()]
    return 0 if all(worked) else 1


def _run(name: str, measure: Callable[[Path], list[Row]], kind: str) -> bool:
    """Measure one section and print its table; one that cannot be measured does not keep the others from it."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bunqflask-bench-", ignore_cleanup_errors=True) as folder:
        try:
            rows = measure(Path(folder))
        except Exception:  # noqa: BLE001 - whatever it is, it is shown
            traceback.print_exc()
            rows = []
    print(f"\n{name} on {kind}  ({time.monotonic() - started:.0f} s, {machine.load()}, {machine.pace()})")
    show(rows or [Row("not measured, for the reason above", "", "", False)])
    sys.stdout.flush()
    return bool(rows)


if __name__ == "__main__":
    sys.exit(main())
