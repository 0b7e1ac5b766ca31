"""A run of the tests that is ended by force leaves no server behind."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from bunqflask.config import ROOT
from tests.conftest import missing
from tests.support import postgres

RUN = """
import sys
from tests.support import postgres
with postgres.running(postgres.server_binaries()) as cluster:
    print(cluster.url("postgres"), flush=True)
    sys.stdin.read()
"""


def is_reached(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv, which lets a server end with its run, is Linux's")
def test_a_killed_run_takes_its_postgresql_server_with_it() -> None:
    if postgres.server_binaries() is None:
        missing("a PostgreSQL server")
    with subprocess.Popen(
        [sys.executable, "-c", RUN], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        url = run.stdout.readline().strip()
        with psycopg.connect(url) as connection:
            port = connection.info.port
            [folder] = connection.execute("SHOW data_directory").fetchone() or [""]
        assert is_reached(port)
        run.kill()
        run.wait(10)
    try:
        deadline = time.monotonic() + 20
        while is_reached(port):
            assert time.monotonic() < deadline, "the server goes on alone"
            time.sleep(0.05)
    finally:
        shutil.rmtree(Path(folder).parent, ignore_errors=True)
