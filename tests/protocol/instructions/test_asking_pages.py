"""Requests and links in the browser: from the form to the payment; what is wrong is said before anybody is asked."""

import re

import pytest

from bunqflask.extensions import db
from bunqflask.models import MonetaryAccount
from tests.protocol.instructions.test_collections import pay, work
from tests.protocol.sandbox.client import JODI, MAIN, Client
from tests.support import rows
from tests.support.apps import ThreadSite
from tests.support.browser import Browser, Page


def choose(page: Page, name: str) -> str:
    """Return the value of the option that begins with this name."""
    found = re.search(rf'<option value="(\d+)"[^>]*>{name}', page.html)
    assert found is not None, page.text
    return found[1]


@pytest.mark.sqlite_only
def test_a_request_is_sent_shown_and_taken_back(site: ThreadSite, robin: Browser, holder: Client) -> None:
    robin.get("/pay")
    robin.get(robin.page.link("Requests"))
    assert "No requests yet." in robin.page.text
    page = robin.get(robin.page.link("New request"))
    sent = {"account": choose(page, "Main"), "amount": "1.234", "payer": "nobody", "name": "", "description": "Dinner"}
    wrong = robin.submit(button="Send to bunq", **sent)
    assert wrong.status == 422
    assert "Type 1234 or 1.2340" in wrong.text
    assert "Write an email address" in wrong.text
    shown = robin.submit(button="Send to bunq", **{**sent, "amount": "12,50", "payer": "06 12345678"})
    assert (shown.status, "To be sent" in shown.text, "€12.50" in shown.text) == (200, True, True)
    assert "+31612345678" in shown.text
    work(site, times=2)
    shown = robin.get(shown.url)
    assert "Open" in shown.text
    assert "Address to share" in shown.text
    assert "QR code of the address to share" in shown.html
    robin.submit(button="Take back")
    work(site, times=2)
    assert "Taken back" in robin.get(shown.url).text
    [*at_bunq] = holder.get(f"/user/{JODI}/monetary-account/{MAIN}/request-inquiry")
    assert [each["RequestInquiry"]["status"] for each in at_bunq] == ["REVOKED"]
    assert "+31612345678" in robin.get("/pay/requests").text


@pytest.mark.sqlite_only
def test_a_link_shows_its_payments_and_is_ended(site: ThreadSite, robin: Browser, holder: Client) -> None:
    page = robin.get("/pay/links/new")
    sent = {"account": choose(page, "Main"), "amount": "7.00", "description": "Cake"}
    for bad in ("javascript:alert(1)", "http://example.org", "https://exa mple.org", 'https://example.org/"onload='):
        refused = robin.submit(button="Send to bunq", **sent, return_url=bad)
        assert refused.status == 422, bad
        assert "The return address begins with https://" in refused.text
    shown = robin.submit(button="Send to bunq", **sent, return_url="https://example.org/thanks")
    assert "The address to share appears here" in shown.text
    work(site, times=2)
    shown = robin.get(shown.url)
    address = next(value for name, value in _inputs(shown) if name == "address")
    pay(site, address)
    work(site, times=3)
    shown = robin.get(shown.url)
    assert "Paid" in shown.text
    assert "+€7.00" in shown.text
    paid = robin.get(shown.link("P. Ayer"))
    assert "Cake" in paid.text
    robin.get(shown.url)
    robin.submit(button="End the link")
    work(site, times=2)
    [made] = holder.get(f"/user/{JODI}/monetary-account/{MAIN}/bunqme-tab")
    assert made["BunqMeTab"]["status"] == "CANCELLED"
    assert "Address to share" not in robin.get(shown.url).text


@pytest.mark.sqlite_only
def test_a_form_that_is_sent_twice_asks_once(site: ThreadSite, robin: Browser, holder: Client) -> None:
    page = robin.get("/pay/requests/new")
    form = robin.page
    sent = {"account": choose(page, "Main"), "amount": "3", "payer": "a@example.org", "description": "Tea"}
    first = robin.submit(button="Send to bunq", **sent).url
    robin.page = form
    assert robin.submit(button="Send to bunq", **sent).url == first
    work(site, times=2)
    assert len(list(holder.get(f"/user/{JODI}/monetary-account/{MAIN}/request-inquiry"))) == 1


@pytest.mark.sqlite_only
@pytest.mark.parametrize("change", [{"status": "CANCELLED"}, {"wrapper": "MonetaryAccountExternal"}], ids=str)
def test_accounts_that_bunq_does_not_let_be_used_are_not_offered(
    site: ThreadSite, robin: Browser, change: dict[str, str]
) -> None:
    form = robin.get("/pay/requests/new")
    sent = {"account": choose(form, "Car"), "amount": "5.00", "payer": "a@example.org", "name": "", "description": "x"}
    with rows.behind(site.app):
        db.session.execute(db.update(MonetaryAccount).where(MonetaryAccount.description == "Car").values(change))
        db.session.commit()
    for address in ("/pay/requests/new", "/pay/links/new", "/pay/collections/new", "/pay/transfers", "/pay/drafts/new"):
        options = re.findall(r"<option[^>]*>([^<]+)", robin.get(address).html)
        assert any("Main" in each for each in options), address
        assert not any("Car" in each for each in options), address
    robin.page = form
    assert "bunq does not let this account be used now" in robin.submit(button="Send to bunq", **sent).text


def _inputs(page: Page) -> list[tuple[str, str]]:
    return re.findall(r'<input class="mono" id="([^"]*)" readonly value="([^"]*)"', page.html)
