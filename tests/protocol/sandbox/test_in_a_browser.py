"""The bank's own pages in Chromium: with script and without, on two devices, for everybody."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from bunqflask.sandbox.server import Served
from tests.browser.screenshots import look
from tests.support.chromium import Profiles

from .client import COMPANY, JODI, App, control, new_user, session_of
from .test_cards import ordered
from .test_drafts import DRAFTS, draft
from .test_requests import asked, inquiries

# The development server leaves a file open when a browser has lost interest in it.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file .*/static/.*:ResourceWarning")


@pytest.fixture
def profiles(bank: Served, chromium_browser: Browser) -> Iterator[Profiles]:
    """New profiles on demand, which must have nothing to complain about."""
    made = Profiles(chromium_browser)
    yield made
    made.close()
    assert made.complaints == []


@pytest.fixture
def app(bank: Served) -> Iterator[App]:
    """An app whose callback is a page of its own on another port."""

    class Back(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = (
                b"<!doctype html><html lang=en><title>App</title><link rel=icon href='data:,'><h1>Back at the app</h1>"
            )
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Back)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield App(new_user(bank, "company"), callback=f"http://localhost:{server.server_port}/cb")
    server.shutdown()
    server.server_close()


def brought_back(page: Page) -> dict[str, str]:
    """Return what the browser brings back to the app."""
    page.get_by_role("heading", name="Back at the app").wait_for()
    return dict(parse_qsl(urlsplit(page.url).query))


@pytest.mark.parametrize("script", [True, False])
def test_person_picks_accounts_beside_the_page(bank: Served, app: App, profiles: Profiles, script: bool) -> None:
    page = profiles.new_page(bank.origin, java_script_enabled=script)
    page.goto(app.authorize_url())
    page.get_by_label("You are").select_option(label="Walker Studio B.V. (company)")
    page.get_by_label("Pension").uncheck()
    page.get_by_role("button", name="Accept").click()
    client = app.session(app.exchange(brought_back(page)["code"]))
    names = [next(iter(item)) for item in client.get(f"/user/{client.user_id}/monetary-account")]
    assert len(names) == 5
    assert "MonetaryAccountPension" not in names


@pytest.mark.parametrize("script", [True, False])
def test_answer_on_another_phone_moves_the_page_on(bank: Served, app: App, profiles: Profiles, script: bool) -> None:
    page = profiles.new_page(bank.origin, java_script_enabled=script)
    phone = profiles.new_page(bank.origin, java_script_enabled=script, viewport={"width": 375, "height": 800})
    page.goto(app.authorize_url())
    phone.goto(page.get_by_role("link", name="/phone").get_attribute("href") or "")
    expect(phone.get_by_role("heading", name="1. Your browser")).to_have_count(0)
    phone.get_by_role("button", name="Deny").click()
    expect(phone.get_by_text("You refused access")).to_be_visible()
    if not script:
        page.get_by_role("link", name="Check now").click()
    assert brought_back(page)["error"] == "access_denied"


def test_fault_is_set_and_removed_without_leaving_the_consent(bank: Served, app: App, profiles: Profiles) -> None:
    page = profiles.new_page(bank.origin)
    page.goto(app.authorize_url())
    page.get_by_label("answer with").select_option(label="A wrong signature")
    page.get_by_role("button", name="Add fault").click()
    expect(page.get_by_text("1 active")).to_be_visible()
    assert control(bank, "GET", "/faults")["faults"][0]["fault"] == "bad-signature"
    page.get_by_role("button", name="Remove the fault A wrong signature").click()
    expect(page.get_by_text("1 active")).to_have_count(0)
    page.get_by_role("button", name="Accept").click()
    assert "code" in brought_back(page)


def test_log_grows_by_itself(bank: Served, profiles: Profiles) -> None:
    page = profiles.new_page(bank.origin)
    page.goto("/__sandbox/log")
    expect(page.get_by_text("No call yet")).to_be_visible()
    session_of(bank, JODI)
    expect(page.get_by_text("POST /v1/session-server")).to_be_visible()
    expect(page.get_by_text("No call yet")).to_have_count(0)


def test_pages_can_be_used_by_everybody(bank: Served, app: App, profiles: Profiles) -> None:
    jodi, company = session_of(bank, JODI), session_of(bank, COMPANY)
    app.connect().create(DRAFTS, draft())
    ordered(jodi)
    company.create(
        inquiries(company, 2083801), asked("5.00", {"type": "EMAIL", "value": "testers+1744621019@bunq.com"})
    )
    control(bank, "POST", "/faults", {"call": "POST session-server", "fault": "429"})
    page = profiles.new_page(bank.origin)
    findings = []
    for name, path in (
        ("consent", app.authorize_url()),
        ("phone of a consent", f"/auth/{app.ask()}/phone"),
        ("panel", "/"),
        ("phone", f"/__sandbox/phone?person={JODI}"),
        ("log", "/__sandbox/log"),
    ):
        page.goto(path)
        for folded in page.locator("summary").all():
            folded.click()
        findings += look(page, name)
    assert findings == []
