"""What `make run` starts: the app and its local bunq on this machine, ready to sign in.

The story, in order: write `.env` once, read the settings, see that the ports are free, bring the database up
to date, start the stand-in, register with it, see that somebody can sign in, start the app, say where to go.
Then wait: Ctrl-C stops all of it, and so does either of the two servers when it ends by itself.
"""

import base64
import errno
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from bunqflask import create_app
from bunqflask.config import LOCAL_API_URL, ROOT, Config, ConfigError, settings
from bunqflask.extensions import db
from bunqflask.services.gateway import onboarding
from bunqflask.services.team import members, passwords

INSTANCE = ROOT / "instance"
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 10
PORT_BEHIND_A_PROXY = 5000

# Runs apart from us with the other end of a pipe in its hand. When that closes we are gone, however it came
# about (kill -9 leaves no time to tidy up), and it ends the process groups it was told of.
_WATCHER = """
import os, signal, sys
for group in [int(line) for line in sys.stdin]:
    try:
        os.killpg(group, signal.SIGTERM)
    except ProcessLookupError:
        pass
"""

_ENV_TEMPLATE = """\
# Written by the first `make run`, and never again. Keep it private: these keys open what the database holds.
SECRET_KEY={secret_key}
ENCRYPTION_KEYS=k1:{encryption_key}
BUNQ_ENVIRONMENT=local

# The first sign-in on this machine; only `make run` reads it, to create it and to show it.
LOCAL_EMAIL=you@example.org
LOCAL_NAME=Robin de Vries
LOCAL_PASSWORD={password}
"""


class StartRefused(Exception):
    """The start cannot go on; the text is what a person needs to know."""


class Server:
    """A child in a process group of its own, which writes to a log file of its own."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self.log = INSTANCE / f"{name}.log"
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
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
        """Wait until it has stopped, and end it when that is not before a moment of the monotonic clock."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        with suppress(ProcessLookupError):
            os.killpg(self.group, signal.SIGKILL)
        self._process.wait()

    def last_words(self) -> str:
        return _tail(self.log.read_text(encoding="utf-8", errors="replace"))


class Servers:
    """The servers of one start, which end together."""

    def __init__(self, watcher: subprocess.Popen[str]) -> None:
        self._watcher = watcher
        self._running: list[Server] = []

    def start(self, name: str, command: list[str], *, answers_at: str | None = None) -> None:
        """Start a server and return once it answers, or at once if it has no address.

        :raises StartRefused: when it ends instead, or is silent for a minute.
        """
        server = Server(name, command)
        self._running.append(server)
        if self._watcher.stdin is not None:
            self._watcher.stdin.write(f"{server.group}\n")
            self._watcher.stdin.flush()
        deadline = time.monotonic() + START_TIMEOUT_S
        while answers_at is not None and not _answers(answers_at):
            self._check()
            if time.monotonic() > deadline:
                raise StartRefused(f"{name} does not answer at {answers_at}. Its log:\n{server.last_words()}")
            time.sleep(0.1)
        self._check()

    def watch(self) -> None:
        """Wait, until a server ends by itself.

        :raises StartRefused: naming it, with its last lines.
        """
        while True:
            time.sleep(0.5)
            self._check()

    def stop(self) -> None:
        """Stop all of them together, within ten seconds."""
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


def main(arguments: list[str]) -> int:
    """Start everything and stay until it ends; returns the exit status."""
    os.umask(0o077)  # what we and the servers write is for this user alone
    # The app reads `.env` by itself; Flask's own reading would put its secrets in the process environment.
    os.environ["FLASK_SKIP_DOTENV"] = "1"
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) != signal.SIG_IGN:  # nohup has a say
            signal.signal(ending, signal.default_int_handler)
    try:
        INSTANCE.mkdir(mode=0o700, exist_ok=True)
        if "--only-sandbox" in arguments:
            _become_sandbox(settings().get("BUNQ_API_URL", LOCAL_API_URL))
        _write_env_file()
        _run(Config.load())
    except (ConfigError, StartRefused) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        _say("Stopped.")
    return 0


