"""A press on "Read now": payments come from bunq, or it says what stands in the way."""

import pytest

from tests.protocol.payments.test_payments_pages import ACCOUNT, names
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ROBIN, connect


def at_the_account(site: ThreadSite, bank: Bank) -> Browser:
    robin = sign_in(site, ROBIN)
    connect(robin, bank)
    robin.get(ACCOUNT)
    return robin


def test_read_now_fetches_the_payments_from_bunq(site: ThreadSite, bank: Bank) -> None:
    robin = at_the_account(site, bank)
    assert "Not read yet" in robin.page.text
    assert "No payments yet" in robin.page.text
    page = robin.submit(action="/reread")
    assert "The payments were read again." in page.text
    assert names(page) == ["Opening balance"]
    assert "Complete and verified until" in page.text
    assert "3 of 4 accounts are not complete or not up to date" in robin.get("/payments").text, "only this one was read"


@pytest.mark.parametrize("call", ["GET payment", "GET monetary-account"])
def test_what_stands_in_the_way_is_said_with_the_next_try(site: ThreadSite, bank: Bank, call: str) -> None:
    robin = at_the_account(site, bank)
    bank.fault(call=call, fault="500", times=None)
    page = robin.submit(action="/reread")
    assert page.status == 200
    assert "Not everything could be read now" in page.text
    assert "bunq does not answer right now" in page.text
    assert "Next try at" in page.text
