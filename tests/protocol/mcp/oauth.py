"""A program that asks a member for access, step by step as OAuth 2.1 has them, so that a test may leave the way."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from tests.support.browser import Browser, Page

HERE = "http://127.0.0.1:43210/callback"


class Program:
    """One program; it registers itself at the start."""

    def __init__(self, site: str, *, redirect_uris: tuple[str, ...] = (HERE,), name: str = "Clever") -> None:
        self.site = site
        self.session = requests.Session()
        self.session.trust_env = False
        self.verifier = secrets.token_urlsafe(48)
        answer = self.register(redirect_uris=list(redirect_uris), client_name=name)
        assert answer.status_code == 201, answer.text
        self.client_id: str = answer.json()["client_id"]
        self.redirect_uri = redirect_uris[0]

    def register(self, **described: Any) -> requests.Response:
        return self.session.post(f"{self.site}/assistants/register", json=described, timeout=30)

    def request(self, **changed: str | None) -> str:
        """Return the path of a request for access; None leaves a parameter out."""
        digested = hashlib.sha256(self.verifier.encode()).digest()
        fields: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "code_challenge": base64.urlsafe_b64encode(digested).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "state": "xyz",
            "resource": f"{self.site}/mcp",
            **changed,
        }
        return "/assistants/authorize?" + urlencode({name: each for name, each in fields.items() if each is not None})

    def code_by(self, browser: Browser, **answers: str | list[str]) -> str:
        """Let a member let it in; return the code."""
        browser.get(self.request())
        return code_of(browser.submit(button="Let it read", action=None, **answers))

    def token(self, **fields: str | None) -> requests.Response:
        """Ask for tokens."""
        given = {"client_id": self.client_id, "resource": f"{self.site}/mcp", **fields}
        kept = {name: each for name, each in given.items() if each is not None}
        return self.session.post(f"{self.site}/assistants/token", data=kept, timeout=30)

    def exchange(self, code: str, /, **changed: str | None) -> requests.Response:
        fields: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        return self.token(**{**fields, **changed})

    def refresh(self, token: str, **more: str) -> requests.Response:
        return self.token(grant_type="refresh_token", refresh_token=token, **more)

    def revoke(self, token: str) -> requests.Response:
        data = {"client_id": self.client_id, "token": token}
        return self.session.post(f"{self.site}/assistants/revoke", data=data, timeout=30)


def target_of(page: Page) -> str:
    """Return where a page leads the browser."""
    assert page.status == 200, page.text
    return page.link("Go on")


def facts_of(page: Page) -> dict[str, str]:
    """Return what a page sends to the program."""
    return dict(parse_qsl(urlsplit(target_of(page)).query))


def code_of(page: Page) -> str:
    return facts_of(page)["code"]
