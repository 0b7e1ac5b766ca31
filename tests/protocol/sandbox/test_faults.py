"""Faults: what a client meets when the bank is told to misbehave."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests

from bunqflask.sandbox.bank import faults
from bunqflask.sandbox.server import Served

from .client import JODI, App, Client, control, is_signed_by, new_user, session_of


def fault(bank: Served, kind: str, call: str = "GET user", **more: Any) -> None:
    """Add one fault."""
    control(bank, "POST", "/faults", {"call": call, "fault": kind, **more})


@pytest.mark.parametrize(("kind", "expected"), sorted(faults.STATUS_TEXTS.items()))
def test_refusals_come_with_bunqs_shape_and_then_go(bank: Served, kind: str, expected: tuple[int, str]) -> None:
    client = new_user(bank)
    fault(bank, kind)
    answer = client.call("GET", "/user")
    assert answer.status_code == expected[0]
    text = answer.json()["Error"][0]["error_description"]
    assert text == expected[1].format(calls=3, seconds=3)
    assert ("X-Bunq-Server-Signature" in answer.headers) == (expected[0] in (400, 404, 405, 466, 490))
    assert client.call("GET", "/user").status_code == 200


@pytest.mark.parametrize("status", [502, 503])
def test_html_error_pages_replace_the_answer(bank: Served, status: int) -> None:
    client = new_user(bank)
    fault(bank, f"html-{status}")
    answer = client.call("GET", "/user")
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.text.startswith("<html>")


def test_times_count_down_and_null_stays(bank: Served) -> None:
    client = new_user(bank)
    fault(bank, "500", times=2)
    assert [client.call("GET", "/user").status_code for _ in range(3)] == [500, 500, 200]
    fault(bank, "500", times=None)
    assert [client.call("GET", "/user").status_code for _ in range(3)] == [500, 500, 500]
    assert control(bank, "DELETE", "/faults")["faults"] == []
    assert client.call("GET", "/user").status_code == 200


def test_fault_is_injected_only_into_the_call_it_names(bank: Served) -> None:
    client = session_of(bank, JODI)
    fault(bank, "500", "GET monetary-account", times=None)
    assert client.call("GET", "/user").status_code == 200
    assert client.call("GET", f"/user/{JODI}/monetary-account").status_code == 500
    control(bank, "PUT", "/faults", [{"call": "ANY /v1/user/*/monetary-account-bank", "fault": "409", "times": None}])
    assert client.call("GET", f"/user/{JODI}/monetary-account").status_code == 200
    assert client.call("GET", f"/user/{JODI}/monetary-account-bank").status_code == 409


def test_answer_can_be_lost_before_or_after_the_work(bank: Served) -> None:
    owner = new_user(bank)
    path = f"/user/{owner.user_id}/oauth-client"
    fault(bank, "500", "POST oauth-client", when="before")
    assert owner.call("POST", path, {}).status_code == 500
    assert owner.get(path) == []
    fault(bank, "reset", "POST oauth-client", when="after")
    with pytest.raises(requests.ConnectionError):
        owner.call("POST", path, {})
    assert len(owner.get(path)) == 1


def test_timeout_and_reset_give_no_answer(bank: Served) -> None:
    client = new_user(bank)
    for kind in ("timeout", "reset"):
        fault(bank, kind, seconds=0.2)
        started = time.monotonic()
        with pytest.raises(requests.ConnectionError):
            client.call("GET", "/user")
        assert (time.monotonic() - started >= 0.2) == (kind == "timeout")


def test_truncated_body_breaks_off(bank: Served) -> None:
    client = new_user(bank)
    fault(bank, "truncated")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        client.call("GET", "/user")


def test_slow_drip_brings_all_in_the_end(bank: Served) -> None:
    client = new_user(bank)
    whole = client.call("GET", "/user").content
    fault(bank, "slow-drip", seconds=0.3)
    started = time.monotonic()
    assert client.call("GET", "/user").content == whole
    assert time.monotonic() - started >= 0.3


def test_signatures_can_be_wrong_or_missing(bank: Served) -> None:
    client = new_user(bank)
    key, client.server_key = client.server_key, ""
    fault(bank, "bad-signature")
    answer = client.call("GET", "/user")
    assert not is_signed_by(key, answer.content, answer.headers["X-Bunq-Server-Signature"])
    fault(bank, "missing-signature")
    assert "X-Bunq-Server-Signature" not in client.call("GET", "/user").headers


@pytest.mark.parametrize("kind", ["invalid-json", "empty"])
def test_unreadable_bodies_are_signed_all_the_same(bank: Served, kind: str) -> None:
    client = new_user(bank)
    fault(bank, kind)
    answer = client.call("GET", "/user")
    assert is_signed_by(client.server_key, answer.content, answer.headers["X-Bunq-Server-Signature"])
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.content)


def test_headers_can_change_case_and_type(bank: Served) -> None:
    client = new_user(bank)
    fault(bank, "header-case")
    answer = client.call("GET", "/user")
    assert "x-bunq-server-signature" in list(answer.headers)
    fault(bank, "wrong-content-type")
    assert client.call("GET", "/user").headers["Content-Type"].startswith("text/html")


def test_items_can_be_shuffled_strange_or_null(bank: Served) -> None:
    client = session_of(bank, JODI)
    path, call = f"/user/{JODI}/monetary-account", "GET monetary-account"
    plain = client.get(path)
    fault(bank, "reordered", call)
    assert client.get(path) == plain[::-1]
    fault(bank, "unknown-fields", call)
    assert "field_of_tomorrow" in client.get(path)[0]["MonetaryAccountBank"]
    fault(bank, "unknown-types", call)
    assert list(client.get(path)[0]) == ["MonetaryAccountOfTomorrow"]
    fault(bank, "null-members", call)
    first = client.get(path)[0]
    assert first["NothingHere"] is None
    assert first["MonetaryAccountBank"]["avatar"] is None
    assert first["MonetaryAccountBank"]["balance"] == plain[0]["MonetaryAccountBank"]["balance"]


def test_faults_reach_the_token_call(bank: Served) -> None:
    app = App(new_user(bank))
    code = app.consent()
    fault(bank, "html-502", "POST token")
    assert requests.post(bank.token_url, params=app.parameters(code), timeout=5).status_code == 502
    assert app.exchange(code), "the code was not spent"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"fault": "nonsense"},
        {"fault": "500", "call": "user"},
        {"fault": "500", "times": 0},
        {"fault": "500", "when": "later"},
        {"fault": "500", "typo": 1},
    ],
)
def test_faults_that_make_no_sense_are_refused(bank: Served, wrong: dict[str, Any]) -> None:
    answer = requests.post(f"{bank.control_url}/faults", json=wrong, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize(
    "wrong", [{"rate_limits": "none"}, {"nothing": 1}, {"maintenance": "yes"}, {"caller_address": "home"}]
)
def test_switches_that_make_no_sense_change_nothing(bank: Served, wrong: dict[str, Any]) -> None:
    answer = requests.patch(f"{bank.control_url}/switches", json={"denial": "stay", **wrong}, timeout=5)
    assert answer.status_code == 400
    assert control(bank, "GET", "/switches")["denial"] == "redirect"


def test_log_shows_calls_that_bunq_does_not_have_and_no_secret_in_them(bank: Served) -> None:
    client = new_user(bank)
    assert client.session_token
    client.refused("GET", f"/session-servers/{client.session_token}")
    assert requests.post(f"{bank.origin}/installation", json={}, timeout=5).status_code == 404
    first, second = control(bank, "GET", "/calls")["calls"][-2:]
    assert first["path"] == f"/v1/session-servers/{client.session_token[:4]}…"
    assert first["verdicts"]["refused"] == "The item you requested could not be found"
    assert (second["path"], second["verdicts"]["path"]) == ("/installation", "bunq's API lies under /v1/")


def test_log_tells_what_a_client_did_wrong_and_no_secret(bank: Served) -> None:
    app = App(new_user(bank))
    client = app.connect()
    client.refused(
        "POST", "/session-server", {"secret": "sandbox_wrong"}, token=client.installation_token, signed=False
    )
    Client(bank).refused("GET", "/user")
    calls = control(bank, "GET", "/calls")["calls"]
    assert {"method": "POST", "pattern": "/v1/token", "status": 200}.items() <= calls[-3 - 1].items()
    assert calls[-2]["verdicts"]["signature"] == "absent, but required here"
    assert calls[-1]["verdicts"] == {
        "headers": "good",
        "token": "missing",
        "refused": "Insufficient authorisation.",
    }
    text = json.dumps(calls)
    for secret in (app.secret, client.session_token, client.installation_token, "sandbox_wrong"):
        assert secret
        assert secret not in text
    assert control(bank, "DELETE", "/calls") == {"calls": []}
    assert control(bank, "GET", "/calls") == {"calls": []}


def test_unknown_calls_are_signed_logged_and_take_faults(bank: Served) -> None:
    client = new_user(bank)
    wrong_path = client.call("GET", "/user/1/no-such-thing", headers={"X-Bunq-Client-Request-Id": "mine"})
    wrong_method = client.call("DELETE", "/user")
    assert (wrong_path.status_code, wrong_method.status_code) == (404, 405)
    assert wrong_path.headers["X-Bunq-Client-Request-Id"] == "mine"
    for answer in (wrong_path, wrong_method):
        assert is_signed_by(client.server_key, answer.content, answer.headers["X-Bunq-Server-Signature"])
    seen = {(each["method"], each["path"], each["status"]) for each in control(bank, "GET", "/calls")["calls"]}
    assert {("GET", "/v1/user/1/no-such-thing", 404), ("DELETE", "/v1/user", 405)} <= seen
    fault(bank, "html-502", "ANY *")
    assert client.call("GET", "/no-such-thing").status_code == 502


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/clock", '{"advance_s": NaN}'),
        ("POST", "/clock", '{"advance_s": 1e300}'),
        ("POST", "/clock", '{"advance_s": 1' + "0" * 400 + "}"),
        ("PATCH", "/switches", '{"session_timeout_s": 1' + "0" * 30 + "}"),
        ("POST", "/grants/revoke", '{"user_id": 1' + "0" * 30 + "}"),
        ("PUT", "/faults", '[{"fault": ["500"]}]'),
        ("PUT", "/faults", '[{"fault": "timeout", "seconds": NaN}]'),
    ],
)
def test_impossible_instructions_are_refused_and_leave_the_bank_usable(
    bank: Served, method: str, path: str, body: str
) -> None:
    answer = requests.request(method, f"{bank.origin}/__sandbox{path}", data=body, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert new_user(bank).call("GET", "/user").status_code == 200
