"""Ending a connection: what is closed at bunq, what is erased here, and what only the holder can do."""

import pytest

from bunqflask.models import BunqSession, Connection, ConsentAttempt, Installation, MonetaryAccount
from tests.support import rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import JODI, Bank
from tests.support.consents import connect

WITHDRAW = "Profile › Security › App connections"


def test_disconnect_closes_the_session_erases_the_permission_and_keeps_what_was_read(
    site: ThreadSite, bank: Bank
) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    path = f"/connections/{rows.connection(site.app).id}"
    bank.forget_calls()
    asked = robin.get(path + "/disconnect")
    assert "Disconnect Jodi Walker?" in asked.text
    assert WITHDRAW in asked.text
    assert bank.calls() == []
    assert rows.permissions(site.app) == 2, "to be asked is not to answer"
    done = robin.submit(action="/disconnect", data="keep")
    assert "To revoke the permission itself, use the bunq app" in done.text
    assert WITHDRAW in done.text
    rows.run_duties(site.app)
    assert [(call["method"], call["status"]) for call in bank.calls()] == [("DELETE", 200)]
    assert rows.permissions(site.app) == 0
    assert "Disconnected" in done.text
    assert "NL65 BUNQ 2090 4119 45" in done.text, "kept, and readable"
    bank.forget_calls()
    robin.get(path + "/accounts", {"HX-Request": "true"})
    assert bank.calls() == []
    assert len(bank.state()["grants"]) == 1, "the grant itself is the holder's to withdraw"

    asked = robin.get(path + "/disconnect")
    assert "Delete the stored data of Jodi Walker?" in asked.text
    robin.submit(button="Delete")
    for model in (Connection, MonetaryAccount, ConsentAttempt):
        assert rows.count(site.app, model) == 0
    assert robin.get(path + "/accounts").status == 404


def test_erasing_at_once_leaves_no_row(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    attempt_id = rows.attempts(site.app)[0].id
    robin.get(f"/connections/{rows.connection(site.app).id}/disconnect")
    page = robin.submit(action="/disconnect", data="erase")
    assert "No accounts yet" in page.text
    for model in (Connection, MonetaryAccount, ConsentAttempt):
        assert rows.count(site.app, model) == 0
    rows.run_duties(site.app)
    assert rows.count(site.app, BunqSession) == 1, "our own"
    assert robin.get(f"/connect/{attempt_id}").status == 404
    assert "Connected: Jodi Walker" in connect(robin, bank).text


@pytest.mark.sqlite_only
@pytest.mark.parametrize("fault", ["html-503", "reset", "429", "401"])
def test_bunq_being_away_keeps_nobody_from_disconnecting(site: ThreadSite, bank: Bank, fault: str) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    bank.fault(call="ANY *", fault=fault, times=None)
    robin.get(f"/connections/{rows.connection(site.app).id}/disconnect")
    assert "Disconnected" in robin.submit(action="/disconnect", data="keep").text
    rows.run_duties(site.app)
    assert rows.permissions(site.app) == 0


@pytest.mark.sqlite_only
@pytest.mark.bank(oauth_variant="B")
def test_the_keys_made_for_one_permission_go_with_it(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    assert rows.count(site.app, Installation) == 2
    robin.get(f"/connections/{rows.connection(site.app).id}/disconnect")
    robin.submit(action="/disconnect", data="keep")
    rows.run_duties(site.app)
    assert rows.count(site.app, Installation) == 1
    assert rows.permissions(site.app) == 0


@pytest.mark.sqlite_only
def test_what_was_disconnected_can_be_connected_again_on_the_same_rows(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    stored = rows.connection(site.app)
    robin.get(f"/connections/{stored.id}/disconnect")
    page = robin.submit(action="/disconnect", data="keep")
    page = robin.submit(button="Reconnect")
    target = robin.submit(action="/go").leaves_for
    assert target is not None
    page = robin.get(bank.approve(target, person=JODI))
    assert "4 accounts unchanged" in page.text
    assert (rows.connection(site.app).id, rows.connection(site.app).state) == (stored.id, "active")


@pytest.mark.sqlite_only
def test_erasing_while_a_renewal_waits_for_an_answer_loses_no_secret_out_of_sight(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    robin.get(f"/connections/{rows.connection(site.app).id}")
    robin.submit(action="/reconnect")
    target = robin.submit(action="/go").leaves_for
    assert target is not None
    held = robin.get(bank.approve(target, person=1864512))
    assert "Someone else approved" in held.text
    robin.get(f"/connections/{rows.connection(site.app).id}/disconnect")
    robin.submit(action="/disconnect", data="erase")
    robin.get(held.url)
    robin.submit(button="discard")
    rows.run_duties(site.app)
    assert rows.permissions(site.app) == 0
    assert rows.count(site.app, BunqSession) == 1
