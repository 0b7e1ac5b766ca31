"""Thousands of odd inputs at the forms for people, rights and logins: none is answered with a server error.

A few hundred are sent by default, from a seed, so that every run sends the same; the setting `ODD_INPUTS` of a run says
how many, and `ODD_SEED` which.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from typing import TypeVar
from urllib.parse import quote_plus

import pytest
from flask import Flask
from flask.testing import FlaskClient

from bunqflask import create_app
from bunqflask.config import Config
from bunqflask.extensions import db
from bunqflask.models import Login, LoginThrottle
from tests.support import team_of_rights as team
from tests.support.apps import PASSWORD, bare_environ, let_go
from tests.support.databases import SqliteDatabases

T = TypeVar("T")
pytestmark = pytest.mark.sqlite_only

COUNT, SEED = int(os.environ.get("ODD_INPUTS", "400")), int(os.environ.get("ODD_SEED", "10"))
# After so many inputs all rows are as they were: what was removed or locked is there again.
ROUND = 100
PEOPLE = ("anonymous", "olga", "olga", "kim", "mia", "gus")
IDS = ("1", "2", "4", "7", "1005", "0", "-1", "2147483647", "9223372036854775807", "99999999999999999999", "x", "%00")
TERMS = ("role", "until", "may_export", "label", "account")
# The addresses of forms, `*` being an id, and the fields that they have.
FORMS: dict[str, tuple[str, ...]] = {
    "/login": ("email", "password", "next"),
    "/login/factor": ("code", "trust", "next"),
    "/login/passkey": ("passkey", "next"),
    "/login/passkey/options": (),
    "/logout": (),
    "/settings/look": ("theme", "hide_amounts", "next"),
    "/settings/password": ("current", "new"),
    "/settings/logins/*/end": (),
    "/settings/browsers/*/forget": (),
    "/settings/factors/totp": (),
    "/settings/factors/totp/setup": ("code", "password", "name"),
    "/settings/factors/codes": ("confirm_password", "confirm_passkey"),
    "/settings/factors/*/remove": ("confirm_password", "confirm_passkey"),
    "/settings/factors/passkey": ("passkey", "name"),
    "/settings/factors/passkey/options": (),
    "/settings/factors/passkey/confirm-options": (),
    "/notices/read": ("newest",),
    "/notices/settings": ("topic", "quiet_from", "quiet_until", "low_balance", "with_amounts"),
    "/notices/settings/channels": ("kind", "address", "topic"),
    "/notices/settings/channels/*": ("topic",),
    "/notices/settings/channels/*/remove": (),
    "/notices/settings/channels/*/test": (),
    "/notices/settings/deliveries/*/again": (),
    "/notices/*/dismiss": ("next",),
    "/notices/*/not-me": (),
    "/team/invitations": TERMS,
    "/team/invitations/*/renew": (),
    "/team/invitations/*/withdraw": (),
    "/team/members/*": TERMS,
    "/team/members/*/lock": (),
    "/team/members/*/unlock": (),
    "/team/members/*/remove": ("data", "heir"),
    "/team/logins/*/end": ("confirm_password",),
    "/team/second-factor": ("second_factor_from",),
    f"/welcome/{team.INVITATION_TOKEN}": ("email", "name", "new"),
    f"/password/{team.RESET_TOKEN}": ("new",),
    "/welcome/*": ("email", "name", "new"),
    "/password/*": ("new",),
    f"/connections/{team.OWN}/sharing": ("account", "member", "team", "later", "since", "until"),
    "/connections/*/sharing": ("account", "member", "later"),
    f"/connections/{team.OWN}/sharing/*/end": (),
    f"/connections/{team.OWN}/stored": (),
    "/connections/*/stored": (),
    "/pay/drafts/new": (
        "account",
        "label",
        "name",
        "iban",
        "amount",
        "description",
        "reference",
        "do",
        "token",
        "compared",
    ),
    "/pay/drafts/file": ("packed", "name", "account", "map_name", "map_iban", "map_amount", "map_decimal_sign"),
    "/pay/drafts/file/prepare": (
        "packed",
        "name",
        "account",
        "seen",
        "map_name",
        "map_decimal_sign",
        "token",
        "compared",
    ),
    f"/pay/drafts/{team.MARKED[team.MIAS].instruction_id}/change": (
        "name",
        "iban",
        "amount",
        "content_hash",
        "do",
        "compared",
    ),
    f"/pay/drafts/{team.MARKED[team.MIAS].instruction_id}/approve": ("content_hash", "lines", "compared"),
    f"/pay/drafts/{team.MARKED[team.MIAS].instruction_id}/send-back": ("reason",),
    f"/pay/drafts/{team.MARKED[team.MIAS].instruction_id}/cancel": (),
    "/pay/drafts/*/approve": ("content_hash", "lines", "compared"),
    "/pay/drafts/*/cancel": (),
    "/audit/export": ("person", "what", "days", "older", "day"),
    "/pay/requests/new": ("account", "amount", "payer", "name", "description", "token"),
    "/pay/requests/*/take-back": (),
    "/pay/links/new": ("account", "amount", "description", "return_url", "token"),
    "/pay/links/*/end": (),
    "/pay/collections/new": ("account", "kind", "name", "description", "for_all", "people", "do", "seen", "token"),
    "/pay/collections/*/take-back": (),
    "/pay/collections/*/export": ("column", "decimal"),
    "/pay/collections/*/people/*/ask-again": ("instead_of",),
    "/pay/collections/*/people/*/take-back": (),
    f"/pay/cards/connections/{team.OWN}/*/freeze": ("account", "label", "token"),
    f"/pay/cards/connections/{team.OWN}/*/limits": ("account", "label", "token", "limit", "limit_atm", "confirmed"),
    "/pay/cards/connections/*/*/unfreeze": ("account", "label", "token"),
    "/pay/cards/changes/*/cancel": (),
    "/reports": (),
}
ASKED: dict[str, tuple[str, ...]] = {
    "/audit": ("person", "what", "days", "older", "day"),
    "/pay": (),
    "/pay/requests": ("older",),
    "/pay/cards/connections/*": (),
    "/pay/cards/connections/*/*/*": (),
    "/pay/cards/changes/*": (),
    "/pay/links/*": (),
    "/pay/collections": ("older",),
    "/pay/drafts": ("tab", "older_than", "batch"),
    "/pay/drafts/*": (),
    "/pay/drafts/*/change": (),
    "/notices": (),
    "/notices/settings": (),
    "/notices/settings/channels/*": (),
    "/login": ("next", "reason"),
    "/login/factor": ("next",),
    "/team": (),
    "/team/members/*": (),
    "/team/members/*/remove": (),
    "/settings": (),
    "/settings/factors": (),
    "/settings/factors/totp/setup": (),
    "/connections/*/stored": (),
    f"/connections/{team.OWN}/sharing": (),
    "/.well-known/security.txt": (),
    "/welcome/*": (),
    "/password/*": (),
}
TEXTS = (
    *("", " ", "0", "-1", "1.5", "1e9", "٣", "١٢٣٤٥٦", "000000", "9" * 40, str(2**31), str(2**63), str(-(2**63) - 1)),
    *("\x00", "a\x00b", "\u202e", "\u200b", "\ufffe", "\U0010ffff", "𝟘", "é" * 300, "x" * 5000, "\r\nSet-Cookie: a=b"),
    *(
        "{}",
        "[]",
        "null",
        '"',
        "{",
        "[[[[",
        "'",
        "' OR 1=1 --",
        "%",
        "_",
        "\\",
        "<script>",
        "{{7*7}}",
        "%(name)s",
        "{0}",
    ),
    *("0000-00-00", "0001-01-01", "9999-12-31", "2026-02-30", "2026-11-28", "2030-01-01", "20301301", "-2026-01-01"),
    *(
        "owner",
        "admin",
        "member",
        "guest",
        "OWNER",
        "erase",
        "hand-over",
        "yes",
        "1",
        "on",
        "light",
        "logins",
        "looked",
        "webhook",
        "22:00",
        "NaN",
        "-1e400",
        "https://10.0.0.1/x",
    ),
    *("robin@example.org", "a@b", "@", "a@b@c", "ä@ö.example", "x" * 250 + "@example.org", PASSWORD, "password123456"),
    *("/", "//evil.example", "/\\evil", "/team?x=1", "javascript:alert(1)", "/login", "http://[", "/%00", "/\ud7ff"),
    *(str(each) for each in (*team.ACCOUNTS[team.OWN], team.OWN, 734_601, 1, 2, 7)),
)
# Bodies that no form sends, with the type that they are said to be.
BODIES = (
    (b"%ff%fe=%00&=&&=&a", "application/x-www-form-urlencoded"),
    (b"\xff\xfe\x00", "application/x-www-form-urlencoded"),
    (b"email=%ff&password=%ff&email=2", "application/x-www-form-urlencoded; charset=utf-16"),
    (b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\n\xff\r\n--x--', "multipart/form-data; boundary=x"),
    (b"--x\r\nnothing", "multipart/form-data; boundary=x"),
    (b"ab", "multipart/form-data"),
    (b'{"a": ' * 3000, "application/json"),
    (b'[{"type": "csp-violation", "body": {"documentURL": 1}}]', "application/reports+json"),
    (b'{"csp-report": {"document-uri": [], "blocked-uri": {}}}', "application/csp-report"),
    (b'{"csp-report": {"document-uri": "http://[", "blocked-uri": "http://[::"}}', "application/csp-report"),
    (b"\xed\xa0\x80", "text/plain"),
    (b"", ""),
)


class Inputs:
    """Odd inputs from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.chance: Callable[[], float] = self._random.random

    def one_of(self, choices: tuple[T, ...]) -> T:
        return self._random.choice(choices)

    def text(self) -> str:
        if self.chance() < 0.6:
            return self.one_of(TEXTS)
        length = self._random.choice((1, 3, 12, 40, 300))
        return "".join(chr(self._code_point()) for _ in range(length))

    def path(self, pattern: str) -> str:
        """Return an address of this pattern, mostly with an id that a row has."""
        number = self.one_of(IDS[:5]) if self.chance() < 0.7 else quote_plus(self.one_of(IDS[5:]))
        return pattern.replace("*", number)

    def passkey(self) -> str:
        """Return what a browser's passkey may answer, with odd members."""
        keys = ("id", "rawId", "type", "response", "clientDataJSON", "authenticatorData", "signature", "userHandle")
        inner = {self.one_of(keys): self._value() for _ in range(4)}
        outer = {each: self._value() for each in keys[:3] if self.chance() < 0.8} | {"response": inner}
        return json.dumps(outer)

    def report(self) -> bytes:
        names = ("type", "body", "csp-report", "document-uri", "blocked-uri", "effective-directive", "documentURL")
        return json.dumps([{self.one_of(names): {self.one_of(names): self._value() for _ in range(3)}}]).encode()

    def form(self, fields: tuple[str, ...]) -> dict[str, list[str]]:
        sent = {}
        for name in fields:
            if self.chance() < 0.85:
                odd = self.passkey if "passkey" in name and self.chance() < 0.7 else self.text
                sent[name] = [odd() for _ in range(1 if self.chance() < 0.9 else 3)]
        return sent

    def _value(self) -> object:
        return self.one_of((None, True, -1, 2**70, 1.5, "", [], {}, self.text(), "AAAA", "eyJhIjoxfQ", ["x"] * 5))

    def _code_point(self) -> int:
        found = self._random.choice((self._random.randrange(0x20, 0x7F), self._random.randrange(0x110000)))
        return found if not 0xD800 <= found < 0xE000 else 0xFFFD


