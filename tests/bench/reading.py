"""Reading a history from bunq: how many calls, how close to what the limits allow, how fast without them."""

import json
import logging
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests
from flask import Flask

from bunqflask import create_app
from bunqflask.bunq.client import PAGE_SIZE
from bunqflask.config import Config
from bunqflask.extensions import db
from bunqflask.models import AccountSync, Connection, Payment
from bunqflask.services.connections import access
from bunqflask.services.gateway import sessions
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.sync import connection_sync, payment_sync, schedule
from tests.bench import databases
from tests.bench.servers import stand_in
from tests.bench.table import Row, at_least, at_most, exactly, median
from tests.protocol.foreign import environments
from tests.support.apps import environ_for, let_go, reserve_port, served, set_up, sign_in
from tests.support.bank import JODI, Bank
from tests.support.consents import connect

LONG, SHORT = 10_000, 2_000
ROUNDS = 3
SDK_ROUNDS = 1
_SDK_SCRIPT = Path(__file__).with_name("sdk_listing.py")
_LIMIT_CALLS, _LIMIT_S = 3, 3.0
_PATIENCE_S = 600.0


@dataclass(frozen=True)
class Took:
    """How long a piece of work took, and how much of that this process worked, the bank being another."""

    wall_s: float
    cpu_s: float


class Watch:
    """Takes the time from its making on."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.monotonic(), time.process_time()

    def stop(self) -> Took:
        """Return what has passed."""
        return Took(time.monotonic() - self._wall_s, time.process_time() - self._cpu_s)


def measure(folder: Path) -> list[Row]:
    """Let an app read histories of the stand-in, which is a process of its own."""
    with stand_in(folder, folder / "bank.sqlite3") as bank, _app(folder, bank) as app:
        return [*_unlimited(app, bank), _limited(app, bank)]


def _unlimited(app: Flask, bank: Bank) -> list[Row]:
    account = bank.account_ids(JODI)[0]
    _lengthen(app, bank, account, LONG)
    connection = _connect(app, bank, account)
    bank.forget_calls()
    ours, alone = [_timed_read(app, connection)], [_read_alone(app, bank, account)]
    calls = len(bank.calls("GET", "/payment")) - LONG // PAGE_SIZE
    bank.forget_calls()
    _read(app, connection)
    again = len(bank.calls("GET", "/payment"))
    bank.forget_calls()
    _let_the_worker_look(app, connection)
    with_callbacks = len(bank.calls())
    for _ in range(ROUNDS - 1):
        _forget(app)
        ours.append(_timed_read(app, connection))
        alone.append(_read_alone(app, bank, account))
    sdk_s = _sdk_s(bank, account)
    pairs = list(zip(alone, ours, strict=True))
    ratio = median([plain.wall_s / stored.wall_s for plain, stored in pairs])
    ours_s, alone_s = (median([each.wall_s for each in side]) for side in (ours, alone))
    by_cpu = median([plain.cpu_s / stored.cpu_s for plain, stored in pairs])
    rates = f"  ({LONG / ours_s:.0f}/s of {LONG / alone_s:.0f}/s; by our CPU alone {by_cpu:.2f})"
    return [
        exactly(f"calls for a first history of {LONG:,} payments", calls, LONG // PAGE_SIZE),
        exactly("calls for an update with nothing new, per account", again, 1),
        exactly("calls for an update with nothing new, with callbacks, two hours later", with_callbacks, 0),
        at_least("payments/s into the database, against fetching and json.loads", ratio, 0.5, rates),
        at_least("payments/s into the database, against bunq_sdk listing them", sdk_s / ours_s, 5),
    ]


def _limited(app: Flask, bank: Bank) -> Row:
    """Time a history under bunq's classic limits, from the first call on, by the bank's own log."""
    account = bank.account_ids(JODI)[1]
    _lengthen(app, bank, account, SHORT)
    connection = _connect(app, bank, account)
    bank.forget_calls()
    bank.switch(rate_limits="classic")
    app.config["BUNQ_CALL_LIMITS"] = "classic"
    _read(app, connection)
    ended = datetime.now(UTC)
    calls = bank.calls("GET", "/payment")
    began = datetime.fromisoformat(calls[0]["at"]).replace(tzinfo=UTC)
    pages = SHORT // PAGE_SIZE
    floor_s = (pages - 1) // _LIMIT_CALLS * _LIMIT_S
    took_s = (ended - began).total_seconds()
    refused = sum(call["status"] == 429 for call in calls)
    more = f"  ({took_s:.2f} s for {floor_s:.0f} s, {refused} calls refused)"
    return at_most(f"time for {SHORT:,} payments against what the limits allow", took_s / floor_s, 1.05, more=more)


@contextmanager
def _app(folder: Path, bank: Bank) -> Iterator[Flask]:
    """Serve an app that is set up at the bank."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    database_url = databases.fresh(folder)
    with reserve_port() as listener:
        public_url = f"http://localhost:{listener.getsockname()[1]}"
        environ = environ_for(bank, database_url, PUBLIC_URL=public_url)
        app = create_app(Config.from_env(environ))
        set_up(app)
        with served(app, listener, environ) as site:
            app.extensions["bench.browser"] = sign_in(site, "bench@example.org")
            yield app
    let_go(app)


