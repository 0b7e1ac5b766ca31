"""The worker: as an operator starts it, or its duties alone, done once."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from flask import Flask

from bunqflask.extensions import db
from bunqflask.services import workers
from tests.support.apps import Site, child_environ
from tests.support.processes import PythonProcess


@contextmanager
def worker(site: Site, *, output: BinaryIO | None = None) -> Iterator[PythonProcess]:
    """A real worker process; what it logs goes to `output`, if anywhere."""
    process = PythonProcess(
        ["-m", "flask", "--app", "wsgi", "worker"],
        env=child_environ(site.environ),
        stdout=output or subprocess.DEVNULL,
        stderr=output or subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def soon(app: Flask, test: Callable[[], bool], *, within_s: float = 40.0) -> None:
    """Wait until a test of the database holds."""
    deadline = time.monotonic() + within_s
    while True:
        with app.app_context():
            is_done = test()
            db.session.remove()
        if is_done:
            return
        assert time.monotonic() < deadline, "the worker did not do it"
        time.sleep(0.1)


def beat(app: Flask) -> None:
    """Let the app take a worker for alive, as `flask status` asks for one once there are connections."""
    with app.app_context():
        workers.beat("a worker of this test")
        db.session.remove()
