"""Draft payments: prepared by an app, decided by the account holder."""

from __future__ import annotations

from typing import Any

import pytest

from bunqflask.sandbox.server import Served

from .client import JODI, MAIN, App, Client, control, new_user, session_of
from .test_payments import ABROAD, balance, order
from .test_schedules import scheduled

DRAFTS = f"/user/{JODI}/monetary-account/{MAIN}/draft-payment"


def draft(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a draft as it is asked for."""
    return {"entries": list(entries) or [order(to=ABROAD)], "number_of_required_accepts": 1, **more}


@pytest.fixture
def pair(bank: Served) -> tuple[Client, Client]:
    """Return (the account holder, an app with a grant)."""
    return session_of(bank, JODI), App(new_user(bank)).connect()


def test_app_prepares_and_the_holder_pays(pair: tuple[Client, Client]) -> None:
    jodi, app = pair
    id = app.create(DRAFTS, draft(), signed=False)
    shown = app.one(f"{DRAFTS}/{id}", "DraftPayment")
    assert (shown["status"], shown["responses"], shown["object"]) == ("PENDING", None, None)
    assert shown["entries"][0]["amount"] == {"currency": "EUR", "value": "10.00"}
    assert shown["entries"][0]["counterparty_alias"]["iban"] == ABROAD["value"]
    accept = {"status": "ACCEPTED", "previous_updated_timestamp": shown["updated"]}
    assert app.refused("PUT", f"{DRAFTS}/{id}", accept)[0] == 403
    assert jodi.refused("PUT", f"{DRAFTS}/{id}", accept, signed=False)[0] == 466
    assert balance(jodi) == "4118.00"
    assert jodi.ok("PUT", f"{DRAFTS}/{id}", accept) == [{"Id": {"id": id}}]
    after = app.one(f"{DRAFTS}/{id}", "DraftPayment")
    assert after["status"] == "ACCEPTED"
    assert after["responses"][0]["status"] == "ACCEPTED"
    assert after["object"]["Payment"]["amount"]["value"] == "-10.00"
    assert balance(jodi) == "4108.00"
    assert jodi.refused("PUT", f"{DRAFTS}/{id}", {"status": "ACCEPTED"})[0] == 400
    assert balance(jodi) == "4108.00"


def test_several_entries_become_a_batch(pair: tuple[Client, Client]) -> None:
    jodi, app = pair
    id = app.create(DRAFTS, draft(*[order("0.01", ABROAD)] * 350))
    jodi.ok("PUT", f"{DRAFTS}/{id}", {"status": "ACCEPTED"})
    made = app.one(f"{DRAFTS}/{id}", "DraftPayment")["object"]["PaymentBatch"]
    assert len(made["payments"]) == 350
    assert balance(jodi) == "4114.50"
    assert app.refused("POST", DRAFTS, draft(*[order("0.01", ABROAD)] * 351))[0] == 400


def test_open_draft_is_changed_and_a_decided_one_stays(pair: tuple[Client, Client]) -> None:
    jodi, app = pair
    id = app.create(DRAFTS, draft(order("1.00", ABROAD)))
    before = app.one(f"{DRAFTS}/{id}", "DraftPayment")["updated"]
    changed = {**draft(order("2.00", ABROAD), order("3.00", ABROAD)), "previous_updated_timestamp": before}
    assert app.ok("PUT", f"{DRAFTS}/{id}", changed) == [{"Id": {"id": id}}]
    assert app.refused("PUT", f"{DRAFTS}/{id}", changed)[0] == 400
    after = app.one(f"{DRAFTS}/{id}", "DraftPayment")
    assert [each["amount"]["value"] for each in after["entries"]] == ["2.00", "3.00"]
    assert app.refused("PUT", f"{DRAFTS}/{id}", draft(order("0", ABROAD)))[0] == 400
    jodi.ok("PUT", f"{DRAFTS}/{id}", {"status": "ACCEPTED"})
    assert balance(jodi) == "4113.00"
    (batch,) = jodi.get(DRAFTS.replace("draft-payment", "payment-batch"))
    assert len(batch["PaymentBatch"]["payments"]) == 2
    assert app.refused("PUT", f"{DRAFTS}/{id}", draft())[0] == 400


def test_stale_timestamp_loses_the_race(pair: tuple[Client, Client]) -> None:
    jodi, app = pair
    id = app.create(DRAFTS, draft())
    stale = {"status": "ACCEPTED", "previous_updated_timestamp": "2020-01-01 00:00:00.000000"}
    assert jodi.refused("PUT", f"{DRAFTS}/{id}", stale)[0] == 400
    assert jodi.one(f"{DRAFTS}/{id}", "DraftPayment")["status"] == "PENDING"


def test_app_may_cancel_and_holder_may_reject(pair: tuple[Client, Client]) -> None:
    jodi, app = pair
    first, second = app.create(DRAFTS, draft()), app.create(DRAFTS, draft())
    app.ok("PUT", f"{DRAFTS}/{first}", {"status": "CANCELLED"}, signed=False)
    jodi.ok("PUT", f"{DRAFTS}/{second}", {"status": "REJECTED"}, signed=False)
    assert [item["DraftPayment"]["status"] for item in app.get(DRAFTS)] == ["REJECTED", "CANCELLED"]
    assert balance(jodi) == "4118.00"


def test_draft_without_money_stays_pending(pair: tuple[Client, Client]) -> None:
    jodi, app = pair
    id = app.create(DRAFTS, draft(order("4000", ABROAD), order("4000", ABROAD)))
    assert jodi.refused("PUT", f"{DRAFTS}/{id}", {"status": "ACCEPTED"})[0] == 400
    assert app.one(f"{DRAFTS}/{id}", "DraftPayment")["status"] == "PENDING"
    assert balance(jodi) == "4118.00"


@pytest.mark.parametrize(
    "wrong", [{}, {"entries": []}, draft(number_of_required_accepts=2), draft(order("0")), draft(status="DONE")]
)
def test_drafts_that_make_no_sense_are_refused(pair: tuple[Client, Client], wrong: dict[str, Any]) -> None:
    _jodi, app = pair
    assert app.refused("POST", DRAFTS, wrong)[0] == 400


def test_draft_with_a_schedule_is_paid_at_its_time(bank: Served, pair: tuple[Client, Client]) -> None:
    jodi, app = pair
    id = app.create(DRAFTS, draft(schedule=scheduled("ONCE")["schedule"]))
    assert app.one(f"{DRAFTS}/{id}", "DraftPayment")["schedule"]["recurrence_unit"] == "ONCE"
    jodi.ok("PUT", f"{DRAFTS}/{id}", {"status": "ACCEPTED"})
    assert list(app.one(f"{DRAFTS}/{id}", "DraftPayment")["object"]) == ["ScheduledPayment"]
    assert balance(jodi) == "4118.00"
    control(bank, "POST", "/clock", {"advance_s": 3601})
    assert balance(jodi) == "4108.00"
    assert app.refused("POST", DRAFTS, draft(schedule={"recurrence_unit": "NOW"}))[0] == 400


def test_draft_that_nobody_decides_ends(bank: Served, pair: tuple[Client, Client]) -> None:
    _jodi, app = pair
    id = app.create(DRAFTS, draft())
    control(bank, "POST", "/clock", {"advance_s": 30 * 86400 + 1})
    jodi = session_of(bank, JODI)
    assert jodi.one(f"{DRAFTS}/{id}", "DraftPayment")["status"] == "CANCELLED"
    assert jodi.refused("PUT", f"{DRAFTS}/{id}", {"status": "ACCEPTED"})[0] == 400
