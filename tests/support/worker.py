"""A worker as an operator starts it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.apps import Site, child_environ
from tests.support.processes import PythonProcess


@contextmanager
def worker(site: Site) -> Iterator[PythonProcess]:
    """A real worker process."""
    process = PythonProcess(
        ["-m", "flask", "--app", "wsgi", "worker"],
        env=child_environ(site.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
