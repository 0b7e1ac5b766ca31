"""Which call a path means."""

from __future__ import annotations

import pytest

from bunqflask.sandbox.protocol.routing import Table

TABLE = Table(
    [
        ("GET", "/user", "users"),
        ("GET", "/user/<int:user_id>", "user"),
        ("POST", "/user/<int:user_id>/payment", "pay"),
        ("GET", "/user/<int:user_id>/payment/<int:payment_id>", "payment"),
        ("GET", "/user/<int:user_id>/payment/newest", "newest"),
        ("GET", "/file/<uuid:file_uuid>/content", "content"),
        ("DELETE", "/session/<any:session_id>", "leave"),
    ]
)
NAME = "6d3a1f0e-53a5-4a0e-9c4e-0d8c1d0c7f11"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "user", ("users", {})),
        ("GET", "user/7/", ("user", {"user_id": 7})),
        ("POST", "user/7/payment", ("pay", {"user_id": 7})),
        ("GET", "user/7/payment/8", ("payment", {"user_id": 7, "payment_id": 8})),
        ("GET", "user/7/payment/newest", ("newest", {"user_id": 7})),
        ("GET", f"file/{NAME.upper()}/content", ("content", {"file_uuid": NAME})),
        ("DELETE", "session/-1", ("leave", {"session_id": "-1"})),
        ("DELETE", "user/7", None),
        ("GET", "user/7/payment", None),
    ],
)
def test_paths_are_found(method: str, path: str, expected: object) -> None:
    assert TABLE.find(method, path) == expected


@pytest.mark.parametrize(
    "path",
    ["", "users", "user/x", "user/٧", "user/-1", "user/7/8", "file/7/content", "file", f"user/{'9' * 5000}"],
    ids=lambda path: path[:20],
)
def test_other_paths_do_not_exist(path: str) -> None:
    with pytest.raises(LookupError):
        TABLE.find("GET", path)


def test_one_call_has_one_meaning() -> None:
    with pytest.raises(AssertionError):
        Table([("GET", "/a/<int:x>", 1), ("GET", "/a/<int:y>", 2)])
