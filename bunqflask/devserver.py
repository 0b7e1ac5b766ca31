"""What `make run` starts: the app and its local bunq on this machine, ready to sign in.

The story, in order: see that no other `make run` uses this folder, write `.env` once, read the settings, see that
the ports are free, start the stand-in, bring the database up to date meanwhile, start the app, register with the
stand-in meanwhile, see that somebody can sign in, see that the app answers, start the worker, say where to go.
Then wait: Ctrl-C stops all of it, and so does either of the two servers when it ends.
"""

import base64
import errno
import fcntl
import logging
import os
import secrets
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import click
import flask_migrate
from flask import Flask

from bunqflask import addresses, create_app
from bunqflask.config import LOCAL_API_URL, ROOT, Config, ConfigError, settings
from bunqflask.extensions import db
from bunqflask.processes import StartRefused, last_lines, running_together, say
from bunqflask.services.audit import log_lines
from bunqflask.services.audit.origin import Origin, acting
from bunqflask.services.gateway import onboarding
from bunqflask.services.team import members, passwords

INSTANCE = ROOT / "instance"
GRACEFUL_TIMEOUT_S = 1
PORT_BEHIND_A_PROXY = 5000

_ENV_TEMPLATE = """\
# Written by the first `make run`, and never again. Keep it private: these keys open what the database holds.
SECRET_KEY={secret_key}
ENCRYPTION_KEYS=k1:{encryption_key}

# The first sign-in on this machine; only `make run` reads it, to create it and to show it.
LOCAL_EMAIL=you@example.org
LOCAL_NAME=Robin de Vries
LOCAL_PASSWORD={password}
"""


def main(arguments: list[str]) -> int:
    """Start everything and stay until it ends; returns the exit status."""
    os.umask(0o077)  # what we and the servers write is for this user alone
    # The app reads `.env` without Flask; Flask's own reading would put its secrets in the process environment.
    os.environ["FLASK_SKIP_DOTENV"] = "1"
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) != signal.SIG_IGN:  # nohup has a say
            signal.signal(ending, signal.default_int_handler)
    try:
        INSTANCE.mkdir(mode=0o700, exist_ok=True)
        if "--only-sandbox" in arguments:
            _become_sandbox(addresses.plain(settings().get("BUNQ_API_URL", LOCAL_API_URL)))
        _lock("app", "bunqflask")
        _write_env_file()
        _run(Config.load())
    except addresses.NotPlain as error:
        sys.stderr.write(f"BUNQ_API_URL must be a plain http address such as {LOCAL_API_URL}: {error}\n")
        return 2
    except (ConfigError, StartRefused) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        say("Stopped.")
    return 0


def _run(config: Config) -> None:
    simulated = config.BUNQ_ENVIRONMENT == "local"
    if simulated:
        _lock("sandbox", "The local bunq")
        _name_sandbox(config.BUNQ_API_URL)
    sandbox_binds = _addresses("BUNQ_API_URL", config.BUNQ_API_URL) if simulated else []
    app_binds = _addresses("PUBLIC_URL", config.PUBLIC_URL)
    with running_together(ROOT, INSTANCE) as servers:
        sandbox = servers.start("sandbox", _sandbox_command(sandbox_binds)) if simulated else None
        with _app(config) as app, acting(Origin(actor="make run", is_shell=True)):
            _bring_database_up_to_date(config)
            server = servers.start("app", _app_command(app_binds))
            if sandbox is not None:
                servers.await_answer(sandbox, config.BUNQ_API_URL)
            _register(app, simulated=simulated)
            sign_in = _first_sign_in()
        servers.await_answer(server, _app_url(config, app_binds) + "/readyz")
        servers.start("worker", [sys.executable, "-m", "flask", "--app", "wsgi", "worker"])
        say(_welcome(config, sign_in))
        servers.watch()


@contextmanager
def _app(config: Config) -> Iterator[Flask]:
    """Make the app in this process, for the steps before it serves; a process for each step takes seconds."""
    # The output says each step to a person; the events are stored all the same.
    log_lines.LOGGER.addHandler(logging.NullHandler())
    app = create_app(config)
    with app.app_context():
        try:
            yield app
        finally:
            db.session.remove()
            db.engine.dispose()


