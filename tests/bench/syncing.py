"""Importing a history from bunq: how many calls, how close to what the limits allow, how fast without them."""

from __future__ import annotations

import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from bunqflask.config import ROOT
from tests.bench import databases
from tests.bench.customer import PAGE_SIZE, Customer
from tests.bench.servers import App, duties, flask_command, stand_in
from tests.bench.table import Row, at_least, at_most, exactly, median
from tests.support.apps import PASSWORD, child_environ, sign_in
from tests.support.bank import JODI, Bank
from tests.support.consents import connect

LONG, LIMITED = 10_000, 4_000
ROUNDS = 3
# https://doc.bunq.com/basics/rate-limits
_LIMIT_CALLS, _LIMIT_S = 3, 3.0
_MOST_TIMES_FLOOR, _LEAST_OF_FETCHING = 1.05, 0.4
# The worker looks for what is due every ten seconds.
_WORKER_LOOKS_S = 12.0
_WORKER_MOST_S = 120.0
_UP_TO_DATE = re.compile(r" (\d+) payments, up to date")


@dataclass(frozen=True)
class Took:
    """How long an import took, from its first call for payments on, and the CPU of the whole command."""

    wall_s: float
    cpu_s: float


def measure(folder: Path) -> list[Row]:
    """Let an app import a history from the stand-in, which is a process of its own and has no limits here."""
    with stand_in(folder) as bank:
        account = bank.account_ids(JODI)[0]
        bank.seed(LONG - 1, account=account)  # it holds its opening balance already
        return [*_calls(folder, bank, account), *_speed(folder, bank, account)]


def limits(folder: Path) -> list[Row]:
    """Time a history under bunq's classic limits, from the first call for payments on."""
    with stand_in(folder) as bank:
        account = bank.account_ids(JODI)[0]
        bank.seed(LIMITED - 1, account=account)
        with _connected(folder, bank, account) as site:
            bank.switch(rate_limits="classic")
            took = _sync(site, bank, LIMITED, BUNQ_CALL_LIMITS="classic")
            refused = sum(call["status"] == 429 for call in bank.calls())
    pages = LIMITED // PAGE_SIZE
    floor_s = (pages - 1) // _LIMIT_CALLS * _LIMIT_S
    more = f"  ({took.wall_s:.2f} s for {floor_s:.0f} s, {refused} calls refused)"
    what = f"time for {LIMITED:,} payments against what the limits allow"
    return [at_most(what, took.wall_s / floor_s, _MOST_TIMES_FLOOR, more=more, digits=2)]