@pytest.fixture
def the_app(sqlite_databases: SqliteDatabases) -> Iterator[tuple[Flask, Callable[[], None]]]:
    """The app over the filled team, and what puts its rows back."""
    url = sqlite_databases.copy(team.fill)
    app = create_app(Config.from_env(bare_environ(url) | {"BUNQ_ENVIRONMENT": "local"}))
    app.config["WTF_CSRF_ENABLED"] = False  # a form without its token is refused before it is read

    def refill() -> None:
        with app.app_context():
            db.engine.dispose()
        sqlite_databases.refill(url, team.fill)

    yield app, refill
    let_go(app)


def client_of(app: Flask, inputs: Inputs, path: str) -> tuple[str, FlaskClient]:
    """Return the browser of somebody; each third has to prove again who they are, where that is asked."""
    person = inputs.one_of(PEOPLE)
    token = team.PENDING_TOKEN if path.startswith("/login/") and inputs.chance() < 0.5 else team.token_of(person)
    with app.app_context():
        if inputs.chance() < 0.3:
            db.session.execute(db.update(Login).values(confirmed_at=None))
        if inputs.chance() < 0.05:
            db.session.execute(db.delete(LoginThrottle))
        db.session.commit()
    client = app.test_client()
    if person != "anonymous":
        client.set_cookie(app.config["LOGIN_COOKIE_NAME"], token, domain="localhost")
    return person, client


