"""Scheduled batches, and the results of payment links, one by one."""

from __future__ import annotations

import requests

from bunqflask.sandbox.server import Served

from .client import JODI, MAIN, control, session_of
from .test_payments import balance, order
from .test_schedules import in_future

A = f"/user/{JODI}/monetary-account/{MAIN}"


def test_scheduled_batch_is_read_changed_run_and_stopped(bank: Served) -> None:
    client = session_of(bank, JODI)
    times = {"time_start": in_future(3600), "recurrence_unit": "DAILY", "recurrence_size": 1}
    path = f"{A}/schedule-payment-batch"
    wanted = {"payments": [order("1.00"), order("2.00")], "schedule": times, "purpose": "PAYMENT"}
    number = client.create(path, wanted)
    shown = client.one(f"{path}/{number}", "ScheduledPaymentBatch")
    assert (len(shown["payments"]), shown["purpose"]) == (2, "PAYMENT")
    assert client.ok("PUT", f"{path}/{number}", {"payments": [order("5.00"), order("6.00")]}) == [
        {"Id": {"id": number}}
    ]
    control(bank, "POST", "/clock", {"advance_s": 3700})
    assert balance(client) == "4107.00"
    (run,) = client.get(f"{A}/schedule/{number}/schedule-instance")
    made = run["ScheduledInstance"]["result_object"]["PaymentBatch"]
    assert [each["amount"]["value"] for each in made["payments"]] == ["-5.00", "-6.00"]
    assert client.one(f"{A}/payment-batch/{made['id']}", "PaymentBatch")["payments"] == made["payments"]
    assert client.ok("DELETE", f"{path}/{number}") == []
    control(bank, "POST", "/clock", {"advance_s": 86400})
    assert balance(client) == "4107.00"
    assert client.refused("GET", f"{A}/schedule-payment/{number}")[0] == 404


def test_all_kinds_of_schedules_stand_in_one_list(bank: Served) -> None:
    client = session_of(bank, JODI)
    times = {"time_start": in_future(3600), "recurrence_unit": "WEEKLY", "recurrence_size": 2}
    single = client.create(f"{A}/schedule-payment", {"payment": order("1.00"), "schedule": times})
    several = client.create(f"{A}/schedule-payment-batch", {"payments": [order("2.00")], "schedule": times})
    for path, wrapper in ((f"{A}/schedule", "Schedule"), (f"/user/{JODI}/schedule", "ScheduleUser")):
        newest, oldest = (each[wrapper] for each in client.get(path))
        assert (newest["id"], oldest["id"]) == (several, single)
        assert (oldest["recurrence_unit"], oldest["recurrence_size"], oldest["status"]) == ("WEEKLY", 2, "ACTIVE")
        assert oldest["object"]["Payment"]["amount"]["value"] == "-1.00"
        assert newest["object"]["PaymentBatch"]["payments"][0]["amount"]["value"] == "-2.00"
    assert client.one(f"{A}/schedule/{single}", "Schedule") == oldest


def test_finished_batch_takes_an_update_without_effect(bank: Served) -> None:
    client = session_of(bank, JODI)
    number = client.create(f"{A}/payment-batch", {"payments": [order("1.00")]})
    assert client.ok("PUT", f"{A}/payment-batch/{number}", {}) == [{"Id": {"id": number}}]
    assert balance(client) == "4117.00"


def test_result_of_a_link_is_read_by_itself(bank: Served) -> None:
    client = session_of(bank, JODI)
    entry = {"amount_inquired": {"value": "5.00", "currency": "EUR"}, "description": "cake"}
    number = client.create(f"{A}/bunqme-tab", {"bunqme_tab_entry": entry})
    link = client.one(f"{A}/bunqme-tab/{number}", "BunqMeTab")["bunqme_tab_share_url"]
    assert requests.post(link, data={"name": "A. Friend"}, timeout=20).status_code == 200
    (result,) = client.one(f"{A}/bunqme-tab/{number}", "BunqMeTab")["result_inquiries"]
    (alone,) = client.get(f"{A}/bunqme-tab-result-response/{result['id']}")
    assert next(iter(alone.values()))["payment"]["Payment"]["amount"]["value"] == "5.00"
    assert client.refused("GET", f"{A}/bunqme-tab-result-response/1")[0] == 404
    event = client.get(f"/user/{JODI}/event")[0]["Event"]
    assert event["object"]["BunqMeTabResultResponse"]["id"] == result["id"]


def test_link_is_read_in_full_changed_and_cancelled(bank: Served) -> None:
    client = session_of(bank, JODI)
    entry = {"amount_inquired": {"value": "5.00", "currency": "EUR"}, "description": "cake"}
    number = client.create(f"{A}/bunqme-tab", {"bunqme_tab_entry": entry})
    shown = client.one(f"{A}/bunqme-tab/{number}", "BunqMeTab")
    assert (shown["type"], shown["alias_monetary_account"]["iban"]) == ("BUNQ_ME", "NL65BUNQ2090411945")
    assert shown["bunqme_tab_entries"] == [shown["bunqme_tab_entry"]]
    changed = {**entry, "description": "two cakes", "redirect_url": "https://shop.example/"}
    client.ok("PUT", f"{A}/bunqme-tab/{number}", {"bunqme_tab_entry": changed})
    shown = client.one(f"{A}/bunqme-tab/{number}", "BunqMeTab")
    assert (
        shown["bunqme_tab_entry"].items()
        >= {"description": "two cakes", "redirect_url": "https://shop.example/"}.items()
    )
    client.ok("PUT", f"{A}/bunqme-tab/{number}", {"bunqme_tab_entry": entry, "status": "CANCELLED"})
    assert client.refused("PUT", f"{A}/bunqme-tab/{number}", {"bunqme_tab_entry": entry})[0] == 400
    (newest, *_rest) = client.get(f"/user/{JODI}/event")
    assert (newest["Event"]["action"], newest["Event"]["object"]["BunqMeTab"]["status"]) == ("UPDATE", "CANCELLED")
