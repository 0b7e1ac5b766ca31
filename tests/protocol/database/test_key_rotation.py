"""Another encryption key: every secret moves to it, all or none, whatever else goes on."""

import base64
import subprocess
import threading
import time
from typing import Any

import pytest
from flask import Flask

from bunqflask import create_app
from bunqflask.config import Config
from bunqflask.database.encryption import SecretUnreadable
from bunqflask.extensions import Base, db
from bunqflask.models import BunqSession, Connection, Consent, Installation
from bunqflask.services import key_rotation
from bunqflask.services.connections import access, accounts
from tests.support import consents
from tests.support.apps import ThreadSite, child_environ, let_go, sign_in
from tests.support.bank import Bank
from tests.support.processes import PythonProcess
from tests.support.worker import beat

OTHER_KEY = base64.b64encode(bytes(reversed(range(32)))).decode()


def sealed_values(app: Flask) -> dict[str, bytes]:
    """Every sealed value of the database by its place."""
    found: dict[str, bytes] = {}
    with app.app_context():
        for table in Base.metadata.sorted_tables:
            for column in table.columns:
                if column.name.endswith("_sealed"):
                    rows = db.session.execute(db.select(*table.primary_key, column).where(column.is_not(None)))
                    found |= {f"{table.name}.{column.name}.{row[:-1]}": bytes(row[-1]) for row in rows}
        db.session.remove()
    return found


@pytest.fixture
def connected(site: ThreadSite, bank: Bank) -> ThreadSite:
    consents.connect(sign_in(site, "sam@team.example"), bank)
    return site


def with_ring(site: ThreadSite, keys: str) -> Flask:
    return create_app(Config.from_env({**site.environ, "ENCRYPTION_KEYS": keys}))


def test_after_a_rotation_the_old_key_can_go_and_everything_still_opens(connected: ThreadSite, bank: Bank) -> None:
    before = sealed_values(connected.app)
    old = connected.environ["ENCRYPTION_KEYS"]
    both = with_ring(connected, f"k2:{OTHER_KEY},{old}")
    told = both.test_cli_runner().invoke(args=["secrets", "rotate"])
    assert told.exit_code == 0, told.output
    assert f"{len(before)} secrets are now under the first key" in told.output
    after = sealed_values(both)
    assert after.keys() == before.keys()
    assert all(value.startswith(b"\x02k2") for value in after.values())
    let_go(both)

    only_new = with_ring(connected, f"k2:{OTHER_KEY}")
    bank.advance(8 * 86_400)  # so that token, key and secret are all needed to open sessions anew
    with only_new.app_context():
        [connection] = access.list_active()
        accounts.sync(connection, patience_s=5)
        assert db.session.scalars(db.select(Consent.error_kind)).one() is None
        db.session.remove()
    beat(only_new)
    assert only_new.test_cli_runner().invoke(args=["status"]).exit_code == 0
    let_go(only_new)
    with connected.app.app_context():
        with pytest.raises(SecretUnreadable, match="no key 'k2'"):
            _ = db.session.scalars(db.select(Installation)).one().token
        db.session.remove()


def test_a_rotation_that_meets_an_unreadable_secret_changes_nothing(connected: ThreadSite) -> None:
    with connected.app.app_context():
        db.session.execute(db.update(Consent).values(access_token_sealed=b"\x02k1 broken"))
        db.session.commit()
        db.session.remove()
    before = sealed_values(connected.app)
    both = with_ring(connected, f"k2:{OTHER_KEY},{connected.environ['ENCRYPTION_KEYS']}")
    refused = both.test_cli_runner().invoke(args=["secrets", "rotate"])
    let_go(both)
    assert refused.exit_code == 1
    assert "Nothing was changed: consent:access_token" in refused.output
    assert sealed_values(connected.app) == before


ROTATE_AND_STOP_BEFORE_THE_END = """
import time
from bunqflask import create_app
from bunqflask.extensions import db
from bunqflask.services import key_rotation

def wait():
    db.session.flush()
    print("ready", flush=True)
    time.sleep(60)

with create_app().app_context():
    db.session.commit = wait
    key_rotation.rotate()
"""


def test_a_rotation_killed_in_the_middle_changes_nothing(connected: ThreadSite) -> None:
    before = sealed_values(connected.app)
    keys = f"k2:{OTHER_KEY},{connected.environ['ENCRYPTION_KEYS']}"
    with PythonProcess(
        ["-c", ROTATE_AND_STOP_BEFORE_THE_END],
        env=child_environ({**connected.environ, "ENCRYPTION_KEYS": keys}),
        stdout=subprocess.PIPE,
        text=True,
    ) as rotating:
        assert rotating.stdout is not None
        assert rotating.stdout.readline() == "ready\n"
        rotating.kill()
    assert sealed_values(connected.app) == before
    with connected.app.app_context():
        assert key_rotation.rotate() == len(before)
        db.session.remove()


@pytest.mark.parametrize("tables", [(Connection, BunqSession), (BunqSession, Connection)])
def test_a_rotation_stands_in_nobodys_way(connected: ThreadSite, tables: tuple[type[Any], type[Any]]) -> None:
    """Whoever has written one secret and goes on to another must not meet the rotation on its way to the first."""
    counted_secrets: list[int] = []

    def rotate() -> None:
        with connected.app.app_context():
            counted_secrets.append(key_rotation.rotate())
            db.session.remove()

    rotating = threading.Thread(target=rotate)
    with connected.app.app_context():
        for table in tables:
            db.session.execute(db.update(table).values(lease_until=None))
            if not rotating.ident:
                rotating.start()
                time.sleep(0.5)
        db.session.commit()
        rotating.join()
        db.session.remove()
    assert counted_secrets == [len(sealed_values(connected.app))]