def _connect(app: Flask, bank: Bank, account: int) -> int:
    """Connect one account; returns the connection's id."""
    connect(app.extensions["bench.browser"], bank, accounts=[account])
    with app.app_context():
        [*_, found] = db.session.scalars(db.select(Connection.id).order_by(Connection.id))
        db.session.remove()
    return int(found)


def _lengthen(app: Flask, bank: Bank, account: int, payments: int) -> None:
    """Give an account a history of exactly so many payments: it has one already."""
    bank.seed(payments - 1, account=account)


def _read(app: Flask, connection_id: int) -> int:
    """Bring a connection up to date; returns how many payments are kept."""
    with app.app_context():
        assert payment_sync.run(access.by_id(connection_id), patience_s=_PATIENCE_S)
        kept = db.session.scalar(db.select(db.func.count()).select_from(Payment)) or 0
        db.session.remove()
    return kept


def _let_the_worker_look(app: Flask, connection_id: int) -> None:
    """Do what a sweep of the worker does, two hours after the last reading, while bunq calls us."""
    with app.app_context():
        connection = access.by_id(connection_id)
        if connection.callbacks_set_at is None:
            raise AssertionError("bunq was not asked to call us")
        for state in schedule.states_of(connection):
            assert state.synced_at is not None
            state.synced_at -= timedelta(hours=2)
        db.session.commit()
        if schedule.is_due(connection):
            connection_sync.run_due(connection.id, patience_s=_PATIENCE_S)
        db.session.remove()


def _timed_read(app: Flask, connection_id: int) -> Took:
    watch = Watch()
    kept = _read(app, connection_id)
    took = watch.stop()
    if kept != LONG:
        raise AssertionError(f"{kept} payments were kept, not {LONG}")
    return took


def _forget(app: Flask) -> None:
    """Let the app know of no payment."""
    with app.app_context():
        db.session.execute(db.delete(AccountSync))
        db.session.execute(db.delete(Payment))
        db.session.commit()
        db.session.remove()


def _read_alone(app: Flask, bank: Bank, account: int) -> Took:
    """Fetch the same pages in the same session with nothing but requests and json.loads."""
    with app.app_context():
        session, secret, installation = sessions.means_of(access.list_active()[0])
        sessions.ensure_open(session, secret=secret, installation=installation, gate=RateLimiter(_PATIENCE_S))
        token, user_id = session.token, session.path_user_id
        db.session.remove()
    headers = {
        "Cache-Control": "no-cache",
        "X-Bunq-Language": "en_US",
        "X-Bunq-Region": "nl_NL",
        "X-Bunq-Geolocation": "0 0 0 0 000",
        "X-Bunq-Client-Authentication": token or "",
    }
    watch, found = Watch(), 0
    older: str | None = f"/v1/user/{user_id}/monetary-account/{account}/payment?count={PAGE_SIZE}"
    with requests.Session() as client:
        while older:
            headers["X-Bunq-Client-Request-Id"] = str(uuid.uuid4())
            answer = client.get(bank.origin + older, headers=headers, timeout=60)
            answer.raise_for_status()
            page = json.loads(answer.content)
            found += len(page["Response"])
            older = page["Pagination"]["older_url"]
    if found != LONG:
        raise AssertionError(f"{found} payments were listed, not {LONG}")
    return watch.stop()


def _sdk_s(bank: Bank, account: int) -> float:
    """Return the seconds that bunq's own SDK takes to list the same history."""
    answer = requests.post(f"{bank.origin}/__sandbox/keys", json={"user_id": JODI}, timeout=60)
    answer.raise_for_status()
    python, key = environments.python_of_bunq_sdk(), answer.json()["api_key"]
    command = [python, str(_SDK_SCRIPT), bank.api_url, key, str(account), str(SDK_ROUNDS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise AssertionError(f"bunq_sdk could not list the payments: {done.stderr[-2000:]}")
    count, took_s = json.loads(done.stdout)
    if count != LONG:
        raise AssertionError(f"bunq_sdk listed {count} payments, not {LONG}")
    return median(took_s)
