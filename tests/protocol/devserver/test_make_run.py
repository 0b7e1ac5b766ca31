"""`make run` as a newcomer meets it: in a fresh copy of the repository, on ports of its own."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import pytest

from tests.support.apps import reserve_port
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import connect

ROOT = Path(__file__).resolve().parents[3]
START_TIMEOUT_S = 60


class Launcher:
    """`make run` in one folder; a second start there finds what the first one left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with reserve_port() as app, reserve_port() as bank:
            self.app_port, self.bank_port = app.getsockname()[1], bank.getsockname()[1]
        self.url = f"http://localhost:{self.app_port}"
        self.bank = Bank(f"http://127.0.0.1:{self.bank_port}")
        self.log = folder / "launcher.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def start(self, *, on_a_terminal: bool = False) -> None:
        """Start and return once it says where to go."""
        self.launch(on_a_terminal=on_a_terminal)
        deadline = time.monotonic() + START_TIMEOUT_S
        while "Ctrl-C stops everything" not in self.output:
            assert self.process is not None
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"it did not start:\n{self.output}")
            time.sleep(0.1)

    def launch(self, *, on_a_terminal: bool = False) -> None:
        """Start and return at once."""
        with self._terminal() if on_a_terminal else self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bunqflask.devserver"],
                cwd=self.folder,
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": os.environ.get("HOME", ""),
                    "PUBLIC_URL": self.url,
                    "BUNQ_API_URL": self.bank.api_url,
                    # Setting up again would wait half a minute for the next session.
                    "BUNQ_CALL_LIMITS": "off",
                    "SANDBOX_RATE_LIMITS": "off",
                    # Nothing listens there: loopback is never asked through a proxy.
                    **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9"),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # As in a terminal: tests run in the background are given a Ctrl-C that is ignored.
                preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
            )

    def _terminal(self) -> BinaryIO:
        """Return a terminal of which all that appears is written into the log."""
        ours, theirs = os.openpty()
        self.log.write_bytes(b"")

        def write_down() -> None:
            with suppress(OSError), self.log.open("ab", buffering=0) as log:  # an error says that the other end closed
                while shown := os.read(ours, 4096):
                    log.write(shown)
            os.close(ours)

        threading.Thread(target=write_down, name="terminal").start()
        return os.fdopen(theirs, "wb", buffering=0)

    def password(self) -> str:
        """Return the first member's password, as it was written down."""
        written = re.search(r"^LOCAL_PASSWORD=(\S+)$", (self.folder / ".env").read_text(), re.MULTILINE)
        assert written
        return written.group(1)

    def end(self, how: signal.Signals) -> int:
        """Send a signal and return the exit status."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(30)

    def wait(self) -> int:
        """Wait until it ends by itself and return the exit status."""
        assert self.process is not None
        return self.process.wait(START_TIMEOUT_S)

    def sign_in(self) -> Browser:
        """Log in as the one it names, with the password that it wrote down."""
        told = re.search(r"Email +(\S+)\n", self.output)
        assert told, self.output
        browser = Browser(self.url)
        browser.get("/login")
        browser.submit(action="/login", email=told.group(1), password=self.password())
        return browser

    def assert_nothing_listens(self) -> None:
        """Both ports are free again, at once or very soon."""
        deadline = time.monotonic() + 10
        while any(_listens(port) for port in (self.app_port, self.bank_port)):
            assert time.monotonic() < deadline, "a server is still there"
            time.sleep(0.1)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def process_id_on(launcher: Launcher, name: str) -> int:
    """Return the process id of a server, from its gunicorn's first log line."""
    log = (launcher.folder / "instance" / f"{name}.log").read_text(encoding="utf-8")
    told = re.search(r"\[(\d+)\] \[INFO\] Starting gunicorn", log)
    assert told, log
    return int(told.group(1))


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    folder = tmp_path / "100% a clone? #1 ë"
    folder.mkdir()
    # With what Python has compiled: that a clone compiles it once more takes long and proves nothing.
    for name in ("bunqflask", "templates", "migrations"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "wsgi.py", folder)
    shutil.copy(ROOT / "gunicorn.conf.py", folder)
    launcher = Launcher(folder)
    yield launcher
    if launcher.process is not None and launcher.process.poll() is None:
        launcher.end(signal.SIGTERM)


def what_the_bank_holds(launcher: Launcher) -> dict[str, Any]:
    state = launcher.bank.state()
    return {name: state[name] for name in ("installations", "devices", "oauth_clients")}


