"""Half an hour of steady load with faults and kills: nothing lost, nothing twice, nothing that grows.

28 connections of four members on bunq's classic limits, two gunicorn processes and two workers. One of each is killed
again and again; the other one lasts, and its memory is watched. `SOAK=1` takes 30 minutes, another number its minutes.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import requests
from sqlalchemy import text
from sqlalchemy.engine import make_url

from tests.bench import databases, machine
from tests.bench.customer import Customer
from tests.bench.servers import App, duties, stand_in
from tests.bench.soak_load import Paces, Person, Tally, Trouble
from tests.bench.syncing import engine_of
from tests.bench.table import Row, exactly, slope_per_minute
from tests.support.apps import PASSWORD, sign_in
from tests.support.bank import JODI, WALKER_STUDIO, Bank
from tests.support.browser import Browser
from tests.support.consents import connect

CONNECTIONS, MEMBERS = 28, 4
USUAL_MINUTES, SETTLES_MINUTES = 30.0, 5.0
_SAMPLE_S = 10.0
# A process that grows less than this in an hour of steady load, 18 MB, is taken to be flat.
MOST_MB_PER_MINUTE = 0.3
MOST_LOG_MB_PER_MINUTE = 0.5
_CATCH_UP_S, _CATCH_UP_EVERY_S = 300.0, 10.0


@dataclass
class _Curve:
    """One figure over time: (seconds, MB)."""

    name: str
    read: Callable[[], float]
    most: float | None
    points: list[tuple[float, float]] = field(default_factory=list)


def measure(folder: Path) -> list[Row]:
    """Let it run, then compare what the bank holds with what is stored."""
    minutes = float(os.environ.get("SOAK", "1"))
    minutes = USUAL_MINUTES if minutes == 1 else minutes
    url = databases.fresh(folder)
    members = {f"member{number}@example.org": PASSWORD for number in range(MEMBERS)}
    with stand_in(folder) as bank:
        people = _people(bank)
        site = App(folder, url, bank, people=members, workers=2)
        with site:
            _connect_all(site, bank, people, list(members))
        # The limits are off for the connecting only: bunq's would spread it over a quarter of an hour.
        bank.switch(rate_limits="classic")
        site = App(folder, url, bank, workers=2, BUNQ_CALL_LIMITS="classic", PUBLIC_URL=site.url)
        with site:
            rows = _load(folder, site, bank, people, list(members), minutes)
        bank.switch(rate_limits="off")
        bank.no_faults()
        site = App(folder, url, bank, PUBLIC_URL=site.url)
        with site:
            for number, email in enumerate(members):
                browser = sign_in(site, email)
                Person(browser, _connections_of(browser), Tally(), number).ask_for_all()
        return [*rows, *_compare(site, bank, people)]


def _people(bank: Bank) -> list[int]:
    """Invent bunq users by the API call that bunq's own sandbox has for it."""
    for _ in range(CONNECTIONS - 2):
        requests.post(f"{bank.api_url}sandbox-user-person", json={}, timeout=30).raise_for_status()
    invented = sorted(user["id"] for user in bank.state()["users"])[-(CONNECTIONS - 2) :]
    return [JODI, WALKER_STUDIO, *invented]


def _connect_all(site: App, bank: Bank, people: list[int], emails: list[str]) -> None:
    browsers = [sign_in(site, email) for email in emails]
    for number, person in enumerate(people):
        connect(browsers[number % MEMBERS], bank, person=person)
    site.flask("sync", timeout_s=600)


def _load(folder: Path, site: App, bank: Bank, people: list[int], emails: list[str], minutes: float) -> list[Row]:
    tally, paces = Tally(), Paces()
    lasting_web = site.worker_pids[0]
    accounts = [account for person in people for account in _payable(bank, person)]
    with ExitStack() as stack:
        lasting = stack.enter_context(duties(site, folder / "worker.log"))
        victim = _Victim(folder, site, tally)
        stack.callback(victim.stop)
        trouble = Trouble(bank, site, accounts, tally, lasting_web)
        for number, email in enumerate(emails):
            browser = sign_in(site, email)
            person = Person(browser, _connections_of(browser), tally, number)
            paces.every(0.5, person.look)
            paces.every(15, person.ask_for_sync)
            paces.every(40, person.download)
        for seconds, do in (
            (1.0, trouble.money),
            (20.0, trouble.fault),
            (45.0, trouble.kill_a_web_process),
            (60.0, victim.kill),
        ):
            paces.every(seconds, do)
        curves = _curves(site, lasting_web, lasting.pid)
        _watch(curves, minutes)
        paces.stop()
    return _verdicts(tally, paces, curves, minutes)


class _Victim:
    """A worker that is killed now and then, and started again."""

    def __init__(self, folder: Path, site: App, tally: Tally) -> None:
        self._log, self._site, self._tally = folder / "victim.log", site, tally
        self._stack = ExitStack()
        self._process: subprocess.Popen[bytes] = self._stack.enter_context(duties(site, self._log))

    def kill(self) -> None:
        self.stop()
        self._process = self._stack.enter_context(duties(self._site, self._log))
        self._tally.did("workers killed")

    def stop(self) -> None:
        self._stack.close()


def _payable(bank: Bank, person: int) -> list[int]:
    """Return the accounts of a bunq user to which money can come."""
    users = [user for user in bank.state()["users"] if user["id"] == person]
    kinds = ("MonetaryAccountBank", "MonetaryAccountSavings", "MonetaryAccountJoint")
    return [each["id"] for each in users[0]["accounts"] if each["status"] == "ACTIVE" and each["type"] in kinds]


