"""An impatient person presses twice: one thing is made, and the page that comes is the right one."""

from playwright.sync_api import Page, Route, expect

from bunqflask.models import Connection, ConsentAttempt
from tests.browser.journeys import accept, ask, button, connect, count, go_to_bunq, heading, open_settings
from tests.support.apps import ThreadSite
from tests.support.bank import Bank
from tests.support.rows import run_duties


def test_connecting_begins_one_attempt_and_makes_one_connection(robin: Page, site: ThreadSite, bank: Bank) -> None:
    robin.goto("/connect")
    button(robin, "Connect your accounts").dblclick()
    expect(heading(robin, "Connect bunq")).to_be_visible()
    assert count(site, ConsentAttempt) == 1
    button(robin, "Continue to bunq").dblclick()
    expect(heading(robin, "You are at the simulated bank")).to_be_visible()
    button(robin, "Accept").dblclick()
    expect(heading(robin, "Connected: Jodi Walker")).to_be_visible()
    assert len(bank.calls("POST", "token")) == 1
    assert count(site, Connection) == 1


def test_a_form_is_not_sent_again_while_its_answer_is_on_the_way(robin: Page, site: ThreadSite) -> None:
    held: list[Route] = []
    robin.goto("/connect")
    robin.context.route("**/connect", lambda route: held.append(route))
    at = button(robin, "Connect your accounts").bounding_box()
    assert at is not None
    with robin.expect_request("**/connect"):
        robin.mouse.click(at["x"] + 5, at["y"] + 5)
    robin.mouse.click(at["x"] + 5, at["y"] + 5)
    held[0].continue_()
    expect(heading(robin, "Connect bunq")).to_be_visible()
    assert len(held) == 1
    assert count(site, ConsentAttempt) == 1


def test_confirming_makes_one_connection(robin: Page, site: ThreadSite, bank: Bank) -> None:
    connect(robin)
    robin.goto("/connections/1")
    button(robin, "Renew now").dblclick()
    expect(heading(robin, "Reconnect Jodi Walker")).to_be_visible()
    assert count(site, ConsentAttempt) == 2
    go_to_bunq(robin)
    accept(robin, person="Walker Studio B.V. (company)")
    button(robin, "Connect Walker Studio B.V. as well").dblclick()
    expect(heading(robin, "Connected: Walker Studio B.V.")).to_be_visible()
    assert count(site, Connection) == 2


def test_refreshing_asks_bunq_once(robin: Page, site: ThreadSite, bank: Bank) -> None:
    connect(robin)
    robin.goto("/")
    bank.forget_calls()
    bank.fault(call="GET monetary-account", fault="slow-drip", seconds=0.5, times=1)
    button(robin, "Sync Jodi Walker now").dblclick()
    expect(robin.get_by_role("status")).to_contain_text("No worker is running")
    run_duties(site.app)
    expect(robin.get_by_role("status")).to_have_text("Updated just now")
    lists = [call for call in bank.calls("GET", "monetary-account") if call["path"].endswith("/monetary-account")]
    assert len(lists) == 1


def test_disconnecting_and_discarding_happen_once(robin: Page, site: ThreadSite, bank: Bank) -> None:
    connect(robin)
    robin.goto("/")
    open_settings(robin)
    robin.get_by_role("link", name="Disconnect…").dblclick()
    expect(robin.get_by_role("dialog")).to_be_visible()
    robin.get_by_label("Give them up too (can’t be undone)").check()
    bank.forget_calls()
    button(robin, "Disconnect").dblclick()
    expect(robin.get_by_role("status").filter(has_text="Jodi Walker is disconnected.")).to_be_visible()
    expect(robin.get_by_text("No accounts yet.")).to_be_visible()
    run_duties(site.app)
    assert len(bank.calls("DELETE", "session")) == 1
    assert count(site, Connection) == 0

    ask(robin)
    button(robin, "Cancel").dblclick()
    expect(heading(robin, "Cancelled")).to_be_visible()
