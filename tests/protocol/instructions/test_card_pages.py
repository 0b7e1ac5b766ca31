"""Cards on their pages: shown as bunq has them, changed after a question, and by who holds an account of theirs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bunqflask.models import Ability, CardBody, Instruction, InstructionState, TeamRole
from bunqflask.services.instructions import abilities
from bunqflask.services.team import members
from tests.protocol.sandbox.client import JODI, MAIN, SECOND, Client
from tests.protocol.sandbox.test_cards import ordered
from tests.support import instructions, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser, Page
from tests.support.consents import ROBIN, share

# The database makes no difference to these: what it does is tested in test_notes.py.
pytestmark = pytest.mark.sqlite_only

LIST = "/pay/cards/connections/1"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def card(holder: Client) -> int:
    """A card of Jodi's that works, by bunq's id."""
    number: int = ordered(holder)["id"]
    holder.ok("PUT", f"/user/{JODI}/card/{number}", {"status": "ACTIVE"})
    return number


def at_bunq(holder: Client, card: int) -> dict[str, Any]:
    """Return the card as its holder sees it."""
    [shown] = [next(iter(each.values())) for each in holder.get(f"/user/{JODI}/card/{card}")]
    found: dict[str, Any] = shown
    return found


def done(site: ThreadSite, browser: Browser) -> Page:
    """Let the newest change be made, and open its page."""
    number = rows.count(site.app, Instruction)
    instructions.work_until(site.app, number, ["done"])
    return browser.get(f"/pay/cards/changes/{number}")


def test_a_card_is_shown_frozen_used_again_and_limited(
    site: ThreadSite, robin: Browser, holder: Client, card: int
) -> None:
    page = robin.get(robin.get("/pay").link("Cards"))
    page = robin.get(page.link("Show the cards"))
    shown = at_bunq(holder, card)
    for text in (shown["primary_account_numbers"][0]["four_digit"], "In use", "€1,000.00", "€500.00", "pays from"):
        assert text in page.text, text
    page = robin.get(page.link("Freeze"))
    assert "Freeze this card?" in page.text
    assert rows.count(site.app, Instruction) == 0, "it was only asked"
    page = robin.submit(button="Yes, freeze it")
    assert "To be sent" in page.text
    assert "Done" in done(site, robin).text
    assert at_bunq(holder, card)["status"] == "DEACTIVATED"
    page = robin.get(LIST)
    assert "Frozen" in page.text
    robin.get(page.link("Use again"))
    robin.submit(button="Yes, use it again")
    assert "Done" in done(site, robin).text
    assert at_bunq(holder, card)["status"] == "ACTIVE"
    robin.get(robin.get(LIST).link("Change limits"))
    assert "Now €1,000.00. Empty: it stays." in robin.page.text
    page = robin.submit(button="Check it", limit="250,00")
    assert ("Set these limits?" in page.text, "€250.00" in page.text, "stays as it is" in page.text) == (True,) * 3
    assert rows.count(site.app, Instruction) == 2, "it was only echoed"
    robin.submit(button="Yes, set these limits")
    assert "€250.00" in done(site, robin).text
    limits = at_bunq(holder, card)
    assert (limits["card_limit"]["value"], limits["card_limit_atm"]["value"]) == ("250.00", "500.00")
    page = robin.get("/pay/cards")
    assert page.text.count(f"··{shown['primary_account_numbers'][0]['four_digit']}") == 3
    assert ("Freeze" in page.text, "New limits" in page.text) == (True, True)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"limit": "1.234"}, "could mean two things"),
        ({"limit": "much"}, "Enter an amount"),
        ({"limit_atm": "0"}, "above zero"),
        ({}, "Name at least one limit."),
    ],
)
def test_limits_that_cannot_be_set_are_refused_and_stay_in_the_form(
    site: ThreadSite, robin: Browser, card: int, typed: dict[str, str], said: str
) -> None:
    robin.get(f"{LIST}/{card}/limits")
    page = robin.submit(button="Check it", **typed)
    assert (page.status, said in page.text) == (422, True), page.text
    assert all(f'value="{each}"' in page.html for each in typed.values())
    assert rows.count(site.app, Instruction) == 0


def test_a_change_is_taken_back_before_it_is_sent(site: ThreadSite, robin: Browser, holder: Client, card: int) -> None:
    robin.get(f"{LIST}/{card}/freeze")
    robin.submit(button="Yes, freeze it")
    assert "Taken back" in robin.submit(button="Take back").text
    instructions.time_passes(site.app)
    instructions.work(site.app)
    assert at_bunq(holder, card)["status"] == "ACTIVE"
    fields = {"csrf_token": re.findall(r'name="csrf_token" value="([^"]+)"', robin.page.html)[0]}
    again = robin.post("/pay/cards/changes/1/cancel", fields, {"Origin": site.url})
    assert (again.status, "Taken back" in again.text) == (200, True)


def test_one_change_of_a_card_at_a_time(site: ThreadSite, robin: Browser, card: int) -> None:
    for act, button in (("freeze", "Yes, freeze it"), ("limits", "Check it")):
        robin.get(f"{LIST}/{card}/{act}")
        robin.submit(button=button, **({"limit": "9"} if act == "limits" else {}))
    page = robin.submit(button="Yes, set these limits")
    assert (page.status, "This card is being changed just now." in page.text) == (422, True), page.text
    assert rows.count(site.app, Instruction) == 1


def test_a_change_whose_answer_is_lost_is_looked_up_and_said_so(
    site: ThreadSite, bank: Bank, robin: Browser, card: int
) -> None:
    robin.get(f"{LIST}/{card}/freeze")
    robin.submit(button="Yes, freeze it")
    bank.fault(call="PUT card", fault="500", when="after", times=1)
    instructions.work_until(site.app, 1, ["unknown"])
    page = robin.get("/pay/cards/changes/1")
    assert "Looked up at bunq" in page.text
    assert "nothing is done twice" in page.text
    assert 'hx-trigger="every 3s"' in robin.get("/pay/cards/changes/1", HTMX).html
    assert "Done" in done(site, robin).text
    assert "hx-trigger" not in robin.get("/pay/cards/changes/1", HTMX).html


def test_a_card_that_is_lost_or_on_its_way_is_shown_and_offers_nothing(
    site: ThreadSite, robin: Browser, holder: Client, card: int
) -> None:
    ordered(holder)
    holder.ok("PUT", f"/user/{JODI}/card/{card}", {"status": "LOST"})
    page = robin.get(LIST)
    assert ("Lost" in page.text, "Card request pending" in page.text) == (True, True), page.text
    assert "Change limits" not in page.text
    page = robin.get(f"{LIST}/{card}/unfreeze")
    assert "bunq does not let this be done with the card now." in page.text
    assert robin.get(f"{LIST}/999999/freeze").status == 404


def test_where_bunq_does_not_answer_the_page_says_so_and_offers_another_try(
    site: ThreadSite, bank: Bank, robin: Browser, card: int
) -> None:
    bank.fault(call="GET card", fault="500", times=10)
    page = robin.get(LIST, HTMX)
    assert page.status == 200
    assert "The cards cannot be shown now. bunq isn’t responding." in page.text
    assert "<html" not in page.html
    assert page.link("Try again").endswith(LIST)
    assert "bunq isn’t responding" in robin.get(f"{LIST}/{card}/freeze").text


def test_who_switches_cards_on_is_said_where_they_are_off(
    site: ThreadSite, bank: Bank, robin: Browser, card: int
) -> None:
    sign_in(site, "sanne@example.org", role=TeamRole.ADMIN)
    with rows.behind(site.app):
        abilities.switch(members.require(ROBIN), 1, Ability.CARDS, on=False)
    bank.forget_calls()
    for path in ("/pay/cards", LIST):
        page = robin.get(path)
        assert "Cards are switched off for this connection. You can switch them on" in page.text
        assert page.link("What may be written at bunq").endswith("/connections/1/abilities")
    assert robin.get(f"{LIST}/{card}/freeze").status == 403
    assert bank.calls("GET", "card") == []


def test_only_who_holds_an_account_of_the_card_finds_it(
    site: ThreadSite, robin: Browser, holder: Client, card: int
) -> None:
    share(robin)
    admin = sign_in(site, "admin@example.org", role=TeamRole.ADMIN)
    guest = sign_in(site, "guest@example.org", role=TeamRole.GUEST)
    robin.get(f"{LIST}/{card}/freeze")
    robin.submit(button="Yes, freeze it")
    assert "You hold none." in admin.get("/pay/cards").text
    assert "/pay/cards" in admin.get("/pay").html
    for path in (LIST, f"{LIST}/{card}/freeze", f"{LIST}/{card}/limits"):
        assert admin.get(path).status == 404, path
    assert admin.get("/pay/cards/changes/1").status == 200, "who sees the account in full sees what is done with it"
    for path in ("/pay/cards", LIST, f"{LIST}/{card}/freeze", "/pay/cards/changes/1"):
        assert guest.get(path).status == 404, path
    assert "/pay/cards" not in guest.get("/").html
    link = instructions.prepare(site.app, ROBIN, MAIN, instructions.link())
    assert robin.get(f"/pay/cards/changes/{link}").status == 404


def test_a_form_that_names_another_account_changes_nothing_at_bunq(
    site: ThreadSite, bank: Bank, robin: Browser, card: int
) -> None:
    robin.get(f"{LIST}/{card}/freeze")
    assert robin.submit(button="Yes, freeze it", account="999").status == 404
    assert rows.count(site.app, Instruction) == 0
    with rows.behind(site.app):
        other = next(each.id for each in rows.monetary_accounts() if each.monetary_account_id == SECOND)
    robin.get(f"{LIST}/{card}/freeze")
    bank.forget_calls()
    robin.submit(button="Yes, freeze it", account=str(other))
    found = instructions.work_until(site.app, 1, ["failed", "done"])
    assert (found.state, found.body) == (InstructionState.FAILED, CardBody(card, status="DEACTIVATED"))
    assert bank.calls("PUT", f"card/{card}") == []
