"""Moving money between own accounts on the page: echoed first, sent once, and only for who holds both accounts."""

from __future__ import annotations

import re

import pytest

from bunqflask.models import Ability, Instruction, TeamRole
from bunqflask.services.instructions import abilities
from bunqflask.services.team import members
from tests.protocol.sandbox.client import JODI, MAIN, SECOND, Client
from tests.support import instructions, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser, Page
from tests.support.consents import ROBIN, share

# The database makes no difference to these: what it does is tested in test_sending.py.
pytestmark = pytest.mark.sqlite_only
HTMX = {"HX-Request": "true"}


def asked(robin: Browser, amount: str, **more: str) -> Page:
    robin.get("/pay/transfers")
    return robin.submit(
        action="/pay/transfers",
        button="Check it",
        **{"from": "1", "to": "2", "amount": amount, "description": "To the savings", **more},
    )


def moved(holder: Client) -> list[str]:
    """Return the amounts of the payments with this description, as the other account has them."""
    listed = holder.get(f"/user/{JODI}/monetary-account/{SECOND}/payment?count=200")
    found = [each["Payment"] for each in listed]
    return [each["amount"]["value"] for each in found if each["description"] == "To the savings"]


def test_a_transfer_is_echoed_sent_once_and_listed(site: ThreadSite, robin: Browser, holder: Client) -> None:
    assert "Transfer between own accounts" in robin.get("/pay").text
    page = asked(robin, "182,40")
    assert "€182.40" in page.text
    assert rows.count(site.app, Instruction) == 0, "it was only echoed"
    page = robin.submit(button="Send to bunq")
    assert "To be sent" in page.text
    [asks_again] = re.findall(r'hx-get="([^"]+)"', page.html)
    assert robin.get(asks_again, HTMX).status == 204, "nothing has changed"
    instructions.work_until(site.app, 1, ["done"])
    assert ("Done" in robin.get(asks_again, HTMX).text, "<h1>" in robin.page.html) == (True, False)
    assert "hx-get" not in robin.page.html, "there is nothing to wait for any more"
    assert "Done" in robin.get("/pay/transfers/1").text
    assert "€182.40" in robin.get("/pay/transfers").text
    assert moved(holder) == ["182.40"]


def test_the_page_of_a_transfer_says_by_itself_why_it_is_not_sent(
    site: ThreadSite, bank: Bank, robin: Browser, holder: Client
) -> None:
    asked(robin, "5")
    [asks_again] = re.findall(r'hx-get="([^"]+)"', robin.submit(button="Send to bunq").html)
    rows.end_sessions(site.app)
    bank.fault(call="POST session-server", fault="500", times=None)
    instructions.work(site.app)
    page = robin.get(asks_again, HTMX)
    assert ("To be sent" in page.text, "It will be sent automatically" in page.text) == (True, True)
    [asks_again] = re.findall(r'hx-get="([^"]+)"', page.html)
    assert robin.get(asks_again, HTMX).status == 204, "that was said already"
    bank.no_faults()
    instructions.work_until(site.app, 1, ["done"])
    assert "Done" in robin.get(asks_again, HTMX).text
    assert moved(holder) == ["5.00"]


def test_a_confirmation_that_is_sent_twice_moves_the_money_once(
    site: ThreadSite, robin: Browser, holder: Client
) -> None:
    page = asked(robin, "5")
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.html))
    headers = {"Origin": site.url, "Referer": page.url}
    first, second = (robin.post("/pay/transfers", fields, headers) for _each in range(2))
    assert first.url == second.url == f"{site.url}/pay/transfers/1"
    assert rows.count(site.app, Instruction) == 1
    assert robin.post("/pay/transfers", fields | {"token": ""}, headers).status == 422
    instructions.work_until(site.app, 1, ["done"])
    assert moved(holder) == ["5.00"]


def test_a_transfer_is_taken_back_before_it_is_sent(site: ThreadSite, robin: Browser, holder: Client) -> None:
    asked(robin, "5")
    robin.submit(button="Send to bunq")
    assert "Taken back" in robin.submit(button="Take back").text
    instructions.time_passes(site.app)
    instructions.work(site.app)
    assert moved(holder) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"amount": "1.234"}, "can be read as 1234 or 1.23"),
        ({"amount": "ten"}, "The amount is not understood"),
        ({"to": "1"}, "Choose two accounts that you hold here"),
        ({"to": "999"}, "Choose two accounts that you hold here"),
        ({"description": "x" * 141, "confirmed": "1", "token": "form"}, "1 to 140 characters"),
        ({"amount": "0", "confirmed": "1", "token": "form"}, "above zero"),
    ],
)
def test_what_cannot_be_sent_is_refused_and_stays_in_the_form(
    site: ThreadSite, robin: Browser, changes: dict[str, str], said: str
) -> None:
    page = asked(robin, **{"amount": "182,40", **changes})
    assert (page.status, said in page.text) == (422, True), page.text
    assert f'value="{changes.get("amount", "182,40")}"' in page.html
    assert rows.count(site.app, Instruction) == 0


def test_who_does_not_hold_both_accounts_moves_nothing(site: ThreadSite, robin: Browser) -> None:
    share(robin)
    member = sign_in(site, "member@example.org")
    guest = sign_in(site, "guest@example.org", role=TeamRole.GUEST)
    assert "There are no two accounts to move money between" in member.get("/pay/transfers").text
    assert guest.get("/pay/transfers").status == 404
    asked(robin, "5")
    robin.submit(button="Send to bunq")
    assert member.get("/pay/transfers/1").status == 200, "who sees the account in full sees what is done with it"
    assert guest.get("/pay/transfers/1").status == 404
    with rows.behind(site.app):
        abilities.switch(members.require(ROBIN), 1, Ability.TRANSFERS, on=False)
    assert "There are no two accounts" in robin.get("/pay/transfers").text


def test_another_kind_of_instruction_is_no_transfer(site: ThreadSite, robin: Browser) -> None:
    made = instructions.prepare(site.app, ROBIN, MAIN, instructions.link())
    assert robin.get(f"/pay/transfers/{made}").status == 404
