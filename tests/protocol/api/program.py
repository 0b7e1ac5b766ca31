"""A program that calls the API with a token, as anybody would write one."""

from __future__ import annotations

from typing import Any

import requests

from bunqflask.models import TokenScope
from bunqflask.services.team import members
from bunqflask.services.tokens import tokens
from bunqflask.services.tokens.tokens import TokenTerms
from tests.support import rows
from tests.support.apps import ThreadSite

EVERY_SCOPE = (
    TokenScope.BALANCES_READ,
    TokenScope.PAYMENTS_READ,
    TokenScope.NOTES_READ,
    TokenScope.EXPORTS_READ,
    TokenScope.CONNECTIONS_WRITE,
    TokenScope.BUNQ_READ,
)


class Program:
    """Calls one site with one token."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        if token is not None:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def call(self, path: str, *, method: str = "GET", **how: Any) -> requests.Response:
        """Call a path below /api/v1."""
        return self.session.request(method, f"{self.url}/api/v1{path}", timeout=30, allow_redirects=False, **how)

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the JSON of a successful answer."""
        answer = self.call(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()


def make_token(site: ThreadSite, email: str, **terms: Any) -> str:
    """Make a token of a member; by default one that may do everything."""
    with rows.behind(site.app):
        return tokens.add(members.require(email), TokenTerms(**({"name": "a program", "scopes": EVERY_SCOPE} | terms)))


def program_of(site: ThreadSite, email: str, **terms: Any) -> Program:
    """Return a program with a new token of a member."""
    return Program(site.url, make_token(site, email, **terms))
