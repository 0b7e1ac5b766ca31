"""Keys, the addresses they may be used from, and pinned certificates."""

from __future__ import annotations

from typing import Any

import pytest

from bunqflask.sandbox.server import Served

from .client import JODI, App, Client, certificate, client_key, new_api_key, new_user, session_of

INCORRECT = (400, "User credentials are incorrect. Incorrect API key or IP address.")


def test_keys_are_listed_without_their_secret_and_without_access_tokens(bank: Served) -> None:
    client = session_of(bank, JODI)
    App(new_user(bank, "company")).connect(JODI)
    (item,) = client.get(f"/user/{JODI}/credential-password-ip")
    key = item["CredentialPasswordIp"]
    assert (key["status"], key["token_value"], key["expiry_time"]) == ("ACTIVE", None, None)
    assert key["permitted_device"] == {"description": "tests", "ip": "127.0.0.1"}
    assert client.one(f"/user/{JODI}/credential-password-ip/{key['id']}", "CredentialPasswordIp") == key
    stranger = new_user(bank)
    assert stranger.refused("GET", f"/user/{stranger.user_id}/credential-password-ip/{key['id']}")[0] == 404


def test_keys_are_paged_like_other_lists(bank: Served) -> None:
    client = session_of(bank, JODI)
    for _ in range(4):
        session_of(bank, JODI)
    path: str | None = f"/user/{JODI}/credential-password-ip?count=2"
    seen = []
    while path:
        answer = client.call("GET", path).json()
        seen += [item["CredentialPasswordIp"]["id"] for item in answer["Response"]]
        path = answer["Pagination"]["older_url"]
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)
    newer = client.get(f"/user/{JODI}/credential-password-ip?count=2&newer_id={seen[4]}")
    assert [item["CredentialPasswordIp"]["id"] for item in newer] == seen[2:4]


@pytest.mark.bank(permitted_ips_enforced=True)
def test_key_opens_to_an_address_added_from_an_allowed_one(bank: Served) -> None:
    key = new_api_key(bank)
    client = Client(bank).start(key)
    path = f"/user/{client.user_id}/credential-password-ip"
    number = client.get(path)[0]["CredentialPasswordIp"]["id"]
    addresses = f"{path}/{number}/ip"
    secret = {"secret": key}
    assert client.refused("POST", "/session-server", secret, token=client.installation_token, address="127.0.0.2") == (
        INCORRECT
    )
    assert client.refused("POST", addresses, {"ip": "127.0.0.2"}, address="127.0.0.2") == INCORRECT
    added = client.create(addresses, {"ip": "127.0.0.2"})
    assert client.one(f"{addresses}/{added}", "PermittedIp")["status"] == "ACTIVE"
    how: dict[str, Any] = {"token": client.installation_token, "address": "127.0.0.2"}
    assert client.call("POST", "/session-server", secret, **how).status_code == 200
    assert client.ok("PUT", f"{addresses}/{added}", {"status": "INACTIVE"}) == [{"Id": {"id": added}}]
    assert client.refused("POST", "/session-server", secret, **how) == INCORRECT


def test_addresses_are_checked_listed_and_replaced(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = f"/user/{JODI}/credential-password-ip"
    number = client.get(path)[0]["CredentialPasswordIp"]["id"]
    any_address = client.create(f"{path}/{number}/ip", {"ip": "*", "status": "ACTIVE"})
    shown = [item["PermittedIp"] for item in client.get(f"{path}/{number}/ip")]
    assert [each["ip"] for each in shown] == ["*", "127.0.0.1"]
    assert shown[0]["id"] == any_address
    client.ok("PUT", f"{path}/{number}/ip/{any_address}", {"ip": "2001:db8::1"})
    assert client.one(f"{path}/{number}/ip/{any_address}", "PermittedIp")["ip"] == "2001:db8::1"
    for wrong in ({}, {"ip": "300.1.1.1"}, {"ip": 5}, {"ip": "127.0.0.1", "status": "MAYBE"}):
        assert client.refused("POST", f"{path}/{number}/ip", wrong)[0] == 400
    assert client.refused("GET", f"{path}/{number}/ip/1")[0] == 404
    assert client.refused("GET", f"{path}/1/ip")[0] == 404


def test_app_cannot_touch_keys_or_certificates(bank: Served) -> None:
    app = App(new_user(bank, "company")).connect(JODI)
    assert app.refused("GET", f"/user/{JODI}/credential-password-ip")[0] == 403
    assert app.refused("POST", f"/user/{JODI}/credential-password-ip/1/ip", {"ip": "*"})[0] == 403
    assert app.refused("GET", f"/user/{JODI}/certificate-pinned")[0] == 403


def test_certificate_is_pinned_shown_and_forgotten(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = f"/user/{JODI}/certificate-pinned"
    pem = certificate("hooks.example", client_key(2))
    number = client.create(path, {"certificate_chain": [{"certificate": pem}, {"certificate": pem.strip()}]})
    shown = client.one(f"{path}/{number}", "CertificatePinned")
    assert shown == {"certificate_chain": pem + pem, "id": number}
    assert client.get(path) == [{"CertificatePinned": shown}]
    wrongs: list[object] = [None, [], "x", [{"certificate": "x"}], [{}], ["x"]]
    for wrong in wrongs:
        assert client.refused("POST", path, {"certificate_chain": wrong})[0] == 400
    assert client.ok("DELETE", f"{path}/{number}") == []
    assert client.refused("GET", f"{path}/{number}")[0] == 404
    assert client.get(path) == []