def _run(config: Config) -> None:
    simulated = config.BUNQ_ENVIRONMENT == "local"
    sandbox_binds = _addresses("BUNQ_API_URL", config.BUNQ_API_URL) if simulated else []
    app_binds = _addresses("PUBLIC_URL", config.PUBLIC_URL)
    _bring_database_up_to_date(config)
    with _servers() as servers:
        if simulated:
            servers.start("sandbox", _sandbox_command(sandbox_binds), answers_at=config.BUNQ_API_URL)
        _register(simulated=simulated)
        sign_in = _first_sign_in(config)
        servers.start("worker", [sys.executable, "-m", "flask", "--app", "wsgi", "worker"])
        servers.start("app", _app_command(app_binds), answers_at=_app_url(config, app_binds) + "/readyz")
        _say(_welcome(config, sign_in))
        servers.watch()


def _write_env_file() -> None:
    given = settings()
    path = given.get("ENV_FILE", str(ROOT / ".env"))
    if not path or Path(path).exists():
        return
    database = INSTANCE / "bunqflask.sqlite3"
    if database.exists() and "ENCRYPTION_KEYS" not in given:
        raise StartRefused(f"{path} is gone, and with it the keys to {database}. Put it back, or move that away too.")
    text = _ENV_TEMPLATE.format(
        secret_key=secrets.token_urlsafe(48),
        encryption_key=base64.b64encode(secrets.token_bytes(32)).decode(),
        password=_password(),
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise StartRefused(f"{path} cannot be written: {error.strerror}.") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as env_file:
        env_file.write(text)
    _say(f"Wrote {path} with new random keys.")


def _password() -> str:
    """Return a random password that is easy to type on a phone (79 bits)."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))


def _addresses(setting: str, url: str) -> list[str]:
    """Return where on this machine to listen for a URL, as host:port.

    `localhost` is both its IPv4 and its IPv6 address. Before an https URL stands a proxy: we are on loopback.

    :raises StartRefused: when the port is taken, or the host is not this machine.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "localhost", parts.port or 80
    if parts.scheme == "https":
        host, port = "localhost", PORT_BEHIND_A_PROXY
    hosts = ["127.0.0.1", "::1"] if host == "localhost" else [host]
    usable = [each for each in hosts if _is_free(setting, each, port)]
    if not usable:
        raise StartRefused(f"{setting} names {host}, which is not an address of this machine.")
    return [f"[{each}]:{port}" if ":" in each else f"{each}:{port}" for each in usable]


def _is_free(setting: str, host: str, port: int) -> bool:
    """Tell whether we can listen there; False when this machine has no such address.

    :raises StartRefused: when another program listens there, or we may not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
        with socket.socket(family) as probe:
            # macOS lets us bind beside a program that listens on every address, and that program answers.
            taken = probe.connect_ex((host, port)) == 0
    except OSError as error:
        if error.errno == errno.EACCES:
            text = f"Port {port} ({setting}) may only be used by root; choose one above 1023."
            raise StartRefused(text) from error
        if error.errno != errno.EADDRINUSE:
            return False
        taken = True
    if taken:
        another = "http://localhost:5055" if setting == "PUBLIC_URL" else "http://127.0.0.1:5056/v1/"
        raise StartRefused(
            f"Port {port} is taken by another program (or by another `make run`). "
            f"Stop that one, or choose another port, for example: {setting}={another} make run"
        )
    return True


def _sandbox_command(binds: list[str]) -> list[str]:
    # One process, as its pending consents and faults are in memory; many threads, as faults hold some up.
    return [*_gunicorn(binds), "--workers", "1", "--threads", "32", "bunqflask.sandbox:create_app()"]


def _app_command(binds: list[str]) -> list[str]:
    return [*_gunicorn(binds), "--workers", "2", "--threads", "8", "wsgi:app"]


def _gunicorn(binds: list[str]) -> list[str]:
    command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--no-control-socket"]
    return [*command, "--graceful-timeout", "5", *(f"--bind={each}" for each in binds)]


def _become_sandbox(url: str) -> None:
    """Turn this process into the stand-in; its log is the terminal."""
    command = _sandbox_command(_addresses("BUNQ_API_URL", url))
    _say(f"The local bunq answers at {url} (Ctrl-C stops it).")
    os.chdir(ROOT)
    os.execv(command[0], command)  # noqa: S606 - our own command, no shell


@contextmanager
def _servers() -> Iterator[Servers]:
    watcher = subprocess.Popen(
        [sys.executable, "-c", _WATCHER], stdin=subprocess.PIPE, text=True, start_new_session=True
    )
    servers = Servers(watcher)
    try:
        yield servers
    finally:
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)
        servers.stop()
        watcher.kill()
        watcher.communicate()


def _answers(url: str) -> bool:
    """Tell whether the server behind the URL answers and is not failing or still getting ready."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - an http(s) address of our own settings
            return True
    except urllib.error.HTTPError as error:
        with error:
            return error.code < 500
    except OSError:
        return False


def _bring_database_up_to_date(config: Config) -> None:
    if config.DATABASE_URL.startswith("postgresql") and find_spec("psycopg") is None:
        raise StartRefused(
            f"PostgreSQL needs one more step: {sys.executable} -m pip install -r requirements-postgres.txt"
        )
    done = subprocess.run(
        _flask("db", "upgrade"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise StartRefused(f"The database could not be brought up to date:\n{_tail(done.stdout)}")


def _register(*, simulated: bool) -> None:
    """Make the app known to its bank; the terminal shows each step, and where it asks for an API key.

    :raises StartRefused: when a step failed, which has been shown.
    """
    wishes = ["--environment", "local", "--new-sandbox-user", "company"] if simulated else []
    done = subprocess.run(_flask("setup", *wishes), cwd=ROOT, check=False)
    if simulated and done.returncode == onboarding.NOT_KNOWN_STATUS:
        # Nobody but us decides about this bank, so there is no address to allow and no key to look for.
        _say("The simulated bank was reset, and has forgotten this app: setting up again.")
        done = subprocess.run(_flask("setup", *wishes, "--new-installation"), cwd=ROOT, check=False)
    if done.returncode:
        raise StartRefused("The app is not set up with bunq; what has to be done stands above.")


def _first_sign_in(config: Config) -> str:
    """Create the first team member where there is none; returns what to tell about signing in."""
    given = settings()
    email, password = given.get("LOCAL_EMAIL", "you@example.org"), given.get("LOCAL_PASSWORD", "")
    app = create_app(config)
    with app.app_context():
        try:
            if not members.list_all():
                password = password or _password()
                members.add(email, given.get("LOCAL_NAME", ""), password)
            member = members.find(email)
            matches = member is not None and bool(password) and passwords.matches(member.password_hash, password)
            emails = [each.email for each in members.list_all()]
        except (members.TeamRefused, passwords.PasswordRefused) as error:
            raise StartRefused(f"The first team member could not be added: {error}") from error
        finally:
            db.session.remove()
            db.engine.dispose()
    if matches:
        return f"  Email     {email}\n  Password  {password}"
    forgotten = "Forgotten? .venv/bin/flask --app wsgi team reset"
    return f"  Email     {', '.join(emails)}\n  Password  the one chosen here. {forgotten} {emails[0]}"


def _app_url(config: Config, binds: list[str]) -> str:
    """Return where the app answers from this machine; a proxy in front may not be up."""
    public = urlsplit(config.PUBLIC_URL)
    return f"http://{binds[0]}{public.path}" if public.scheme == "https" else config.PUBLIC_URL


def _welcome(config: Config, sign_in: str) -> str:
    banks = {"local": "a bunq simulated on this machine", "sandbox": "bunq's sandbox", "production": "bunq itself"}
    return f"""
bunqflask is running, with {banks[config.BUNQ_ENVIRONMENT]}.

  Open      {config.PUBLIC_URL}
{sign_in}

Ctrl-C stops everything. The next `make run` finds it as it is now. Logs: {INSTANCE.name}/*.log
"""


def _flask(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]


def _tail(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines()[-15:])


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
