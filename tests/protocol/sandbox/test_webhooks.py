"""Webhooks: who is told what, how often it is tried, and what is kept when nobody answers."""

from __future__ import annotations

from typing import Any

import pytest

from bunqflask.sandbox.bank import events
from bunqflask.sandbox.server import Served

from .client import CAR, JODI, MAIN, SECOND, App, control, new_user, session_of
from .hooks import Hook
from .test_drafts import DRAFTS, draft
from .test_payments import OWN_SECOND, order, path
from .test_requests import wait_until
from .test_schedules import SCHEDULES, scheduled

FILTERS = f"/user/{JODI}/notification-filter-url"
ACCOUNT_FILTERS = f"/user/{JODI}/monetary-account/{SECOND}/notification-filter-url"


def filters(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Return a set of filters as it is posted."""
    return {
        "notification_filters": [{"category": category, "notification_target": target} for category, target in pairs]
    }


def test_a_target_on_this_machine_is_not_reached_through_a_proxy(
    bank: Served, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    filters_client = session_of(bank, JODI)
    filters_client.ok("POST", FILTERS, filters(("MUTATION", hook.url)))
    filters_client.create(path(), order("1.00", OWN_SECOND))
    wait_until(lambda: len(hook.heard) == 2)
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    # Directly, as the test's own client would ask the proxy too. It touches the bank only to try again.
    events.deliver(None, 0.0, {"payload": {"NotificationUrl": hook.heard[0]}, "tries": 0})  # type: ignore[arg-type]  # no bank is needed to send one
    assert len(hook.heard) == 3


def test_posting_replaces_the_whole_set_of_a_level(bank: Served) -> None:
    client = session_of(bank, JODI)
    hook = "https://app.example/hook"
    items = client.ok("POST", FILTERS, filters(("MUTATION", hook), ("PAYMENT", hook)))
    assert [item["NotificationFilterUrl"]["category"] for item in items] == ["MUTATION", "PAYMENT"]
    client.ok("POST", ACCOUNT_FILTERS, filters(("REQUEST", hook)))
    client.ok("POST", FILTERS, filters(("DRAFT_PAYMENT", hook)))
    assert [item["NotificationFilterUrl"]["category"] for item in client.get(FILTERS)] == ["DRAFT_PAYMENT"]
    assert [item["NotificationFilterUrl"]["category"] for item in client.get(ACCOUNT_FILTERS)] == ["REQUEST"]
    assert client.ok("POST", FILTERS, filters()) == []
    assert client.get(FILTERS) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        filters(("NONSENSE", "https://a.example")),
        filters(("MUTATION", "http://a.example")),
        filters(("MUTATION", "nothing")),
        filters(*[("MUTATION", f"https://a.example/{n}") for n in range(3)]),
    ],
)
def test_wrong_filters_are_refused_and_change_nothing(bank: Served, wrong: dict[str, Any]) -> None:
    client = session_of(bank, JODI)
    before = client.ok("POST", FILTERS, filters(("MUTATION", "https://a.example")))
    assert client.refused("POST", FILTERS, wrong)[0] == 400
    assert client.get(FILTERS) == before


def test_one_payment_is_told_as_mutation_and_payment_on_both_sides(bank: Served, hook: Hook) -> None:
    client = session_of(bank, JODI)
    client.ok("POST", FILTERS, filters(("MUTATION", hook.url), ("PAYMENT", hook.url)))
    id = client.create(path(), order("1.00", OWN_SECOND))
    wait_until(lambda: len(hook.heard) == 4)
    assert hook.types() == ["MUTATION_CREATED", "MUTATION_RECEIVED", "PAYMENT_CREATED", "PAYMENT_RECEIVED"]
    created = next(each for each in hook.heard if each["event_type"] == "MUTATION_CREATED")
    assert set(created) == {"target_url", "category", "event_type", "object"}
    assert created["object"] == {"Payment": client.one(f"{path()}/{id}", "Payment")}


def test_account_level_hears_its_account_only(bank: Served, hook: Hook) -> None:
    client = session_of(bank, JODI)
    client.ok("POST", ACCOUNT_FILTERS, filters(("MUTATION", hook.url)))
    client.create(path(), order("1.00"))
    client.create(path(), order("2.00", OWN_SECOND))
    wait_until(lambda: len(hook.heard) == 1)
    assert hook.heard[0]["object"]["Payment"]["monetary_account_id"] == SECOND


def test_refused_payment_tells_nobody(bank: Served, hook: Hook) -> None:
    client = session_of(bank, JODI)
    client.ok("POST", FILTERS, filters(("MUTATION", hook.url)))
    client.refused("POST", path() + "-batch", {"payments": [order("1.00"), order("5000.00")]})
    client.create(path(), order("1.00"))
    wait_until(lambda: bool(hook.heard))
    assert hook.types() == ["MUTATION_CREATED"]


def test_app_hears_of_drafts_and_their_end(bank: Served, hook: Hook) -> None:
    app = App(new_user(bank)).connect()
    app.ok("POST", f"/user/{app.user_id}/notification-filter-url", filters(("DRAFT_PAYMENT", hook.url)))
    id = app.create(DRAFTS, draft())
    session_of(bank, JODI).ok("PUT", f"{DRAFTS}/{id}", {"status": "ACCEPTED"})
    wait_until(lambda: len(hook.heard) == 2)
    assert hook.types() == ["DRAFT_PAYMENT_ACCEPTED", "DRAFT_PAYMENT_CREATED"]


def test_app_hears_of_its_accounts_only_and_no_more_once_it_is_revoked(bank: Served, hook: Hook) -> None:
    app = App(new_user(bank)).connect(accounts=[SECOND])
    app.ok("POST", f"/user/{app.user_id}/notification-filter-url", filters(("MUTATION", hook.url)))
    jodi = session_of(bank, JODI)
    jodi.create(path(), order("1.00"))
    jodi.create(path(), order("2.00", OWN_SECOND))
    wait_until(lambda: bool(hook.heard))
    control(bank, "POST", "/grants/revoke", {"user_id": JODI})
    jodi.create(path(), order("3.00", OWN_SECOND))
    jodi.ok("POST", FILTERS, filters(("MUTATION", hook.url)))
    jodi.create(path(CAR), order("4.00"))
    wait_until(lambda: len(hook.heard) == 2)
    heard = [each["object"]["Payment"] for each in hook.heard]
    assert [(each["monetary_account_id"], each["amount"]["value"]) for each in heard] == [
        (SECOND, "2.00"),
        (CAR, "-4.00"),
    ]


def test_failure_is_tried_six_times_a_minute_apart_then_listed_and_resent(bank: Served, hook: Hook) -> None:
    client = session_of(bank, JODI)
    hook.status = 500
    client.ok("POST", FILTERS, filters(("MUTATION", hook.url)))
    id = client.create(path(), order("1.00"))
    wait_until(lambda: len(hook.heard) == 1)
    for tries in range(2, 7):
        control(bank, "POST", "/clock", {"advance_s": 60})
        wait_until(lambda tries=tries: len(hook.heard) == tries)  # type: ignore[misc]  # mypy infers no type for a default of a lambda
    failures = f"/user/{JODI}/notification-filter-failure"
    wait_until(lambda: bool(client.get(failures)))
    control(bank, "POST", "/clock", {"advance_s": 600})
    (item,) = client.get(failures)
    failed = item["NotificationFilterFailure"]
    assert (failed["category"], failed["event_type"], failed["object_id"]) == ("MUTATION", "MUTATION_CREATED", id)
    assert failed["response_code"] == 500
    assert len(hook.heard) == 6
    app = App(new_user(bank)).connect(accounts=[SECOND])
    of_app = f"/user/{app.user_id}/notification-filter-failure"
    resend = {"notification_filter_failed_ids": str(failed["id"])}
    assert (app.get(of_app), app.refused("POST", of_app, resend)[0]) == ([], 404)
    hook.status = 204
    client.ok("POST", failures, resend)
    wait_until(lambda: len(hook.heard) == 7)
    assert client.get(failures) == []


def test_schedules_are_told_from_their_start_to_their_end(bank: Served, hook: Hook) -> None:
    client = session_of(bank, JODI)
    client.ok("POST", FILTERS, filters(("SCHEDULE_STATUS", hook.url), ("SCHEDULE_RESULT", hook.url)))
    stopped = client.create(SCHEDULES, scheduled())
    client.ok("DELETE", f"{SCHEDULES}/{stopped}")
    once = client.create(SCHEDULES, scheduled("ONCE"))
    client.ok("PUT", f"{SCHEDULES}/{once}", {"payment": order("2.00")})
    batch = {"payments": [order("5000.00")], "schedule": scheduled("ONCE")["schedule"]}
    client.create(f"{SCHEDULES}-batch", batch)
    control(bank, "POST", "/clock", {"advance_s": 3601})
    wait_until(lambda: len(hook.heard) == 9)
    assert hook.types() == [
        "SCHEDULE_DEFINITION_PAYMENT_BATCH_CREATED",
        "SCHEDULE_DEFINITION_PAYMENT_BATCH_FINISHED",
        "SCHEDULE_DEFINITION_PAYMENT_CANCELLED",
        "SCHEDULE_DEFINITION_PAYMENT_CREATED",
        "SCHEDULE_DEFINITION_PAYMENT_CREATED",
        "SCHEDULE_DEFINITION_PAYMENT_FINISHED",
        "SCHEDULE_DEFINITION_PAYMENT_UPDATED",
        "SCHEDULE_INSTANCE_PAYMENT_BATCH_FAILED",
        "SCHEDULE_INSTANCE_PAYMENT_SUCCEEDED",
    ]


def test_events_can_be_read_and_filtered(bank: Served) -> None:
    client = session_of(bank, JODI)
    client.create(path(), order("1.00", OWN_SECOND))
    client.create(DRAFTS, draft())
    events = [item["Event"] for item in client.get(f"/user/{JODI}/event")]
    assert [next(iter(each["object"])) for each in events] == ["DraftPayment", "Payment", "Payment"]
    assert {each["user_id"] for each in events} == {str(JODI)}
    waiting = client.get(f"/user/{JODI}/event?status=AWAITING_REPLY")
    assert [item["Event"]["id"] for item in waiting] == [events[0]["id"]]
    second = client.get(f"/user/{JODI}/event?monetary_account_id={SECOND}")
    assert [item["Event"]["monetary_account_id"] for item in second] == [str(SECOND)]
    assert client.refused("GET", f"/user/{JODI}/event?monetary_account_id=all")[0] == 400
    app = App(new_user(bank)).connect(accounts=[MAIN])
    seen = app.get(f"/user/{app.user_id}/event")
    assert {item["Event"]["monetary_account_id"] for item in seen} == {str(MAIN)}
