"""Cards, and drafts with another IBAN than before, in a real browser: usable by everybody, with keys too."""

from __future__ import annotations

import re
from datetime import timedelta

from playwright.sync_api import Page, expect

from bunqflask import clock
from bunqflask.models import Ability
from bunqflask.services.instructions import abilities
from bunqflask.services.team import members
from tests.browser.journeys import button, connect, heading
from tests.browser.test_drafts import fill, look
from tests.protocol.sandbox.client import JODI, MAIN, session_of
from tests.protocol.sandbox.test_cards import ordered
from tests.support import history, instructions, rows
from tests.support.apps import ThreadSite
from tests.support.bank import Bank
from tests.support.chromium import Profiles
from tests.support.consents import ROBIN
from tests.support.draft_pages import own_iban
from tests.support.history import Paid
from tests.unit.payment_files.files import ING, RABO, csv_file


def test_a_card_is_frozen_and_limited_from_the_page(robin: Page, site: ThreadSite, bank: Bank) -> None:
    findings: list[str] = []
    connect(robin)
    holder = session_of(bank, JODI)
    card = ordered(holder)["id"]
    holder.ok("PUT", f"/user/{JODI}/card/{card}", {"status": "ACTIVE"})
    ordered(holder)
    robin.goto("/pay/cards")
    expect(robin.get_by_text("Cards are switched off for this connection.")).to_be_visible()
    look(robin, "cards off", findings)
    instructions.switch_on(site.app, ROBIN)
    robin.goto("/pay")
    look(robin, "pay", findings)
    robin.get_by_role("link", name="Cards").click()
    # The list comes by itself.
    freeze = robin.get_by_role("link", name=re.compile("^Freeze"))
    expect(freeze).to_be_visible()
    look(robin, "cards", findings)
    freeze.focus()
    robin.keyboard.press("Enter")
    expect(heading(robin, "Freeze this card?")).to_be_visible()
    look(robin, "card to freeze", findings)
    button(robin, "Yes, freeze it").dblclick()
    expect(robin.locator("main").get_by_text("To be sent")).to_be_visible()
    look(robin, "card being frozen", findings)
    # The page asks again every few seconds; a screen reader is told once at most that nothing has changed.
    robin.evaluate(
        """() => {
            const line = document.querySelector("#say");
            window.said = [];
            new MutationObserver(() => said.push(line.textContent)).observe(line, { childList: true });
        }"""
    )
    for _ in range(3):
        with robin.expect_response(f"{robin.url}?seen=*"):
            pass
    assert len(robin.evaluate("said")) <= 1
    instructions.work_until(site.app, 1, ["done"])
    expect(robin.locator("#change")).to_contain_text("Done", timeout=20_000)
    look(robin, "card frozen", findings)
    robin.get_by_role("link", name="Cards").last.click()
    expect(robin.get_by_text("Frozen")).to_be_visible()
    look(robin, "cards with changes", findings)
    robin.get_by_role("link", name=re.compile("^Change limits")).click()
    look(robin, "card limits", findings)
    robin.get_by_label("Payments in a day").fill("250,00")
    button(robin, "Check it").click()
    expect(heading(robin, "Set these limits?")).to_be_visible()
    look(robin, "card limits to confirm", findings)
    button(robin, "Yes, set these limits").click()
    instructions.work_until(site.app, 2, ["done"])
    expect(robin.locator("#change")).to_contain_text("Done", timeout=20_000)
    look(robin, "card limits set", findings)
    bank.fault(call="GET card", fault="500", times=20)
    robin.goto("/pay/cards")
    expect(robin.get_by_text("The cards cannot be shown now.")).to_be_visible()
    look(robin, "cards without bunq", findings)
    with rows.behind(site.app):
        abilities.switch(members.require(ROBIN), 1, Ability.CARDS, on=False)
    assert findings == []


def test_another_iban_than_before_is_asked_about_on_each_page(
    robin: Page, site: ThreadSite, profiles: Profiles
) -> None:
    profiles.expected_statuses = {422}
    findings: list[str] = []
    connect(robin)
    rows.run_duties(site.app)
    instructions.switch_on(site.app, ROBIN)
    with site.app.app_context():
        paid = [Paid(at=clock.now() - timedelta(days=60), amount="-50.00", name="P. Jansen", iban=RABO, text="Salaris")]
        history.store(history.account(MAIN), paid, first_id=900_000)
    robin.goto("/pay/drafts/new")
    robin.get_by_label("From").select_option(index=1)
    fill(robin, 1, "P. Jansen", ING, "980,00")
    button(robin, "Prepare").click()
    expect(robin.get_by_role("alert")).to_contain_text("Payment 1 goes to another IBAN")
    look(robin, "draft form other IBAN", findings)
    robin.get_by_label(re.compile("This IBAN is another one than before")).check()
    button(robin, "Prepare").click()
    expect(heading(robin, "P. Jansen")).to_be_visible()
    look(robin, "draft other IBAN to approve", findings)
    button(robin, "Approve and send to bunq").click()
    box = robin.get_by_role("checkbox", name=re.compile("I compared it"))
    expect(box).to_be_focused()
    robin.keyboard.press("Space")
    button(robin, "Approve and send to bunq").click()
    expect(robin.get_by_text("Approved. It is sent to bunq at")).to_be_visible()
    robin.goto("/pay/drafts/file")
    robin.get_by_label("From").select_option(label=_option(robin, own_iban(site)))
    content = csv_file(f"Jansen P.;{ING};10,00;Salaris;2")
    robin.locator("#file").set_input_files({"name": "salaries.csv", "mimeType": "text/csv", "buffer": content})
    button(robin, "Read the file").click()
    expect(robin.get_by_role("checkbox", name=re.compile("I compared it"))).to_be_visible()
    look(robin, "file other IBAN", findings)
    assert findings == []


def _option(page: Page, iban: str) -> str:
    """Return the text of the account with an IBAN in the list of accounts."""
    texts = page.get_by_label("From").locator("option").all_inner_texts()
    return next(each for each in texts if iban in each.replace(" ", "").replace("\N{NO-BREAK SPACE}", ""))
