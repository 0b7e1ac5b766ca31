"""A full run, and then a look for every secret of it in all that the run leaves behind."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from flask import Flask

from bunqflask import clock, create_app
from bunqflask.bunq.errors import TransportFailed
from bunqflask.config import Config
from bunqflask.database.encryption import Encrypted, Secret
from bunqflask.extensions import Base, db
from bunqflask.models import BunqSession, Consent, Installation
from bunqflask.services.consent import oauth
from tests.support import consents
from tests.support.apps import (
    ENCRYPTION_KEY,
    PASSWORD,
    SECRET_KEY,
    GunicornSite,
    ThreadSite,
    environ_for,
    let_go,
    sign_in,
)
from tests.support.bank import Bank
from tests.support.browser import Browser, Page
from tests.support.rows import run_duties
from tests.support.secrets import SecretsSeen

EMAIL = "sam@team.example"
# What a run must have shown to have been a full one; a value is called by the name under which it came first.
ALL_KINDS = {
    "X-Bunq-Client-Authentication",
    "code",
    "code_verifier",
    "password",
    "secret",
    "state",
    "stored Installation.client_secret",
    "stored Installation.private_key",
}


def add_stored(app: Flask, seen: SecretsSeen) -> None:
    """Remember every secret that the database holds now, opened."""
    with app.app_context():
        for mapper in Base.registry.mappers:
            if issubclass(mapper.class_, Encrypted):
                names = [name for name, each in vars(mapper.class_).items() if isinstance(each, Secret)]
                for row in db.session.scalars(db.select(mapper.class_)):
                    for name in names:
                        # The link is shown to whoever may send it on; everything else is shown to nobody.
                        if name != "link_token" and (value := getattr(row, name)) is not None:
                            seen.add(f"stored {mapper.class_.__name__}.{name}", value)
        db.session.remove()


def add_settings(seen: SecretsSeen) -> None:
    seen.add("SECRET_KEY", SECRET_KEY)
    seen.add("ENCRYPTION_KEYS", ENCRYPTION_KEY.decode("latin-1"))


def dump(app: Flask, database_url: str) -> bytes:
    """Return all that the database keeps: SQLite's files as they are, PostgreSQL's rows."""
    if database_url.startswith("sqlite"):
        path = Path(database_url.removeprefix("sqlite:///"))
        return b"".join(each.read_bytes() for each in sorted(path.parent.glob(path.name + "*")))
    kept = bytearray()
    with app.app_context(), db.engine.connect() as connection:
        names = connection.exec_driver_sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").scalars()
        for name in list(names):
            for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"'):
                for value in row:
                    kept += bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    kept += b"\n"
    return bytes(kept)


class Reader(Browser):
    """A browser that keeps every page it saw."""

    def __init__(self, browser: Browser) -> None:
        self.__dict__ = browser.__dict__
        self.seen: list[Page] = []

    @property
    def pages(self) -> str:
        """All that was shown. Where an answer sends the browser to bunq, its state goes along, as it must."""
        return "\n".join(page.html for page in self.seen if page.leaves_for is None)

    def _go(self, *arguments: object, **options: object) -> Page:
        page = super()._go(*arguments, **options)  # type: ignore[arg-type]  # passes on whatever it is called with
        self.seen.append(page)
        return page


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """What all loggers say at their most talkative, except the two test servers about their own requests."""
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    handler.addFilter(lambda record: not record.name.startswith(("werkzeug", "bunqflask.sandbox")))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield heard
    root.setLevel(level)
    root.removeHandler(handler)


def test_a_full_run_leaves_no_secret_in_log_page_database_or_repr(
    live_app: ThreadSite,
    bank: Bank,
    database_url: str,
    secrets_seen: SecretsSeen,
    everything_logged: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = live_app.app
    monkeypatch.setenv("ENV_FILE", "")
    add_settings(secrets_seen)
    runner = app.test_cli_runner()
    told = runner.invoke(args=["setup", "--new-sandbox-user", "company"]).output
    add_stored(app, secrets_seen)
    browser = Reader(sign_in(live_app, EMAIL))

    # A consent whose exchange fails, one that bunq denies, and one that works.
    for fault in ("reset", "html-502", "400"):
        bank.fault(call="POST token", fault=fault)
        consents.connect(browser, bank)
        bank.no_faults()
    denied = bank.deny(consents.ask(browser))
    browser.get(denied or "/")
    page = consents.connect(browser, bank)
    assert page.status == 200
    add_stored(app, secrets_seen)
    with app.app_context():
        consent = db.session.scalars(db.select(Consent)).all()[-1]
        connection_id, session = consent.connection_id, db.session.get(BunqSession, consent.session_id)
        values = {value for _, value in secrets_seen}
        assert {consent.access_token, session.token if session else None} <= values
        db.session.remove()

    address = f"/connections/{connection_id}"
    for fault in ("bad-signature", "403-permission", "invalid-json"):
        bank.fault(call="GET monetary-account", fault=fault)
        browser.get(f"{address}/accounts")
        if any(form.action.endswith("/sync") for form in browser.page.forms):
            browser.submit(action="/sync")
        run_duties(app)
        browser.get(f"{address}/accounts")
        with app.app_context():
            db.session.execute(db.update(Consent).values(next_try_at=None))
            db.session.commit()
        bank.no_faults()
    for path in ("/", "/settings", f"{address}/accounts", f"{address}/disconnect", "/nowhere", "/login"):
        browser.get(path)
    told += runner.invoke(args=["status"]).output + runner.invoke(args=["team", "list"]).output

    stored_now = dump(app, database_url)
    reprs = []
    with app.app_context():
        for mapper in Base.registry.mappers:
            reprs += [repr(row) + str(row) for row in db.session.scalars(db.select(mapper.class_))]
        db.session.remove()
    reprs.append(repr(Config.from_env(live_app.environ)))

    browser.get(f"{address}/disconnect")
    browser.submit(action="/disconnect", data="keep")
    stored_after = dump(app, database_url)
    with app.app_context():
        for ended in db.session.scalars(db.select(Consent)):
            assert ended.access_token_sealed is None
            assert ended.session_id is None
        db.session.remove()

    assert secrets_seen.kinds() >= ALL_KINDS
    assert secrets_seen.found_in(everything_logged.getvalue()) == []
    assert secrets_seen.found_in(stored_now) == []
    assert secrets_seen.found_in(stored_after) == []
    assert secrets_seen.found_in("\n".join(reprs)) == []
    assert secrets_seen.found_in(told) == []
    assert len(browser.seen) > 20
    assert secrets_seen.found_in(browser.pages) == []


def test_what_gunicorn_and_the_commands_write_holds_no_secret(
    gunicorn_app: GunicornSite, app: Flask, bank: Bank, secrets_seen: SecretsSeen
) -> None:
    add_settings(secrets_seen)
    key = requests.post(f"{bank.api_url}sandbox-user-company", headers={"User-Agent": "test"}, timeout=10).json()[
        "Response"
    ][0]["ApiKey"]["api_key"]
    secrets_seen.add("api_key", key)
    gunicorn_app.environ = {**gunicorn_app.environ, "BUNQ_API_KEY": key}
    told = []
    for arguments, stdin in (
        (["setup"], ""),
        (["team", "add", EMAIL, "--password-stdin"], PASSWORD + "\n"),
        (["status"], ""),
    ):
        done = gunicorn_app.flask(*arguments, stdin=stdin)
        told.append(done.stdout + done.stderr)
    gunicorn_app.start(workers=1)
    browser = Reader(sign_in(gunicorn_app, EMAIL))
    bank.fault(call="POST token", fault="reset")
    consents.connect(browser, bank)
    consents.connect(browser, bank)
    add_stored(app, secrets_seen)
    browser.get("/connections/1/accounts")
    browser.submit(action="/sync")
    gunicorn_app.stop()
    assert {"password", "code", "state", "stored Consent.access_token", "stored Installation.client_secret"} <= (
        secrets_seen.kinds()
    )
    assert secrets_seen.found_in(gunicorn_app.log) == []
    assert secrets_seen.found_in("\n".join(told)) == []
    assert secrets_seen.found_in(browser.pages) == []


@pytest.mark.sqlite_only
def test_an_address_with_the_secret_in_it_is_in_no_error(bank: Bank, database_url: str) -> None:
    """requests names the whole address in its errors, and bunq wants the client secret there."""
    settings = environ_for(bank, database_url, BUNQ_OAUTH_TOKEN_URL="http://127.0.0.1:1/v1/token")
    app = create_app(Config.from_env(settings))
    with app.app_context():
        installation = Installation(environment="local", created_at=clock.now(), redirect_uris=[])
        db.session.add(installation)
        db.session.flush()
        installation.client_id, installation.client_secret = "client", "hush-hush-hush"
        db.session.commit()
        with app.test_request_context(), pytest.raises(TransportFailed) as failed:
            oauth.exchange(installation, oauth.TakenState("a", "s", {"redirect_uri": "r"}), "c0de-c0de")
        db.session.remove()
    let_go(app)
    error: BaseException | None = failed.value
    while error is not None:
        assert "hush" not in repr(error)
        assert "c0de" not in repr(error)
        error = error.__cause__ if error.__cause__ or error.__suppress_context__ else error.__context__
