"""The toolbar of payments in front of a person: one line, a sheet on phones, and a way back to the place."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import Connection, ConnectionState
from tests.browser.journeys import PHONE, arrive, button, change, connect, heading
from tests.support import history
from tests.support.apps import ThreadSite
from tests.support.chromium import Profiles
from tests.support.history import Paid

MAIN, SECOND = 2083712, 2083715
ACCOUNT = f"/connections/1/accounts/{MAIN}/payments"
ON_PHONE = 230
ROW = 44


@pytest.fixture
def payer(robin: Page, site: ThreadSite) -> Page:
    """Robin with 160 payments on one account, one each day, and ten on another."""
    connect(robin)
    now = clock.now()
    with site.app.app_context():
        paid = [Paid(at=now - timedelta(days=160 - n), amount="-2", name=f"Shop {n}") for n in range(160)]
        history.store(history.account(MAIN), paid)
        paid = [Paid(at=now - timedelta(days=20 - n), amount="7", name=f"Payer {n}") for n in range(10)]
        history.store(history.account(SECOND), paid, first_id=90_000)
        db.session.remove()
    return robin


def box(of: Locator) -> FloatRect:
    found = of.bounding_box()
    assert found is not None
    return found


def test_the_toolbar_is_one_line_and_rows_are_low(payer: Page) -> None:
    payer.set_viewport_size({"width": 1280, "height": 900})
    payer.goto("/payments?direction=out&q=shop")
    tops = payer.locator(".bar-of-filters").evaluate(
        """bar => [...bar.querySelectorAll("input[type=search], summary, .seg, .btn")]
          .filter(each => each.checkVisibility() && !each.closest(".card"))
          .map(each => each.getBoundingClientRect().top)"""
    )
    assert len(tops) >= 6
    assert max(tops) - min(tops) <= 2
    assert {round(box(each)["height"]) for each in payer.locator(".pay").all()[:20]} == {ROW}


def test_what_is_found_starts_high_on_a_phone(payer: Page, profiles: Profiles, site: ThreadSite) -> None:
    phone = arrive(profiles, site, **PHONE)
    month = datetime.now(ZoneInfo("Europe/Amsterdam")).strftime("%Y-%m")
    for address in ("/payments", f"/payments?q=shop&from={month}-01&account=1&direction=out&min=1"):
        phone.goto(address)
        assert phone.locator(".pay").count() > 0
        assert box(phone.locator(".pay").first)["y"] <= ON_PHONE, address
    # The page of one account begins with its name, holder, IBAN and balance.
    for address, most in ((ACCOUNT, 370), (f"{ACCOUNT}?q=shop", 400)):
        phone.goto(address)
        assert box(phone.locator(".pay").first)["y"] <= most, address


def test_typing_searches_and_loses_no_letter(payer: Page, profiles: Profiles) -> None:
    profiles.replaces_requests = True
    payer.goto("/payments")
    field = payer.get_by_label("Search by name, description, IBAN or amount")
    field.focus()
    payer.keyboard.type("pay")
    expect(payer.locator("#say")).to_have_text("10 of 170 payments shown")
    payer.keyboard.type("er 3", delay=90)
    expect(payer.locator("#say")).to_have_text("1 of 170 payments shown")
    expect(field).to_have_value("payer 3")
    expect(field).to_be_focused()
    assert payer.url.endswith("/payments?q=payer+3")
    export = payer.get_by_role("link", name="By month")
    assert "q=payer" in (export.get_attribute("href") or "")


def test_directions_and_accounts_act_at_once(payer: Page) -> None:
    payer.goto("/payments")
    payer.locator(".seg").get_by_text("In", exact=True).click()
    expect(payer.locator("#say")).to_have_text("10 of 170 payments shown")
    assert payer.url.endswith("/payments?direction=in")
    payer.locator(".seg").get_by_text("All", exact=True).click()
    expect(payer.locator("#say")).to_have_text("170 payments")
    menu = payer.locator("#drop-account")
    menu.locator("summary").click()
    menu.get_by_role("checkbox", name="Main ··9118").check()
    expect(payer.locator("#say")).to_have_text("10 of 170 payments shown")
    expect(menu.get_by_role("checkbox", name="Main ··9118")).to_be_focused()
    menu.get_by_role("checkbox", name="Main ··1945").check()
    expect(payer.locator("#say")).to_have_text("170 of 170 payments shown")
    assert len(re.findall(r"account=", payer.url)) == 2
    payer.keyboard.press("Escape")
    expect(menu.locator("summary")).to_be_focused()
    expect(menu.locator("summary")).to_contain_text("2 accounts")
    payer.go_back()
    expect(payer.locator("#result")).to_contain_text("10 of 170 payments shown")


def test_months_are_a_press_away(payer: Page) -> None:
    payer.goto("/payments?direction=out")
    payer.get_by_role("link", name="Month before").click()
    title = payer.locator("#drop-month summary")
    last = (datetime.now(ZoneInfo("Europe/Amsterdam")).replace(day=1) - timedelta(days=1)).strftime("%B %Y")
    expect(title).to_contain_text(last)
    assert "direction=out" in payer.url
    expect(payer.get_by_role("link", name=f"{last} (remove)")).to_be_visible()
    payer.get_by_role("link", name="Month after").click()
    expect(payer.get_by_role("link", name="Month after")).to_have_count(0)
    title.click()
    payer.locator("#drop-month").get_by_role("link", name=last).click()
    expect(title).to_contain_text(last)
    title.click()
    payer.locator("#drop-month").get_by_role("link", name="All dates").click()
    assert payer.url.endswith("/payments?direction=out")


def test_the_sheet_fills_a_phone_with_apply_at_its_foot(payer: Page, profiles: Profiles, site: ThreadSite) -> None:
    phone = arrive(profiles, site, **PHONE)
    phone.goto("/payments?q=shop")
    phone.get_by_role("link", name="Filters (1)").tap()
    sheet = phone.get_by_role("dialog", name="Filter payments")
    expect(sheet).to_be_visible()
    assert box(sheet)["width"] == 375
    assert box(sheet)["y"] + box(sheet)["height"] == pytest.approx(812, abs=1)
    foot = box(button(phone, "Apply"))
    assert foot["y"] + foot["height"] <= 812, "Apply is in sight before anything was scrolled"
    sheet.get_by_label("At least").fill("2")
    button(phone, "Apply").tap()
    expect(phone.get_by_text("160 of 170 payments shown")).to_be_visible()
    phone.get_by_role("link", name="Filters (2)").tap()
    sheet.get_by_role("link", name="Cancel").tap()
    expect(sheet).to_be_hidden()
    assert "min=2" in phone.url


def test_back_returns_to_the_place(payer: Page) -> None:
    payer.set_viewport_size({"width": 1280, "height": 900})
    payer.goto("/payments?q=shop")
    for count in (100, 150):
        payer.get_by_role("link", name="Load older payments").click()
        expect(payer.locator(".pay")).to_have_count(count)
    assert "until=" in payer.url
    row = payer.locator(".pay .go").nth(130)
    name = row.inner_text()
    row.scroll_into_view_if_needed()
    before = payer.evaluate("scrollY")
    row.click()
    expect(heading(payer, name)).to_be_visible()
    payer.go_back()
    expect(payer.locator(".pay").nth(130)).to_be_in_viewport()
    assert payer.evaluate("scrollY") == pytest.approx(before, abs=60)
    payer.locator(".pay .go").nth(130).click()
    payer.get_by_role("link", name="Older").click()
    expect(heading(payer, name)).to_have_count(0)
    payer.get_by_role("link", name="Newer").click()
    expect(heading(payer, name)).to_be_visible()
    payer.get_by_role("link", name="Payments: “shop”").click()
    expect(payer.locator(".pay").nth(130)).to_be_in_viewport()
    expect(payer.get_by_label("Search by name, description, IBAN or amount")).to_have_value("shop")


def test_nothing_of_a_month_is_cut_on_a_phone(payer: Page, profiles: Profiles, site: ThreadSite) -> None:
    with site.app.app_context():
        paid = [Paid(at=clock.now(), amount=amount, name="Somebody") for amount in ("1234567.89", "-2345678.90")]
        history.store(history.account(SECOND), paid, first_id=95_000)
        db.session.remove()
    phone = arrive(profiles, site, **PHONE)
    phone.goto("/payments/months")
    for width in (375, 320):
        phone.set_viewport_size({"width": width, "height": 812})
        assert phone.evaluate("document.documentElement.scrollWidth") <= width
        cells = phone.get_by_role("row").nth(1).get_by_role("cell").all()
        assert len(cells) == 3
        for cell in cells:
            assert box(cell)["x"] + box(cell)["width"] <= width
        wide = phone.locator(".wide:has(table)").evaluate("each => each.scrollWidth - each.clientWidth")
        assert wide <= 0
    phone.get_by_role("rowheader").first.get_by_role("link").tap()
    expect(phone.get_by_role("link", name=re.compile(r"\(remove\)")).first).to_be_visible()


def test_a_dead_connection_says_so_with_its_button(payer: Page, site: ThreadSite) -> None:
    change(site, Connection, state=ConnectionState.LOST)
    for address in ("/payments", ACCOUNT):
        payer.goto(address)
        note = payer.locator(".note").filter(has_text="Jodi Walker needs to approve again.")
        expect(button(note, "Reconnect")).to_be_in_viewport()
    button(note, "Reconnect").click()
    expect(heading(payer, "Reconnect Jodi Walker")).to_be_visible()