def test_a_second_start_keeps_the_login_and_registers_nothing_twice(launcher: Launcher) -> None:
    launcher.start()
    env_file = launcher.folder / ".env"
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    written, first_output = env_file.read_text(), launcher.output
    assert urlpath(launcher.sign_in()) == "/"
    assert (launcher.folder / "instance" / "bunqflask.sqlite3").exists()
    registered = what_the_bank_holds(launcher)
    assert registered["installations"] == 1
    assert launcher.end(signal.SIGINT) == 0
    launcher.assert_nothing_listens()

    launcher.start()
    assert env_file.read_text() == written
    # The password was shown when it was made; from then on a file is told where it is.
    assert sign_in_lines(first_output) == ["Email     you@example.org", f"Password  {launcher.password()}"]
    assert sign_in_lines(launcher.output) == ["Email     you@example.org", "Password  LOCAL_PASSWORD of .env"]
    assert urlpath(launcher.sign_in()) == "/"
    assert what_the_bank_holds(launcher) == registered

    # A bank that was reset knows nobody, and setting up again is left to nobody.
    launcher.bank.reset()
    stops_with(launcher, "app")
    launcher.start()
    assert "The simulated bank was reset" in launcher.output
    assert what_the_bank_holds(launcher)["installations"] == 1
    assert urlpath(launcher.sign_in()) == "/"

    # Killed outright, it has no time to stop its servers; they stop all the same.
    launcher.end(signal.SIGKILL)
    launcher.assert_nothing_listens()


def stops_with(launcher: Launcher, ended: str) -> None:
    """When one server ends by itself the others stop, and its last lines are shown."""
    os.kill(process_id_on(launcher, ended), signal.SIGKILL)
    assert launcher.wait() == 2
    assert f"{ended} has stopped by itself" in launcher.output
    assert "Starting gunicorn" in launcher.output
    launcher.assert_nothing_listens()


def urlpath(browser: Browser) -> str:
    browser.close()
    return urlsplit(browser.page.url).path


def sign_in_lines(output: str) -> list[str]:
    return [line.strip() for line in output.splitlines() if line.strip().startswith(("Email", "Password"))]


def test_a_second_one_in_the_folder_is_refused_on_other_ports_too_and_a_terminal_is_told_the_password(
    launcher: Launcher,
) -> None:
    launcher.start()
    second = Launcher(launcher.folder)
    second.log = launcher.folder / "second.log"
    second.launch()
    assert second.wait() == 2
    assert launcher.process is not None
    told = f"bunqflask is running in this folder already (process {launcher.process.pid}). Stop that first: Ctrl-C."
    assert second.output.splitlines() == [told]
    launcher.end(signal.SIGTERM)
    launcher.start(on_a_terminal=True)
    assert f"Password  {launcher.password()}" in sign_in_lines(launcher.output)


def test_ctrl_c_says_so_at_once_and_is_quick_also_while_payments_are_read(launcher: Launcher) -> None:
    launcher.start()
    # The worker waits for an answer that does not come.
    launcher.bank.fault(call="GET payment", fault="timeout", seconds=30)
    browser = launcher.sign_in()
    connect(browser, launcher.bank)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not launcher.bank.calls("GET", "/payment"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    browser.close()
    started = time.monotonic()
    assert launcher.process is not None
    launcher.process.send_signal(signal.SIGINT)
    while "Stopping ..." not in launcher.output:
        assert time.monotonic() - started < 1
        time.sleep(0.02)
    assert launcher.process.wait(START_TIMEOUT_S) == 0
    # Three seconds where a processor is free; where several processes wait for each, every step takes as often as long.
    waiting = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert time.monotonic() - started < 3.5 * waiting
    launcher.assert_nothing_listens()


def test_when_the_bank_ends_the_app_stops_too(launcher: Launcher) -> None:
    launcher.start()
    stops_with(launcher, "sandbox")


def test_a_lost_env_file_is_not_replaced_when_a_database_needs_its_keys(launcher: Launcher) -> None:
    (launcher.folder / "instance").mkdir()
    (launcher.folder / "instance" / "bunqflask.sqlite3").touch()
    launcher.launch()
    assert launcher.wait() == 2
    assert "is gone, and with it the keys" in launcher.output
    assert not (launcher.folder / ".env").exists()


@pytest.mark.parametrize("setting", ["PUBLIC_URL", "BUNQ_API_URL"])
def test_a_busy_port_gets_one_clear_line(launcher: Launcher, setting: str) -> None:
    port = launcher.app_port if setting == "PUBLIC_URL" else launcher.bank_port
    with socket.create_server(("127.0.0.1", port)):
        launcher.launch()
        assert launcher.wait() == 2
    told = launcher.output.splitlines()[-1]
    assert f"Port {port} is taken" in told
    assert f"{setting}=http" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('SECRET_KEY="unfinished\n', "line 1"),
        ("SECRET_KEY=0123456789012345678901234567890123456789\n", "ENCRYPTION_KEYS is missing"),
    ],
)
def test_a_broken_env_file_gets_one_clear_line_and_is_left_alone(launcher: Launcher, text: str, told: str) -> None:
    env_file = launcher.folder / ".env"
    env_file.write_text(text)
    launcher.launch()
    assert launcher.wait() == 2
    assert len(launcher.output.splitlines()) == 1
    assert told in launcher.output
    assert env_file.read_text() == text
