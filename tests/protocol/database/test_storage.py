"""What is stored stays: no update is lost, no row falls to a migration, no sealed value opens elsewhere."""

import shutil
import threading
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import Engine, func, inspect, text

from bunqflask import clock, create_app
from bunqflask.config import ROOT, Config
from bunqflask.database.encryption import SecretUnreadable
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import (
    BunqSession,
    Connection,
    ConnectionState,
    Installation,
    LoginThrottle,
    MonetaryAccount,
)
from tests.support import consents
from tests.support.apps import ThreadSite, bare_environ, let_go, set_up, sign_in
from tests.support.bank import Bank

THREADS, ROUNDS = 8, 25


def test_no_update_is_lost_among_eight_threads(app: Flask) -> None:
    with app.app_context():
        db.session.add(LoginThrottle(key="counted", failures=0, window_ends_at=clock.now()))
        db.session.commit()
        db.session.remove()
    failed: list[Exception] = []

    def count() -> None:
        with app.app_context():
            try:
                for _ in range(ROUNDS):
                    with transaction():
                        row = db.session.get_one(LoginThrottle, "counted", with_for_update=True)
                        row.failures = row.failures + 1
            except Exception as error:  # noqa: BLE001 - told by the test
                failed.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=count) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    with app.app_context():
        assert db.session.get_one(LoginThrottle, "counted").failures == THREADS * ROUNDS
        db.session.remove()


@pytest.mark.sqlite_only
def test_readers_do_not_wait_for_a_writer(app: Flask) -> None:
    with app.app_context():
        db.session.add(LoginThrottle(key="held", failures=0, window_ends_at=clock.now()))
        db.session.flush()  # the write lock is held from here on
        seen: list[int] = []

        def read() -> None:
            with app.app_context():  # a thread of its own only reads
                seen.append(len(db.session.scalars(db.select(LoginThrottle)).all()))
                db.session.remove()

        reader = threading.Thread(target=read)
        reader.start()
        reader.join(5)
        db.session.rollback()
        reader.join()
    assert seen == [0]


@pytest.mark.sqlite_only
def test_every_connection_to_sqlite_is_prepared(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        told = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("foreign_keys", "journal_mode", "busy_timeout", "synchronous")
        }
    assert told == {"foreign_keys": 1, "journal_mode": "wal", "busy_timeout": 10_000, "synchronous": 1}


def test_amounts_are_stored_and_summed_exactly(app: Flask) -> None:
    amounts = [Decimal(each) for each in ("0.10", "0.20", "-182.40", "99999999999999.9999", "0.0001", "4118.00")]
    with app.app_context():
        now = clock.now()
        owner = Connection(
            environment="local",
            granted_user_id=2**62,
            granted_user_type="User",
            display_name="x",
            state=ConnectionState.ACTIVE,
            state_since=now,
        )
        for number, amount in enumerate(amounts):
            owner.monetary_accounts.append(
                MonetaryAccount(
                    monetary_account_id=number,
                    wrapper="w",
                    description="",
                    currency="EUR",
                    balance=amount,
                    status="ACTIVE",
                    sub_status="NONE",
                    raw={"odd": "\x00\ud800"},
                )
            )
        db.session.add(owner)
        db.session.commit()
        db.session.expire_all()
        stored = db.session.scalars(db.select(MonetaryAccount).order_by(MonetaryAccount.monetary_account_id)).all()
        assert [row.balance for row in stored] == amounts
        assert stored[0].raw == {"odd": "\x00\ud800"}
        total = db.session.scalar(db.select(func.sum(MonetaryAccount.balance)))
        assert total == sum(amounts)
        db.session.remove()


# Encrypted values


def test_a_sealed_value_copied_to_another_row_or_column_does_not_open(app: Flask) -> None:
    set_up(app)
    with app.app_context():
        ours = db.session.scalars(db.select(BunqSession)).one()
        other = BunqSession(generation=0)
        db.session.add(other)
        db.session.flush()
        installation = db.session.scalars(db.select(Installation)).one()
        other.token_sealed = ours.token_sealed
        installation.api_key_sealed = installation.token_sealed
        db.session.commit()
        for row, name in ((other, "token"), (installation, "api_key")):
            with pytest.raises(SecretUnreadable):
                getattr(row, name)
        assert ours.token is not None
        assert installation.token is not None
        db.session.remove()


@pytest.fixture
def connected(site: ThreadSite, bank: Bank) -> ThreadSite:
    consents.connect(sign_in(site, "sam@team.example"), bank)
    return site


# Migrations


def counted(engine: Engine) -> dict[str, int]:
    names = [name for name in inspect(engine).get_table_names() if name != "alembic_version"]
    with engine.connect() as connection:
        return {name: connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one() for name in names}


