"""Makes the two screenshots of the README: `python -m tests.support.screenshots URL EMAIL PASSWORD`.

Start `make run` first; URL, EMAIL and PASSWORD are what it prints. Connects Jodi Walker if nothing is connected yet.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, expect

from tests.support import chromium

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
SIZE: ViewportSize = {"width": 1280, "height": 800}
# bunq allows one new session in 30 seconds, and the backfill comes after it.
_TIMEOUT_MS = 120_000


def _connect(page: Page) -> None:
    page.goto("/connect")
    page.get_by_role("button", name="Connect your accounts").click()
    page.get_by_role("button", name="Continue to bunq").click()
    page.get_by_label("You are").select_option(label="Jodi Walker (person)")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_role("heading", level=1, name="Connected: Jodi Walker")).to_be_visible(timeout=_TIMEOUT_MS)


def _take(page: Page, path: str, name: str) -> None:
    page.goto(path)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=FOLDER / name)
    print(FOLDER / name, (FOLDER / name).stat().st_size)


def main(url: str, email: str, password: str) -> None:
    """Log in, connect, wait for the payments, and take both pictures."""
    executable = chromium.executable()
    if executable is None:
        raise SystemExit("no Chromium on PATH")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with chromium.running(executable) as browser:
        page = browser.new_context(base_url=url, viewport=SIZE, locale="en-GB").new_page()
        chromium.log_in(page, email, password)
        page.goto("/")
        if not page.get_by_text("Jodi Walker").count():
            _connect(page)
        page.goto("/payments")
        expect(page.locator("a[href^='/payments/']").nth(20)).to_be_attached(timeout=_TIMEOUT_MS)
        page.wait_for_timeout(20_000)
        _take(page, "/", "accounts.png")
        _take(page, "/payments?q=bakkerij", "payments.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
