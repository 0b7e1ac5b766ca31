"""A member lets an assistant in: the page asks plainly, and the browser goes on to the program that waits."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser import screenshots
from tests.browser.journeys import button, connect
from tests.protocol.mcp.oauth import Program
from tests.support.apps import ThreadSite


class Waiting:
    """A program on this machine that waits for the browser to bring an answer."""

    def __init__(self) -> None:
        self.brought: list[dict[str, str]] = []
        brought = self.brought

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith("/callback"):
                    brought.append(dict(parse_qsl(urlsplit(self.path).query)))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"<!doctype html><title>Done</title><h1>You can close this window</h1>")

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/callback"


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    waiting = Waiting()
    thread = Thread(target=waiting.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield waiting
    waiting.server.shutdown()
    thread.join()
    waiting.server.server_close()


def test_from_the_question_to_the_program_that_waits(robin: Page, site: ThreadSite, waiting: Waiting) -> None:
    connect(robin)
    program = Program(site.url, redirect_uris=("http://127.0.0.1/callback",))
    program.redirect_uri = waiting.address
    robin.goto(program.request())
    findings = screenshots.look(robin, "/assistants/authorize")
    robin.get_by_label("Only these:").check()
    robin.get_by_role("checkbox", name="Main").first.check()
    button(robin, "Let it read").click()

    expect(robin.get_by_role("heading", name="You can close this window")).to_be_visible()
    [facts] = waiting.brought
    assert program.exchange(facts["code"]).status_code == 200
    assert facts["state"] == "xyz"
    robin.goto(f"{site.url}/developers")
    expect(robin.get_by_text("Assistant", exact=True)).to_be_visible()
    assert findings == []
