"""Each text in a result of a tool is marked, or is one that only this server or bunq writes."""

import json
from typing import Any

import pytest
from msgspec import UNSET, Struct, UnsetType

from bunqflask.api.schemas import Foreign
from bunqflask.mcp import untrusted
from bunqflask.mcp.tools import TOOLS

OURS = {
    *("id", "connection_id", "account_id", "account_ids", "monetary_account_id", "attachment_ids", "next", "month"),
    *("iban", "amount", "balance", "money_in", "money_out", "own_transfers", "not_imported", "currency"),
    # bunq's own words, of which it has a fixed set
    *("type", "status", "state", "holder_type", "error", "reason", "who"),
    *("given_at", "reminder_on", "session_until", "complete_at"),
    *("date", "booked_at", "created_at", "fetched_at", "balance_at", "payments_from", "state_since"),
    *("accounts_updated_at", "next_try_at", "consents", "synced_at", "verified_until", untrusted.KEY),
    # ids of payments and accounts
    *("removed", "removed_accounts"),
}


def texts_of(schema: Any, name: str = "") -> set[str]:
    """Return the names of all members of a schema that are texts."""
    if not isinstance(schema, dict):
        return set()
    found = {name} if schema.get("type") == "string" else set()
    members = {**schema.get("properties", {}), **schema.get("$defs", {})}
    inner = [(each, key) for key, each in members.items()]
    inner += [(each, name) for each in [schema.get("items"), *schema.get("anyOf", [])]]
    return found.union(*(texts_of(each, key) for each, key in inner))


def test_every_text_in_a_result_is_marked_or_written_by_this_server() -> None:
    found = set().union(*(texts_of(untrusted.schema(tool.returns)) for tool in TOOLS.values()))

    assert found - OURS == set()
    assert OURS - found == set()


class Inner(Struct):
    text: Foreign | None = None
    later: int | UnsetType = UNSET


class Outer(Struct, rename={"many": "all"}):
    many: list[Inner]
    one: Foreign
    name: str = "ours"


def test_marks_reach_into_lists_and_options() -> None:
    value = Outer(many=[Inner(text="a"), Inner()], one='"}<b>\u200b')

    assert untrusted.marked(value) == {
        "all": [{"text": {untrusted.KEY: "a"}}, {"text": None}],
        "one": {untrusted.KEY: '"}<b>'},
        "name": "ours",
    }


@pytest.mark.parametrize("text", ["<", "a>b", "\\<", "</", "\\u003c"])
def test_the_text_form_has_no_angle_bracket_and_is_the_same_value(text: str) -> None:
    written = untrusted.text_of({"a": text})

    assert json.loads(written) == {"a": text}
    assert not set("<>") & set(written)
