"""What tests of the audit trail share: the app's context, the lines in the log, and ways around the triggers."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from flask import Flask
from sqlalchemy import Connection, text

from bunqflask.extensions import db
from tests.support.apps import bare_environ
from tests.support.pool import AppPool


@pytest.fixture
def here(database_url: str, overrides: dict[str, str], app_pool: AppPool) -> Iterator[Flask]:
    """The app without a bank, in whose context the test is."""
    with app_pool.take({**bare_environ(database_url), **overrides}) as app, app.app_context():
        yield app
        db.session.remove()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The lines that the logger is given from here on."""
    found: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    logger, collector = logging.getLogger("bunqflask.audit"), Collector()
    logger.addHandler(collector)
    yield found
    logger.removeHandler(collector)


Tamper = Callable[[], AbstractContextManager[Connection]]


@pytest.fixture
def tampering(here: Flask) -> Tamper:
    """Change the database as somebody does who has taken the triggers away first."""

    @contextmanager
    def open_database() -> Iterator[Connection]:
        db.session.rollback()
        with db.engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars()
                for name in [each for each in names if each.startswith("audit_")]:
                    connection.execute(text(f"DROP TRIGGER {name}"))
            else:
                connection.execute(text("SET LOCAL session_replication_role = replica"))
            yield connection

    return open_database
