"""The whole path with a mouse, in front of a desktop screen."""

from playwright.sync_api import Page, Response, expect

from bunqflask import create_app
from bunqflask.config import Config
from bunqflask.models import Connection
from tests.browser.journeys import (
    ROBIN,
    accept,
    ask,
    button,
    change,
    connect,
    go_to_bunq,
    heading,
    log_in_again,
    open_details,
)
from tests.support import apps
from tests.support.apps import GunicornSite, ThreadSite
from tests.support.bank import Bank
from tests.support.chromium import Profiles, log_in
from tests.support.rows import run_duties

IBANS = ["NL65 BUNQ 2090 4119 45", "NL55 BUNQ 2090 4091 18", "NL17 BUNQ 2090 4154 28", "NL09 BUNQ 2090 4057 75"]


def test_a_member_logs_in_and_connects_and_a_waiting_tab_moves_on_by_itself(page: Page, site: ThreadSite) -> None:
    robin = page
    apps.add_member(site.app, *ROBIN)
    robin.goto("/")
    log_in_again(robin)
    expect(robin.get_by_text("No accounts yet.")).to_be_visible()
    ask(robin)
    second = robin.context.new_page()
    polled: list[Response] = []
    second.on("response", lambda response: polled.append(response) if "/status" in response.url else None)
    second.goto(robin.url)
    expect(second.get_by_text("Waiting for approval. This page updates automatically.")).to_be_visible()

    go_to_bunq(robin)
    assert robin.title().startswith("[SIMULATED]")
    accept(robin)
    expect(heading(robin, "Connected: Jodi Walker")).to_be_visible()
    assert robin.locator(".iban").all_inner_texts() == IBANS
    expect(robin.get_by_role("row").filter(has_text="Car")).to_contain_text("€954.00")

    expect(heading(second, "Connected: Jodi Walker")).to_be_focused()
    assert second.locator(".iban").all_inner_texts() == IBANS
    assert polled[-1].status == 286, "nothing tells the page to stop asking"
    assert {response.status for response in polled[:-1]} <= {204}
    expect(second.locator("#attempt")).not_to_have_attribute("hx-get", ".*")


def lists(bank: Bank) -> list[str]:
    """Return the calls that listed accounts, without those that listed payments."""
    paths = [str(call["path"]) for call in bank.calls("GET", "monetary-account")]
    return [path for path in paths if path.endswith("/monetary-account")]


def test_accounts_are_refreshed_and_a_stale_list_refreshes_itself(robin: Page, site: ThreadSite, bank: Bank) -> None:
    connect(robin)
    robin.get_by_role("link", name="Go to accounts").click()
    expect(robin.get_by_role("definition")).to_have_text("€8,615.00")
    bank.forget_calls()
    button(robin, "Sync Jodi Walker now").click()
    expect(robin.get_by_role("status")).to_contain_text("No worker is running")
    run_duties(site.app)
    expect(robin.get_by_role("status")).to_have_text("Updated just now")
    # The button is gone while a sync is under way, so the focus moved to what stays.
    expect(robin.get_by_role("heading", level=2, name="Jodi Walker")).to_be_focused()
    assert len(lists(bank)) == 1

    change(site, Connection, accounts_synced_at=None)
    robin.reload()
    expect(robin.get_by_role("status")).to_contain_text("No worker is running")
    run_duties(site.app)
    expect(robin.get_by_role("status")).to_have_text("Updated just now")
    assert len(lists(bank)) == 2


def test_what_is_copied_is_what_other_programs_take(robin: Page) -> None:
    robin.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(robin)
    link = robin.get_by_label("Or send this link")
    button(robin, "Copy").click()
    expect(button(robin, "Copied")).to_be_visible()
    assert robin.evaluate("navigator.clipboard.readText()") == link.input_value()

    connect(robin)
    robin.locator(".iban").first.click(click_count=3)
    robin.keyboard.press("Control+c")
    assert robin.evaluate("navigator.clipboard.readText()") == IBANS[0].replace(" ", "")


def test_every_kind_of_account_of_a_company_is_shown(robin: Page) -> None:
    connect(robin, person="Walker Studio B.V. (company)")
    rows = {name: robin.get_by_role("row").filter(has_text=name) for name in ("VAT", "Studio rent", "Pension")}
    expect(rows["VAT"]).to_contain_text("€6,250.00 of €10,000.00")
    expect(rows["VAT"].get_by_role("progressbar")).to_have_js_property("value", 62)
    expect(rows["Studio rent"]).to_contain_text("Joint with S. Okafor")
    expect(rows["Pension"]).to_contain_text("Pension (account type new to us)")
    expect(robin.get_by_role("row").filter(has_text="At another bank")).to_contain_text("No IBAN")
    closed = robin.get_by_role("row").filter(has_text="Old project")
    expect(closed).to_be_hidden()
    open_details(robin, "1 closed account")
    expect(closed).to_contain_text("Closed")


def test_the_path_under_gunicorn_with_two_workers(profiles: Profiles, gunicorn_app: GunicornSite, bank: Bank) -> None:
    app = create_app(Config.from_env(gunicorn_app.environ))
    apps.set_up(app)
    apps.add_member(app, *ROBIN)
    apps.let_go(app)
    gunicorn_app.start()
    page = profiles.new_page(gunicorn_app.url)
    log_in(page, ROBIN[0], apps.PASSWORD)
    connect(page)
    page.goto("/")
    expect(page.get_by_role("definition")).to_have_text("€8,615.00")
