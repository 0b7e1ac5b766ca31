"""The team's own rules where two changes meet."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import event

from bunqflask.extensions import db
from bunqflask.models import Connection
from bunqflask.services.connections import access
from bunqflask.services.consent import disconnect
from bunqflask.services.principal import OPERATOR
from bunqflask.services.team import logins, members, offboarding, passwords, throttle
from bunqflask.services.team.members import TeamRefused
from bunqflask.services.team.password_change import change_password
from bunqflask.services.team.throttle import LoginRefused
from tests.support import rows
from tests.support.apps import PASSWORD, ThreadSite, sign_in
from tests.support.bank import WALKER_STUDIO, Bank
from tests.support.consents import connect
from tests.support.logins import VISITOR, current, log_in

ROBIN, SAM = "robin@example.org", "sam@example.org"


def test_one_email_added_twice_at_the_same_time_is_refused_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with rows.behind(app):
        members.add(ROBIN, "Robin", PASSWORD)
        monkeypatch.setattr(members, "find", lambda _email: None)
        with pytest.raises(TeamRefused, match="has a login already"):
            members.add(ROBIN, "Another", PASSWORD)
        assert [member.name for member in members.list_all()] == ["Robin"]


def test_a_password_reset_while_it_is_being_changed_stays(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with rows.behind(app):
        members.add(ROBIN, "Robin", PASSWORD)
        new = log_in(ROBIN)
        login = current(new)
        compare = passwords.matches

        def reset_meanwhile(password_hash: str | None, password: str) -> bool:
            monkeypatch.setattr(passwords, "matches", compare)
            rows.reset_password(ROBIN, "set by the reset")
            return compare(password_hash, password)

        monkeypatch.setattr(passwords, "matches", reset_meanwhile)
        with pytest.raises(LoginRefused):
            change_password(login, PASSWORD, "set by the borrower", VISITOR)
        assert compare(members.require(ROBIN).password_hash, "set by the reset")
        assert logins.find(new.token, for_page=True) is None


def test_changing_a_password_ends_the_other_logins_and_forgets_the_tries(app: Flask) -> None:
    with rows.behind(app):
        robin = members.add(ROBIN, "Robin", PASSWORD)
        here, there = (log_in(ROBIN) for _ in range(2))
        with pytest.raises(LoginRefused):
            change_password(current(here), "wrong" + PASSWORD, "another " + PASSWORD, VISITOR)
        assert rows.throttled() == [f"login:{here.id}"]
        change_password(current(here), PASSWORD, "another " + PASSWORD, VISITOR)
        assert rows.throttled() == []
        assert logins.find(here.token, for_page=True) is not None
        assert logins.find(there.token, for_page=True) is None
        [place] = logins.list_for(robin)
        assert place.id == here.id


@pytest.mark.sqlite_only
def test_a_consent_that_ends_while_a_member_is_removed_leaves_no_connection_behind(
    site: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(site, SAM)
    robin = sign_in(site, ROBIN)
    connect(robin, bank)
    remove_callbacks = disconnect.remove_callbacks_of

    def connect_meanwhile(member_id: int) -> None:
        remove_callbacks(member_id)
        db.session.rollback()  # in this thread a reading transaction may write, and would hold others up
        connect(robin, bank, person=WALKER_STUDIO)

    monkeypatch.setattr(offboarding, "remove_callbacks_of", connect_meanwhile)
    with rows.behind(site.app):
        erased = offboarding.remove(OPERATOR, members.require(ROBIN).id, disconnect=True)
        assert {name.partition(" of ")[2] for name in erased} == {"Jodi Walker", "Walker Studio B.V."}
        assert access.list_active() == []
        assert [member.email for member in members.list_all()] == [SAM]
        assert db.session.scalars(db.select(Connection)).all() == []


@pytest.mark.sqlite_only
def test_a_login_is_looked_up_in_one_statement(app: Flask) -> None:
    with rows.behind(app):
        members.add(ROBIN, "Robin", PASSWORD)
        token = log_in(ROBIN).token
        seen: list[str] = []

        def note(*arguments: object) -> None:
            seen.extend([str(arguments[2])] if str(arguments[2]).startswith("SELECT") else [])

        event.listen(db.engine, "before_cursor_execute", note)
        found = logins.find(token, for_page=True)
        assert found is not None
        assert found.member.name == "Robin"
        event.remove(db.engine, "before_cursor_execute", note)
    assert len(seen) == 1


def test_counted_tries_are_deleted_once_their_window_is_over_and_not_before(app: Flask) -> None:
    with rows.behind(app):
        throttle.count_try("account:x", 10)
        throttle.delete_expired()
        assert rows.throttled() == ["account:x"]
    rows.age_throttles(app, timedelta(minutes=16))
    with rows.behind(app):
        throttle.delete_expired()
        assert rows.throttled() == []
