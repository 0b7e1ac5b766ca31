"""The app under test: its settings, and three ways to run it (called, on a thread, under gunicorn)."""

import base64
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import flask_migrate
import requests
from click.testing import Result
from flask import Flask
from werkzeug.serving import make_server

from bunqflask import clock, create_app
from bunqflask.config import ROOT, Config
from bunqflask.extensions import db
from bunqflask.models import TeamRole
from bunqflask.services.gateway import onboarding
from bunqflask.services.team import members
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.processes import PythonProcess, run

START_TIMEOUT_S = 30
ENCRYPTION_KEY = bytes(range(32))
SECRET_KEY = "only-for-tests-0123456789-abcdefghijklmnop"
PASSWORD = "correct horse battery staple"


def bare_environ(database_url: str) -> dict[str, str]:
    """Return the settings without which no app starts; it reads no `.env`."""
    return {
        "ENV_FILE": "",
        "SECRET_KEY": SECRET_KEY,
        "ENCRYPTION_KEYS": "k1:" + base64.b64encode(ENCRYPTION_KEY).decode(),
        "DATABASE_URL": database_url,
    }


def environ_for(bank: Bank, database_url: str, **overrides: str) -> dict[str, str]:
    """Return the whole environment of an app that speaks to `bank`."""
    return {
        **bare_environ(database_url),
        "BUNQ_ENVIRONMENT": "local",
        "BUNQ_API_URL": bank.api_url,
        "BUNQ_CALL_LIMITS": "off",
        **overrides,
    }


def config_for(bank: Bank, database_url: str, **overrides: str) -> Config:
    """Return the settings of an app that speaks to `bank`."""
    return Config.from_env(environ_for(bank, database_url, **overrides))


def migrate(database_url: str) -> None:
    """Bring a database to the newest schema, by the migrations themselves."""
    app = create_app(Config.from_env(bare_environ(database_url)))
    with app.app_context():
        flask_migrate.upgrade()
    let_go(app)


def let_go(app: Flask) -> None:
    """Close every database connection of an app."""
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


class Site:
    """A running app, as seen from outside; people come to it with browsers."""

    def __init__(self, url: str, environ: Mapping[str, str]) -> None:
        self.url = url
        self.environ = environ
        self._browsers: list[Browser] = []

    def browser(self, user_agent: str = "Mozilla/5.0 (test; no JavaScript)") -> Browser:
        """Return a new browser, with no cookies."""
        browser = Browser(self.url, user_agent=user_agent)
        self._browsers.append(browser)
        return browser

    def flask(self, *arguments: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of the app's commands as an operator does, in a process of its own."""
        done = run(
            ["-m", "flask", "--app", "wsgi", *arguments], env=child_environ(self.environ), stdin=stdin, timeout_s=120
        )
        if check and done.returncode:
            raise AssertionError(f"flask {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
        return done

    def close(self) -> None:
        """Close the browsers."""
        for browser in self._browsers:
            browser.close()


class ThreadSite(Site):
    """The app on a thread of this process: quick, and `app` is at hand to look behind the pages."""

    def __init__(self, url: str, environ: Mapping[str, str], app: Flask) -> None:
        super().__init__(url, environ)
        self.app = app

    def command(self, *arguments: str, status: int = 0) -> Result:
        """Run one of the app's commands in this process, which is quicker than in one of its own."""
        done = self.app.test_cli_runner().invoke(args=arguments)
        if done.exit_code != status:
            raise AssertionError(f"flask {' '.join(arguments)} ended with {done.exit_code}:\n{done.output}")
        return done


def child_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a process of the app: this one's, less its own settings of the app."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "FLASK_SKIP_DOTENV": "1", "PYTHONUNBUFFERED": "1", **environ}


def reserve_port() -> socket.socket:
    """Take a free loopback port, so that the app can be told its address before it is served there."""
    return socket.create_server(("127.0.0.1", 0))


@contextmanager
def served(app: Flask, listener: socket.socket, environ: Mapping[str, str]) -> Iterator[ThreadSite]:
    """Serve an app on a thread at a reserved port."""
    host, port = listener.getsockname()
    server = make_server(host, port, app, threaded=True, fd=listener.fileno())
    # Closing it then waits for the last request to let go of the database.
    server.daemon_threads = False  # type: ignore[attr-defined]  # from a mixin that the types do not know
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="app under test")
    thread.start()
    site = ThreadSite(environ["PUBLIC_URL"], environ, app)
    try:
        yield site
    finally:
        site.close()
        server.shutdown()
        thread.join()
        server.server_close()


class GunicornSite(Site):
    """The app under a real gunicorn, which can be killed and started again."""

    def __init__(
        self, environ: Mapping[str, str], log: Path, *, application: str = "wsgi:app", python: str | None = None
    ) -> None:
        super().__init__(environ["PUBLIC_URL"], environ)
        self._python = python
        self._log = log
        self._application = application
        self._process: PythonProcess | None = None

    @property
    def log(self) -> str:
        """All that its processes wrote so far."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def start(self, *arguments: str, workers: int = 2, threads: int = 8) -> None:
        """Start it and return once it is ready to serve."""
        port = self.url.rpartition(":")[2]
        gunicorn = ["-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), "--preload"]
        size = ["--workers", str(workers), "--threads", str(threads), "--graceful-timeout", "5"]
        with self._log.open("ab") as output:
            self._process = PythonProcess(
                [*gunicorn, *size, *arguments, "--bind", f"127.0.0.1:{port}", self._application],
                python=self._python,
                env=child_environ(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the app did not start:\n{self.log}")
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        """The process id of gunicorn's arbiter, the parent of the workers."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Stop it as an operator does; what is under way is finished."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """End all its processes at once, as a power cut does."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).ok
        except (requests.ConnectionError, requests.Timeout):
            return False


def set_up(app: Flask) -> None:
    """Register the app with its bank, as `flask setup --new-sandbox-user company` does."""
    with app.app_context():
        for _ in onboarding.run(onboarding.Wishes(new_sandbox_user="company")):
            pass
        db.session.remove()


def add_member(
    app: Flask, email: str, name: str = "", password: str = PASSWORD, *, role: TeamRole | None = None
) -> int:
    """Give a person a login, as `flask team add` does, a guest for 30 days; returns the team member's id."""
    with app.app_context():
        ends_at = clock.now() + timedelta(days=30) if role is TeamRole.GUEST else None
        terms = members.Terms(role=role, ends_at=ends_at, may_export=role is not TeamRole.GUEST) if role else None
        member_id = members.add(email, name, password, terms).id
        db.session.remove()
    return member_id


def sign_in(site: Site, email: str, password: str = PASSWORD, *, role: TeamRole | None = None) -> Browser:
    """Return a new browser in which this team member is logged in; on a thread, with a login made if need be."""
    if isinstance(site, ThreadSite):
        with site.app.app_context():
            known = members.find(email) is not None
            db.session.remove()
        if not known:
            add_member(site.app, email, password=password, role=role)
    browser = site.browser()
    browser.get("/login")
    page = browser.submit(action="/login", email=email, password=password)
    if urlsplit(page.url).path == "/login":
        raise AssertionError(f"{email} could not log in: {page.status} {page.text}")
    return browser
