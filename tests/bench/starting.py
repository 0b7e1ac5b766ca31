"""`make run`: how long until the login page answers, in a fresh clone and at the second start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import requests

from bunqflask.config import ROOT
from tests.bench import machine
from tests.bench.servers import free_url, own_environ
from tests.bench.table import Row, at_most, median

FIRST_S, OURS_S, AGAIN_S = 60.0, 6.0, 4.0
STARTS_AGAIN = 3
_PATIENCE_S = 600.0


@dataclass(frozen=True)
class _Start:
    """When the login page answered, and when the installation was complete, both in seconds after the start.

    And what all its processes worked until then, which does not depend on what else the machine does.
    """

    login_s: float
    installed_s: float
    cpu_s: float


def measure(folder: Path) -> list[Row]:
    """Start a fresh clone of what is committed, then start it again."""
    if shutil.which("git") is None:
        raise AssertionError("git is needed to clone")
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    environ = {**own_environ(), "PUBLIC_URL": free_url(), "BUNQ_API_URL": f"{free_url()}/v1/"}
    environ.pop("VIRTUAL_ENV", None)
    first = _start(clone, environ)
    starts = [_start(clone, environ) for _ in range(STARTS_AGAIN)]
    again = median([each.login_s for each in starts])
    more = f"  (its installation {first.installed_s:.1f} s; {machine.load()})"
    worked = f"  ({median([each.cpu_s for each in starts]):.1f} s CPU of all its processes)"
    return [
        at_most("make run in a fresh clone, to the login page", first.login_s, FIRST_S, " s", more),
        at_most("  of which after the installation", first.login_s - first.installed_s, OURS_S, " s"),
        at_most(f"make run again, median of {STARTS_AGAIN}", again, AGAIN_S, " s", worked),
    ]


def _start(clone: Path, environ: dict[str, str]) -> _Start:
    log = clone.parent / "make-run.log"
    started, started_at = time.monotonic(), time.time()
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["make", "run"], cwd=clone, env=environ, stdout=output, stderr=output, start_new_session=True
        )
    try:
        while not _answers(f"{environ['PUBLIC_URL']}/login"):
            if process.poll() is not None or time.monotonic() - started > _PATIENCE_S:
                raise AssertionError(f"make run did not start: {log.read_text()}")
            time.sleep(0.05)
        login_s = time.monotonic() - started
        stamp = clone / ".venv" / ".runtime"
        installed_s = max(0.0, stamp.stat().st_mtime - started_at) if stamp.exists() else 0.0
        return _Start(login_s, installed_s, machine.cpu_with_children_s(machine.descendants(process.pid)))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        with requests.Session() as client:
            client.trust_env = False
            return client.get(url, timeout=5).ok
    except requests.RequestException:
        return False
