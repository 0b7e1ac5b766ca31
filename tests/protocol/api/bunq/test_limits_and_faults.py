"""What goes wrong at bunq reaches a program as a problem with bunq's message, and no program uses up bunq's limit."""

from __future__ import annotations

import threading
import time

import pytest

from bunqflask.api import bunq as view
from bunqflask.bunq.errors import CallNotAllowedYet
from bunqflask.extensions import db
from bunqflask.models import RateLimitWindow, TokenScope
from bunqflask.services.gateway.rate_limiter import RateLimiter
from tests.protocol.api.bunq.test_resources import BUNQ
from tests.protocol.api.program import Program, program_of
from tests.protocol.sandbox.client import JODI, MAIN
from tests.support import rows
from tests.support.apps import ThreadSite, add_member
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import share

PAYMENTS = f"{BUNQ}user/{JODI}/monetary-account/{MAIN}/payment"
CARDS = f"{BUNQ}user/{JODI}/card"
ENDPOINT = "GET user/#/card"
FAULTS = {
    "429": (503, "bank_limit"),
    "409": (503, "bank_limit"),
    "491": (502, "bank_unavailable"),
    "500": (502, "bank_unavailable"),
    "html-502": (502, "bank_unavailable"),
    "html-503": (502, "bank_unavailable"),
    "reset": (504, "bank_no_answer"),
    "truncated": (504, "bank_no_answer"),
    "invalid-json": (502, "bank_not_understood"),
    "empty": (502, "bank_not_understood"),
    "bad-signature": (502, "bank_not_trusted"),
    "missing-signature": (502, "bank_not_trusted"),
    "400": (400, "refused_by_bank"),
    "490": (400, "refused_by_bank"),
    "403-permission": (403, "refused_by_bank"),
    "404": (404, "not_found"),
    "401": (503, "bank_refuses_access"),
}


@pytest.mark.sqlite_only
def test_each_fault_of_bunq_is_named(bank: Bank, program: Program) -> None:
    program.get(PAYMENTS)
    for fault, expected in FAULTS.items():
        bank.fault(call="GET payment", fault=fault, times=None)
        answer = program.call(PAYMENTS)
        bank.no_faults()
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == expected, (fault, problem)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert ("Retry-After" in answer.headers) == (answer.status_code == 503), fault
        if fault == "403-permission":
            assert problem["bunq"]["status"] == 403
            assert problem["bunq"]["message"] == "You are not allowed to perform this action."
            assert len(problem["bunq"]["response_id"]) == 36

    assert program.call(PAYMENTS).status_code == 200


@pytest.mark.sqlite_only
def test_answers_of_tomorrow_pass_and_a_dead_session_is_opened_anew(bank: Bank, program: Program) -> None:
    program.get(PAYMENTS)
    for fault in ("unknown-fields", "unknown-types", "null-members", "reordered", "header-case", "wrong-content-type"):
        bank.fault(call="GET payment", fault=fault)
        assert program.call(PAYMENTS).status_code == 200, fault
    for fault in ("401", "403"):
        bank.fault(call="GET payment", fault=fault)
        bank.forget_calls()
        assert program.call(PAYMENTS).status_code == 200, fault
        assert len(bank.calls("POST", "/session-server")) == 1


def test_a_withdrawn_grant_asks_for_a_new_consent(site: ThreadSite, bank: Bank, program: Program) -> None:
    program.get(PAYMENTS)
    bank.revoke(JODI)
    first = program.call(PAYMENTS)
    for _ in range(4):
        rows.due_now(site.app)
        rows.run_duties(site.app)
    second = program.call(PAYMENTS)

    assert (first.status_code, first.json()["code"]) == (503, "bank_refuses_access")
    assert (second.status_code, second.json()["code"]) == (409, "consent_needed")
    assert program.call(CARDS).status_code == 409


def test_programs_leave_calls_to_people_and_to_a_sync(site: ThreadSite, robin: Browser) -> None:
    site.app.config["BUNQ_CALL_LIMITS"] = "classic"  # connecting does not have to wait
    add_member(site.app, "sam@example.org")
    share(robin, accounts=[1])
    holder, reader = (
        program_of(site, email, scopes=(TokenScope.BUNQ_READ,)) for email in ("robin@example.org", "sam@example.org")
    )
    assert [holder.call(CARDS).status_code for _ in range(3)] == [200, 200, 503]
    refused = holder.call(CARDS)
    assert refused.json()["code"] == "bank_limit"
    assert 1 <= int(refused.headers["Retry-After"]) <= 4
    with rows.behind(site.app):
        worker = RateLimiter(0.0, is_background=True)
        worker.enter(ENDPOINT)
        worker.leave(ENDPOINT, None)
        with pytest.raises(CallNotAllowedYet):
            worker.enter(ENDPOINT)
    wait_for_free_calls(site)
    assert [reader.call(CARDS).status_code for _ in range(2)] == [200, 503]
    assert holder.call(CARDS).status_code == 200


def wait_for_free_calls(site: ThreadSite) -> None:
    """Let the calls of the last seconds be long ago."""
    with rows.behind(site.app):
        db.session.execute(db.delete(RateLimitWindow))
        db.session.commit()


@pytest.mark.sqlite_only
def test_programs_that_wait_for_bunq_do_not_take_every_thread(bank: Bank, program: Program) -> None:
    program.get(CARDS)
    bank.fault(call="GET card", fault="slow-drip", seconds=3.0, times=3)
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(program.call(CARDS).status_code)) for _ in range(3)]
    for thread in threads:
        thread.start()
    while view._free._value:  # how many may come in
        time.sleep(0.01)
    busy = program.call(CARDS)
    for thread in threads:
        thread.join()

    assert (busy.status_code, busy.json()["code"], busy.headers["Retry-After"]) == (503, "busy", "1")
    assert statuses == [200] * 3
    assert program.call(CARDS).status_code == 200