def _connections_of(browser: Browser) -> list[int]:
    links = [link for _words, link in browser.get("/").links]
    return sorted({int(link.split("/connections/")[1].split("/")[0]) for link in links if "/connections/" in link})


def _curves(site: App, web: int, worker: int) -> list[_Curve]:
    found = [
        _Curve("memory of a gunicorn process", lambda: machine.memory_mb(web), MOST_MB_PER_MINUTE),
        _Curve("memory of gunicorn's arbiter", lambda: machine.memory_mb(site.pid), MOST_MB_PER_MINUTE),
        _Curve("memory of a worker", lambda: machine.memory_mb(worker), MOST_MB_PER_MINUTE),
    ]
    path = make_url(site.environ["DATABASE_URL"]).database or ""
    if not databases.on_postgres():
        log, file = Path(f"{path}-wal"), Path(path)
        found.append(_Curve("write-ahead log", lambda: _size_mb(log), MOST_LOG_MB_PER_MINUTE))
        found.append(_Curve("database", lambda: _size_mb(file), None))
    return found


def _size_mb(path: Path) -> float:
    return path.stat().st_size / 1e6 if path.exists() else 0.0


def _watch(curves: list[_Curve], minutes: float) -> None:
    started = time.monotonic()
    while (passed := time.monotonic() - started) < minutes * 60:
        for curve in curves:
            curve.points.append((passed, curve.read()))
        time.sleep(_SAMPLE_S)


def _verdicts(tally: Tally, paces: Paces, curves: list[_Curve], minutes: float) -> list[Row]:
    answered = ", ".join(f"{count} × {status}" for status, count in sorted(tally.statuses.items()))
    rows = [
        Row(f"load of {minutes:g} minutes", f"{answered}; {tally.cut} cut off by kills"),
        Row("  and", ", ".join(f"{count} {what}" for what, count in sorted(tally.done.items()))),
        exactly("answers of 5xx", len(tally.failures), 0),
        *(Row("  5xx", each) for each in dict.fromkeys(tally.failures[:10])),
        exactly("answers of 4xx, which would make it a lighter load", len(tally.refusals), 0),
        *(Row("  4xx", each) for each in dict.fromkeys(tally.refusals[:10])),
        *(Row("  the load itself failed", each) for each in dict.fromkeys(paces.errors[:10])),
    ]
    settled_s = min(SETTLES_MINUTES, minutes * 0.4) * 60
    for curve in curves:
        kept = [each for each in curve.points if each[0] >= settled_s]
        slope = slope_per_minute(kept)
        is_alive = all(value > 0 for _, value in curve.points) or "memory" not in curve.name
        shown = curve.points[:: max(1, len(curve.points) // 12)]
        line = " ".join(f"{value:.0f}" for _, value in shown)
        said = f"{slope:+.2f} MB/minute after {settled_s / 60:.0f} minutes  (MB over time: {line})"
        goal = "" if curve.most is None else f"≤ {curve.most:g} MB/minute"
        is_met = None if curve.most is None else is_alive and slope <= curve.most
        rows.append(Row(curve.name if is_alive else f"{curve.name}, which ended", said, goal, is_met))
    return rows


def _compare(site: App, bank: Bank, people: list[int]) -> list[Row]:
    """Let the app catch up, without limits and faults, and compare every account with the bank's list.

    What a killed worker was at is nobody else's until its lease has run out, so it takes some tries.
    """
    listed, deadline = _listed(bank, people), time.monotonic() + _CATCH_UP_S
    while True:
        done = site.flask("sync", check=False, timeout_s=600)
        wrong = _wrong(listed, _stored(site))
        if not wrong or time.monotonic() > deadline:
            break
        time.sleep(_CATCH_UP_EVERY_S)
    total = sum(len(ids) for ids in listed.values())
    rows = [exactly(f"accounts of {len(listed)} without each of {total:,} payments just once", len(wrong), 0)]
    said = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
    stops = [line for line in said if "stopped" in line or "approve again" in line]
    return [*rows, *(Row("  wrong", each) for each in wrong[:10]), *(Row("  sync said", each) for each in stops[:10])]


def _wrong(listed: dict[int, list[int]], stored: dict[int, list[int]]) -> list[str]:
    """Return which accounts do not have each payment once, and how that is."""
    found = []
    for account in sorted({*listed, *stored}):
        here, there = stored.get(account, []), listed.get(account, [])
        missing, foreign, twice = set(there) - set(here), set(here) - set(there), len(here) - len(set(here))
        if missing or foreign or twice:
            found.append(f"account {account}: {len(missing)} missing, {twice} twice, {len(foreign)} foreign")
    return found


def _listed(bank: Bank, people: list[int]) -> dict[int, list[int]]:
    found = {}
    for person in people:
        customer = Customer(bank, person)
        for account in customer.account_ids():
            found[account] = [each["id"] for each in customer.payments(account)]
        customer.close()
    return found


def _stored(site: App) -> dict[int, list[int]]:
    query = "SELECT a.monetary_account_id, p.payment_id FROM payment p JOIN monetary_account a ON a.id = p.account_id"
    engine, found = engine_of(site), dict[int, list[int]]()
    with engine.connect() as connection:
        for account, payment in connection.execute(text(query)):
            found.setdefault(account, []).append(payment)
    engine.dispose()
    return found
