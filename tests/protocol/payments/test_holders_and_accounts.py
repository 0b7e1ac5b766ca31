"""Payments of one holder, or of several accounts at once: in lists, totals, months, links, and within one's rights."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import event

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import Connection, ConnectionState, MonetaryAccount
from tests.protocol.payments.test_payments_pages import MAIN, MAIN_IBAN, SECOND, SECOND_IBAN, names, store, text
from tests.support import consents, history
from tests.support.apps import ThreadSite, sign_in
from tests.support.browser import Browser, Page
from tests.support.history import Paid

CAR = 2083719


@pytest.fixture
def database_url(connected_url: str) -> str:
    return connected_url


@pytest.fixture
def site(live_app: ThreadSite) -> ThreadSite:
    return live_app


@pytest.fixture
def two(site: ThreadSite) -> Browser:
    """Robin with Jodi's accounts and the company's, which pays Jodi; two of the accounts are called Main."""
    browser = sign_in(site, consents.ROBIN)
    with site.app.app_context():
        company = Connection(
            environment="local",
            granted_user_id=77,
            granted_user_type="UserCompany",
            display_name="Walker Studio B.V.",
            state_since=clock.now(),
        )
        db.session.add(company)
        db.session.flush()
        history.account(SECOND).connection_id = company.id
        db.session.commit()
        db.session.remove()
    store(
        site,
        Paid(at="2026-10-02T10:00Z", amount="-20", name="Bakery"),
        Paid(at="2026-10-03T10:00Z", amount="500", name="Walker Studio", iban=SECOND_IBAN),
    )
    store(
        site,
        Paid(at="2026-10-01T10:00Z", amount="900", name="Customer", id=1005),
        Paid(at="2026-10-03T10:00Z", amount="-500", name="Jodi", iban=MAIN_IBAN, id=1021),
        account=SECOND,
    )
    return browser


def ids(site: ThreadSite) -> dict[int, str]:
    """Return our id of each account, as text, by bunq's."""
    with site.app.app_context():
        found = {each.monetary_account_id: str(each.id) for each in db.session.scalars(db.select(MonetaryAccount))}
        db.session.remove()
    return found


def result(page: Page) -> str:
    found = re.search(r'<div class="card-foot result".*?</div>\s*</div>', page.html, re.DOTALL)
    assert found is not None
    return text(found[0])


def said(page: Page) -> str:
    return page.text.partition("Printed")[0]


def test_a_holders_payments_are_all_of_theirs_and_transfers_to_others_count(site: ThreadSite, two: Browser) -> None:
    everything = two.get("/payments")
    assert "4 payments" in result(everything)
    assert "In +€900.00 Out −€20.00 2 own transfers, not counted" in result(everything)
    page = two.get(everything.link("Walker Studio B.V."))
    assert page.url.endswith("/payments?holder=2")
    assert names(page) == ["Jodi", "Customer"]
    assert "2 of 4 payments shown" in result(page)
    assert "In +€900.00 Out −€500.00" in result(page), "for the company this is money out"
    assert "own accounts" not in result(page)
    assert names(two.get("/payments?holder=2&q=customer")) == ["Customer"]
    assert page.link("Walker Studio B.V. (remove)").endswith("/payments")


def test_several_accounts_at_once(site: ThreadSite, two: Browser) -> None:
    account = ids(site)
    page = two.get(f"/payments?account={account[MAIN]}&account={account[CAR]}")
    assert names(page) == ["Main (own account)", "Bakery"]
    assert "2 of 4 payments shown" in result(page)
    assert page.link("Main ··1945 (remove)").endswith(f"/payments?account={account[CAR]}")
    both = two.get(f"/payments?account={account[MAIN]}&account={account[SECOND]}")
    assert len(names(both)) == 4
    assert {"Main ··1945", "Main ··9118"} <= set(re.findall(r'<bdi class="of">(.*?)</bdi>', both.html))
    assert "4 of 4 payments shown" in result(both)


def test_months_and_exports_take_holder_and_accounts_along(site: ThreadSite, two: Browser) -> None:
    account = ids(site)
    page = two.get("/payments?holder=2&from=2026-10-01&to=2026-10-31")
    months = two.get(page.link("By month"))
    row = re.search(r"Oct 2026\s*(\S+)\s*(\S+)\s*(\S+)", months.text)
    assert row is not None
    assert row.groups() == ("+€900.00", "−€500.00", "+€400.00")
    assert two.get(months.link("Oct 2026")).url == page.url
    assert page.url in [address for words, address in months.links if words == "Payments"]
    assert page.link("Export").endswith(f"/payments/export?from=2026-10-01&to=2026-10-31&account={account[SECOND]}")
    several = two.get(f"/payments?account={account[MAIN]}&account={account[CAR]}")
    assert several.link("Export").endswith(f"/payments/export?account={account[MAIN]}&account={account[CAR]}")


def test_months_begin_with_the_first_payment(site: ThreadSite, two: Browser) -> None:
    months = two.get("/payments/months?to=2026-11-30")
    found = re.findall(r'<th scope="row"[^>]*>(.*?)</th>', months.html)
    assert [text(each).removesuffix(" so far") for each in found] == ["Nov 2026", "Oct 2026"]
    now = clock.now()
    store(site, Paid(at=now, amount="-3", name="Today", id=9000))
    row = re.search(r'<tr role="row">\s*<th scope="row"[^>]*>(.*?)</th>', two.get("/payments/months").html)
    assert row is not None
    assert text(row[1]).endswith("so far")


