"""What of an answer of bunq's is shown: whole bytes, no item of another account, and links to our own addresses."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunqflask.bunq import errors, readable
from bunqflask.services.connections import bunq_answers
from bunqflask.services.connections.bunq_answers import Seen
from bunqflask.services.policy import NotFoundHere

A = "user/1/monetary-account/2"
OWN = Seen(is_whole=False, monetary_account_ids=frozenset([2]), ibans=frozenset(["NL02"]))
WHOLE = Seen(is_whole=True, monetary_account_ids=frozenset([2]), ibans=frozenset(["NL02"]))


def show(path: str, answer: Any, seen: Seen = OWN, **parameters: str) -> Any:
    """Narrow an answer to a path, and return it as JSON."""
    call = readable.find(path)
    assert call is not None
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    shown = bunq_answers.narrow(body, call.resource, seen, "/here", parameters, hidden_text="/hook/")
    return json.loads(shown.body)


def items(path: str, *given: Any, seen: Seen = OWN) -> list[Any]:
    """Return which of some items are shown."""
    shown: list[Any] = show(path, {"Response": list(given)}, seen)["Response"]
    return shown


def card(*accounts: int, ordered: str | None = "NL02", fallback: int | None = None) -> dict[str, Any]:
    pins = [{"type": "PRIMARY", "monetary_account_id": each} for each in accounts]
    label = {"iban": ordered, "display_name": "J."}
    return {
        "Card": {
            "id": 9,
            "pin_code_assignment": pins,
            "label_monetary_account_ordered": label,
            "monetary_account_id_fallback": fallback,
        }
    }


@pytest.mark.parametrize(
    ("path", "item", "is_shown"),
    [
        ("user/1/card", card(2), True),
        ("user/1/card", card(3), False),
        ("user/1/card", card(2, 3), False),
        ("user/1/card", card(2, fallback=3), False),
        ("user/1/card", card(2, ordered="NL03"), False),
        ("user/1/card", card(2, ordered=None), True),
        ("user/1/card", card(), False),
        ("user/1/event", {"Event": {"id": 1, "monetary_account_id": "2", "object": {}}}, True),
        ("user/1/event", {"Event": {"id": 1, "monetary_account_id": "3", "object": {}}}, False),
        ("user/1/event", {"Event": {"id": 1, "monetary_account_id": None, "object": {}}}, False),
        (
            "user/1/event",
            {"Event": {"monetary_account_id": "2", "object": {"Payment": {"monetary_account_id": 3}}}},
            False,
        ),
        ("user/1/event", {"Event": {"monetary_account_id": "two"}}, False),
        ("user/1/event", {"Event": {"monetary_account_id": True}}, False),
        ("user/1/event", {"Event": {"monetary_account_id": 2.0}}, False),
        ("user/1/event", {"Event": {"monetary_account_id": [2, 3]}}, False),
        ("user/1/event", None, False),
        ("user/1/monetary-account", {"MonetaryAccountBank": {"id": 2}}, True),
        ("user/1/monetary-account", {"MonetaryAccountBank": {"id": 3}}, False),
        ("user/1/monetary-account", {"MonetaryAccountNew": {"id": 3}, "MonetaryAccountBank": None}, False),
        ("user/1/monetary-account", {"MonetaryAccountBank": {}}, False),
        (f"{A}/payment", {"Payment": {"id": 5, "monetary_account_id": 2}}, True),
        (f"{A}/payment", {"Payment": {"id": 5, "monetary_account_id": 3}}, False),
        (f"{A}/payment", {"Payment": {"id": 5, "counterparty_alias": {"iban": "NL03"}}}, True),
        (f"{A}/payment/5/note-attachment", {"NoteAttachment": {"attachment": [{"monetary_account_id": 3}]}}, False),
        ("user", {"UserApiKey": {"id": 4}}, True),
        ("user", {"UserPerson": {"id": 4}}, False),
    ],
)  # fmt: skip
def test_an_item_is_shown_if_all_its_accounts_are_seen(path: str, item: Any, is_shown: bool) -> None:
    assert items(path, item) == ([item] if is_shown else [])
    assert items(path, item, seen=WHOLE) == [item]


def test_a_single_hidden_object_is_not_found() -> None:
    with pytest.raises(NotFoundHere):
        show("user/1/card/9", {"Response": [card(3)]})
    with pytest.raises(NotFoundHere):
        show("user/1", {"Response": [{"UserPerson": {"id": 1}}]})


def test_our_own_callbacks_are_shown_to_nobody() -> None:
    ours, theirs = (
        {"NotificationFilterUrl": {"id": 1, "notification_target": f"https://a.example{path}"}}
        for path in ("/hook/secret", "/elsewhere")
    )
    failure = {"NotificationFilterFailure": {"notification_filters": [ours["NotificationFilterUrl"]]}}

    assert items("user/1/notification-filter-url", ours, theirs, seen=WHOLE) == [theirs]
    assert items("user/1/notification-filter-failure", failure, seen=WHOLE) == []


def test_what_is_shown_are_bunqs_own_bytes() -> None:
    body = rb'{"Response" : [ {"Payment":{"id":1,"monetary_account_id":2,"a":"\/\u00e9","n":1.50}} ], "More":1}'
    call = readable.find(f"{A}/payment")
    assert call is not None
    shown = bunq_answers.narrow(body, call.resource, OWN, "/here", {}, hidden_text="/hook/")
    two = body.replace(b" ], ", b' , {"Payment":{"id":2,"monetary_account_id":3}}], ')
    narrowed = bunq_answers.narrow(two, call.resource, OWN, "/here", {}, hidden_text="/hook/")

    assert shown.body == body
    assert rb'{"Payment":{"id":1,"monetary_account_id":2,"a":"\/\u00e9","n":1.50}}' in narrowed.body
    assert b'"id":2' not in narrowed.body


def test_links_name_our_address_the_page_and_what_was_asked() -> None:
    away = "https://evil.example/v1/user/9/card?count=7&older_id=5&token=x"
    pages = {"future_url": "", "newer_url": None, "older_url": away, "odd_url": away}
    shown = show("user/1/event", {"Response": [], "Pagination": pages}, status="FINALIZED", count="50", newer_id="1")

    assert shown["Pagination"] == {
        "future_url": None,
        "newer_url": None,
        "older_url": "/here?status=FINALIZED&count=7&older_id=5",
    }
    assert "Pagination" not in show("user/1/event", {"Response": []})
    assert show("user/1/event", {"Response": [], "Pagination": None})["Pagination"] is None


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"{}", b'{"Response":{}}', b'{"Response":[NaN]}', b'{"Response":[' + b"[" * 5_000],
)
def test_what_is_no_answer_of_bunqs_is_not_understood(body: bytes) -> None:
    with pytest.raises(errors.ResponseNotUnderstood):
        show("user/1/event", body)


def test_an_answer_that_nests_deeply_does_no_harm() -> None:
    def nested(depth: int) -> bytes:
        brackets = b"[" * depth + b"]" * depth
        return b'{"Response":[{"Event":{"monetary_account_id":3,"monetary_account_ids":' + brackets + b"}}]}"

    assert show("user/1/event", nested(500))["Response"] == []
    with pytest.raises(errors.ResponseNotUnderstood):
        show("user/1/event", nested(100_000))


def test_a_link_without_a_page_is_not_understood() -> None:
    with pytest.raises(errors.ResponseNotUnderstood):
        show("user/1/event", {"Response": [], "Pagination": {"older_url": "/v1/user/1/event"}})


KEYS = st.sampled_from(
    ["monetary_account_id", "monetary_account_id_fallback", "label_monetary_account_current", "iban", "id", "a"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 5) | st.sampled_from(["2", "3", "NL02", "monetary_account_id", '":5']),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.booleans())
def test_the_quick_look_agrees_with_the_thorough_one(item: dict[str, Any], spaced: bool) -> None:
    text = json.dumps(item, separators=None if spaced else (",", ":"))
    quick = bunq_answers._quickly_named_in(msgspec.Raw(text.encode()))
    call = readable.find(f"{A}/payment")
    assert call is not None
    assert quick is None or quick == bunq_answers._named_in(item, call.resource)


def test_letters_that_are_escaped_are_looked_at_thoroughly() -> None:
    hidden = rb'{"Payment":{"monetary_account_id":2,"monetary\u005faccount\u005fid":3}}'

    assert items(f"{A}/payment", json.loads(hidden)) == []
    assert show(f"{A}/payment", b'{"Response":[' + hidden + b"]}")["Response"] == []
