"""A power cut at any moment of an act: afterwards it can be finished or repeated, and no secret is left behind."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count

import pytest

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import BunqSession, Connection, Consent, ConsentAttempt, Installation
from bunqflask.services.gateway import abandoned_sessions
from tests.protocol.consent.test_other_device import approve_on_phone, link_of
from tests.support import rows
from tests.support.apps import ThreadSite, set_up, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ask, connect
from tests.support.power_cut import strikes

# Where our transactions end is the same on each database; and each cut is a process of its own.
pytestmark = pytest.mark.sqlite_only


def cut_at_each_commit(site: ThreadSite, act: str, arrange: Callable[[], object]) -> Iterator[int]:
    """Arrange things and cut the act off, once before each of its commits; yields after each cut."""
    for commit in count(1):
        number = arrange()
        if not strikes(site, commit, act, number):
            assert commit > 1, "it commits nothing"
            return
        yield commit


def some_time_later(site: ThreadSite) -> None:
    """Let the leases of the dead process run out, and the worker sweep."""
    rows.end_leases(site.app)
    rows.due_now(site.app)
    with rows.behind(site.app):
        for model in (BunqSession, Installation):
            left = clock.now() - timedelta(minutes=6)
            db.session.execute(db.update(model).where(model.abandoned_at.is_not(None)).values(abandoned_at=left))
        db.session.commit()
    with site.app.app_context():
        abandoned_sessions.close_all()


def secrets_kept(site: ThreadSite) -> dict[str, int]:
    """Count the rows that hold something of a permission, by where it lies; our own session and keys aside."""
    with rows.behind(site.app):
        held = ConsentAttempt.access_token_sealed.is_not(None) | ConsentAttempt.session_id.is_not(None)
        held |= ConsentAttempt.installation_id.is_not(None)
        attempts = db.session.scalars(db.select(ConsentAttempt.step).where(held)).all()
        with_token = db.select(Consent.id).where(Consent.access_token_sealed.is_not(None))
        connected = len(db.session.scalars(with_token).all())
    found = {
        "attempts": len(attempts),
        "connections": connected,
        "sessions": rows.count(site.app, BunqSession) - 1,
        "installations": rows.count(site.app, Installation) - 1,
    }
    return {name: number for name, number in found.items() if number}


@pytest.fixture
def robin(site: ThreadSite) -> Browser:
    return sign_in(site, "robin@example.com")


def start_anew(site: ThreadSite, robin: Browser) -> None:
    """Erase what the round before left, by the same pages as everybody."""
    for number in [each.id for each in all_connections(site)]:
        if robin.get(f"/connections/{number}/disconnect").status == 200:
            robin.submit(action="/disconnect", data="erase")
    with rows.behind(site.app):
        db.session.execute(db.delete(ConsentAttempt))
        db.session.commit()
    some_time_later(site)
    assert secrets_kept(site) == {}


def all_connections(site: ThreadSite) -> list[Connection]:
    with rows.behind(site.app):
        found = list(db.session.scalars(db.select(Connection)).unique())
        db.session.expunge_all()
    return found


@pytest.mark.parametrize("act", ["confirm", "discard"])
def test_cut_off_at_the_answer_who_it_was(site: ThreadSite, bank: Bank, robin: Browser, act: str) -> None:
    def arrange() -> str:
        start_anew(site, robin)
        approve_on_phone(site, bank, link_of(robin))
        return rows.attempts(site.app)[0].id

    for _ in cut_at_each_commit(site, act, arrange):
        some_time_later(site)
        (attempt,) = rows.attempts(site.app)
        page = robin.get(f"/connect/{attempt.id}")
        if attempt.step == "confirm":
            assert secrets_kept(site) == {"attempts": 1, "sessions": 1}
            page = robin.submit(button="Yes, connect" if act == "confirm" else "No, discard")
        if act == "confirm":
            assert "Connected: Jodi Walker" in page.text
            assert secrets_kept(site) == {"connections": 1, "sessions": 1}
        else:
            assert "Discarded" in page.text
            some_time_later(site)
            assert secrets_kept(site) == {}


def test_cut_off_at_a_cancel(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    def arrange() -> str:
        start_anew(site, robin)
        back = bank.approve(ask(robin))
        bank.fault(call="GET monetary-account", fault="html-503", times=3)
        robin.get(back)
        bank.no_faults()
        return rows.attempts(site.app)[0].id

    for _ in cut_at_each_commit(site, "cancel", arrange):
        some_time_later(site)
        (attempt,) = rows.attempts(site.app)
        if attempt.step == "connecting":
            assert "Connected: Jodi Walker" in robin.get(f"/connect/{attempt.id}").text, "it was not cancelled"
        else:
            assert attempt.step == "cancelled"
            assert secrets_kept(site) == {}


@pytest.mark.parametrize(("variant", "renews"), [("A", True), ("B", False)])
def test_cut_off_while_the_accounts_are_fetched(
    site: ThreadSite, bank: Bank, robin: Browser, variant: str, renews: bool
) -> None:
    bank.switch(oauth_variant=variant)

    def arrange() -> str:
        start_anew(site, robin)
        if renews:
            connect(robin, bank)
        back = bank.approve(ask(robin))
        bank.fault(call="POST session-server", fault="html-503", times=3)
        robin.get(back)
        bank.no_faults()
        rows.due_now(site.app)
        return rows.attempts(site.app)[-1].id

    for _ in cut_at_each_commit(site, "fetch the accounts", arrange):
        some_time_later(site)
        attempt = rows.attempts(site.app)[-1]
        page = robin.get(f"/connect/{attempt.id}")
        assert ("Reconnected: Jodi Walker" if renews else "Connected: Jodi Walker") in page.text
        some_time_later(site)
        kept = {"connections": 1, "sessions": 1}
        assert secrets_kept(site) == (kept | {"installations": 1} if variant == "B" else kept)


@pytest.mark.bank(oauth_variant="B")
@pytest.mark.parametrize("act", ["disconnect", "erase"])
def test_cut_off_while_a_connection_ends(site: ThreadSite, bank: Bank, robin: Browser, act: str) -> None:

    def arrange() -> int:
        start_anew(site, robin)
        connect(robin, bank)
        with rows.behind(site.app):
            number: int = db.session.scalars(db.select(Connection.id)).one()
        robin.get(f"/connections/{number}/accounts")
        return number

    for _ in cut_at_each_commit(site, act, arrange):
        some_time_later(site)
        for each in all_connections(site):
            if each.state == "active":
                page = robin.get(f"/connections/{each.id}/accounts", {"HX-Request": "true"})
                assert (page.status, "NL65" in page.text) == (200, True), "it goes on as if nothing had been pressed"
                robin.get(f"/connections/{each.id}/disconnect")
                robin.submit(action="/disconnect", data="keep" if act == "disconnect" else "erase")
        some_time_later(site)
        assert secrets_kept(site) == {}
        assert [each.state for each in all_connections(site)] == (["disconnected"] if act == "disconnect" else [])


def test_cut_off_while_this_server_is_made_known_to_bunq(live_app: ThreadSite) -> None:
    def arrange() -> None:
        with rows.behind(live_app.app):
            for model in (Installation, BunqSession):
                db.session.execute(db.delete(model))
            db.session.commit()

    for _ in cut_at_each_commit(live_app, "set up", arrange):
        rows.end_leases(live_app.app)
        set_up(live_app.app)
        assert (rows.count(live_app.app, Installation), rows.count(live_app.app, BunqSession)) == (1, 1)
        assert live_app.command("status").exit_code == 0
