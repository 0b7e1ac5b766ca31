"""The pages behind the bank: what they do is what the control addresses do."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from bunqflask.sandbox import Settings
from bunqflask.sandbox.server import Served, serve

from .client import COMPANY, JODI, MAIN, App, Client, control, new_user, session_of
from .test_cards import ordered
from .test_drafts import DRAFTS, draft
from .test_payments import balance
from .test_requests import asked, inquiries


def post(bank: Served, path: str, **form: Any) -> requests.Response:
    """Send a form of a page, without following where it leads."""
    return requests.post(f"{bank.control_url}{path}", data=form, allow_redirects=False, timeout=5)


def page(bank: Served, path: str = "/") -> str:
    """Return a page, which must be there and marked as simulated."""
    answer = requests.get(f"{bank.control_url}{path}", timeout=5)
    assert answer.status_code == 200
    assert "SIMULATED BANK" in answer.text
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    return answer.text


def test_fault_is_added_seen_used_and_removed(bank: Served) -> None:
    client = new_user(bank)
    done = post(bank, "/panel/faults", call="GET user", fault="500", times="3", when="before", back="/__sandbox/")
    assert (done.status_code, done.headers["Location"]) == (303, "/__sandbox/")
    assert client.call("GET", "/user").status_code == 500
    text = page(bank)
    assert "1 active" in text
    assert "2 times" in text
    (fault,) = control(bank, "GET", "/faults")["faults"]
    post(bank, "/panel/faults/remove", id=fault["id"])
    assert client.call("GET", "/user").status_code == 200
    assert "1 active" not in page(bank)


def test_fault_until_removed_and_after_the_work(bank: Served) -> None:
    post(bank, "/panel/faults", call="ANY *", fault="reset", times="forever", when="after")
    (fault,) = control(bank, "GET", "/faults")["faults"]
    assert (fault["times"], fault["when"], fault["call"]) == (None, "after", "ANY *")


def test_every_fault_can_be_chosen_on_the_page(bank: Served) -> None:
    text = page(bank)
    for kind in control(bank, "GET", "/faults")["kinds"]:
        assert f'value="{kind}"' in text
    assert "<option>GET request-response</option>" in text


def test_nonsense_is_answered_on_the_page(bank: Served) -> None:
    for path, form in (
        ("/panel/faults", {"call": "x", "fault": "500"}),
        ("/panel/switches", {"rate_limits": "none"}),
        ("/panel/clock", {"seconds": "-5"}),
        ("/panel/clock", {"seconds": "9" * 12}),
    ):
        answer = post(bank, path, **form)
        assert answer.status_code == 422
        assert 'role="alert"' in answer.text


def test_forms_lead_back_inside_only(bank: Served) -> None:
    for back in ("//evil.example", "https://evil.example", "/\\evil.example", ""):
        assert post(bank, "/panel/faults/remove", back=back).headers["Location"] == "/__sandbox/"


def test_switches_are_saved_together(bank: Served) -> None:
    form = {**control(bank, "GET", "/switches"), "denial": "stay", "session_timeout_s": "60", "maintenance": "on"}
    form["caller_address"] = "203.0.113.9"
    form.pop("permitted_ips_enforced")
    form.pop("reconsent_invalidates")
    assert post(bank, "/panel/switches", **form).status_code == 303
    after = control(bank, "GET", "/switches")
    assert (after["denial"], after["session_timeout_s"], after["maintenance"]) == ("stay", 60, True)
    assert after["reconsent_invalidates"] is False
    assert 'value="203.0.113.9"' in page(bank, "/")


def test_clock_and_reset_work_by_page(bank: Served) -> None:
    client = new_user(bank)
    post(bank, "/panel/clock", seconds="604801")
    assert client.call("GET", "/user").status_code == 401
    post(bank, "/panel/reset")
    assert control(bank, "GET", "/state")["clock_offset_s"] == 0
    assert control(bank, "GET", "/state")["installations"] == 0


def test_phone_pays_and_refuses_drafts(bank: Served) -> None:
    app = App(new_user(bank)).connect()
    jodi = session_of(bank, JODI)
    first, second = app.create(DRAFTS, draft()), app.create(DRAFTS, draft())
    assert page(bank, f"/phone?person={JODI}").count("€10.00") == 2
    assert post(bank, f"/phone/draft/{first}", person=JODI, answer="accept").status_code == 303
    assert post(bank, f"/phone/draft/{second}", person=JODI, answer="reject").status_code == 303
    statuses = [item["DraftPayment"]["status"] for item in app.get(DRAFTS)]
    assert statuses == ["REJECTED", "ACCEPTED"]
    assert balance(jodi) == "4108.00"
    assert post(bank, f"/phone/draft/{first}", person=JODI, answer="accept").status_code == 422
    assert post(bank, f"/phone/draft/{first}", person=COMPANY, answer="accept").status_code == 404


def test_phone_answers_requests(bank: Served) -> None:
    jodi = session_of(bank, JODI)
    who = {"type": "EMAIL", "value": "hello@walker-studio.example"}
    jodi.create(inquiries(jodi, MAIN), asked("30.00", who))
    company = session_of(bank, COMPANY)
    (item,) = company.get(f"/user/{COMPANY}/monetary-account/2083801/request-response")
    assert "J. Walker" in page(bank, f"/phone?person={COMPANY}")
    post(bank, f"/phone/request/{item['RequestResponse']['id']}", person=COMPANY, answer="accept")
    assert balance(jodi) == "4148.00"


def test_phone_gets_money_pays_in_shops_and_makes_keys(bank: Served) -> None:
    jodi = session_of(bank, JODI)
    assert "has arrived" in post(bank, "/phone/money", person=JODI, account=MAIN, amount="25.00", name="Anna").text
    assert balance(jodi) == "4143.00"
    received = jodi.get(f"/user/{JODI}/monetary-account/{MAIN}/payment")[0]["Payment"]
    assert received["counterparty_alias"]["display_name"] == "Anna"
    assert post(bank, "/phone/money", person=JODI, account=MAIN, amount="lots").status_code == 422
    made = post(bank, "/phone/key", person=JODI).text
    key = re.search(r"sandbox_[0-9a-f]{64}", made)
    assert key
    assert Client(bank).start(key[0]).user_id == JODI
    card = ordered(jodi)["id"]
    assert "refused: CARD_NOT_ACTIVE" in post(bank, "/phone/shop", person=JODI, card=card, amount="5.00").text
    jodi.ok("PUT", f"/user/{JODI}/card/{card}", {"status": "ACTIVE"})
    assert "Paid." in post(bank, "/phone/shop", person=JODI, card=card, amount="5.00", country="NL").text
    assert balance(jodi) == "4138.00"


def test_money_from_outside_comes_by_http(bank: Served) -> None:
    body = {"account_id": MAIN, "amount": "1.00", "name": "Employer", "description": "Salary"}
    id = control(bank, "POST", "/payments", body)["payment_id"]
    shown = session_of(bank, JODI).one(f"/user/{JODI}/monetary-account/{MAIN}/payment/{id}", "Payment")
    assert (shown["description"], shown["sub_type"]) == ("Salary", "SCT")
    wrongs: list[dict[str, Any]] = [{"account_id": 1}, {"account_id": 10**30}, {"amount": 1}, {"amount": "0"}]
    for wrong in ({}, *({**body, **each} for each in [*wrongs, {"name": "\ud83d"}])):
        assert requests.post(f"{bank.control_url}/payments", json=wrong, timeout=5).status_code in (400, 404)


def test_phone_withdraws_an_apps_access(bank: Served) -> None:
    client = App(new_user(bank)).connect()
    (grant,) = control(bank, "GET", "/state")["grants"]
    assert "Withdraw access" in page(bank, f"/phone?person={JODI}")
    post(bank, f"/phone/app/{grant['id']}", person=JODI)
    assert client.refused("GET", "/user") == (403, "Insufficient authentication.")
    assert "Withdraw access" not in page(bank, f"/phone?person={JODI}")


def test_log_page_shows_calls_and_their_verdicts(bank: Served) -> None:
    client = new_user(bank)
    client.call("GET", "/user", token="0" * 64)
    text = page(bank, "/log")
    assert "POST /v1/session-server" in text
    assert "token: unknown" in text
    assert "0" * 64 not in text
    newest = control(bank, "GET", "/calls")["calls"][-1]["number"]
    assert control(bank, "GET", f"/calls?after={newest}") == {"calls": []}


def test_hostile_names_are_only_text(bank: Served) -> None:
    app = App(new_user(bank)).connect()
    body = draft()
    body["entries"][0]["counterparty_alias"] = {
        "type": "IBAN",
        "value": "DE89370400440532013000",
        "name": "<script>alert(1)</script>",
    }
    app.create(DRAFTS, body)
    assert "<script>alert" not in page(bank, "/phone")


def test_pages_are_closed_to_strangers_and_opened_by_the_token() -> None:
    with serve(Settings(token="open sesame")) as bank:
        closed = requests.get(f"{bank.control_url}/", timeout=5)
        assert closed.status_code == 403
        assert "Save switches" not in closed.text
        assert post(bank, "/panel/reset").status_code == 403
        with requests.Session() as browser:
            assert browser.post(f"{bank.control_url}/enter", data={"token": "wrong"}, timeout=5).status_code == 403
            opened = browser.post(f"{bank.control_url}/enter", data={"token": "open sesame"}, timeout=5)
            assert opened.status_code == 200
            assert "Save switches" in opened.text


@pytest.mark.parametrize("path", ["/panel/reset", "/phone/draft/1", "/panel/faults"])
def test_other_sites_cannot_send_the_forms(bank: Served, path: str) -> None:
    headers = {"Origin": "https://evil.example"}
    assert requests.post(f"{bank.control_url}{path}", headers=headers, timeout=5).status_code == 403


def test_consent_page_offers_faults_where_the_panel_is_open(bank: Served) -> None:
    app = App(new_user(bank))
    assert "Make the simulated bank misbehave" in requests.get(app.authorize_url(), timeout=5).text
    stranger = requests.get(app.authorize_url(), headers={"Host": "192.0.2.7"}, timeout=5)
    assert stranger.status_code == 200
    assert "Make the simulated bank misbehave" not in stranger.text


def test_payment_link_is_paid_more_than_once(bank: Served) -> None:
    client = session_of(bank, JODI)
    tabs = f"/user/{JODI}/monetary-account/{MAIN}/bunqme-tab"
    entry = {"amount_inquired": {"value": "7.50", "currency": "EUR"}, "description": "Cake & coffee"}
    id = client.create(tabs, {"bunqme_tab_entry": entry}, signed=False)
    tab = client.one(f"{tabs}/{id}", "BunqMeTab")
    assert "Cake &amp; coffee" in requests.get(tab["bunqme_tab_share_url"], timeout=5).text
    for name in ("Anna", "Ben"):
        requests.post(tab["bunqme_tab_share_url"], data={"name": name}, timeout=5)
    tab = client.one(f"{tabs}/{id}", "BunqMeTab")
    assert tab["status"] == "WAITING_FOR_PAYMENT"
    paid = [each["payment"]["Payment"] for each in tab["result_inquiries"]]
    assert [each["counterparty_alias"]["display_name"] for each in paid] == ["Anna", "Ben"]
    assert balance(client) == "4133.00"
    client.ok("PUT", f"{tabs}/{id}", {"status": "CANCELLED"})
    requests.post(tab["bunqme_tab_share_url"], data={"name": "Late"}, timeout=5)
    assert balance(client) == "4133.00"
    control(bank, "POST", "/clock", {"advance_s": 31 * 86400})
    assert requests.get(f"{bank.origin}/t/00000000-0000-4000-8000-000000000000", timeout=5).status_code == 404
