"""Pages that ask again by themselves: nothing is replaced while it is the same, and what bunq did appears."""

import re

import pytest

from bunqflask.models import InstructionKind
from tests.protocol.instructions.test_asking_pages import choose
from tests.protocol.instructions.test_card_pages import LIST
from tests.protocol.instructions.test_collections import ANNA, CAS, begin, work
from tests.protocol.sandbox.client import JODI, Client
from tests.protocol.sandbox.test_cards import ordered
from tests.support.apps import ThreadSite
from tests.support.browser import Browser

pytestmark = pytest.mark.sqlite_only

HTMX = {"HX-Request": "true"}


def next_address(browser: Browser) -> str:
    """Return where the page that the browser has asks again."""
    [address] = re.findall(r'hx-get="([^"]+)"', browser.page.html)
    return str(address)


def follow(site: ThreadSite, robin: Browser, address: str, *texts: str) -> None:
    """See that a page says nothing again until a worker has done what is due, and then what is new."""
    robin.get(address)
    assert "To be sent" in robin.page.text
    asks_again = next_address(robin)
    assert robin.get(asks_again, HTMX).status == 204, "nothing has changed"
    assert robin.get(asks_again.replace("seen=", "seen=not"), HTMX).status == 200, "that is not what it shows"
    work(site, times=2)
    fragment = robin.get(asks_again, HTMX)
    assert (fragment.status, "<h1>" in fragment.html) == (200, False)
    assert [each for each in texts if each not in fragment.text] == []


def test_a_request(site: ThreadSite, robin: Browser) -> None:
    page = robin.get("/pay/requests/new")
    sent = {"account": choose(page, "Main"), "amount": "3", "payer": "a@example.org", "description": "Tea"}
    follow(site, robin, robin.submit(button="Send to bunq", **sent).url, "Open", "Address to share")


def test_a_link(site: ThreadSite, robin: Browser) -> None:
    page = robin.get("/pay/links/new")
    sent = {"account": choose(page, "Main"), "amount": "7", "description": "Cake"}
    follow(site, robin, robin.submit(button="Send to bunq", **sent).url, "Open", "Address to share")


def test_a_collection(site: ThreadSite, robin: Browser) -> None:
    made = begin(site, InstructionKind.LINK, ANNA, CAS)
    follow(site, robin, f"/pay/collections/{made}", "Open", "Cas")


def test_a_person_of_a_collection(site: ThreadSite, robin: Browser) -> None:
    made = begin(site, InstructionKind.LINK, ANNA, CAS)
    follow(site, robin, f"/pay/collections/{made}/people/2", "Open", "Address to share")


def test_a_change_of_a_card(site: ThreadSite, robin: Browser, holder: Client) -> None:
    holder.ok("PUT", f"/user/{JODI}/card/{ordered(holder)['id']}", {"status": "ACTIVE"})
    robin.get(LIST)
    robin.get(robin.page.link("Freeze"))
    follow(site, robin, robin.submit(button="Yes, freeze it").url, "Done")
    assert "hx-get" not in robin.page.html, "there is nothing to wait for any more"
