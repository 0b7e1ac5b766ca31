"""Changing a user: what can be changed, what is refused, and who may not."""

from __future__ import annotations

from typing import Any

import pytest

from bunqflask.sandbox.server import Served

from .client import COMPANY, JODI, App, control, new_user, session_of
from .provider import new_provider
from .test_attachment import upload_public

ADDRESS = {"street": "Kade", "house_number": "1", "postal_code": "1000 AA", "city": "Amsterdam", "country": "NL"}


def test_changed_members_show_and_the_others_stay(bank: Served) -> None:
    client = session_of(bank, JODI)
    before = client.one(f"/user-person/{JODI}", "UserPerson")
    body: dict[str, Any] = {"public_nick_name": "Jo", "language": "nl_NL", "region": "en_US", "address_main": ADDRESS}
    body |= {"daily_limit_without_confirmation_login": {"value": "12.50", "currency": "EUR"}, "first_name": "Other"}
    body |= {"gender": "FEMALE", "tax_resident": [{"country": "BE", "tax_number": "85073003328"}]}
    assert client.ok("PUT", f"/user-person/{JODI}", body) == [{"Id": {"id": JODI}}]
    after = client.one(f"/user-person/{JODI}", "UserPerson")
    assert (after["public_nick_name"], after["language"], after["region"]) == ("Jo", "nl_NL", "en_US")
    assert (after["gender"], after["tax_resident"][0]["tax_number"]) == ("FEMALE", "85073003328")
    assert after["address_main"] | ADDRESS == after["address_main"]
    assert after["daily_limit_without_confirmation_login"] == {"currency": "EUR", "value": "12.50"}
    assert (after["first_name"], after["alias"]) == (before["first_name"], before["alias"])
    assert after["updated"] > before["updated"]


def test_company_and_psd2_party_are_changed_under_their_own_path_only(bank: Served) -> None:
    company, party = session_of(bank, COMPANY), new_provider(bank)
    assert company.ok("PUT", f"/user-company/{COMPANY}", {"public_nick_name": "Studio"})
    assert company.one(f"/user-company/{COMPANY}", "UserCompany")["public_nick_name"] == "Studio"
    assert company.one(f"/user-company/{COMPANY}/name", "UserCompanyNameArray") == {
        "name_array": ["Walker Studio B.V."]
    }
    assert company.refused("PUT", f"/user-person/{COMPANY}", {})[0] == 404
    (item,) = party.ok("POST", "/avatar", {"attachment_public_uuid": upload_public(party)})
    path = f"/user-payment-service-provider/{party.user_id}"
    assert party.ok("PUT", path, {"avatar_uuid": item["Uuid"]["uuid"]}) == [{"Id": {"id": party.user_id}}]
    assert party.one(path, "UserPaymentServiceProvider")["avatar"]["uuid"] == item["Uuid"]["uuid"]


def test_shorter_auto_logout_shortens_the_next_session(bank: Served) -> None:
    client = session_of(bank, JODI)
    client.ok("PUT", f"/user-person/{JODI}", {"session_timeout": 120})
    assert client.one(f"/user-person/{JODI}", "UserPerson")["session_timeout"] == 120
    control(bank, "POST", "/clock", {"advance_s": 121})
    assert client.get("/user")
    again = session_of(bank, JODI)
    assert again.user["UserPerson"]["session_timeout"] == 120
    control(bank, "POST", "/clock", {"advance_s": 121})
    assert again.refused("GET", "/user")[0] == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"language": "de_DE"},
        {"region": "Holland"},
        {"public_nick_name": ""},
        {"display_name": 5},
        {"address_main": "Kade 1"},
        {"address_postal": {"street": "Kade"}},
        {"address_postal": {**ADDRESS, "extra": 5}},
        {"session_timeout": 5},
        {"session_timeout": "600"},
        {"daily_limit_without_confirmation_login": "5.00"},
        {"avatar_uuid": "no-such-avatar"},
        {"gender": "YES"},
        {"tax_resident": [{"country": "Belgium", "tax_number": "1"}]},
    ],
)
def test_wrong_changes_change_nothing(bank: Served, wrong: dict[str, Any]) -> None:
    client = session_of(bank, JODI)
    before = client.one(f"/user-person/{JODI}", "UserPerson")
    assert client.refused("PUT", f"/user-person/{JODI}", {"public_nick_name": "Jo", **wrong})[0] == 400
    assert client.one(f"/user-person/{JODI}", "UserPerson") == before


def test_apps_and_strangers_change_nobody(bank: Served) -> None:
    body = {"public_nick_name": "Mallory"}
    app = App(new_user(bank, "company")).connect(JODI)
    assert app.refused("PUT", f"/user-person/{JODI}", body)[0] == 403
    assert new_user(bank).refused("PUT", f"/user-person/{JODI}", body)[0] == 403
