"""A member is removed, or made a guest, while a consent of theirs is taken up: neither waits for the other for ever."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AccountHolder, AttemptStep, Connection, Consent, ConsentAttempt, TeamRole
from bunqflask.services.connections import lifecycle
from bunqflask.services.consent import attempts, completion
from bunqflask.services.principal import OPERATOR
from bunqflask.services.team import members, offboarding, roles
from bunqflask.services.team.members import Terms
from tests.support import rows
from tests.support.apps import PASSWORD

ROBIN, SAM = "robin@example.org", "sam@example.org"
# How long the one waits for the other to have locked the team; a lock in the right order lets it wait in vain.
HEAD_START_S = 1.0


def approved(member_id: int) -> str:
    """An attempt that waits for its member to confirm it; returns its id."""
    now = clock.now()
    attempt = ConsentAttempt(
        id=uuid.uuid4().hex,
        environment="local",
        member_id=member_id,
        step=AttemptStep.CONFIRM,
        step_since=now,
        created_at=now,
        expires_at=now + timedelta(minutes=10),
        approved_at=now,
        link_hash=uuid.uuid4().hex,
        granted_user_id=77,
        granted_user_type="UserPerson",
        granted_user_name="Jodi Walker",
        accounts=[{"MonetaryAccountBank": {"id": 1, "status": "ACTIVE", "currency": "EUR"}}],
    )
    db.session.add(attempt)
    db.session.commit()
    return attempt.id


def guest_terms() -> Terms:
    return Terms(role=TeamRole.GUEST, ends_at=clock.now() + timedelta(days=3), may_export=False)


ACTS: dict[str, Callable[[int], object]] = {
    "removed": lambda member_id: offboarding.remove(OPERATOR, member_id, disconnect=True),
    "made a guest": lambda member_id: roles.change(OPERATOR, member_id, guest_terms()),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_consent_is_taken_up_while_its_member_is(app: Flask, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    with rows.behind(app):
        members.add(ROBIN, "", PASSWORD)
        sam_id = members.add(SAM, "", PASSWORD).id
        completion.confirm(db.session.get_one(ConsentAttempt, approved(sam_id)))
        attempt_id = approved(sam_id)
        db.session.execute(db.delete(AccountHolder))  # so that nothing but the order is in the way of a guest
        db.session.commit()
    has_connection, has_team = threading.Event(), threading.Event()
    find_or_add, lock_team = lifecycle.find_or_add, roles.lock_team

    def found(*arguments: Any) -> Connection:
        connection = find_or_add(*arguments)
        has_connection.set()
        has_team.wait(HEAD_START_S)
        return connection

    def locked() -> roles.Team:
        team = lock_team()
        has_team.set()
        return team

    monkeypatch.setattr(lifecycle, "find_or_add", found)
    monkeypatch.setattr(roles, "lock_team", locked)
    outcomes: dict[str, object] = {}

    def run(name: str, work: Callable[[], object]) -> None:
        with app.app_context():
            try:
                outcomes[name] = work()
            except (attempts.ConsentStateMismatch, members.TeamRefused) as refused:
                outcomes[name] = refused
            finally:
                db.session.remove()

    def confirm() -> object:
        return completion.confirm(db.session.get_one(ConsentAttempt, attempt_id))

    def end() -> object:
        assert has_connection.wait(10)
        return ACTS[act](sam_id)

    threads = [threading.Thread(target=run, args=each) for each in (("confirm", confirm), ("end", end))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert outcomes.keys() == {"confirm", "end"}, "one of them failed"
    assert outcomes["confirm"] is True, "it came first"
    if act == "removed":
        assert rows.count(app, Consent) == rows.count(app, Connection) == 0
    else:
        assert isinstance(outcomes["end"], members.TeamRefused), "who holds an account becomes no guest"
        assert rows.count(app, AccountHolder, member_id=sam_id) == 1
