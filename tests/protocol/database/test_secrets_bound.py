"""An encrypted value opens in its own row, column and table, and nowhere else."""

import uuid
from collections.abc import Iterator

import pytest
from flask import Flask

from bunqflask import clock
from bunqflask.database.encryption import Encrypted, SecretUnreadable
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import BunqSession, Connection, Consent, ConsentAttempt, Installation, TeamMember


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield
        db.session.remove()


def connection(number: int) -> Connection:
    now = clock.now()
    return Connection(
        environment="local",
        granted_user_id=number,
        granted_user_type="UserPerson",
        display_name=f"Person {number}",
        state_since=now,
    )


def consent(connection_id: int, member_id: int) -> Consent:
    now = clock.now()
    return Consent(connection_id=connection_id, member_id=member_id, granted_at=now, state_since=now)


def attempt(member_id: int) -> ConsentAttempt:
    now = clock.now()
    return ConsentAttempt(
        id=uuid.uuid4().hex,
        environment="local",
        member_id=member_id,
        step_since=now,
        created_at=now,
        expires_at=now,
        link_hash=uuid.uuid4().hex,
    )


def swap(one: Encrypted, one_name: str, other: Encrypted, other_name: str) -> None:
    """Exchange two encrypted values in the database, as somebody who can write to it might."""
    with transaction():
        first, second = getattr(one, f"{one_name}_sealed"), getattr(other, f"{other_name}_sealed")
        setattr(one, f"{one_name}_sealed", second)
        setattr(other, f"{other_name}_sealed", first)
    for row, name in ((one, one_name), (other, other_name)):
        with pytest.raises(SecretUnreadable):
            getattr(row, name)
    with transaction():
        setattr(one, f"{one_name}_sealed", first)
        setattr(other, f"{other_name}_sealed", second)
    assert (getattr(one, one_name), getattr(other, other_name)) == ("first", "second")


@pytest.mark.usefixtures("context")
def test_values_that_change_places_do_not_open() -> None:
    with transaction():
        robin = TeamMember(email="robin@example.com", name="R", password_hash="x", created_at=clock.now())
        owner, session = connection(1), BunqSession(generation=0)
        db.session.add_all([owner, session, robin])
        db.session.flush()
        one, other = consent(owner.id, robin.id), consent(owner.id, robin.id)
        db.session.add_all([one, other])
        db.session.flush()
        tried = attempt(robin.id)
        tried.id = str(one.id)  # the same column name and key in another table
        db.session.add(tried)
        one.access_token, other.access_token, session.token, tried.access_token = "first", "second", "second", "second"
        owner.callback_token = "second"
    swap(one, "access_token", other, "access_token")
    swap(one, "access_token", owner, "callback_token")
    swap(one, "access_token", session, "token")
    swap(one, "access_token", tried, "access_token")


@pytest.mark.usefixtures("context")
def test_a_value_that_outlived_its_row_opens_in_no_later_one() -> None:
    with transaction():
        session = BunqSession(generation=0)
        db.session.add(session)
        db.session.flush()
        session.token = "of the one before"
        stored, number = session.token_sealed, session.id
    with transaction():
        db.session.delete(session)
    with transaction():
        later = BunqSession(generation=0, token_sealed=stored)
        db.session.add(later)
        db.session.flush()
        assert later.id > number, "an id is not used again"
    with pytest.raises(SecretUnreadable):
        _ = later.token


@pytest.mark.usefixtures("context")
def test_a_secret_cannot_be_set_before_the_row_has_its_key() -> None:
    for row, name in (
        (connection(1), "callback_token"),
        (consent(1, 1), "access_token"),
        (BunqSession(generation=0), "token"),
        (Installation(environment="local", created_at=clock.now()), "private_key"),
    ):
        with pytest.raises(RuntimeError, match="flush first"):
            setattr(row, name, "too early")
        assert getattr(row, f"{name}_sealed") is None
        setattr(row, name, None)
