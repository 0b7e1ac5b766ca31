"""OAuth: consent page, phone, token call, and what a grant may do."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from bunqflask.sandbox.server import Served

from .client import CALLBACK, CAR, COMPANY, JODI, MAIN, MEDICAL, SECOND, App, Client, control, new_api_key, new_user

INCORRECT = (400, "User credentials are incorrect. Incorrect API key or IP address.")


@pytest.fixture
def app(bank: Served) -> App:
    """Return an app of a company, with an OAuth client."""
    return App(new_user(bank, "company"))


def test_oauth_client_is_made_once_and_read_for_its_secrets(bank: Served) -> None:
    owner = new_user(bank)
    path = f"/user/{owner.user_id}/oauth-client"
    assert owner.get(path) == []
    (made,) = owner.ok("POST", path, raw=b"[]")
    number = made["Id"]["id"]
    text = "You can only have one active OAuth Client registered."
    assert owner.refused("POST", path, {"status": "ACTIVE"}) == (400, text)
    shown = owner.one(f"{path}/{number}", "OauthClient")
    assert re.fullmatch(r"[0-9a-f]{64}", shown["client_id"])
    assert re.fullmatch(r"[0-9a-f]{64}", shown["secret"])
    assert shown["display_name"] is None
    assert owner.get(path) == [{"OauthClient": shown}]
    assert owner.create(f"{path}/{number}/callback-url", {"url": CALLBACK})
    assert owner.ok("PUT", f"{path}/{number}", {"status": "CANCELLED"}) == [{"Id": {"id": number}}]
    assert owner.create(path, {}) != number
    assert owner.refused("PUT", f"{path}/{number}", {"status": "ACTIVE"}) == (400, text)


def test_callback_urls_are_kept_exactly_and_once(bank: Served) -> None:
    owner = new_user(bank)
    number = owner.create(f"/user/{owner.user_id}/oauth-client", {})
    path = f"/user/{owner.user_id}/oauth-client/{number}/callback-url"
    first = owner.create(path, {"url": CALLBACK})
    text = "The Callback URL has already been registered for this Client."
    assert owner.refused("POST", path, {"url": CALLBACK}) == (400, text)
    second = owner.create(path, {"url": CALLBACK + "/"})
    assert [item["OauthCallbackUrl"]["url"] for item in owner.get(path)] == [CALLBACK + "/", CALLBACK]
    assert owner.one(f"{path}/{first}", "OauthCallbackUrl")["url"] == CALLBACK
    assert owner.ok("PUT", f"{path}/{second}", {"url": "https://app.example/cb"}) == [{"Id": {"id": second}}]
    assert owner.ok("DELETE", f"{path}/{first}") == []
    shown = owner.one(f"/user/{owner.user_id}/oauth-client/{number}", "OauthClient")
    assert [each["url"] for each in shown["callback_url"]] == ["https://app.example/cb"]
    for url in ("app.example/cb", "ftp://app.example", "https://app.example/#x", None):
        assert owner.refused("POST", path, {"url": url})[0] == 400


def test_other_users_clients_are_out_of_reach(bank: Served, app: App) -> None:
    stranger = new_user(bank)
    assert stranger.refused("GET", f"/user/{stranger.user_id}/oauth-client/{app.number}")[0] == 404
    assert stranger.refused("GET", f"/user/{app.owner.user_id}/oauth-client/{app.number}")[0] == 403


def test_consent_brings_back_code_and_state(app: App) -> None:
    asked = app.ask(state="x y&z/ü")
    app.answer(asked)
    back = app.come_back(asked)
    assert set(back) == {"code", "state"}
    assert back["state"] == "x y&z/ü"
    assert re.fullmatch(r"[0-9a-f]{64}", back["code"])


def test_state_comes_back_only_if_it_was_sent(app: App) -> None:
    asked = app.ask(state=None)
    app.answer(asked)
    assert set(app.come_back(asked)) == {"code"}


def test_query_of_the_redirect_address_is_kept(bank: Served) -> None:
    app = App(new_user(bank), callback="https://app.example/cb?tenant=7")
    asked = app.ask()
    app.answer(asked)
    assert app.come_back(asked)["tenant"] == "7"


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "0" * 64},
        {"client_id": None},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": "http://LOCALHOST:5000/oauth/callback"},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": None},
        {"response_type": "token"},
    ],
)
def test_unknown_app_or_address_is_never_redirected(app: App, wrong: dict[str, str | None]) -> None:
    answer = requests.get(app.authorize_url(**wrong), allow_redirects=False, timeout=5)
    assert answer.status_code == 400
    assert "Connection not found" in answer.text
    assert answer.headers["Content-Type"].startswith("text/html")


def test_denial_comes_back_as_an_error(app: App) -> None:
    asked = app.ask()
    app.answer(asked, how="deny")
    back = app.come_back(asked)
    assert back.pop("error_description")
    assert back == {"error": "access_denied", "state": "s1"}


@pytest.mark.bank(denial="stay")
def test_denial_may_stay_on_the_page(bank: Served, app: App) -> None:
    asked = app.ask()
    app.answer(asked, how="deny")
    page = requests.get(f"{bank.authorize_url}/{asked}", allow_redirects=False, timeout=5)
    assert page.status_code == 200
    assert "Access was refused" in page.text


def test_waiting_page_asks_and_moves_on(bank: Served, app: App) -> None:
    asked = app.ask()
    status = f"{bank.authorize_url}/{asked}/status"
    assert requests.get(status, timeout=5).json() == {"status": "PENDING"}
    assert "Waiting for the phone" in requests.get(f"{bank.authorize_url}/{asked}", timeout=5).text
    app.answer(asked)
    assert requests.get(status, timeout=5).json() == {"status": "ACCEPTED"}


def test_form_beside_the_page_redirects_at_once(bank: Served, app: App) -> None:
    asked = app.ask()
    form = {"beside": "browser", "person": JODI, "account": MAIN, "answer": "accept"}
    answer = requests.post(f"{bank.authorize_url}/{asked}/phone", data=form, allow_redirects=False, timeout=5)
    assert answer.status_code == 303
    assert "code" in dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def test_page_policy_allows_the_way_back_and_nothing_inline(app: App) -> None:
    page = requests.get(app.authorize_url(), timeout=5)
    policy = page.headers["Content-Security-Policy"]
    assert "form-action 'self' http://localhost:5000;" in policy
    assert "unsafe" not in policy
    assert "style=" not in page.text
    assert "SIMULATED BANK" in page.text
    assert "<title>[SIMULATED]" in page.text


def test_request_expires_after_ten_minutes(bank: Served, app: App) -> None:
    asked = app.ask()
    control(bank, "POST", "/clock", {"advance_s": 601})
    assert requests.get(f"{bank.authorize_url}/{asked}/status", timeout=5).json() == {"status": "EXPIRED"}
    app.answer(asked)
    assert requests.get(f"{bank.authorize_url}/{asked}/status", timeout=5).json() == {"status": "EXPIRED"}


def test_second_answer_changes_nothing(bank: Served, app: App) -> None:
    asked = app.ask()
    app.answer(asked, how="deny")
    app.answer(asked)
    assert requests.get(f"{bank.authorize_url}/{asked}/status", timeout=5).json() == {"status": "DENIED"}


def test_phone_insists_on_an_account_of_the_person(bank: Served, app: App) -> None:
    asked = app.ask()
    url = f"{bank.authorize_url}/{asked}/phone"
    for form in ({"person": JODI}, {"person": COMPANY, "account": MAIN}, {"person": 5, "account": MAIN}):
        assert requests.post(url, data={**form, "answer": "accept"}, timeout=5).status_code == 422
    assert requests.post(url, data={"person": JODI, "account": MAIN}, timeout=5).status_code == 422
    foreign = {"Origin": "https://evil.example"}
    assert requests.post(url, data={"answer": "deny"}, headers=foreign, timeout=5).status_code == 403
    assert requests.get(f"{bank.authorize_url}/{asked}/status", timeout=5).json() == {"status": "PENDING"}


# The token call.


def _token(app: App, code: str, *, in_body: bool = False, path: str = "/v1/token") -> requests.Response:
    return _post(app, app.parameters(code), in_body=in_body, path=path)


def _post(app: App, parameters: dict[str, str], *, in_body: bool = False, path: str = "/v1/token") -> requests.Response:
    url = app.bank.origin + path
    return (
        requests.post(url, data=parameters, timeout=5) if in_body else requests.post(url, params=parameters, timeout=5)
    )


@pytest.mark.parametrize("in_body", [True, False])
@pytest.mark.parametrize("path", ["/v1/token", "/token"])
def test_token_call_is_served_in_both_styles_at_both_addresses(app: App, in_body: bool, path: str) -> None:
    answer = _token(app, app.consent(), in_body=in_body, path=path)
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "state"}
    assert body["token_type"] == "bearer"
    assert body["state"] == "s1"
    assert "X-Bunq-Server-Signature" not in answer.headers


@pytest.mark.parametrize(("style", "in_body"), [("query", True), ("form", False)])
def test_strict_token_style_does_not_see_the_other(bank: Served, app: App, style: str, in_body: bool) -> None:
    control(bank, "PATCH", "/switches", {"token_style": style})
    code = app.consent()
    refused = _token(app, code, in_body=in_body)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert _token(app, code, in_body=not in_body).status_code == 200


def test_token_call_takes_no_other_body_and_no_other_method(bank: Served, app: App) -> None:
    parameters = app.parameters(app.consent())
    parts = {name: (None, value) for name, value in parameters.items()}
    for answer in (
        requests.post(bank.token_url, files=parts, timeout=5),
        requests.post(bank.token_url, json=parameters, timeout=5),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    for method in ("GET", "PUT", "OPTIONS"):
        assert requests.request(method, bank.token_url, params=parameters, timeout=5).status_code == 405
    last = control(bank, "GET", "/calls")["calls"][-1]
    assert (last["method"], last["status"], last["verdicts"]) == ("OPTIONS", 405, {"refused": "Method not allowed."})
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    assert requests.post(bank.token_url, data=parameters, headers=kind, timeout=5).status_code == 200


def test_code_works_once(app: App) -> None:
    code = app.consent()
    assert _token(app, code).status_code == 200
    answer = _token(app, code)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "invalid_grant",
        "error_description": "The authorization code is invalid or expired.",
    }


@pytest.mark.bank(code_lifetime_s=30)
def test_code_dies_after_its_lifetime(bank: Served, app: App) -> None:
    code = app.consent()
    control(bank, "POST", "/clock", {"advance_s": 31})
    assert _token(app, code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": CALLBACK + "/"}, "invalid_grant"),
        ({"code": "0" * 64}, "invalid_grant"),
        ({"client_secret": "0" * 64}, "invalid_client"),
        ({"client_id": "0" * 64}, "invalid_client"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"client_secret": ""}, "invalid_request"),
    ],
)
def test_wrong_token_calls_are_refused_and_spend_nothing(app: App, changes: dict[str, str], error: str) -> None:
    code = app.consent()
    assert _post(app, {**app.parameters(code), **changes}).json()["error"] == error
    assert _token(app, code).status_code == 200


def test_code_of_another_app_is_refused(bank: Served, app: App) -> None:
    other = App(new_user(bank))
    assert _token(other, app.consent()).json()["error"] == "invalid_grant"


# What the grant is good for.


def test_oauth_session_names_both_users(app: App) -> None:
    client = app.connect()
    shown = client.user["UserApiKey"]
    assert list(shown["requested_by_user"]) == ["UserCompany"]
    granted = shown["granted_by_user"]["UserPerson"]
    assert granted["id"] == JODI
    assert granted["display_name"] == "Jodi Walker"
    assert set(granted) == {"id", "display_name", "public_nick_name", "avatar", "session_timeout"}
    assert client.get("/user") == [client.user]
    assert client.one(f"/user/{JODI}", "UserPerson")["display_name"] == "Jodi Walker"


def test_both_ids_lead_to_the_accounts_and_others_do_not(app: App) -> None:
    client = app.connect()
    through_key = client.get(f"/user/{client.user_id}/monetary-account")
    assert through_key == client.get(f"/user/{JODI}/monetary-account")
    assert {item["MonetaryAccountBank"]["user_id"] for item in through_key} == {JODI}
    assert client.refused("GET", f"/user/{app.owner.user_id}/monetary-account")[0] == 403


def test_only_the_chosen_accounts_exist_for_the_app(app: App) -> None:
    client = app.connect(accounts=[SECOND, MEDICAL])
    path = f"/user/{client.user_id}/monetary-account"
    assert [item["MonetaryAccountBank"]["id"] for item in client.get(path)] == [SECOND, MEDICAL]
    assert client.refused("GET", f"{path}/{CAR}") == (404, f'Monetary account for id "{CAR}" not found.')
    assert client.one(f"{path}/{SECOND}", "MonetaryAccountBank")["id"] == SECOND


def test_company_grants_with_all_its_kinds_of_accounts(app: App) -> None:
    client = app.connect(COMPANY, accounts=[2083801, 2083802, 2083803, 2083804, 2083805, 2083806])
    assert client.user["UserApiKey"]["granted_by_user"]["UserCompany"]["id"] == COMPANY
    items = client.get(f"/user/{client.user_id}/monetary-account")
    assert [next(iter(item)).removeprefix("MonetaryAccount") for item in items] == [
        "Bank",
        "Savings",
        "Joint",
        "External",
        "Bank",
        "Pension",
    ]
    savings, external, cancelled = (next(iter(items[at].values())) for at in (1, 3, 4))
    assert savings["savings_goal"] == {"currency": "EUR", "value": "10000.00"}
    assert all(pointer["type"] != "IBAN" for pointer in external["alias"])
    assert cancelled["status"] == "CANCELLED"


def test_app_may_not_touch_credentials_or_user_data(app: App) -> None:
    client = app.connect()
    assert client.refused("GET", f"/user/{JODI}/oauth-client")[0] == 403
    assert client.refused("POST", f"/user/{client.user_id}/oauth-client", {})[0] == 403
    assert client.refused("PUT", f"/user-person/{JODI}", {"public_nick_name": "X"})[0] == 403


def test_revoked_grant_ends_sessions_and_opens_none(bank: Served, app: App) -> None:
    token = app.exchange(app.consent())
    client = app.session(token)
    assert control(bank, "POST", "/grants/revoke", {"user_id": JODI}) == {"revoked": 1}
    assert client.refused("GET", "/user") == (403, "Insufficient authentication.")
    client.session_token = None
    assert client.refused("POST", "/session-server", {"secret": token}) == INCORRECT
    assert app.owner.get("/user"), "the app's own session goes on"


def test_new_consent_replaces_the_old_token(bank: Served, app: App) -> None:
    first = app.exchange(app.consent())
    second = app.exchange(app.consent())
    assert (
        app.owner.refused("POST", "/session-server", {"secret": first}, token=app.owner.installation_token) == INCORRECT
    )
    assert app.session(second).get("/user")
    control(bank, "PATCH", "/switches", {"reconsent_invalidates": False})
    third = app.exchange(app.consent())
    assert app.session(second).get("/user")
    assert app.session(third).get("/user")


def test_access_token_unused_for_an_hour_is_dead(bank: Served, app: App) -> None:
    token = app.exchange(app.consent())
    control(bank, "POST", "/clock", {"advance_s": 3601})
    assert (
        app.owner.refused("POST", "/session-server", {"secret": token}, token=app.owner.installation_token) == INCORRECT
    )


def _own_context(app: App, token: str) -> tuple[int, int]:
    """Try variant B: a context of its own for the token. Return the statuses of device and session."""
    client = Client(app.bank, key_number=1).install()
    device = client.call("POST", "/device-server", {"description": "x", "secret": token})
    return device.status_code, client.call("POST", "/session-server", {"secret": token}).status_code


def test_both_oauth_variants_work_by_default(app: App) -> None:
    assert app.connect().get("/user")
    assert _own_context(app, app.exchange(app.consent())) == (200, 200)


@pytest.mark.bank(oauth_variant="A")
def test_variant_a_refuses_a_device_for_an_access_token(app: App) -> None:
    token = app.exchange(app.consent())
    assert _own_context(app, token) == (400, 400)
    assert app.session(token).get("/user")


@pytest.mark.bank(oauth_variant="B")
def test_variant_b_refuses_the_apps_installation(app: App) -> None:
    token = app.exchange(app.consent())
    assert (
        app.owner.refused("POST", "/session-server", {"secret": token}, token=app.owner.installation_token) == INCORRECT
    )
    assert _own_context(app, token) == (200, 200)


def test_access_token_works_on_its_own_apps_installation_only(bank: Served, app: App) -> None:
    token = app.exchange(app.consent())
    stranger = Client(bank, key_number=1).start(new_api_key(bank))
    body = {"secret": token}
    assert stranger.refused("POST", "/session-server", body, token=stranger.installation_token) == INCORRECT


def test_access_token_is_no_bearer_token(app: App) -> None:
    token = app.exchange(app.consent())
    assert app.owner.refused("GET", "/user", token=token)[0] == 401
