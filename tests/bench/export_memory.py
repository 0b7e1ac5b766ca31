"""The memory that a download of a million payments takes of the worker that makes it."""

from __future__ import annotations

import time
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from bunqflask.config import HOME_ZONE
from tests.bench import databases, machine, pages
from tests.bench.history import YEARS
from tests.bench.servers import App
from tests.bench.table import Row, at_most
from tests.support.apps import sign_in
from tests.support.browser import Browser, read_page

MOST_MB = 50.0
_PATH = "/payments/export"
_PATIENCE_S = 900.0


def measure(folder: Path) -> list[Row]:
    """Download a long history as CSV, after a short one."""
    size = max(pages.sizes())
    filled = databases.filled(size)
    last = filled.history.newest.astimezone(ZoneInfo(HOME_ZONE)).date()
    with App(folder, filled.url) as site:
        browser = sign_in(site, databases.EMAIL)
        _download(browser, last - timedelta(days=2), last)
        [pid] = site.worker_pids
        idle = machine.memory_mb(pid)
        machine.forget_peak(pid)
        started = time.monotonic()
        lines, length = _download(browser, last - timedelta(days=366 * (YEARS + 1)), last)
        took_s, peak = time.monotonic() - started, machine.peak_mb(pid)
    if lines <= size:
        raise AssertionError(f"the file has {lines} lines, of {size} payments")
    more = f"  ({idle:.0f} MB idle, {length / 1e6:.0f} MB of CSV in {took_s:.0f} s)"
    return [at_most(f"CSV of {size:,} payments, peak memory over idle", peak - idle, MOST_MB, " MB", more)]


def _download(browser: Browser, first: date, last: date) -> tuple[int, int]:
    """Download a file; returns its lines, the heading among them, and its bytes."""
    browser.get(_PATH)
    form, _button = browser.page.form(action=_PATH)
    chosen = [(name, value) for name, value in form.fields if name not in ("from", "to", "format")]
    chosen += [("from", first.isoformat()), ("to", last.isoformat()), ("format", "csv")]
    headers = {"Origin": browser.home, "Referer": browser.home + _PATH}
    with browser.session.post(
        browser.home + _PATH, data=chosen, headers=headers, stream=True, timeout=_PATIENCE_S
    ) as answer:
        if not answer.ok or "csv" not in answer.headers["Content-Type"]:
            raise AssertionError(f"no file came: {answer.status_code} {read_page(answer).text[:2000]}")
        lines = length = 0
        for piece in answer.iter_content(1 << 20):
            lines, length = lines + piece.count(b"\n"), length + len(piece)
    return lines, length
