"""The memory that an export of a million payments takes, in a process of its own.

`python -m tests.bench.exporting URL` makes a small export, then one of everything, and prints what memory they took.
"""

import json
import resource
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

from bunqflask.config import ROOT
from bunqflask.services.exports import downloads, statements
from bunqflask.services.exports.statements import Period
from bunqflask.services.payments import repository
from bunqflask.services.team import members
from tests.bench import long_history
from tests.bench.table import Row, at_most

SIZE = 1_000_000
MOST_MB = 50.0
# What ru_maxrss counts in.
_UNIT = 1 if sys.platform == "darwin" else 1024


def measure(folder: Path) -> list[Row]:
    """Export a long history to CSV."""
    url = long_history.database(SIZE)
    command = [sys.executable, "-m", "tests.bench.exporting", url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"the export failed: {done.stderr[-2000:]}")
    idle, peak, size, took_s = json.loads(done.stdout)
    more = f"  ({size / 1e6:.0f} MB of CSV in {took_s:.0f} s)"
    what = f"export of {SIZE:,} payments to CSV, peak memory over idle"
    return [at_most(what, (peak - idle) / 1e6, MOST_MB, " MB", more)]


def main(url: str) -> int:
    """Make both exports; prints the memory between them and its peak, and the bytes and seconds of the second."""
    app = long_history.application(url)
    with app.app_context():
        _export(1)
        idle, started = _now(), time.monotonic()
        size = _export((long_history.YEARS + 1) * 366)
        print(json.dumps([idle, _peak(), size, time.monotonic() - started]))
    return 0


def _export(days: int) -> int:
    member = members.find(long_history.EMAIL)
    assert member is not None
    last = long_history.NEWEST.date()
    download = downloads.make(
        member,
        repository.scope_of(member),
        account_ids=[],
        formats=["csv"],
        period=Period(first_day=last - timedelta(days=days), last_day=last, zone=statements.zone()),
    )
    with download.file as file:
        return file.seek(0, 2)


def _now() -> int:
    """Return the resident memory; where the system does not tell, its peak until now."""
    return _told("VmRSS") or _peak()


def _peak() -> int:
    # What getrusage tells began with the memory of the process that started this one.
    return _told("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT


def _told(name: str) -> int:
    """Return what Linux tells of this process's memory, in bytes; 0 on other systems."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