@pytest.mark.sqlite_only
def test_what_is_not_ones_own_answers_like_what_does_not_exist(site: ThreadSite, two: Browser) -> None:
    sam = sign_in(site, "sam@example.org")
    for query in ("account={}", "holder={}", "account=1&holder={}"):
        theirs, nobodys = sam.get(f"/payments?{query.format(2)}"), sam.get(f"/payments?{query.format(99)}")
        assert (theirs.status, nobodys.status) == (422, 422)
        assert said(theirs) == said(nobodys)
        assert "Customer" not in theirs.html
    account = ids(site)
    other = two.get(f"/payments?holder=2&account={account[MAIN]}")
    assert (other.status, names(other)) == (422, [])


@pytest.mark.sqlite_only
def test_a_payment_leads_back_and_to_its_neighbours_in_the_same_view(site: ThreadSite, two: Browser) -> None:
    page = two.get("/payments?holder=2")
    customer = two.get(page.link("Customer"))
    assert customer.link("Payments: Walker Studio B.V.").split("#")[0].endswith("/payments?holder=2")
    jodi = two.get(customer.link("Newer"))
    assert "Older" not in [words for words, _address in customer.links]
    assert jodi.link("Older") == customer.url
    assert "Newer" not in [words for words, _address in jodi.links]
    in_account = two.get(f"/connections/1/accounts/{MAIN}/payments?q=bakery")
    bakery = two.get(next(address for words, address in in_account.links if words == "Bakery"))
    assert f"/connections/1/accounts/{MAIN}/payments?q=bakery#p" in bakery.link("Payments of Main: “bakery”")
    for odd in ("view=//evil.example", "view=account&q=%0d%0aLocation:x", "until=x&next=//evil.example", "account=77"):
        back = two.get(f"{bakery.url.split('?')[0]}?{odd}")
        assert back.status == 200
        assert {urlsplit(address).netloc for _words, address in back.links} == {urlsplit(site.url).netloc}
    assert two.get(bakery.link("All payments with them")).url.endswith("q=Bakery")


@pytest.mark.sqlite_only
def test_a_foreign_purchase_tells_its_rate_as_facts(site: ThreadSite, two: Browser) -> None:
    (row,) = store(site, Paid(at="2026-10-09T10:00Z", amount="-10.63", name="Bookshop", id=7000, balance="99",
                              text="Bookshop New York 11.51 USD, 1 EUR = 1.0832 USD"))  # fmt: skip
    page = two.get(f"/payments/{row}")
    assert "Paid in foreign currency $11.51" in page.text
    assert "Exchange rate 1 EUR = 1.0832 USD" in page.text
    assert page.text.count("−€10.63") == 1
    assert "Changed" not in page.text
    assert "New York 11.51 USD" in two.get("/payments").text
    assert "Bookshop New York" not in two.get("/payments").text, "the name stands there once"


@pytest.mark.sqlite_only
def test_only_accounts_that_ought_to_be_updated_need_attention(site: ThreadSite, two: Browser) -> None:
    before = re.search(r"\d of (\d) accounts? needs? attention", two.get("/payments").text)
    assert before is not None
    assert before[1] == "4"
    with site.app.app_context():
        company = db.session.get_one(Connection, 2)
        company.state = ConnectionState.DISCONNECTED
        db.session.commit()
        db.session.remove()
    page = two.get("/payments")
    after = re.search(r"\d of (\d) accounts? needs? attention", page.text)
    assert after is not None
    assert after[1] == "3"
    assert "No longer updated, so these payments end earlier: Main (since" in page.text
    assert not re.search(r"needs? attention", two.get("/payments?holder=2").text)
    with site.app.app_context():
        db.session.get_one(Connection, 2).state = ConnectionState.LOST
        db.session.commit()
        db.session.remove()
    page = two.get("/payments")
    assert "Walker Studio B.V. needs to approve again." in page.text
    assert [form.action for form in page.forms if form.action.endswith("/reconnect")]


def test_statements_are_the_same_for_any_number_of_accounts(site: ThreadSite, two: Browser) -> None:
    account = list(ids(site).values())
    with site.app.app_context():
        engine = db.engine
    asked: list[set[str]] = []
    for chosen in (account[:3], account[:4]):
        statements: set[str] = set()

        def note(_connection: Any, _cursor: Any, statement: str, *_more: Any, found: set[str] = statements) -> None:
            if "payment" in statement and "monetary_account" not in statement:
                found.add(statement)

        event.listen(engine, "before_cursor_execute", note)
        try:
            for query in ("q=bakery", "min=5&direction=out", "", "direction=in", "from=2026-10-01&type=IDEAL"):
                accounts = "&".join(f"account={each}" for each in chosen)
                assert two.get(f"/payments?{accounts}&{query}".rstrip("&")).status == 200
        finally:
            event.remove(engine, "before_cursor_execute", note)
        asked.append(statements)
    assert asked[0]
    assert asked[0] == asked[1]
