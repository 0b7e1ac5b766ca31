"""Every documented call answers in bunq's shape."""

from __future__ import annotations

from typing import Any

import pytest

from bunqflask.sandbox.resources import documented
from bunqflask.sandbox.server import Served

from .client import JODI, MAIN, App, Client, new_user, session_of

UNKNOWN_UUID = "00000000-0000-4000-8000-000000000000"


def fill(path: str, user_id: int = JODI) -> str:
    """Return a documented path with ids: the user's, his account's, and 1 for everything else."""
    path = path.replace("/user/{}", f"/user/{user_id}", 1).replace("/monetary-account/{}", f"/monetary-account/{MAIN}")
    for typed in ("person", "company", "payment-service-provider"):
        path = path.replace(f"/user-{typed}/{{}}", f"/user-{typed}/{user_id}")
    for public in ("attachment-public", "avatar"):
        path = path.replace(f"/{public}/{{}}", f"/{public}/{UNKNOWN_UUID}")
    return path.replace("{}", "1")


def check_shape(answer: Any, what: str) -> None:
    """Check that an answer is bunq's, of whatever kind."""
    assert "X-Bunq-Client-Response-Id" in answer.headers, what
    if answer.status_code == 200:
        assert isinstance(answer.json()["Response"], list), what
        return
    (error,) = answer.json()["Error"]
    assert error["error_description"], what


def test_no_documented_call_crashes(bank: Served) -> None:
    client = session_of(bank, JODI)
    for method, path in documented.operations():
        if path.startswith(("/session/", "/installation")):
            continue
        answer = client.call(method, fill(path), None if method in ("GET", "DELETE") else {})
        check_shape(answer, f"{method} {path}")
        crashes = answer.status_code >= 500 and path != "/server-error"
        assert not crashes, f"{method} {path}: {answer.status_code}"


@pytest.mark.parametrize("wrong", ["[1]", '"text"', "{", '{"amount": 5, "entries": {}, "status": []}'])
def test_no_documented_call_crashes_on_a_strange_body(bank: Served, wrong: str) -> None:
    client = session_of(bank, JODI)
    for method, path in documented.operations():
        if method in ("POST", "PUT") and path not in ("/server-error", "/installation"):
            answer = client.call(method, fill(path), raw=wrong.encode())
            check_shape(answer, f"{method} {path}")
            assert answer.status_code < 500, f"{method} {path}: {answer.text}"


@pytest.mark.parametrize(
    "raw",
    [
        '{"content": "half of a pair \\ud83d"}',
        '{"content": NaN}',
        '{"content": ' + "[" * 100_000 + "]" * 100_000 + "}",
        b'{"content": "\xff"}',
    ],
    ids=["half a character", "not a number", "too deep", "not UTF-8"],
)
def test_text_that_is_none_is_refused(bank: Served, raw: str | bytes) -> None:
    client = session_of(bank, JODI)
    payment = client.get(f"/user/{JODI}/monetary-account/{MAIN}/payment")[0]["Payment"]["id"]
    path = f"/user/{JODI}/monetary-account/{MAIN}/payment/{payment}/note-text"
    assert client.refused("POST", path, raw=raw if isinstance(raw, bytes) else raw.encode())[0] == 400
    assert client.get(path) == []


def test_numbers_beyond_all_ids_find_nothing(bank: Served) -> None:
    client = session_of(bank, JODI)
    account = f"/user/{JODI}/monetary-account/{MAIN}"
    payment = client.get(f"{account}/payment")[0]["Payment"]["id"]
    text = f'Monetary account for id "{10**30}" not found.'
    assert client.refused("GET", f"/user/{JODI}/monetary-account/{10**30}") == (404, text)
    assert client.refused("GET", f"{account}/payment/{10**30}")[0] == 404
    assert client.refused("POST", f"{account}/payment/{payment}/note-attachment", {"attachment_id": 10**30})[0] == 404
    assert client.get(f"{account}/payment?older_id={10**30}") == client.get(f"{account}/payment")
    assert client.get(f"{account}/payment?newer_id={10**30}") == []
    # Longer than Python is willing to read.
    huge = "9" * 5000
    assert client.refused("GET", f"/user/{huge}")[0] == 404
    assert client.refused("GET", f"{account}/payment?count={huge}")[0] == 400
    assert client.refused("GET", f"/user/{JODI}/event?monetary_account_id={huge}")[0] == 400
    resend = {"notification_filter_failed_ids": f"1,{huge}"}
    assert client.refused("POST", f"/user/{JODI}/notification-filter-failure", resend)[0] == 404


def test_calls_that_are_not_imitated_find_nothing(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = f"/user/{JODI}/whitelist-sdd-recurring"
    answer = client.call("GET", path)
    assert answer.json() == {
        "Response": [],
        "Pagination": {"future_url": None, "newer_url": None, "older_url": None},
    }
    assert client.refused("GET", f"{path}/1") == (404, "The item you requested could not be found")
    assert client.refused("POST", path, {})[0] == 404
    assert client.refused("DELETE", f"{path}/1")[0] == 404


def test_calls_that_are_not_imitated_are_guarded_like_all_others(bank: Served) -> None:
    client = new_user(bank)
    assert client.refused("GET", f"/user/{JODI}/invoice")[0] == 403
    assert Client(bank).call("GET", f"/user/{JODI}/invoice").status_code == 401
    assert client.refused("GET", f"/user/{client.user_id}/monetary-account/{MAIN}/invoice")[0] == 404
    app = App(client).connect(JODI, [MAIN])
    assert app.get(f"/user/{JODI}/monetary-account/{MAIN}/invoice") == []
    assert app.refused("GET", f"/user/{JODI}/monetary-account/{MAIN + 3}/invoice")[0] == 404
