"""The comparison with bunq's OpenAPI: that it sees what is wrong and forgives what must be forgiven."""

from __future__ import annotations

from typing import Any

import pytest

from bunqflask.sandbox import Settings
from bunqflask.sandbox.resources import documented
from bunqflask.sandbox.server import serve

from . import coverage, openapi
from .client import JODI, session_of

pytestmark = pytest.mark.skipif(not openapi.specification(), reason="bunq-openapi.json is not at hand")

LIMIT = ("GET", "/user/{}/limit")
PAYMENTS = ("GET", "/user/{}/monetary-account/{}/payment")
ACCOUNTS = ("GET", "/user/{}/monetary-account")
DRAFT = ("POST", "/user/{}/monetary-account/{}/draft-payment")


def differences(key: tuple[str, str], *objects: Any) -> list[str]:
    """Return what is found wrong with an answer."""
    watch = openapi.Watch()
    watch.compare(key, {"Response": list(objects)})
    return watch.take_differences()


@pytest.mark.parametrize(
    ("key", "item", "wrong"),
    [
        (LIMIT, {"CustomerLimit": {"limit_monetary_account": "5"}}, "CustomerLimit.limit_monetary_account is str"),
        (LIMIT, {"CustomerLimit": {"limit_monetary_account": True}}, "CustomerLimit.limit_monetary_account is bool"),
        (PAYMENTS, {"Payment": {"amount": {"value": 5}}}, "Payment.amount.value is int"),
        (PAYMENTS, {"Payment": {"attachment": {}}}, "Payment.attachment is dict"),
        (ACCOUNTS, {"MonetaryAccountBank": {"id": "5"}}, "MonetaryAccountBank.id is str"),
        (DRAFT, {"Id": {"id": "5"}}, "Id.id is str"),
    ],
)
def test_wrong_types_are_found_wherever_they_are(key: tuple[str, str], item: dict[str, Any], wrong: str) -> None:
    (found,) = differences(key, item)
    assert found.startswith(wrong)


@pytest.mark.parametrize(
    ("key", "item"),
    [
        (LIMIT, {"CustomerLimit": {"limit_monetary_account": None}}),
        (LIMIT, {"CustomerLimit": {"unheard_of": "5"}}),
        (LIMIT, {"CustomerLimit": None}),
        (ACCOUNTS, {"MonetaryAccountPension": {"id": 5}}),
        (("GET", "/unheard/of"), {"Thing": 5}),
    ],
)
def test_null_and_the_unknown_are_forgiven(key: tuple[str, str], item: dict[str, Any]) -> None:
    assert differences(key, item) == []


def test_real_answers_are_looked_at() -> None:
    watch = openapi.Watch()
    with serve(Settings(rate_limits="off")) as bank:
        watch.over(bank.app)
        client = session_of(bank, JODI)
        client.get(f"/user/{JODI}/limit")
        client.refused("GET", f"/user/{JODI}/monetary-account/1")
    assert watch.statuses[LIMIT] == {200}
    assert watch.statuses[ACCOUNTS[0], ACCOUNTS[1] + "/{}"] == {404}
    assert "limit_monetary_account" in watch.members["CustomerLimitListing"]
    assert "\n  not exercised: GET /user/{}/card\n" in "\n".join(coverage.report(watch))


def test_shipped_list_of_paths_is_that_of_the_openapi() -> None:
    assert documented.PATHS_FILE.read_text(encoding="ascii") == coverage.documented_paths()
