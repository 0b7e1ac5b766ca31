"""`make bench`: everything this project promises about calls, speed, memory and size, measured in one run.

`make bench ONLY=word` runs the sections with that word in their name. What is compared is measured side by side, in
alternating rounds, so that a busy machine disturbs both. Two large databases are made at the first run and kept.
`make bench DATABASE=postgresql` measures on a throw-away PostgreSQL server instead, and makes them anew.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import app_pages, databases, exporting, local_bunq, looking, reading
from tests.bench.table import Row, show

SECTIONS: dict[str, Callable[[Path], list[Row]]] = {
    "app": app_pages.measure,
    "stand-in": local_bunq.measure,
    "reading": reading.measure,
    "looking": looking.measure,
    "exporting": exporting.measure,
}


def main() -> int:
    """Measure what is asked for and print the table; returns the exit status."""
    only = os.environ.get("ONLY", "")
    chosen = {name: measure for name, measure in SECTIONS.items() if only in name}
    if not chosen:
        print(f"ONLY is a part of one of these: {', '.join(SECTIONS)}", file=sys.stderr)
        return 2
    kind = databases.chosen()
    with databases.place(kind):
        for name, measure in chosen.items():
            started = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="bunqflask-bench-", ignore_cleanup_errors=True) as folder:
                rows = measure(Path(folder))
            print(f"\n{name} on {kind}  ({time.monotonic() - started:.0f} s, load {os.getloadavg()[0]:.1f})")
            show(rows)
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
