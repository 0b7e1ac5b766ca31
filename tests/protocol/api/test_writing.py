"""Programs have something written at bunq: once for each key, within their scopes and their member's rights."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
import requests

from bunqflask.models import Ability, Instruction, TokenScope
from bunqflask.services.instructions import abilities
from bunqflask.services.team import members
from tests.protocol.api.program import Program, program_of
from tests.protocol.sandbox.client import MAIN, SECOND, Client, session_of
from tests.support import instructions, rows
from tests.support.apps import ThreadSite
from tests.support.bank import JODI, Bank
from tests.support.browser import Browser
from tests.support.consents import ROBIN

WRITES = (
    TokenScope.BALANCES_READ,
    TokenScope.DRAFTS_WRITE,
    TokenScope.REQUESTS_WRITE,
    TokenScope.LINKS_WRITE,
    TokenScope.TRANSFERS_WRITE,
)


@pytest.fixture
def writer(site: ThreadSite, robin: Browser) -> Program:
    """A program of Robin's that may write everything; everything is switched on."""
    instructions.switch_on(site.app, ROBIN)
    return program_of(site, ROBIN, scopes=WRITES)


@pytest.fixture
def holder(bank: Bank) -> Client:
    """Jodi's own session."""
    return session_of(bank, JODI)


def account(program: Program, number: int) -> str:
    """Return our id of an account, by the last digits of its name at bunq."""
    order = [MAIN, SECOND].index(number)
    found: str = program.get("/accounts")["items"][order]["id"]
    return found


def post(program: Program, path: str, body: Any = None, key: str | None = None) -> requests.Response:
    """Make a call with a key."""
    headers = {"Idempotency-Key": key or str(uuid.uuid4())}
    return program.call(path, method="POST", headers=headers, **({} if body is None else {"json": body}))


def a_link(program: Program, amount: str = "7.00") -> dict[str, Any]:
    """Return the wish for a link."""
    return {"account_id": account(program, MAIN), "amount": amount, "description": "Contribution"}


@pytest.mark.sqlite_only
def test_a_link_is_made_shown_paid_and_ended(site: ThreadSite, writer: Program, holder: Client) -> None:
    made = post(writer, "/payment-links", a_link(writer))
    assert made.status_code == 202, made.text
    assert made.json()["state"] == "waiting"
    number = int(made.json()["id"])
    instructions.work_until(site.app, number, ["open"])
    instructions.work_until(site.app, number, ["open"])
    instructions.time_passes(site.app)
    instructions.work(site.app)
    shown = writer.get(f"/payment-links/{number}")
    [tab] = [each["BunqMeTab"] for each in holder.get(f"/user/{JODI}/monetary-account/{MAIN}/bunqme-tab")]
    assert (shown["state"], shown["bunq_id"]) == ("open", str(tab["id"]))
    assert shown["share_url"] == tab["bunqme_tab_share_url"]
    assert made.headers["Location"].endswith(f"/payment-links/{number}")
    assert [each["id"] for each in writer.get("/payment-links")["items"]] == [str(number)]
    assert post(writer, f"/payment-links/{number}/cancel").status_code == 202
    assert instructions.work_until(site.app, number, ["cancelled"]).end_reason is None
    [tab] = [each["BunqMeTab"] for each in holder.get(f"/user/{JODI}/monetary-account/{MAIN}/bunqme-tab")]
    assert tab["status"] == "CANCELLED"


@pytest.mark.sqlite_only
def test_each_kind_can_be_asked_for(site: ThreadSite, writer: Program, holder: Client) -> None:
    main, second = account(writer, MAIN), account(writer, SECOND)
    line = {"amount": "12.50", "name": "Stadsbus", "iban": "NL91 ABNA 0417 1643 00", "description": "Tickets"}
    asked = {
        "/drafts": {"account_id": main, "payments": [line, line], "label": "Invoices"},
        "/requests": {
            "account_id": main,
            "amount": "20",
            "payer": {"type": "EMAIL", "value": "ann@example.org"},
            "description": "Dinner",
        },
        "/transfers": {"account_id": main, "to_account_id": second, "amount": "5.00", "description": "Savings"},
    }
    for path, body in asked.items():
        answer = post(writer, path, body)
        assert answer.status_code == 202, (path, answer.text)
        number = int(answer.json()["id"])
        if path == "/drafts":
            assert answer.json()["state"] == "prepared"
            assert answer.json()["amount"] == "25.00"
            instructions.approve(site.app, ROBIN, number)
        instructions.work_until(site.app, number, ["open", "done"])
        assert writer.call(f"/drafts/{number}").status_code == (200 if path == "/drafts" else 404)
    [draft] = [each["DraftPayment"] for each in holder.get(f"/user/{JODI}/monetary-account/{MAIN}/draft-payment")]
    assert [each["counterparty_alias"]["iban"] for each in draft["entries"]] == ["NL91ABNA0417164300"] * 2


def test_the_same_call_with_the_same_key_is_done_once_also_by_ten_at_a_time(site: ThreadSite, writer: Program) -> None:
    body, key, answers = a_link(writer), "my key 1", list[requests.Response]()
    together = threading.Barrier(10)

    def call() -> None:
        together.wait()
        answers.append(
            requests.post(
                f"{site.url}/api/v1/payment-links",
                json=body,
                headers={**writer.session.headers, "Idempotency-Key": key},
                timeout=60,
            )
        )

    threads = [threading.Thread(target=call) for _each in range(10)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert {each.status_code for each in answers} == {202}
    assert len({each.text for each in answers}) == 1
    assert rows.count(site.app, Instruction) == 1
    other = post(writer, "/payment-links", a_link(writer, "8.00"), key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_used")
    assert rows.count(site.app, Instruction) == 1


@pytest.mark.sqlite_only
def test_a_call_that_was_refused_leaves_its_key_free(site: ThreadSite, writer: Program) -> None:
    wrong = a_link(writer, "0.00")
    assert post(writer, "/payment-links", wrong, "key").status_code == 422
    assert post(writer, "/payment-links", {**wrong, "amount": "x"}, "key").status_code == 422
    assert post(writer, "/payment-links", a_link(writer), "key").status_code == 202


@pytest.mark.sqlite_only
def test_without_a_key_a_scope_or_the_ability_nothing_is_written(site: ThreadSite, writer: Program) -> None:
    body = a_link(writer)
    answer = writer.call("/payment-links", method="POST", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_needed")
    narrow = program_of(site, ROBIN, scopes=(TokenScope.REQUESTS_WRITE,))
    assert post(narrow, "/payment-links", body).status_code == 403
    with rows.behind(site.app):
        abilities.switch(members.require(ROBIN), 1, Ability.LINKS, on=False)
    answer = post(writer, "/payment-links", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "switched off" in answer.json()["detail"]
    assert rows.count(site.app, Instruction) == 0