def test_migrations_down_and_up_again_keep_every_row(connected: ThreadSite) -> None:
    app = connected.app
    with app.app_context():
        before = counted(db.engine)
        assert before["monetary_account"] > 0
        assert before["consent"] == 1
        assert before["account_holder"] == before["monetary_account"]
        flask_migrate.downgrade(revision="0001")
        between = counted(db.engine)
        flask_migrate.upgrade()
        after = counted(db.engine)
        assert between == {name: before[name] for name in between}
        assert {name: after[name] for name in between} == between
        assert after.keys() == before.keys()
        db.session.remove()
        installation = db.session.scalars(db.select(Installation)).one()
        assert installation.api_key is not None
        db.session.remove()


def test_the_migrations_can_be_taken_back_to_nothing(app: Flask) -> None:
    with app.app_context():
        flask_migrate.downgrade(revision="base")
        assert set(inspect(db.engine).get_table_names()) <= {"alembic_version"}
        flask_migrate.upgrade()
        db.session.remove()


def test_migrated_tables_are_what_the_models_say(app: Flask) -> None:
    with app.app_context():
        flask_migrate.check()
        db.session.remove()


@pytest.fixture
def more_migrations(tmp_path: Path) -> Path:
    """A copy of the migrations, for a test to add one."""
    folder = tmp_path / "migrations"
    shutil.copytree(ROOT / "migrations", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


REVISION = """
from alembic import op
import sqlalchemy as sa
revision, down_revision = "test", "{head}"
def upgrade():
    with op.batch_alter_table("connection", recreate="always") as batch:
        batch.add_column(sa.Column("new_column", sa.Integer(), nullable=True))
    {more}
def downgrade():
    with op.batch_alter_table("connection", recreate="always") as batch:
        batch.drop_column("new_column")
"""


def head_of(app: Flask) -> str:
    with app.app_context(), db.engine.connect() as connection:
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


@pytest.mark.sqlite_only
def test_making_a_table_anew_keeps_the_rows_that_depend_on_it(connected: ThreadSite, more_migrations: Path) -> None:
    app = connected.app
    revision = REVISION.format(head=head_of(app), more="")
    (more_migrations / "versions" / "test.py").write_text(revision)
    with app.app_context():
        before = counted(db.engine)
        flask_migrate.upgrade(directory=str(more_migrations))
        assert counted(db.engine) == before
        flask_migrate.downgrade(directory=str(more_migrations))
        assert counted(db.engine) == before
        with db.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
        db.session.remove()


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    "more", ["op.execute('DELETE FROM bunq_session')", "raise RuntimeError('rows: cut off in the middle')"]
)
def test_a_migration_that_fails_or_leaves_rows_pointing_nowhere_is_taken_back_whole(
    connected: ThreadSite, more_migrations: Path, more: str
) -> None:
    app = connected.app
    head = head_of(app)
    (more_migrations / "versions" / "test.py").write_text(REVISION.format(head=head, more=more))
    with app.app_context():
        before = counted(db.engine)
        with pytest.raises(SystemExit):
            flask_migrate.upgrade(directory=str(more_migrations))
        assert counted(db.engine) == before
        assert "new_column" not in {column["name"] for column in inspect(db.engine).get_columns("connection")}
        db.session.remove()
    assert head_of(app) == head


def test_a_database_of_a_newer_version_is_refused(live_app: ThreadSite) -> None:
    with live_app.app.app_context():
        db.session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        db.session.commit()
        db.session.remove()
    assert live_app.browser().get("/readyz").status == 503
    refused = live_app.flask("db", "upgrade", check=False)
    assert refused.returncode == 1
    assert "9999" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert head_of(live_app.app) == "9999"


def test_a_database_without_tables_gets_one_line(empty_database_url: str) -> None:
    app = create_app(Config.from_env(bare_environ(empty_database_url)))
    for command in (["status"], ["team", "list"], ["secrets", "rotate"], ["setup"]):
        refused = app.test_cli_runner().invoke(args=command, env={"ENV_FILE": "", "BUNQ_API_KEY": "x" * 20})
        assert refused.exit_code == 1, command
        assert "flask --app wsgi db upgrade" in refused.output
        assert len(refused.output.splitlines()) == 1
    let_go(app)


def test_a_moment_is_kept_to_the_microsecond(app: Flask) -> None:
    moment = clock.now() - timedelta(days=400, microseconds=1)
    with app.app_context():
        db.session.add(LoginThrottle(key="moment", failures=0, window_ends_at=moment))
        db.session.commit()
        db.session.expire_all()
        assert db.session.get_one(LoginThrottle, "moment").window_ends_at == moment
        db.session.remove()