def _calls(folder: Path, bank: Bank, account: int) -> list[Row]:
    with _connected(folder, bank, account) as site:
        _sync(site, bank, LONG)
        first = len(bank.calls("GET", "/payment"))
        _sync(site, bank, LONG)
        again = len(bank.calls("GET", "/payment"))
        # First as if bunq called nobody, so that it is known how long the worker takes until it asks.
        _change(site, "UPDATE connection SET callbacks_set_at = NULL")
        asked, took_s = _calls_of_worker(folder, site, bank, 1, _WORKER_MOST_S)
        if not asked:
            raise AssertionError("without callbacks the worker should have asked: it was measured doing nothing")
        # And then as if callbacks had come, and another worker had been there since, so that none was lost.
        _change(site, "UPDATE connection SET callback_received_at = CURRENT_TIMESTAMP")
        _change(
            site,
            "INSERT INTO worker_heartbeat (worker, started_at, seen_at)"
            " VALUES ('another', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)",
        )
        asked, _ = _calls_of_worker(folder, site, bank, 10**9, _WORKER_LOOKS_S + took_s)
        for_payments = len(bank.calls("GET", "/payment"))
    return [
        exactly(f"calls for a first history of {LONG:,} payments", first, LONG // PAGE_SIZE),
        exactly("calls with nothing new, per account", again, 1),
        exactly("calls for payments with callbacks, two hours later", for_payments, 0),
        # A lost callback leaves no trace here, so the balances are looked at: docs/adr/0130.
        Row("  other calls then", f"{asked - for_payments}, to list the accounts"),
    ]


def _calls_of_worker(folder: Path, site: App, bank: Bank, enough: int, for_s: float) -> tuple[int, float]:
    """Count what the worker asks of bunq, two hours after the last sync, until it is enough; and tell how long it took.

    What it began is left to end, so that it is not counted later.
    """
    is_sqlite = make_url(site.environ["DATABASE_URL"]).get_backend_name() == "sqlite"
    earlier = "datetime(synced_at, '-2 hours')" if is_sqlite else "synced_at - interval '2 hours'"
    _change(site, f"UPDATE account_sync SET synced_at = {earlier}")
    bank.forget_calls()
    started = time.monotonic()
    with duties(site, folder / "worker.log"):
        while len(bank.calls()) < enough and time.monotonic() - started < for_s:
            time.sleep(0.2)
        took_s, count = time.monotonic() - started, len(bank.calls())
        if count >= enough:
            time.sleep(_WORKER_LOOKS_S)
    return count, took_s


def _speed(folder: Path, bank: Bank, account: int) -> list[Row]:
    """Compare importing with fetching and parsing alone, in turn; each import into a database of its own."""
    imports, fetches, idle = [], [], []
    customer = Customer(bank, JODI)
    for _ in range(ROUNDS):
        with _connected(folder, bank, account) as site:
            imports.append(_sync(site, bank, LONG))
            idle.append(_sync(site, bank, LONG))
        fetches.append(_fetch(customer, account))
    customer.close()
    pairs = list(zip(imports, fetches, idle, strict=True))
    ratio = median([fetch.wall_s / ours.wall_s for ours, fetch, _ in pairs])
    by_cpu = median([fetch.cpu_s / (ours.cpu_s - start.cpu_s) for ours, fetch, start in pairs])
    rates = [LONG / median([each.wall_s for each in side]) for side in (imports, fetches)]
    more = f"  ({rates[0]:.0f}/s of {rates[1]:.0f}/s; by our CPU alone {by_cpu:.2f})"
    return [at_least("storing payments, against fetching and json.loads", ratio, _LEAST_OF_FETCHING, more)]


def _fetch(customer: Customer, account: int) -> Took:
    wall, cpu = time.monotonic(), time.process_time()
    found = len(customer.payments(account))
    if found != LONG:
        raise AssertionError(f"{found} payments were listed, not {LONG}")
    return Took(time.monotonic() - wall, time.process_time() - cpu)


@contextmanager
def _connected(folder: Path, bank: Bank, account: int) -> Iterator[App]:
    """Serve an app with a database of its own, to which one account is connected; nothing of it is imported yet."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        url = databases.fresh(Path(place))
        with App(Path(place), url, bank, people={databases.EMAIL: PASSWORD}) as site:
            connect(sign_in(site, databases.EMAIL), bank, accounts=[account])
            yield site


def _sync(site: App, bank: Bank, payments: int, **settings: str) -> Took:
    """Sync as an operator does by hand.

    :raises AssertionError: not all payments are there afterwards.
    """
    bank.forget_calls()
    before = _cpu_of_children_s()
    environ = child_environ({**site.environ, **settings})
    with subprocess.Popen(
        flask_command("sync"), env=environ, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        stored, ended_at = 0, datetime.now(UTC)
        for line in process.stdout:
            if found := _UP_TO_DATE.search(line):
                stored, ended_at = int(found[1]), datetime.now(UTC)
    if stored != payments:
        raise AssertionError(f"{stored} payments are stored, not {payments}")
    began_at = datetime.fromisoformat(bank.calls("GET", "/payment")[0]["at"]).replace(tzinfo=UTC)
    return Took((ended_at - began_at).total_seconds(), _cpu_of_children_s() - before)


def _cpu_of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def engine_of(site: App) -> Engine:
    """Return an engine on the app's database that is none of the app's own."""
    url = make_url(site.environ["DATABASE_URL"])
    if url.get_backend_name() == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    return create_engine(url)


def _change(site: App, statement: str) -> None:
    """Move the past: the app's clock cannot be."""
    engine = engine_of(site)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
