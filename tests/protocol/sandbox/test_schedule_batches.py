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
    number = client.create(path, {"payments": [order("1.00"), order("2.00")], "schedule": times})
    (item,) = client.get(f"{path}/{number}")
    assert client.get(f"{A}/schedule/{number}") == [item]
    client.ok("PUT", f"{path}/{number}", {"payments": [order("5.00"), order("6.00")]})
    control(bank, "POST", "/clock", {"advance_s": 3700})
    assert balance(client) == "4107.00"
    assert client.ok("DELETE", f"{path}/{number}") == []
    control(bank, "POST", "/clock", {"advance_s": 86400})
    assert balance(client) == "4107.00"
    assert client.refused("GET", f"{A}/schedule-payment/{number}")[0] == 404


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
