"""The tables about bunq's API follow from the table in code, and the example's endpoints are all accounted for."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from bunqflask.bunq import readable
from bunqflask.bunq.readable import NOTED, RESOURCES
from bunqflask.sandbox.resources import documented
from tests.support import bunq_tables, documents

# The database makes no difference to any of these.
pytestmark = pytest.mark.sqlite_only

RESOURCES_PAGE = documents.ROOT / "docs" / "reference" / "bunq-through-the-api.md"
EXAMPLE_PAGE = documents.ROOT / "docs" / "how-to" / "come-from-the-psd2-example.md"
# What the example reads, and no consent permits.
OF_A_PARTY_ITSELF = {1, 20, 21, 22, 23, 24, 25, 27}


def test_the_table_of_resources_is_the_one_in_code() -> None:
    assert documents.table(RESOURCES_PAGE, "resource") == bunq_tables.resources()
    assert ", ".join(f"`{each}`" for each in NOTED) in RESOURCES_PAGE.read_text(encoding="utf-8")


def test_the_table_of_what_no_grant_permits_is_the_one_in_code() -> None:
    assert documents.table(RESOURCES_PAGE, "path") == bunq_tables.not_granted()


def test_bunq_documents_every_path_of_the_table() -> None:
    reads = {path for method, path in documented.operations() if method == "GET"}

    assert {f"/{documented.bare(each.path)}" for each in RESOURCES} <= reads
    granted = {f"/{documented.bare(each.path)}" for each in RESOURCES}
    assert not {path for path in reads if readable.why_not_granted(path[1:].replace("{}", "1"))} & granted


def test_each_of_the_48_endpoints_is_named_once_with_an_equivalent_or_a_reason(app: Flask) -> None:
    rows = documents.table(EXAMPLE_PAGE, "#")
    rules = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    assert [int(row[0]) for row in rows] == list(range(1, 49))
    for number, theirs, ours in rows:
        addresses = re.findall(r"`GET ([^`]+)`", ours)
        for each in addresses:
            path = each.replace("B/A", "B/user/{userID}/monetary-account/{monetary-accountID}")
            if path.startswith("B/"):
                assert path.removeprefix("B/") in {resource.path for resource in RESOURCES}, number
            else:
                assert ("GET", path) in rules, number
        written = re.findall(r"`(POST|PUT|DELETE) ([^`]+)`", ours)
        assert set(written) <= rules, number
        reads = theirs.startswith("`GET")
        assert bool(addresses) == (reads and int(number) not in OF_A_PARTY_ITSELF), number
        assert not (written and reads), number
        if not addresses and not written:
            assert re.match(r"never|the server|the button", ours), number
