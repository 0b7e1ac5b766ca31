"""A real Chromium, driven without a plugin: one browser for a run, a fresh profile for each test."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

TIMEOUT_MS = 10_000
# The first is the same browser without windows, which takes two thirds of the time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",  # our own pages only; as root Chromium does not start with its sandbox
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@cache
def executable() -> str | None:
    """Return the Chromium on PATH, if there is one that runs: Ubuntu's package is only a pointer to a snap."""
    return next((path for path in map(shutil.which, NAMES) if path and _runs(path, "--version")), None)


@cache
def lacking() -> str | None:
    """Return what this machine lacks to run a browser, or None."""
    if executable() is None:
        return "Chromium"
    # The driver is a program of its own, linked with libraries of the system.
    if not _runs(sys.executable, "-m", "playwright", "--version"):
        return "what Playwright's driver needs (Debian: apt-get install libatomic1)"
    return None


def _runs(*command: str) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


@contextmanager
def running(path: str) -> Iterator[Browser]:
    """Start Chromium, for as many profiles as are wanted."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def log_in(page: Page, email: str, password: str) -> None:
    """Log a team member in, as a person does."""
    page.goto("/login")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url(lambda url: "/login" not in url)


# htmx writes these where a newer request of a form replaces one that is under way. It writes the first for what failed
# too, which it names in a message of its own.
_TAKEN_BACK = ("htmx:afterRequest", "htmx:sendAbort")


@dataclass
class Profiles:
    """The browser profiles of one test, and what went wrong in them."""

    browser: Browser
    complaints: list[str] = field(default_factory=list)
    """Script errors, console errors and violations of the page's own security policy."""
    expected_statuses: set[int] = field(default_factory=set)
    """Statuses of 400 and above that the test is after; Chromium logs each as a console error."""
    replaces_requests: bool = False
    """Whether the test types where the next request takes back the one before, on a slow machine at least."""
    _contexts: list[BrowserContext] = field(default_factory=list)

    def new_page(self, home: str, **options: Any) -> Page:
        """Return the first page of a new profile: a person at another device. Options are Playwright's.

        `home` is the address that paths are relative to.
        """
        defaults = {
            "viewport": {"width": 1280, "height": 900},
            "locale": "en-GB",
            "timezone_id": "Europe/Amsterdam",
            # What moves is drawn sixty times a second, by the processor; the test of movement asks for it.
            "reduced_motion": "reduce",
        }
        context = self.browser.new_context(base_url=home, **{**defaults, **options})
        context.set_default_timeout(TIMEOUT_MS)
        context.on("console", self._listen)
        context.on("weberror", lambda error: self.complaints.append(f"script error: {error.error}"))
        self._contexts.append(context)
        return context.new_page()

    def take_pictures(self, folder: Path, name: str) -> list[Path]:
        """Save what every open page shows, and return the pictures' paths."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        pages = [page for context in self._contexts for page in context.pages]
        for number, page in enumerate(pages, start=1):
            path = folder / f"{name}-{number}.png"
            page.screenshot(path=path, full_page=True)
            paths.append(path)
        return paths

    def close(self) -> None:
        """Close every profile."""
        for context in self._contexts:
            context.close()

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if any(f"status of {status} " in message.text for status in self.expected_statuses):
            return
        if self.replaces_requests and message.text.startswith(_TAKEN_BACK):
            return
        self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")
