"""Servers that are started together, answer, and end together: whichever of them, or of us, ends first."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

START_TIMEOUT_S = 60
# Nothing is lost with a server that is ended by force: what it was doing is done again. A person waits for the prompt.
STOP_TIMEOUT_S = 2
# Loopback is asked directly: a proxy in the environment is for other machines.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

# Runs apart from us with the other end of a pipe in its hand. When that closes we are gone, however it came
# about (kill -9 leaves no time to tidy up), and it ends the process groups whose ids it has read.
_WATCHER = """
import os, signal, sys
for group in [int(line) for line in sys.stdin]:
    try:
        os.killpg(group, signal.SIGTERM)
    except ProcessLookupError:
        pass
"""


class StartRefused(Exception):
    """The start cannot go on; the text is what a person needs to know."""


class Server:
    """A child in a process group of its own, which writes to a log file of its own."""

    def __init__(self, name: str, command: list[str], folder: Path, log: Path) -> None:
        self.name = name
        self.log = log
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.group = self._process.pid

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def ask_to_stop(self) -> None:
        """Let it finish what it is doing."""
        self._process.terminate()

    def end(self, deadline: float) -> None:
        """Wait until it has stopped, and end it when that is not before a time of the monotonic clock."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        with suppress(ProcessLookupError):
            os.killpg(self.group, signal.SIGKILL)
        self._process.wait()

    def last_words(self) -> str:
        return last_lines(self.log.read_text(encoding="utf-8", errors="replace"))


class Servers:
    """The servers of one start, which end together."""

    def __init__(self, watcher: subprocess.Popen[str], folder: Path, logs: Path) -> None:
        self._watcher = watcher
        self._folder = folder
        self._logs = logs
        self._running: list[Server] = []

    def start(self, name: str, command: list[str]) -> Server:
        """Start a server and return at once."""
        server = Server(name, command, self._folder, self._logs / f"{name}.log")
        self._running.append(server)
        if self._watcher.stdin is not None:
            self._watcher.stdin.write(f"{server.group}\n")
            self._watcher.stdin.flush()
        return server

    def await_answer(self, server: Server, url: str) -> None:
        """Return once a server answers.

        :raises StartRefused: when one of the servers ends instead, or this one is silent for a minute.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _answers(url):
            self._check()
            if time.monotonic() > deadline:
                raise StartRefused(f"{server.name} does not answer at {url}. Its log:\n{server.last_words()}")
            time.sleep(0.05)
        self._check()

    def watch(self) -> None:
        """Wait, until a server ends without being asked to.

        :raises StartRefused: naming it, with its last lines.
        """
        while True:
            time.sleep(0.5)
            self._check()

    def stop(self) -> None:
        """Stop all of them together, within about two seconds."""
        for server in reversed(self._running):
            server.ask_to_stop()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for server in reversed(self._running):
            server.end(deadline)

    def _check(self) -> None:
        for server in self._running:
            if server.has_ended():
                last = server.last_words()
                raise StartRefused(f"{server.name} has stopped by itself. Its last lines:\n{last}")


@contextmanager
def running_together(folder: Path, logs: Path) -> Iterator[Servers]:
    """Start servers in a folder, each with a log in another; all of them end with the block."""
    watcher = subprocess.Popen(
        [sys.executable, "-c", _WATCHER], stdin=subprocess.PIPE, text=True, start_new_session=True
    )
    servers = Servers(watcher, folder, logs)
    try:
        yield servers
    except KeyboardInterrupt:
        say("Stopping ...")
        raise
    finally:
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)
        servers.stop()
        watcher.kill()
        watcher.communicate()


def _answers(url: str) -> bool:
    """Tell whether the server behind the URL answers and is not failing or still getting ready."""
    try:
        with _direct.open(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        with error:
            return error.code < 500
    except OSError:
        return False


def last_lines(text: str) -> str:
    """Return the end of a log, indented."""
    return "\n".join(f"  {line}" for line in text.splitlines()[-15:])


def say(text: str) -> None:
    """Print a line at once."""
    with suppress(OSError):  # a terminal that was closed hears nothing, and what it started has to end all the same
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
