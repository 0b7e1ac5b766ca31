"""A database server that was restarted, or lets go of a connection at the worst moment."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from blinker import NamedSignal
from flask import Flask, request_started, request_tearing_down
from sqlalchemy import event

from bunqflask import create_app
from bunqflask.config import Config
from bunqflask.extensions import db
from bunqflask.models import Connection
from tests.support import rows
from tests.support.apps import ThreadSite, environ_for, let_go, reserve_port, served, set_up, sign_in
from tests.support.bank import Bank
from tests.support.consents import ask
from tests.support.databases import PostgresDatabases
from tests.support.postgres import Cluster

AWAY = "The database isn’t responding right now"


@pytest.fixture
def postgres_site(bank: Bank, postgres_databases: PostgresDatabases) -> Iterator[ThreadSite]:
    """The app on PostgreSQL, set up with the bank."""
    url = postgres_databases.migrated()
    with reserve_port() as listener:
        environ = environ_for(bank, url, PUBLIC_URL=f"http://localhost:{listener.getsockname()[1]}")
        app = create_app(Config.from_env(environ))
        set_up(app)
        with served(app, listener, environ) as site:
            yield site
        let_go(app)
    postgres_databases.forget(url)


def end_connections(site: ThreadSite, cluster: Cluster) -> None:
    cluster.end_connections(site.environ["DATABASE_URL"].rpartition("/")[2])


def test_connections_that_ended_meanwhile_cost_nobody_a_page(
    postgres_site: ThreadSite, postgres_cluster: Cluster
) -> None:
    robin = sign_in(postgres_site, "robin@example.com")
    for path in ("/", "/payments", "/settings"):
        end_connections(postgres_site, postgres_cluster)
        assert robin.get(path).status == 200, path


def test_a_connection_that_ends_during_the_exchange_does_not_cost_the_access_token(
    postgres_site: ThreadSite, bank: Bank, postgres_cluster: Cluster
) -> None:
    robin = sign_in(postgres_site, "robin@example.com")
    back = bank.approve(ask(robin))
    bank.fault(call="POST token", fault="slow-drip", seconds=1, times=1)
    coming_back = threading.Thread(target=robin.get, args=(back,))
    coming_back.start()
    deadline = time.monotonic() + 10
    while rows.attempts(postgres_site.app)[-1].step != "exchanging" and time.monotonic() < deadline:
        time.sleep(0.01)
    end_connections(postgres_site, postgres_cluster)
    coming_back.join()
    assert rows.attempts(postgres_site.app)[-1].step == "connected"
    assert rows.count(postgres_site.app, Connection) == 1


def test_a_connection_that_ends_while_the_access_token_is_stored_does_not_cost_it(
    postgres_site: ThreadSite, bank: Bank, postgres_cluster: Cluster
) -> None:
    robin = sign_in(postgres_site, "robin@example.com")
    back = bank.approve(ask(robin))
    ended: list[str] = []

    def end_it(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "access_token_sealed=" in statement and not ended:
            ended.append(statement)
            end_connections(postgres_site, postgres_cluster)

    with postgres_site.app.app_context():
        event.listen(db.engine, "before_cursor_execute", end_it)
    assert robin.get(back).status == 200
    assert ended
    assert rows.attempts(postgres_site.app)[-1].step == "connected"


def test_a_connection_that_ends_within_a_page_is_told_and_its_statement_keeps_its_values_to_itself(
    postgres_site: ThreadSite, postgres_cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    robin = sign_in(postgres_site, "robin@example.com")
    with ending_connections(request_started, postgres_site, postgres_cluster), caplog.at_level(logging.ERROR):
        page = robin.get("/settings")
    assert (page.status, AWAY in page.text) == (503, True)
    assert "terminating connection" in caplog.text
    assert "'token_hash':" not in caplog.text
    assert robin.get("/settings").status == 200


def test_a_page_that_is_made_is_sent_though_the_connection_ends_before_it_is_given_back(
    postgres_site: ThreadSite, postgres_cluster: Cluster
) -> None:
    robin = sign_in(postgres_site, "robin@example.com")
    with ending_connections(request_tearing_down, postgres_site, postgres_cluster):
        for _ in range(2):
            page = robin.get("/settings")
            assert (page.status, "Change password" in page.text) == (200, True)


@contextmanager
def ending_connections(moment: NamedSignal, site: ThreadSite, cluster: Cluster) -> Iterator[None]:
    """At this moment of every request, end all connections, the one that the request uses among them."""

    def end_them(_app: Flask, **_facts: object) -> None:
        db.session.execute(db.text("SELECT 1"))
        end_connections(site, cluster)

    with moment.connected_to(end_them, site.app):
        yield
