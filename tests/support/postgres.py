"""A throw-away PostgreSQL server for one test run, started as root too."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

START_TIMEOUT_S = 30


@dataclass(frozen=True)
class Cluster:
    """A running server, reached over a socket in its own folder and over one loopback port."""

    port: int

    def url(self, database: str) -> str:
        return f"postgresql://tester@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, *, template: str = "template0") -> str:
        """Create a database, as a copy of `template`, and return its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            # Several times as quick for databases as small as these; before version 15 it was the only way.
            how = "STRATEGY FILE_COPY" if connection.info.server_version >= 150000 else ""
            connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}" {how}'.encode())
        return self.url(database)

    def drop(self, database: str) -> None:
        """Drop a database with whoever is still connected to it."""
        self._run(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def end_connections(self, database: str) -> None:
        """End every connection to a database, as a restart of the server does."""
        own = "pid <> pg_backend_pid()"
        self._run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' AND {own}")

    def _run(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


def server_binaries() -> Path | None:
    """Return the folder that holds a PostgreSQL server's binaries, the newest where there are several."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0]))
    return found[-1].parent if found else None


@contextmanager
def running(binaries: Path) -> Iterator[Cluster]:
    """Start a fresh cluster; it and its files are gone afterwards.

    Its writes are not flushed to disk: a power cut may take it, a test run ends quicker.
    """
    folder = Path(tempfile.mkdtemp(prefix="bunqflask-postgres-"))
    process: subprocess.Popen[bytes] | None = None
    try:
        if os.geteuid() == 0:
            owner = _owner()
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        data, log = folder / "data", folder / "log"
        initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "tester", "-A", "trust", "-E", "UTF8"]
        subprocess.run([*_unprivileged(), *initdb, "--no-sync"], cwd=folder, check=True, capture_output=True)
        cluster = Cluster(port=_free_port())
        process = _start(binaries, data, log, cluster.port)
        _wait_until_ready(cluster, process, log)
        yield cluster
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # a fast shutdown: clients still connected are let go
            process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(*more: str) -> list[str]:
    """Return what to put before a command so that it does not run as root, which PostgreSQL refuses.

    :param more: further options of setpriv, for where there is one.
    """
    options = [*more] if shutil.which("setpriv") else []
    if os.geteuid() == 0:
        owner = _owner()
        options += [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    return ["setpriv", *options] if options else []


def _owner() -> pwd.struct_passwd:
    """Return the account that the server runs under when we are root: Debian's package makes `postgres`."""
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _start(binaries: Path, data: Path, log: Path, port: int) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(data.parent),
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "shared_buffers": "32MB",
        "max_connections": "200",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    # A run that is ended by force stops nothing, and a server that it leaves behind can use a core for hours.
    until_we_end = "--pdeathsig=INT"
    with log.open("wb") as output:
        return subprocess.Popen(
            [*_unprivileged(until_we_end), str(binaries / "postgres"), "-D", str(data), "-p", str(port), *options],
            cwd=data.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def _wait_until_ready(cluster: Cluster, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            psycopg.connect(cluster.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from error
            time.sleep(0.05)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
