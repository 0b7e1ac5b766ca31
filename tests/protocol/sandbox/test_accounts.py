"""Monetary accounts as a client reads them."""

from __future__ import annotations

import pytest

from bunqflask.sandbox.server import Served

from .client import COMPANY, JODI, MAIN, session_of

# Every member that bunq's own example of this account has, in its order.
MEMBERS = (
    *("id", "created", "updated", "alias", "avatar", "balance", "country", "currency", "display_name", "daily_limit"),
    *("description", "public_uuid", "status", "sub_status", "timezone", "user_id", "monetary_account_profile"),
    *("setting", "connected_cards", "budget", "all_access", "overdraft_limit", "all_auto_save_id"),
)

EXPECTED = [
    (2083712, "Main", "NL65BUNQ2090411945", "4118.00", "2025-04-14 00:00:00.811318"),
    (2083715, "Main", "NL55BUNQ2090409118", "1900.00", "2025-06-03 09:48:46.647401"),
    (2083719, "Car", "NL17BUNQ2090415428", "954.00", "2025-04-14 09:14:06.776031"),
    (2083721, "Medical", "NL09BUNQ2090405775", "1643.00", "2025-04-14 09:13:51.146459"),
]


def test_jodis_accounts_are_those_of_bunqs_example(bank: Served) -> None:
    client = session_of(bank, JODI)
    answer = client.call("GET", f"/user/{JODI}/monetary-account").json()
    accounts = [item["MonetaryAccountBank"] for item in answer["Response"]]
    found = [
        (each["id"], each["description"], each["alias"][-1]["value"], each["balance"]["value"], each["updated"])
        for each in accounts
    ]
    assert found == EXPECTED
    assert answer["Pagination"] == {"future_url": None, "newer_url": None, "older_url": None}
    for each in accounts:
        assert tuple(each) == MEMBERS
        assert each["alias"][-1] == {"type": "IBAN", "value": each["alias"][-1]["value"], "name": "Jodi Walker"}
        assert list(each["balance"]) == ["currency", "value"]
    assert [pointer["value"] for pointer in accounts[0]["alias"][:2]] == ["+31611019364", "testers+1744621019@bunq.com"]
    assert [len(each["alias"]) for each in accounts] == [3, 1, 1, 1]
    assert accounts[1]["setting"] == {
        "color": "#ff7819",
        "icon": "FINANCE",
        "default_avatar_status": "AVATAR_ICON",
        "restriction_chat": "ALLOW_INCOMING",
        "sdd_expiration_action": "AUTO_ACCEPT",
    }


def test_typed_paths_list_their_own_type(bank: Served) -> None:
    client = session_of(bank, COMPANY)
    path = f"/user/{COMPANY}/monetary-account"
    for word, wrapper, ids in (
        ("bank", "MonetaryAccountBank", [2083801, 2083805]),
        ("savings", "MonetaryAccountSavings", [2083802]),
        ("joint", "MonetaryAccountJoint", [2083803]),
        ("external", "MonetaryAccountExternal", [2083804]),
        ("external-savings", "", []),
        ("card", "", []),
    ):
        items = client.get(f"{path}-{word}")
        assert [item[wrapper]["id"] for item in items] == ids
        for id in ids:
            assert client.get(f"{path}-{word}/{id}") == client.get(f"{path}/{id}")
    assert client.refused("GET", f"{path}-bank/2083802")[0] == 404


def test_all_ibans_have_right_check_digits(bank: Served) -> None:
    for user in (JODI, COMPANY):
        for item in session_of(bank, user).get(f"/user/{user}/monetary-account"):
            for pointer in next(iter(item.values()))["alias"]:
                if pointer["type"] == "IBAN":
                    iban = pointer["value"]
                    assert int("".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])) % 97 == 1


def test_account_lists_page_through_without_gap_or_double(bank: Served) -> None:
    client = session_of(bank, COMPANY)
    url: str | None = f"/v1/user/{COMPANY}/monetary-account?count=4"
    seen: list[int] = []
    while url:
        answer = client.call("GET", url).json()
        page = [next(iter(item.values()))["id"] for item in answer["Response"]]
        assert page == sorted(page)
        seen += page
        url = answer["Pagination"]["older_url"]
    assert sorted(seen) == [2083801, 2083802, 2083803, 2083804, 2083805, 2083806]


@pytest.mark.parametrize("query", ["count=0", "count=201", "count=x", "older_id=1&newer_id=2", "older_id=-1"])
def test_wrong_paging_is_refused(bank: Served, query: str) -> None:
    client = session_of(bank, JODI)
    assert client.refused("GET", f"/user/{JODI}/monetary-account?{query}")[0] == 400


def test_trailing_slash_is_tolerated(bank: Served) -> None:
    client = session_of(bank, JODI)
    assert client.call("GET", f"/user/{JODI}/monetary-account/{MAIN}/").status_code == 200


@pytest.mark.bank(history=120)
def test_bank_with_a_past_has_the_same_accounts_and_balances(bank: Served) -> None:
    client = session_of(bank, JODI)
    accounts = [item["MonetaryAccountBank"] for item in client.get(f"/user/{JODI}/monetary-account")]
    found = [
        (each["id"], each["description"], each["alias"][-1]["value"], each["balance"]["value"], each["updated"])
        for each in accounts
    ]
    assert found == EXPECTED
    payments = client.get(f"/user/{JODI}/monetary-account/{MAIN}/payment?count=200")
    assert len(payments) == 121
    assert payments[0]["Payment"]["balance_after_mutation"]["value"] == "4118.00"
    noted = next(item["Payment"]["id"] for item in payments if item["Payment"]["amount"]["value"].startswith("-"))
    path = f"/user/{JODI}/monetary-account/{MAIN}"
    assert client.one(f"{path}/payment/{noted}/note-text", "NoteText")["content"]
    (receipt,) = client.one(f"{path}/payment/{noted}/note-attachment", "NoteAttachment")["attachment"]
    assert client.call("GET", f"{path}/attachment/{receipt['id']}/content").content.startswith(b"%PDF-")
