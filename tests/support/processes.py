"""Processes of the app: real ones, with ids to kill, that need not import everything anew."""

import atexit
import ctypes
import json
import socket
import subprocess
import sys
from functools import cache
from typing import Any

from bunqflask.config import ROOT

_PR_SET_CHILD_SUBREAPER = 36


class PythonProcess(subprocess.Popen[Any]):
    """What `Popen([sys.executable, *arguments])` is; where the system allows it, grown in the nursery of this run.

    :param python: the program of another installation, which imports everything anew.
    """

    def __init__(self, arguments: list[str], *, env: dict[str, str], python: str | None = None, **more: Any) -> None:
        self._is_grown = python is None and sys.platform == "linux"
        super().__init__([python or sys.executable, *arguments], env=env, cwd=ROOT, **more)

    def _execute_child(self, args: list[str], *given: Any) -> None:
        if not self._is_grown:
            super()._execute_child(args, *given)  # type: ignore[misc]  # has no public name
            return
        (*_, env, _, _, _, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, _, _, _, _, _, session, _) = given
        order = {"arguments": args[1:], "env": env, "cwd": str(ROOT), "start_new_session": session}
        ours = [number if given == -1 else given for number, given in enumerate((p2cread, c2pwrite, errwrite))]
        self.pid = _grow(order, ours)
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]  # has no public name


def run(
    arguments: list[str], *, env: dict[str, str], stdin: str = "", timeout_s: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run Python to its end with a text as its input; returns what `subprocess.run` does."""
    pipe = subprocess.PIPE
    with PythonProcess(arguments, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            out, err = process.communicate(stdin, timeout=timeout_s)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _grow(order: dict[str, Any], files: list[int]) -> int:
    """Have the nursery fork a process, and become its parent."""
    orders = _nursery()
    _adopt(orphans=True)
    try:
        socket.send_fds(orders, [json.dumps(order).encode()], files)
        return int(orders.recv(20))
    finally:
        _adopt(orphans=False)


@cache
def _nursery() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery", str(theirs.fileno())],
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()  # which it takes for the end of its orders
        nursery.wait()

    atexit.register(end)
    return ours


def _adopt(*, orphans: bool) -> None:
    """Say whether processes whose parent ends become our children, on Linux."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(orphans), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
