"""A team member leaves: no permission stays behind that nobody sees."""

import threading
import time

import pytest
from flask import Flask

from bunqflask.extensions import db
from bunqflask.models import BunqSession, Connection, ConsentAttempt
from bunqflask.services.connections import access
from bunqflask.services.principal import OPERATOR
from bunqflask.services.team import members, offboarding
from tests.support import rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import WALKER_STUDIO, Bank
from tests.support.consents import ask, connect
from tests.support.rows import run_duties

ROBIN, SAM = "robin@example.org", "sam@example.org"


def names(app: Flask) -> list[str]:
    with app.app_context():
        found = [connection.display_name for connection in access.list_active()]
        db.session.remove()
    return found


def test_connections_held_alone_are_not_left_behind(site: ThreadSite, bank: Bank) -> None:
    sign_in(site, SAM)
    connect(sign_in(site, ROBIN), bank)
    refused = site.command("team", "remove", ROBIN, status=1)
    assert "Jodi Walker" in refused.stderr
    assert "--hand-over-to" in refused.stderr
    assert names(site.app) == ["Jodi Walker"]
    assert "can no longer log in" in site.command("team", "remove", ROBIN, "--hand-over-to", SAM).stdout
    assert "Jodi Walker" in sign_in(site, SAM).get("/").text


def test_ending_them_closes_the_session_and_erases_what_was_read(site: ThreadSite, bank: Bank) -> None:
    sign_in(site, SAM)
    connect(sign_in(site, ROBIN), bank)
    bank.forget_calls()
    site.command("team", "remove", ROBIN, "--disconnect")
    run_duties(site.app)
    assert [call["status"] for call in bank.calls("DELETE", "/session")] == [200]
    with site.app.app_context():
        assert db.session.scalars(db.select(Connection)).all() == []
        db.session.remove()


def test_what_another_member_holds_as_well_simply_stays(site: ThreadSite, bank: Bank) -> None:
    sam = sign_in(site, SAM)
    connect(sign_in(site, ROBIN), bank)
    connect(sam, bank)
    site.command("team", "remove", ROBIN)
    assert "Jodi Walker" in sam.get("/").text


@pytest.mark.sqlite_only
def test_an_approval_that_waited_for_an_answer_is_erased_with_its_session(site: ThreadSite, bank: Bank) -> None:
    sign_in(site, SAM)
    robin = sign_in(site, ROBIN)
    back = bank.approve(ask(robin), person=WALKER_STUDIO)
    bank.fault(call="GET monetary-account", fault="491", times=3)
    robin.get(back)
    bank.no_faults()
    with site.app.app_context():
        own = db.session.scalars(db.select(BunqSession.id)).all()
        assert len(own) == 2
        db.session.remove()
    site.command("team", "remove", ROBIN)
    run_duties(site.app)
    with site.app.app_context():
        assert db.session.scalars(db.select(ConsentAttempt)).all() == []
        assert len(db.session.scalars(db.select(BunqSession.id)).all()) == 1
        db.session.remove()


def test_a_member_who_is_removed_while_they_come_back_from_bunq_gets_a_page_and_leaves_nothing(
    site: ThreadSite, bank: Bank
) -> None:
    sign_in(site, SAM)
    robin = sign_in(site, ROBIN)
    back = bank.approve(ask(robin))
    bank.fault(call="POST session-server", fault="slow-drip", seconds=1, times=1)
    coming_back = threading.Thread(target=robin.get, args=(back,))
    coming_back.start()
    deadline = time.monotonic() + 10
    while rows.count(site.app, BunqSession) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    with site.app.app_context():
        offboarding.remove(OPERATOR, members.require(ROBIN).id, disconnect=True)
        db.session.remove()
    coming_back.join()
    assert (robin.page.status, "This link has already been used" in robin.page.text) == (400, True)
    assert rows.attempts(site.app) == []
    assert names(site.app) == []


@pytest.mark.sqlite_only
def test_nobody_inherits_from_themselves_or_from_a_stranger(site: ThreadSite, bank: Bank) -> None:
    sign_in(site, SAM)
    connect(sign_in(site, ROBIN), bank)
    for heir in (ROBIN, "nobody@example.org"):
        site.command("team", "remove", ROBIN, "--hand-over-to", heir, status=1)
    assert names(site.app) == ["Jodi Walker"]