def test_no_odd_input_is_answered_with_a_server_error(the_app: tuple[Flask, Callable[[], None]]) -> None:
    app, refill = the_app
    inputs, statuses = Inputs(SEED), dict[int, int]()
    for number in range(COUNT):
        if number % ROUND == 0:
            refill()
        table = FORMS if inputs.chance() < 0.85 else ASKED
        pattern = inputs.one_of(tuple(table))
        path, sent = inputs.path(pattern), inputs.form(table[pattern])
        person, client = client_of(app, inputs, path)
        headers = {"HX-Request": "true"} if inputs.chance() < 0.1 else {}
        if table is ASKED:
            answer = client.get(path, query_string=sent, headers=headers, buffered=True)
        elif pattern == "/reports" and inputs.chance() < 0.7:
            answer = client.post(path, data=inputs.report(), content_type="application/reports+json")
        elif inputs.chance() < 0.15:
            body, kind = inputs.one_of(BODIES)
            answer = client.post(path, data=body, content_type=kind, headers=headers, buffered=True)
        else:
            answer = client.post(path, data=sent, headers=headers, buffered=True)
        where = (SEED, number, person, path, sent)
        assert answer.status_code < 500, where
        assert b"Traceback" not in answer.data, where
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
    print(COUNT, "odd inputs:", dict(sorted(statuses.items())))
    assert {200, 302, 403, 404, 422} <= statuses.keys(), "the inputs reach the forms, and some are in order"
