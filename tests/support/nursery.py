"""Grows Python processes: it has imported what the app needs, and forks for each that is asked for.

A process of the app spends most of its first second on imports. `python -m tests.support.nursery FD` has made them
once and reads orders from a socket; what it forks runs the module or the script as a fresh interpreter would.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
import threading
import traceback
import types
from typing import Any, NoReturn

import bunqflask

# What the app, its commands, its worker and gunicorn import besides the app itself, whose modules are imported when
# they are first used (ADR 0132); none of it starts a thread or opens a file.
IMPORTED = (
    "alembic.command",
    "flask.cli",
    "flask_migrate.cli",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
)
_LARGEST_ORDER = 1 << 20


def serve(orders: socket.socket) -> dict[str, Any] | None:
    """Fork for each order and tell the process id; in the process that was forked, return the order."""
    while True:
        data, files, _, _ = socket.recv_fds(orders, _LARGEST_ORDER, 3)
        if not data:
            return None
        order: dict[str, Any] = json.loads(data)
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            # Forked twice, so that the process becomes the child of who gave the order, and not of the nursery.
            child = os.fork()
            if child == 0:
                orders.close()
                os.close(reading)
                os.close(writing)
                _become(order, files)
                return order
            os.write(writing, str(child).encode())
            os._exit(0)
        os.waitpid(between, 0)
        orders.send(os.read(reading, 20))
        for each in (reading, writing, *files):
            os.close(each)


def _become(order: dict[str, Any], files: list[int]) -> None:
    """Be the process that was asked for, as far as the system is concerned."""
    if order["start_new_session"]:
        os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, write_through=True)  # type: ignore[union-attr]  # a text stream here; the types allow others


def _run(arguments: list[str]) -> None:
    """Do what Python does with these arguments."""
    how, what, *rest = arguments
    if how == "-c":
        sys.argv = ["-c", *rest]
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        exec(compile(what, "<string>", "exec"), main.__dict__)
    elif how == "-m":
        sys.argv = [what, *rest]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        raise ValueError(f"python {how} is not for the nursery")


def _run_to_its_end(arguments: list[str]) -> NoReturn:
    """Run, and end as Python does; but what was imported is not taken apart first: that takes longer than most runs."""
    status = 0
    try:
        _run(arguments)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            sys.stderr.write(ended.code + "\n")
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except Exception:  # noqa: BLE001 - told as Python tells it
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]  # has no public name
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _import_all() -> None:
    ours = (module.name for module in pkgutil.walk_packages(bunqflask.__path__, "bunqflask."))
    for name in (*IMPORTED, *ours):
        if not name.endswith(".__main__"):
            importlib.import_module(name)


if __name__ == "__main__":
    _import_all()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        _run_to_its_end(asked["arguments"])
