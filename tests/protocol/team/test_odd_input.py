"""Odd input at every form of the login and of its settings is refused, and is no mistake of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bunqflask import create_app
from bunqflask.config import Config
from bunqflask.extensions import db
from bunqflask.models import Factor, Login, LoginThrottle
from bunqflask.services.team import factors, login_steps, members, passkeys
from bunqflask.services.team.login_steps import NewPendingLogin
from tests.support.apps import PASSWORD, bare_environ, let_go
from tests.support.databases import SqliteDatabases
from tests.support.logins import VISITOR, current, log_in

pytestmark = pytest.mark.sqlite_only

ROBIN = "robin@example.com"
TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["", "0" * 6, "١٢٣٤٥٦", "\x00", "\u202e", "{}", "[]", "null", "x" * 5000, ROBIN, PASSWORD]),
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
B64 = st.binary(max_size=60).map(lambda raw: passkeys_text(raw))
CREDENTIALS = st.fixed_dictionaries(
    {},
    optional={
        "id": B64 | JSON,
        "rawId": B64 | JSON,
        "type": st.sampled_from(["public-key", "x"]) | JSON,
        "authenticatorAttachment": st.sampled_from(["platform", "x"]),
        "response": st.fixed_dictionaries(
            {},
            optional={
                "clientDataJSON": B64 | JSON | JSON.map(lambda value: passkeys_text(json.dumps(value).encode())),
                "authenticatorData": B64 | JSON,
                "attestationObject": B64 | JSON,
                "signature": B64 | JSON,
                "userHandle": B64 | JSON,
                "transports": JSON,
            },
        )
        | JSON,
    },
).map(json.dumps)
FORMS = {
    "/login": ("email", "password", "next"),
    "/login/factor": ("code", "trust", "next"),
    "/login/passkey": ("passkey", "next"),
    "/settings/password": ("current", "new"),
    "/settings/factors/totp/setup": ("code", "password", "name"),
    "/settings/factors/passkey": ("passkey", "name"),
    "/settings/factors/codes": ("confirm_password", "confirm_passkey"),
    "/settings/factors/1/remove": ("confirm_password", "confirm_passkey"),
    "/notices/1/dismiss": ("next",),
}


def passkeys_text(raw: bytes) -> str:
    """Write bytes as browsers do in a passkey's answer."""
    from webauthn.helpers import bytes_to_base64url

    return str(bytes_to_base64url(raw))


@pytest.fixture(scope="module")
def the_app(sqlite_databases: SqliteDatabases) -> Iterator[Flask]:
    url = sqlite_databases.migrated()
    app = create_app(Config.from_env(bare_environ(url)))
    app.config["WTF_CSRF_ENABLED"] = False  # forms without their token are refused before they are read
    with app.app_context():
        members.add(ROBIN, "Robin", PASSWORD)
        db.session.remove()
    yield app
    let_go(app)


def client_of(app: Flask, *, half: bool, recent: bool) -> FlaskClient:
    """Return a browser with a half login or a full one, with an app waiting for its first code."""
    with app.app_context():
        db.session.execute(db.delete(LoginThrottle))
        db.session.execute(db.delete(Factor))
        db.session.commit()
        login = log_in(ROBIN)
        token = login.token
        factors.begin_totp(current(login).member)
        if half:
            db.session.execute(db.update(Factor).values(activated_at=db.func.now(), name="App"))
            db.session.commit()
            pending = login_steps.log_in(ROBIN, PASSWORD, VISITOR)
            assert isinstance(pending, NewPendingLogin)
            token = pending.token
        if not recent:
            db.session.execute(db.update(Login).values(confirmed_at=None))
            db.session.commit()
        db.session.remove()
    client = app.test_client()
    client.set_cookie(app.config["LOGIN_COOKIE_NAME"], token, domain="localhost")
    return client


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_no_form_answers_odd_input_with_an_error(the_app: Flask, data: st.DataObject) -> None:
    client = client_of(the_app, half=data.draw(st.booleans()), recent=data.draw(st.booleans()))
    for path in data.draw(st.lists(st.sampled_from(sorted(FORMS)), min_size=3, max_size=6)):
        form = {name: data.draw(CREDENTIALS | TEXTS if "passkey" in name else TEXTS) for name in FORMS[path]}
        answer = client.post(path, data={name: value for name, value in form.items() if data.draw(st.booleans())})
        assert answer.status_code < 500, (path, form)
        assert b"Traceback" not in answer.data


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(answer=CREDENTIALS | TEXTS)
def test_no_odd_answer_of_a_passkey_logs_anybody_in(the_app: Flask, answer: str) -> None:
    with the_app.app_context():
        with pytest.raises(passkeys.PasskeyRefused):
            passkeys.log_in(answer, VISITOR)
        db.session.remove()


@pytest.mark.parametrize(
    ("public_url", "possible"),
    [
        ("https://geld.example.org", True),
        ("https://geld.example.org/bank", True),
        ("http://localhost:5000", True),
        ("http://127.0.0.1:5000", False),
        ("http://192.168.1.20:5000", False),
        ("https://192.0.2.7", False),
        ("https://[2001:db8::1]", False),
        ("http://geld.lan", False),
    ],
)
def test_passkeys_are_offered_where_browsers_make_them(the_app: Flask, public_url: str, possible: bool) -> None:
    app = Flask("passkeys")
    app.config["PUBLIC_URL"] = public_url
    with app.app_context():
        assert passkeys.are_possible() is possible
