"""bunq's own API through ours: each resource as bunq answers it, with paging, files and an audit trail."""

from __future__ import annotations

import json
from typing import Any

from bunqflask.bunq import readable
from tests.protocol.api.bunq.furnished import Furnished
from tests.protocol.api.program import Program
from tests.protocol.sandbox.client import JODI, MAIN
from tests.support.bank import WALKER_STUDIO, Bank

BUNQ = "/connections/1/bunq/"
# What Jodi has none of, and lists that stay empty as long as all callbacks arrive.
LACKING = [
    *(f"notification-filter-{kind}" for kind in ("push", "email", "failure")),
    *(f"monetary-account-{kind}" for kind in ("joint", "savings", "external", "external-savings", "card")),
]


def is_foreign(item: Any) -> bool:
    """Tell whether an item is not one of this server's own callbacks, whose addresses hold a secret."""
    return "/bunq/hook/" not in json.dumps(item)


def test_each_resource_is_answered_as_bunq_answers_it(furnished: Furnished, program: Program) -> None:
    empty = []
    for resource in readable.RESOURCES:
        path = furnished.path(resource)
        ours, theirs = program.call(BUNQ + path), furnished.owner.call("GET", f"/{path}")
        if path.startswith(("user-company", "user/1864430/monetary-account-")) and theirs.status_code == 404:
            assert ours.status_code == 404, path  # Jodi is a person, and has accounts of one type
            continue
        assert (ours.status_code, theirs.status_code) == (200, 200), (path, ours.text, theirs.text)
        if resource.is_content:
            assert ours.content == theirs.content, path
            assert ours.headers["Content-Type"] == "application/octet-stream"
            assert ours.headers["Content-Disposition"].startswith("attachment")
            assert ours.headers["X-Content-Type-Options"] == "nosniff"
            continue
        if path == "user":
            assert list(ours.json()["Response"][0]) == ["UserApiKey"]
        else:
            assert ours.json()["Response"] == [each for each in theirs.json()["Response"] if is_foreign(each)], path
        if "Pagination" not in theirs.json() and path != "user":
            assert ours.content == theirs.content, path
        if not ours.json()["Response"]:
            empty.append(resource.path.rpartition("/")[2])

    assert empty == LACKING


def pages(program: Program, first: str, member: str = "older_url") -> list[list[int]]:
    """Follow the links of answers, as a client of bunq does; returns the ids of each page."""
    found, link = [], f"/api/v1{first}"
    while link:
        assert link.startswith("/api/v1/connections/1/bunq/user/")
        answer = program.get(link.removeprefix("/api/v1"))
        found.append([next(iter(item.values()))["id"] for item in answer["Response"]])
        link = answer["Pagination"][member]
    return found


def test_links_lead_through_our_addresses_to_the_end(bank: Bank, furnished: Furnished, program: Program) -> None:
    bank.seed(43, account=MAIN)
    for path in (f"user/{JODI}/monetary-account/{MAIN}/payment", f"user/{JODI}/event"):
        found = pages(program, f"{BUNQ}{path}?count=20")
        theirs = [next(iter(item.values()))["id"] for item in furnished.owner.get(f"/{path}?count=200")]
        assert [number for page in found for number in page] == theirs[: sum(map(len, found))]
        assert len(theirs) == sum(map(len, found)) < 200
        assert [len(page) for page in found[:-1]] == [20] * (len(found) - 1)
        back = program.get(f"{BUNQ}{path}", count=20, older_id=found[0][-1])["Pagination"]["newer_url"]
        assert pages(program, back.removeprefix("/api/v1"), "newer_url")[0] == found[0]

    newest = program.get(f"{BUNQ}user/{JODI}/monetary-account/{MAIN}/payment", count=5)
    later = newest["Pagination"]["future_url"].removeprefix("/api/v1")
    assert program.get(later)["Response"] == []
    number = bank.receive(MAIN, "1.23")
    assert [each["Payment"]["id"] for each in program.get(later)["Response"]] == [number]


def test_a_call_costs_one_call_of_bunq(bank: Bank, program: Program) -> None:
    path = f"user/{JODI}/monetary-account/{MAIN}/payment"
    program.get(BUNQ + path)
    bank.forget_calls()
    answers = [program.call(BUNQ + path) for _ in range(3)]
    again = program.call(BUNQ + path, headers={"If-None-Match": answers[0].headers["ETag"]})

    assert [(call["method"], call["pattern"]) for call in bank.calls()] == [
        ("GET", "/v1/user/{user_id}/monetary-account/{account_id}/payment")
    ] * 4
    assert (again.status_code, again.content) == (304, b"")


def test_either_user_id_is_good_and_no_other(bank: Bank, program: Program) -> None:
    session_id = program.get(f"{BUNQ}user")["Response"][0]["UserApiKey"]["id"]
    found = [program.call(f"{BUNQ}user/{each}/card").status_code for each in (JODI, session_id, WALKER_STUDIO, 0, 1)]
    whole = program.get(f"{BUNQ}user/{JODI}")["Response"][0]

    assert found == [200, 200, 404, 404, 404]
    assert whole["UserPerson"]["legal_name"] == "Jodi Walker"
    assert "UserApiKey" in program.get(f"{BUNQ}user/{session_id}")["Response"][0]
