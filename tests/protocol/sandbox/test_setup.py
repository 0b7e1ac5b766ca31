"""From a key pair to an open session, as bunq's pages describe it."""

from __future__ import annotations

import re

import pytest
import requests
from cryptography.hazmat.primitives import serialization

from bunqflask.sandbox import Settings
from bunqflask.sandbox.server import Served, serve

from .client import (
    Client,
    certificate,
    client_key,
    control,
    is_signed_by,
    new_api_key,
    new_user,
    public_pem,
    session_of,
    sign,
)

INCORRECT = (400, "User credentials are incorrect. Incorrect API key or IP address.")
EXPIRED = (401, "Insufficient authorisation.")


def test_installation_hands_out_token_and_key_unsigned(bank: Served) -> None:
    answer = Client(bank).call("POST", "/installation", {"client_public_key": public_pem(client_key())}, signed=False)
    assert answer.status_code == 200
    assert [list(item) for item in answer.json()["Response"]] == [["Id"], ["Token"], ["ServerPublicKey"]]
    token = answer.json()["Response"][1]["Token"]
    assert re.fullmatch(r"[0-9a-f]{64}", token["token"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", token["created"])
    assert answer.json()["Response"][2]["ServerPublicKey"]["server_public_key"].endswith("-----END PUBLIC KEY-----\n")
    assert "X-Bunq-Server-Signature" not in answer.headers
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["X-Bunq-Client-Response-Id"])


def test_same_key_twice_makes_two_installations(bank: Served) -> None:
    first, second = Client(bank).install(), Client(bank).install()
    assert first.installation_token != second.installation_token
    assert first.server_key != second.server_key


def _one_line(pem: str) -> str:
    lines = pem.strip().splitlines()
    return "\n".join([lines[0], "".join(lines[1:-1]), lines[-1]])


@pytest.mark.parametrize("shape", [str.strip, lambda pem: pem.strip() + "\n\n", _one_line])
def test_public_key_is_taken_with_any_line_ends(bank: Served, shape: object) -> None:
    assert callable(shape)
    pem = shape(public_pem(client_key()))
    answer = Client(bank).call("POST", "/installation", {"client_public_key": pem}, signed=False)
    assert answer.status_code == 200


def test_unusable_public_keys_are_refused(bank: Served) -> None:
    pkcs1 = client_key().public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    for pem in (pkcs1.decode(), "", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", None, 7):
        status, _text = Client(bank).refused("POST", "/installation", {"client_public_key": pem}, signed=False)
        assert status == 400


def test_installation_can_be_read_back(bank: Served) -> None:
    client = Client(bank).install()
    (item,) = client.get("/installation")
    (key,) = client.get(f"/installation/{item['Id']['id']}/server-public-key")
    assert key["ServerPublicKey"]["server_public_key"] == client.server_key


def test_person_and_company_get_their_own_user_object(bank: Served) -> None:
    for kind, wrapper in (("person", "UserPerson"), ("company", "UserCompany")):
        key = new_api_key(bank, kind)
        assert key.startswith("sandbox_")
        client = Client(bank).start(key)
        assert list(client.user) == [wrapper]
        assert client.user[wrapper]["session_timeout"] == 604800
        assert client.get("/user") == [client.user]
        assert client.get(f"/user/{client.user_id}") == [client.user]
        other = {"UserPerson": "user-company", "UserCompany": "user-person"}[wrapper]
        assert client.refused("GET", f"/{other}/{client.user_id}")[0] == 404
        (account,) = client.get(f"/user/{client.user_id}/monetary-account")
        assert account["MonetaryAccountBank"]["balance"] == {"currency": "EUR", "value": "0.00"}


def test_session_id_and_token_id_are_the_same(bank: Served) -> None:
    key = new_api_key(bank)
    client = Client(bank).install()
    client.register(key)
    items = client.ok("POST", "/session-server", {"secret": key})
    assert [next(iter(item)) for item in items] == ["Id", "Token", "UserPerson"]
    assert items[0]["Id"]["id"] == items[1]["Token"]["id"]


def test_second_device_on_an_installation_is_refused(bank: Served) -> None:
    key = new_api_key(bank)
    client = Client(bank).install()
    device = client.register(key)
    body = {"description": "again", "secret": key}
    assert client.refused("POST", "/device-server", body) == (
        400,
        "A device already exists for the current installation.",
    )
    (shown,) = client.get("/device-server")
    assert shown["DeviceServer"]["id"] == device
    assert shown["DeviceServer"]["status"] == "ACTIVE"
    assert client.one(f"/device-server/{device}", "DeviceServer")["ip"] == "127.0.0.1"


def test_one_key_may_be_registered_on_two_installations(bank: Served) -> None:
    key = new_api_key(bank)
    first, second = Client(bank).start(key), Client(bank, key_number=1).start(key)
    assert first.user_id == second.user_id
    assert first.get("/user") == second.get("/user")


def test_unknown_keys_and_missing_devices_are_refused_alike(bank: Served) -> None:
    client = Client(bank).install()
    assert client.refused("POST", "/device-server", {"description": "x", "secret": "sandbox_no"}) == INCORRECT
    key = new_api_key(bank)
    assert client.refused("POST", "/session-server", {"secret": key}) == INCORRECT
    client.register(key)
    assert client.refused("POST", "/session-server", {"secret": new_api_key(bank)}) == INCORRECT


def test_key_unused_for_an_hour_is_dead(bank: Served) -> None:
    used, unused = new_api_key(bank), new_api_key(bank)
    client = Client(bank).start(used)
    control(bank, "POST", "/clock", {"advance_s": 3601})
    other = Client(bank).install()
    assert other.refused("POST", "/device-server", {"description": "x", "secret": unused}) == INCORRECT
    assert client.open_session(used).get("/user")


def test_session_needs_the_right_signature(bank: Served) -> None:
    key = new_api_key(bank)
    client = Client(bank).install()
    client.register(key)
    body = {"secret": key}
    assert client.refused("POST", "/session-server", body, signed=False)[0] == 466
    wrong = (401, "The request signature is invalid.")
    assert client.refused("POST", "/session-server", body, signed=sign(client.key, b"other")) == wrong
    assert client.refused("POST", "/session-server", body, signed="not base64!") == wrong
    assert client.refused("POST", "/session-server", body, signed=sign(client_key(3), b"{}")) == wrong


def test_signature_is_over_the_bytes_as_sent(bank: Served) -> None:
    key = new_api_key(bank)
    client = Client(bank).install()
    client.register(key)
    raw = b'{ "secret" :\n"' + key.encode() + b'" }'
    assert client.call("POST", "/session-server", raw=raw).status_code == 200


def test_calls_that_need_no_signature_take_any(bank: Served) -> None:
    key = new_api_key(bank)
    client = Client(bank).install()
    answer = client.call("POST", "/device-server", {"description": "x", "secret": key}, signed=False)
    assert answer.status_code == 200
    client.open_session(key)
    assert client.call("GET", "/user", signed="nonsense").status_code == 200
    assert client.call("GET", "/user", signed=False).status_code == 200


def test_sessions_end_by_time_and_by_deletion(bank: Served) -> None:
    key = new_api_key(bank)
    client = Client(bank).start(key)
    control(bank, "POST", "/clock", {"advance_s": 604790})
    assert client.call("GET", "/user").status_code == 200
    control(bank, "POST", "/clock", {"advance_s": 20})
    answer = client.call("GET", "/user")
    assert answer.status_code == 401
    assert answer.json()["Error"][0]["error_description"] == "Insufficient authorisation."
    assert "X-Bunq-Server-Signature" not in answer.headers
    client.open_session(key)
    assert client.ok("DELETE", "/session/0") == []
    assert client.refused("GET", "/user") == EXPIRED


@pytest.mark.bank(session_timeout_s=60)
def test_session_lifetime_is_a_switch_and_is_told(bank: Served) -> None:
    client = new_user(bank)
    assert client.user["UserPerson"]["session_timeout"] == 60
    control(bank, "POST", "/clock", {"advance_s": 61})
    assert client.refused("GET", "/user") == EXPIRED


def test_token_of_the_wrong_kind_is_refused(bank: Served) -> None:
    client = new_user(bank)
    assert client.refused("GET", "/user", token=client.installation_token) == EXPIRED
    assert client.refused("GET", "/user", token="0" * 64) == EXPIRED
    # A blank at the end of a header is no part of it.
    assert client.call("GET", "/user", token=f"{client.session_token} ").status_code == 200
    assert client.call("GET", "/user", token="").status_code == 401
    assert client.refused("GET", "/device-server", token="") == EXPIRED


def test_dutch_is_spoken_on_request(bank: Served) -> None:
    answer = Client(bank).call("GET", "/user", headers={"X-Bunq-Language": "nl_NL"})
    assert answer.json()["Error"][0]["error_description_translated"] == "Onvoldoende autorisatie."
    answer = Client(bank).call("GET", "/user", headers={"X-Bunq-Language": "de_DE"})
    assert answer.json()["Error"][0]["error_description_translated"] == "Insufficient authorisation."


def test_json_is_written_as_php_writes_it(bank: Served) -> None:
    client = session_of(bank, 1864430)
    raw = client.call("GET", f"/user/{client.user_id}/monetary-account").content
    assert b"https:\\/\\/" in raw
    assert b'"balance":{"currency":"EUR","value":"4118.00"}' in raw
    assert raw.isascii()


def test_foreign_user_ids_are_forbidden(bank: Served) -> None:
    client = new_user(bank)
    assert client.refused("GET", "/user/1864430")[0] == 403
    assert client.refused("GET", "/user/1864430/monetary-account")[0] == 403
    assert client.refused("GET", "/user/999/monetary-account")[0] == 403


@pytest.mark.bank(permitted_ips_enforced=True)
def test_key_is_bound_to_the_address_of_its_device(bank: Served) -> None:
    key = new_api_key(bank)
    client = Client(bank).install()
    body = {"description": "x", "secret": key, "permitted_ips": ["203.0.113.5"]}
    assert client.refused("POST", "/device-server", body) == INCORRECT
    client.register(key)
    assert client.refused("POST", "/session-server", {"secret": key}, address="127.0.0.2") == INCORRECT
    control(bank, "PATCH", "/switches", {"caller_address": "203.0.113.9"})
    assert client.refused("POST", "/session-server", {"secret": key}) == INCORRECT
    control(bank, "PATCH", "/switches", {"caller_address": ""})
    assert client.call("POST", "/session-server", {"secret": key}).status_code == 200
    assert client.open_session(key).get("/user")


@pytest.mark.bank(permitted_ips_enforced=True)
@pytest.mark.parametrize("addresses", [["*"], ["203.0.113.5", "*"], ["127.0.0.1", "127.0.0.2"]])
def test_key_may_be_opened_to_other_addresses(bank: Served, addresses: list[str]) -> None:
    key = new_api_key(bank)
    client = Client(bank).install()
    client.register(key, permitted_ips=addresses)
    assert client.call("POST", "/session-server", {"secret": key}, address="127.0.0.2").status_code == 200


def test_psd2_party_gets_from_certificate_to_session(bank: Served) -> None:
    client = Client(bank).install()
    provider_key = client_key(5)
    pem = certificate("bunqflask PISP AISP 5f1c", provider_key)
    signed = sign(provider_key, (public_pem(client.key) + client.installation_token).encode())
    body = {
        "client_payment_service_provider_certificate": pem,
        "client_payment_service_provider_certificate_chain": pem,
        "client_public_key_signature": "\n".join(signed[at : at + 64] for at in range(0, len(signed), 64)),
    }
    (item,) = client.ok("POST", "/payment-service-provider-credential", body, signed=False)
    shown = item["CredentialPasswordIp"]
    assert shown["status"] == "PENDING_FIRST_USE"
    assert client.get(f"/payment-service-provider-credential/{shown['id']}") == [item]
    assert Client(bank).install().refused("GET", f"/payment-service-provider-credential/{shown['id']}")[0] == 404
    assert re.fullmatch(r"[0-9a-f]{64}", shown["token_value"])
    client.register(shown["token_value"], permitted_ips=["*"])
    after = client.one(f"/payment-service-provider-credential/{shown['id']}", "CredentialPasswordIp")
    assert after["status"] == "ACTIVE"
    assert after["token_value"] is None
    assert after["permitted_device"] == {"description": "tests", "ip": "127.0.0.1"}
    client.open_session(shown["token_value"])
    user = client.user["UserPaymentServiceProvider"]
    assert user["display_name"] == "bunqflask PISP AISP 5f1c"
    assert client.get(f"/user/{client.user_id}/monetary-account") == []
    # Once more with the same certificate: another credential of the same user.
    (again,) = client.ok("POST", "/payment-service-provider-credential", body, token=client.installation_token)
    other = Client(bank).install()
    other.register(again["CredentialPasswordIp"]["token_value"])
    assert other.open_session(again["CredentialPasswordIp"]["token_value"]).user_id == client.user_id


def test_psd2_party_with_wrong_papers_is_refused(bank: Served) -> None:
    client = Client(bank).install()
    key = client_key(5)
    good = public_pem(client.key) + client.installation_token

    def refused(name: str, signed: str) -> tuple[int, str]:
        pem = certificate(name, key)
        body = {
            "client_payment_service_provider_certificate": pem,
            "client_payment_service_provider_certificate_chain": pem,
            "client_public_key_signature": sign(key, signed.encode()),
        }
        return client.refused("POST", "/payment-service-provider-credential", body)

    assert refused("Nobody in particular", good)[0] == 400
    assert "client_public_key_signature" in refused("x AISP", good + "\n")[1]
    assert "client_public_key_signature" in refused("x AISP", good.replace("-----END", "\n-----END"))[1]


@pytest.mark.bank(rate_limits="classic")
def test_classic_limits_name_their_numbers(bank: Served) -> None:
    client = new_user(bank)
    answers = [client.call("GET", "/user") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    text = "Too many requests. You can do a maximum of 3 calls per 3 second to this endpoint."
    assert answers[3].json()["Error"][0]["error_description"] == text
    assert "X-Bunq-Server-Signature" not in answers[3].headers
    assert "Retry-After" not in answers[3].headers
    # Another method and another endpoint have counters of their own.
    assert client.call("GET", f"/user/{client.user_id}/monetary-account").status_code == 200
    control(bank, "POST", "/clock", {"advance_s": 3})
    assert client.call("GET", "/user").status_code == 200


@pytest.mark.bank(rate_limits="classic")
def test_classic_limit_counts_a_path_pattern_as_one_endpoint(bank: Served) -> None:
    client = session_of(bank, 1864430)
    accounts = [2083712, 2083715, 2083719, 2083721]
    codes = [client.call("GET", f"/user/{client.user_id}/monetary-account/{each}").status_code for each in accounts]
    assert codes == [200, 200, 200, 429]


@pytest.mark.bank(rate_limits="classic")
def test_session_server_may_be_called_once_in_thirty_seconds(bank: Served) -> None:
    key = new_api_key(bank)
    client = Client(bank).start(key)
    text = "Too many requests. You can do a maximum of 1 calls per 30 second to this endpoint."
    assert client.refused("POST", "/session-server", {"secret": key}) == (429, text)
    control(bank, "POST", "/clock", {"advance_s": 30})
    assert client.open_session(key).get("/user")


@pytest.mark.bank(maintenance=True)
def test_maintenance_answers_491_unsigned(bank: Served) -> None:
    answer = Client(bank).call("POST", "/sandbox-user-person", signed=False)
    assert answer.status_code == 491
    assert "X-Bunq-Server-Signature" not in answer.headers


def test_what_is_not_there_answers_in_bunqs_shape(bank: Served) -> None:
    client = new_user(bank)
    assert client.refused("GET", "/no-such-thing") == (404, "The item you requested could not be found")
    for method, path in (("GET", "/no-such-thing"), ("POST", "/user"), ("PATCH", "/user"), ("OPTIONS", "/user")):
        answer = client.call(method, path, headers={"X-Bunq-Client-Request-Id": f"{method} {path}"})
        assert answer.status_code == (405 if path == "/user" else 404)
        assert answer.headers["X-Bunq-Client-Request-Id"] == f"{method} {path}"
        assert is_signed_by(client.server_key, answer.content, answer.headers["X-Bunq-Server-Signature"])
    assert requests.head(f"{bank.api_url}user", timeout=5).status_code == 405
    account = f"/user/{client.user_id}/monetary-account/1"
    assert client.refused("GET", account) == (404, 'Monetary account for id "1" not found.')
    assert client.refused("POST", "/session-server", raw=b"{", token=client.installation_token)[0] == 400


def test_state_survives_a_restart(tmp_path: object) -> None:
    settings = Settings(database=f"{tmp_path}/bank.sqlite3", rate_limits="off")
    with serve(settings) as bank:
        client = new_user(bank)
        control(bank, "PATCH", "/switches", {"denial": "stay"})
        control(bank, "POST", "/clock", {"advance_s": 1000})
    with serve(settings) as bank:
        client.bank = bank
        assert client.get("/user") == [client.user]
        state = control(bank, "GET", "/state")
        assert state["switches"]["denial"] == "stay"
        assert state["clock_offset_s"] == 1000
        control(bank, "POST", "/reset")
        assert client.refused("GET", "/user")[0] == 401
        assert control(bank, "GET", "/switches")["denial"] == "redirect"


def test_two_banks_share_nothing(bank: Served) -> None:
    client = new_user(bank)
    with serve(Settings(rate_limits="off")) as other:
        client.bank = other
        assert client.call("GET", "/user").status_code == 401


def test_control_is_closed_to_strangers(bank: Served) -> None:
    url = f"{bank.control_url}/reset"
    assert requests.post(url, headers={"Origin": "https://evil.example"}, timeout=5).status_code == 403
    assert requests.post(url, headers={"Host": "evil.example"}, timeout=5).status_code == 421
    with serve(Settings(token="open sesame")) as guarded:
        assert requests.get(f"{guarded.control_url}/state", timeout=5).status_code == 403
        headers = {"X-Sandbox-Token": "open sesame"}
        assert requests.get(f"{guarded.control_url}/state", headers=headers, timeout=5).status_code == 200
