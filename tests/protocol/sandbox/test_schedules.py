"""Scheduled payments, on a clock that is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bunqflask.sandbox.bank import schedules
from bunqflask.sandbox.server import Served

from .client import JODI, MAIN, App, Client, control, new_user, session_of
from .test_payments import BRAVO, balance, order, path

SCHEDULES = f"/user/{JODI}/monetary-account/{MAIN}/schedule-payment"
DAY_S = 86400


def in_future(seconds: float) -> str:
    """Return a time as requests carry it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def scheduled(unit: str = "DAILY", value: str = "1.00", **times: Any) -> dict[str, Any]:
    """Return a scheduled payment as it is asked for."""
    schedule = {"time_start": in_future(3600), "recurrence_unit": unit, "recurrence_size": 1, **times}
    return {"payment": order(value, BRAVO), "schedule": schedule}


def advance(bank: Served, client: Client, seconds: float) -> None:
    """Move the clock; the client's session is opened anew if that ends it."""
    control(bank, "POST", "/clock", {"advance_s": seconds})


def test_daily_payment_runs_every_day_until_it_is_stopped(bank: Served) -> None:
    client = session_of(bank, JODI)
    id = client.create(SCHEDULES, scheduled())
    shown = client.one(f"{SCHEDULES}/{id}", "ScheduledPayment")
    assert shown["status"] == "ACTIVE"
    assert shown["payment"]["amount"]["value"] == "-1.00"
    assert shown["schedule"]["time_next"] == shown["schedule"]["time_start"]
    assert balance(client) == "4118.00"
    advance(bank, client, 3601)
    assert balance(client) == "4117.00"
    assert client.get(path())[0]["Payment"]["scheduled_id"] == id
    advance(bank, client, 3 * DAY_S)
    assert balance(client) == "4114.00"
    runs = client.get(f"/user/{JODI}/monetary-account/{MAIN}/schedule/{id}/schedule-instance")
    assert [run["ScheduledInstance"]["state"] for run in runs] == ["FINISHED_SUCCESSFULLY"] * 4
    assert client.ok("DELETE", f"{SCHEDULES}/{id}") == []
    advance(bank, client, DAY_S)
    assert balance(client) == "4114.00"
    assert client.one(f"{SCHEDULES}/{id}", "ScheduledPayment")["status"] == "CANCELLED"


def test_single_payment_is_finished_after_its_run(bank: Served) -> None:
    client = session_of(bank, JODI)
    id = client.create(SCHEDULES, scheduled("ONCE"))
    advance(bank, client, 2 * DAY_S)
    assert balance(client) == "4117.00"
    assert client.one(f"{SCHEDULES}/{id}", "ScheduledPayment")["status"] == "FINISHED"


def test_end_of_a_schedule_is_kept(bank: Served) -> None:
    client = session_of(bank, JODI)
    client.create(SCHEDULES, scheduled(time_end=in_future(3600 + DAY_S + 60)))
    advance(bank, client, 5 * DAY_S)
    assert balance(client) == "4116.00"


def test_run_without_money_fails_and_can_be_tried_again(bank: Served) -> None:
    client = session_of(bank, JODI)
    id = client.create(SCHEDULES, scheduled("ONCE", "4118.01"))
    advance(bank, client, 3601)
    runs = f"/user/{JODI}/monetary-account/{MAIN}/schedule/{id}/schedule-instance"
    (item,) = client.get(runs)
    run = item["ScheduledInstance"]
    assert run["state"] == "FAILED_USER_ERROR"
    assert [each["error_description"] for each in run["error_message"]] == ["Insufficient balance."]
    assert balance(client) == "4118.00"
    client.create(
        f"/user/{JODI}/monetary-account/2083715/payment",
        order("1.00", {"type": "IBAN", "value": "NL65BUNQ2090411945", "name": "me"}),
    )
    client.ok("PUT", f"{runs}/{run['id']}", {"state": "RETRY"})
    assert client.one(f"{runs}/{run['id']}", "ScheduledInstance")["state"] == "FINISHED_SUCCESSFULLY"
    assert balance(client) == "0.99"


def test_change_replaces_what_was_planned(bank: Served) -> None:
    client = session_of(bank, JODI)
    id = client.create(SCHEDULES, scheduled())
    (item,) = client.ok("PUT", f"{SCHEDULES}/{id}", scheduled("ONCE", "5.00"))
    assert item["ScheduledPayment"]["payment"]["amount"]["value"] == "-5.00"
    advance(bank, client, 2 * DAY_S)
    assert balance(client) == "4113.00"


def test_batch_runs_all_or_nothing(bank: Served) -> None:
    client = session_of(bank, JODI)
    body = {"payments": [order("1.00"), order("2.00")], "schedule": scheduled("ONCE")["schedule"]}
    id = client.create(SCHEDULES + "-batch", body)
    client.create(SCHEDULES + "-batch", {**body, "payments": [order("1.00"), order("4117.00")]})
    advance(bank, client, 3601)
    assert balance(client) == "4115.00"
    assert client.one(f"{SCHEDULES}-batch/{id}", "ScheduledPaymentBatch")["status"] == "FINISHED"
    every = client.get(f"/user/{JODI}/schedule")
    assert len(every) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        scheduled("FORTNIGHTLY"),
        scheduled(time_start=in_future(-3600)),
        scheduled(time_start="tomorrow"),
        scheduled(recurrence_size=0),
        scheduled(time_end=in_future(60)),
        {"payment": order()},
        {"schedule": scheduled()["schedule"]},
    ],
)
def test_schedules_that_make_no_sense_are_refused(bank: Served, wrong: dict[str, Any]) -> None:
    client = session_of(bank, JODI)
    assert client.refused("POST", SCHEDULES, wrong)[0] == 400
    assert client.get(SCHEDULES) == []


def test_scheduling_is_signed_and_within_an_apps_rights(bank: Served) -> None:
    client = session_of(bank, JODI)
    assert client.refused("POST", SCHEDULES, scheduled(), signed=False)[0] == 466
    app = App(new_user(bank)).connect()
    assert app.refused("POST", SCHEDULES, scheduled())[0] == 403


@pytest.mark.parametrize(
    ("unit", "start", "runs", "expected"),
    [
        ("MONTHLY", "2020-07-25 07:00:24.000000", 5, "2020-12-25 08:00:24"),
        ("MONTHLY", "2026-01-31 11:00:00.000000", 1, "2026-02-28 11:00:00"),
        ("YEARLY", "2024-02-29 11:00:00.000000", 1, "2025-02-28 11:00:00"),
        ("WEEKLY", "2026-03-25 11:00:00.000000", 1, "2026-04-01 10:00:00"),
        ("HOURLY", "2026-03-29 00:30:00.000000", 2, "2026-03-29 02:30:00"),
    ],
)
def test_schedules_keep_their_local_hour(unit: str, start: str, runs: int, expected: str) -> None:
    schedule = {"time_start": start, "time_end": None, "unit": unit, "size": 1, "runs": 0}
    moment = schedules.run_at(schedule, runs)
    assert moment is not None
    assert moment.strftime("%Y-%m-%d %H:%M:%S") == expected
