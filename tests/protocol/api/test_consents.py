"""Consents by the API: a program makes the link, the holder approves, a person answers, the program follows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from bunqflask.models import Connection, ConsentAttempt, TeamRole, TokenScope
from tests.protocol.api.program import Program, program_of
from tests.protocol.consent.test_other_device import approve_on_phone
from tests.support import rows
from tests.support.apps import ThreadSite, add_member, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ROBIN, connect

SAM = "sam@example.org"


@pytest.fixture
def robin(site: ThreadSite) -> Browser:
    return sign_in(site, ROBIN)


def test_a_holder_approves_by_the_link_and_the_member_answers(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    program = program_of(site, ROBIN)
    answer = program.call("/consents", method="POST", json={"label": "Jodi", "language": "en"})
    begun = answer.json()
    listed = program.get("/consents")["items"]
    phone = approve_on_phone(site, bank, begun["link"])
    approved = program.get(f"/consents/{begun['id']}")
    before = rows.count(site.app, Connection)
    cancelled = program.call(f"/consents/{begun['id']}/cancel", method="POST").json()
    robin.get(urlsplit(approved["answer_at"]).path)
    robin.submit(button="Yes, connect Jodi Walker")
    connected = program.get(f"/consents/{begun['id']}")

    assert answer.status_code == 202
    assert urlsplit(answer.headers["Location"]).path == f"/api/v1/consents/{begun['id']}"
    assert (begun["state"], begun["connection_id"], listed) == ("waiting", None, [begun])
    assert "Jodi Walker" in phone.page.text
    assert (approved["state"], approved["holder_name"], approved["link"]) == ("confirm", "Jodi Walker", None)
    assert (begun["label"], begun["language"], begun["seen_at"]) == ("Jodi", "en", None)
    assert datetime.fromisoformat(begun["valid_until"]) - datetime.fromisoformat(begun["created_at"]) == timedelta(7)
    assert before == 0, "no program says that it was the right person"
    assert cancelled["state"] == "confirm"
    assert (connected["state"], connected["connection_id"]) == ("connected", "1")
    assert program.get("/consents")["items"] == []
    assert program.get("/connections/1")["holder_name"] == "Jodi Walker"


def test_a_link_that_was_cancelled_leads_nowhere(site: ThreadSite, robin: Browser) -> None:
    program = program_of(site, ROBIN)
    begun = program.call("/consents", method="POST", json={}).json()
    cancelled = program.call(f"/consents/{begun['id']}/cancel", method="POST")
    again = program.call(f"/consents/{begun['id']}/cancel", method="POST")

    assert (cancelled.status_code, cancelled.json()["state"], cancelled.json()["link"]) == (200, "cancelled", None)
    assert again.json() == cancelled.json()
    assert site.browser().get(begun["link"]).status == 410


def test_a_connection_is_renewed_by_a_link(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    connect(robin, bank)
    program = program_of(site, ROBIN)
    begun = program.call("/connections/1/renewal", method="POST").json()
    approve_on_phone(site, bank, begun["link"])
    robin.get(urlsplit(begun["answer_at"]).path)
    robin.submit(button="Yes, connect Jodi Walker")

    assert (begun["renews_connection_id"], begun["label"]) == ("1", "Jodi Walker")
    assert program.get(f"/consents/{begun['id']}")["state"] == "connected"
    assert len(program.get("/connections/1")["consents"]) == 1, "the newer one covers all of the older"
    assert program.call("/connections/9/renewal", method="POST").status_code == 404


def test_a_token_for_chosen_accounts_knows_no_consent(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    connect(robin, bank)
    everything, narrowed = program_of(site, ROBIN), program_of(site, ROBIN, account_ids=(1,))
    begun = everything.call("/consents", method="POST", json={}).json()

    for method, path in (
        ("POST", "/consents"),
        ("GET", "/consents"),
        ("GET", f"/consents/{begun['id']}"),
        ("POST", f"/consents/{begun['id']}/cancel"),
        ("POST", "/connections/1/renewal"),
    ):
        body: dict[str, Any] = {"json": {}} if (method, path) == ("POST", "/consents") else {}
        answer = narrowed.call(path, method=method, **body)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
    assert narrowed.call("/connections/1/sync", method="POST").status_code == 202, "what it may do, it still may"


def test_a_guest_and_a_token_that_only_reads_make_no_link(site: ThreadSite, robin: Browser) -> None:
    add_member(site.app, SAM, role=TeamRole.GUEST)
    reads = (TokenScope.BALANCES_READ, TokenScope.PAYMENTS_READ, TokenScope.NOTES_READ, TokenScope.EXPORTS_READ)
    for program in (program_of(site, SAM), program_of(site, ROBIN, scopes=reads)):
        assert program.call("/consents", method="POST", json={}).status_code == 403

    assert rows.count(site.app, ConsentAttempt) == 0


@pytest.mark.parametrize("consent_id", ["0" * 32, "x", "1", "%00", "a" * 400])
def test_what_is_not_there_is_not_found(site: ThreadSite, robin: Browser, consent_id: str) -> None:
    program: Program = program_of(site, ROBIN)

    assert program.call(f"/consents/{consent_id}").status_code == 404
    assert program.call(f"/consents/{consent_id}/cancel", method="POST").status_code == 404