def _lock(name: str, what: str) -> int:
    """Keep every other start in this folder out until this process ends, however it does; returns the open lock.

    :raises StartRefused: when another one is running.
    """
    path = INSTANCE / f"{name}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(descriptor, 20).decode(errors="replace").strip()
        raise StartRefused(
            f"{what} is running in this folder already (process {holder}). Stop that first: Ctrl-C."
        ) from error
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


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
    say(f"Wrote {path} with new random keys.")


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
    gunicorn = _gunicorn(binds, worker="bunqflask.sandbox.protocol.unreadable.Worker")
    return [*gunicorn, "--workers", "1", "--threads", "32", "bunqflask.sandbox:create_app()"]


def _app_command(binds: list[str]) -> list[str]:
    # Imported once for both processes. Not so the stand-in, which opens its database where it is made.
    return [*_gunicorn(binds), "--preload", "wsgi:app"]


def _gunicorn(binds: list[str], *, worker: str = "gthread") -> list[str]:
    command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), "--worker-class", worker]
    return [*command, "--graceful-timeout", str(GRACEFUL_TIMEOUT_S), *(f"--bind={each}" for each in binds)]


def _name_sandbox(url: str) -> None:
    """Let the stand-in answer to the name under which it is reached."""
    os.environ.setdefault("SANDBOX_HOSTS", urlsplit(url).hostname or "")


def _become_sandbox(url: str) -> None:
    """Turn this process into the stand-in; its log is the terminal."""
    os.set_inheritable(_lock("sandbox", "The local bunq"), True)
    command = _sandbox_command(_addresses("BUNQ_API_URL", url))
    say(f"The local bunq answers at {url} (Ctrl-C stops it).")
    _name_sandbox(url)
    os.chdir(ROOT)
    os.execv(command[0], command)  # noqa: S606 - our own command, no shell


def _bring_database_up_to_date(config: Config) -> None:
    if config.DATABASE_URL.startswith("postgresql") and find_spec("psycopg") is None:
        raise StartRefused(
            f"PostgreSQL needs one more step: {sys.executable} -m pip install --no-deps --require-hashes "
            "-r requirements-postgres.txt"
        )
    try:
        flask_migrate.upgrade()
    except SystemExit as error:  # Flask-Migrate has said why
        raise StartRefused("The database could not be brought up to date, for the reason above.") from error
    except Exception as error:
        told = "".join(traceback.format_exception_only(error))
        raise StartRefused(f"The database could not be brought up to date:\n{last_lines(told)}") from error


def _register(app: Flask, *, simulated: bool) -> None:
    """Make the app known to its bank; the terminal shows each step, and where it asks for an API key.

    :raises StartRefused: when a step failed, which has been shown.
    """
    wishes = ["--environment", "local", "--new-sandbox-user", "company"] if simulated else []
    status = _command(app, "setup", *wishes)
    if simulated and status == onboarding.NOT_KNOWN_STATUS:
        # Nobody but us decides about this bank, so there is no address to allow and no key to look for.
        say("The simulated bank was reset, and has forgotten this app: setting up again.")
        status = _command(app, "setup", *wishes, "--new-installation")
    if status:
        raise StartRefused("The app is not set up with bunq; what has to be done stands above.")


def _command(app: Flask, *arguments: str) -> int:
    """Run one of the app's commands in this process; returns the exit status that it would have."""
    try:
        app.cli.main(args=list(arguments), prog_name="flask", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort as error:
        raise KeyboardInterrupt from error
    return 0


def _first_sign_in() -> str:
    """Create the first team member where there is none; returns what to tell about signing in.

    It shows the password when it was chosen here just now, and again on every terminal, but not to a file or a
    service's log at each start.
    """
    given = settings()
    email, password = given.get("LOCAL_EMAIL", "you@example.org"), given.get("LOCAL_PASSWORD", "")
    is_new = not members.list_all()
    try:
        if is_new:
            password = password or _password()
            members.add(email, given.get("LOCAL_NAME", ""), password)
        member = members.find(email)
    except (members.TeamRefused, passwords.PasswordRefused) as error:
        raise StartRefused(f"The first team member could not be added: {error}") from error
    if member is not None and password and passwords.matches(member.password_hash, password):
        shown = password if is_new or sys.stdout.isatty() else "LOCAL_PASSWORD of .env"
        return f"  Email     {email}\n  Password  {shown}"
    emails = [each.email for each in members.list_all()]
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
