"""Programs that answer the same questions, with the same payments: datasette, fava and hledger-web.

`make bench PEERS=1` installs the first two into an environment of their own; hledger-web takes part where it is
installed. datasette gets a SQLite file with a full-text index and an index for each question. It does not look for
facets, which only slows its pages, and may take longer than the second after which it usually gives up. fava gets a
beancount file, hledger-web a journal.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.bench import machine
from tests.bench.client import Target
from tests.bench.history import Entry, History
from tests.bench.servers import NotReady, free_url, own_environ, wait_for

ENVIRONMENT = Path(__file__).parents[2] / ".venv" / "bench-peers"
_START_S = 240.0
_TABLES = """
CREATE TABLE payments (id INTEGER PRIMARY KEY, at TEXT, account TEXT, amount REAL, size REAL, currency TEXT,
                       type TEXT, name TEXT, iban TEXT, text TEXT);
"""
_INDEXES = """
CREATE INDEX ix_at ON payments (at);
CREATE INDEX ix_account ON payments (account, at);
CREATE INDEX ix_size ON payments (size, at);
CREATE INDEX ix_type ON payments (type, at);
CREATE VIRTUAL TABLE payments_fts USING fts5 (name, iban, text, content="payments", content_rowid="id",
                                              tokenize="unicode61 remove_diacritics 2");
INSERT INTO payments_fts (payments_fts) VALUES ('rebuild');
ANALYZE;
"""


@dataclass(frozen=True)
class Peer:
    """A program, how it is given a history and started at a port, and the longest history it is asked to bear."""

    name: str
    start: Callable[[Path, History, int], list[str]]
    most: int
    answers_at: str = "/"


def is_wanted() -> bool:
    """Tell whether the peers are to be measured too."""
    return os.environ.get("PEERS", "") not in ("", "0")


def known() -> list[Peer]:
    """Return the programs that take part in this run."""
    if not is_wanted():
        return []
    _install()
    found = [Peer("datasette", _datasette, 10**9), Peer("fava", _fava, 100_000, "/bench/journal/")]
    if shutil.which("hledger-web"):
        found.append(Peer("hledger-web", _hledger, 10_000))
    return found


def versions() -> str:
    """Return the names and versions of the programs."""
    script = "from importlib.metadata import version as v; print('datasette', v('datasette') + ', fava', v('fava'))"
    said = [subprocess.run([_python(), "-c", script], capture_output=True, text=True, check=True).stdout.strip()]
    if shutil.which("hledger-web"):
        told = subprocess.run(["hledger-web", "--version"], capture_output=True, text=True, check=True)
        said.append(told.stdout.split(",")[0].strip())
    return ", ".join(said)


@contextmanager
def running(folder: Path, history: History) -> Iterator[tuple[list[Target], list[str]]]:
    """Serve a history by every peer that can bear it; also returns which were left out, and why."""
    targets, left_out = [], []
    with ExitStack() as stack:
        for peer in known():
            if history.size > peer.most:
                left_out.append(f"{peer.name}: only up to {peer.most:,}, as it reads all into memory")
                continue
            try:
                targets.append(stack.enter_context(_serve(peer, folder, history)))
            except NotReady:
                left_out.append(f"{peer.name}: does not answer within {_START_S:.0f} s of its start")
        yield targets, left_out


@contextmanager
def _serve(peer: Peer, folder: Path, history: History) -> Iterator[Target]:
    url = free_url().replace("localhost", "127.0.0.1")
    command = peer.start(folder, history, int(url.rpartition(":")[2]))
    with (folder / f"{peer.name}.log").open("ab") as output:
        process = subprocess.Popen(command, env=own_environ(), cwd=folder, stdout=output, stderr=output)
    try:
        wait_for(url + peer.answers_at, process, _START_S)
        target = Target(peer.name, url, lambda: machine.descendants(process.pid))
        yield target
        target.close()
    finally:
        process.terminate()
        process.wait()


@cache
def _install() -> None:
    if not (ENVIRONMENT / ".complete").exists():
        print("installing datasette and fava into an environment of their own ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
        pip = [_python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "datasette", "fava"], check=True)
        (ENVIRONMENT / ".complete").touch()


def _python() -> str:
    return str(ENVIRONMENT / "bin" / "python")


def _datasette(folder: Path, history: History, port: int) -> list[str]:
    path = folder / "bench.db"
    connection = sqlite3.connect(path)
    with connection:
        connection.executescript(_TABLES)
        rows = (
            (
                each.id,
                f"{each.at:%Y-%m-%d %H:%M:%S.%f}",
                each.account.name,
                each.cents / 100,
                abs(each.cents) / 100,
                "EUR",
                each.type,
                each.name,
                each.iban,
                each.text,
            )
            for each in history.entries()
        )
        connection.executemany("INSERT INTO payments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        connection.executescript(_INDEXES)
    connection.close()
    serve = ["serve", str(path), "--port", str(port), "--setting", "suggest_facets", "off"]
    serve += ["--setting", "sql_time_limit_ms", "60000"]
    return [_python(), "-m", "datasette", *serve]


def _fava(folder: Path, history: History, port: int) -> list[str]:
    path = folder / "bench.beancount"
    with path.open("w", encoding="utf-8") as file:
        file.write('option "title" "bench"\noption "operating_currency" "EUR"\n')
        names = [_name_of(account.id) for account in history.accounts]
        for name in (*names, "Income:Other", "Expenses:Other"):
            file.write(f"1970-01-01 open {name} EUR\n")
        for each in history.entries():
            what = f'"{each.name}" "{each.text}"'.replace("\\", "")
            file.write(f"{each.at:%Y-%m-%d} * {what}\n{_postings(each)}")
    return [str(ENVIRONMENT / "bin" / "fava"), str(path), "--port", str(port), "--read-only"]


def _hledger(folder: Path, history: History, port: int) -> list[str]:
    path = folder / "bench.journal"
    with path.open("w", encoding="utf-8") as file:
        for each in history.entries():
            file.write(f"{each.at:%Y-%m-%d} {each.name} | {each.text}\n{_postings(each)}")
    return ["hledger-web", "-f", str(path), "--serve", "--port", str(port), "--capabilities", "view"]


def _postings(entry: Entry) -> str:
    amount = f"{entry.cents / 100:.2f}"
    other = "Expenses:Other" if entry.cents < 0 else "Income:Other"
    return f"  {_name_of(entry.account.id)}  {amount} EUR\n  {other}\n\n"


def _name_of(account_id: int) -> str:
    return f"Assets:Bunq:A{account_id}"
