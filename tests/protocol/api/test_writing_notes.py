"""Programs write on payments, and change cards: once for each key, within their scopes and their member's rights."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from bunqflask.models import Ability, Instruction, InstructionFile, TokenScope
from bunqflask.services.instructions import abilities
from bunqflask.services.team import members
from tests.protocol.api.program import Program, program_of
from tests.protocol.api.test_writing import account, post
from tests.protocol.payments.test_notes import Paid, jodi, paid, robin
from tests.protocol.sandbox.client import JODI, MAIN, SECOND
from tests.protocol.sandbox.test_attachment import PICTURE
from tests.protocol.sandbox.test_cards import ordered
from tests.support import instructions, rows
from tests.support.apps import ThreadSite
from tests.support.bank import Bank
from tests.support.consents import ROBIN

__all__ = ["jodi", "paid", "robin"]

# The database makes no difference to these: what it does is tested in tests/protocol/instructions/test_notes.py.
pytestmark = pytest.mark.sqlite_only
PNG = {"Content-Type": "image/png"}


@pytest.fixture
def writer(site: ThreadSite, paid: Paid) -> Program:
    instructions.switch_on(site.app, ROBIN, Ability.NOTES, Ability.CARDS)
    scopes = (
        TokenScope.BALANCES_READ,
        TokenScope.PAYMENTS_READ,
        TokenScope.NOTES_READ,
        TokenScope.NOTES_WRITE,
        TokenScope.CARDS_WRITE,
    )
    return program_of(site, ROBIN, scopes=scopes)


def send(program: Program, method: str, path: str, key: str, **more: Any) -> requests.Response:
    headers = {"Idempotency-Key": key, **more.pop("headers", {})}
    return program.call(path, method=method, headers=headers, **more)


def finished(site: ThreadSite, program: Program, answer: requests.Response) -> dict[str, Any]:
    """Let what a call began be done; return what the program reads at its address."""
    assert answer.status_code == 202, answer.text
    found = answer.json()
    instructions.work_until(site.app, int(found["id"]), ["done", "failed"])
    shown = program.session.get(answer.headers["Location"], timeout=30).json()
    assert shown["id"] == found["id"]
    return dict(shown)


def test_a_note_is_written_changed_and_deleted(site: ThreadSite, writer: Program, paid: Paid) -> None:
    notes = f"{paid.page}/notes"
    made = send(writer, "POST", notes, "1", json={"text": "for the books"})
    again = send(writer, "POST", notes, "1", json={"text": "for the books"})
    assert (made.json(), rows.count(site.app, Instruction)) == (again.json(), 1)
    shown = finished(site, writer, made)
    assert (shown["kind"], shown["state"], shown["amount"]) == ("note", "done", None)
    assert shown["payment_id"] == paid.page.rpartition("/")[2]
    [note] = writer.get(notes)["items"]
    assert (note["text"], note["kind"], note["id"]) == ("for the books", "text", shown["bunq_id"])
    one = f"{notes}/{note['id']}"
    finished(site, writer, send(writer, "PUT", one, "2", json={"text": "for the tax office"}))
    assert [each["text"] for each in writer.get(notes)["items"]] == ["for the tax office"]
    assert paid.jodi.get(f"{paid.notes}/note-text")[0]["NoteText"]["content"] == "for the tax office"
    finished(site, writer, send(writer, "DELETE", one, "3"))
    assert writer.get(notes)["items"] == paid.jodi.get(f"{paid.notes}/note-text") == []
    assert send(writer, "DELETE", one, "4").status_code == 404
    assert [each["state"] for each in writer.get("/note-changes")["items"]] == ["done"] * 3


def test_a_file_is_attached_and_taken_off(site: ThreadSite, writer: Program, paid: Paid) -> None:
    files = f"{paid.page}/attachments"
    made = send(writer, "POST", f"{files}?name=taxi.png", "1", headers=PNG, data=PICTURE)
    shown = finished(site, writer, made)
    assert (shown["kind"], shown["state"]) == ("file", "done")
    assert rows.count(site.app, InstructionFile) == 0
    [file] = [each for each in writer.get(files)["items"] if each["of"] == "note"]
    assert writer.session.get(file["content_at"], timeout=30).content == PICTURE
    [note] = [each["NoteAttachment"] for each in paid.jodi.get(f"{paid.notes}/note-attachment")]
    assert note["description"] == f"taxi.png ({shown['reference']})"
    finished(site, writer, send(writer, "DELETE", f"{files}/{file['id']}", "2"))
    assert paid.jodi.get(f"{paid.notes}/note-attachment") == []
    assert send(writer, "DELETE", f"{files}/{paid.file_id}", "3").status_code == 404, "it is the payment's own"


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"Content-Type": "text/html"}, b"<script>", 415),
        (PNG, b"", 422),
        (PNG, b"<script>alert(1)</script>", 422),
        ({"Content-Type": "application/pdf"}, b"%PDF-1.7 1 0 obj <</S/#4aavaScript>> endobj", 422),
        (PNG, PICTURE + b"x" * 10 * 1024 * 1024, 422),
        (PNG, PICTURE + b"x" * 12 * 1024 * 1024, 413),
    ],
)
def test_files_that_may_not_be_attached_are_refused(
    site: ThreadSite, writer: Program, paid: Paid, headers: dict[str, str], content: bytes, status: int
) -> None:
    answer = send(writer, "POST", f"{paid.page}/attachments", "1", headers=headers, data=content)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert rows.count(site.app, Instruction) == rows.count(site.app, InstructionFile) == 0


def test_a_card_is_frozen_used_again_and_limited(site: ThreadSite, writer: Program, paid: Paid) -> None:
    card = ordered(paid.jodi)["id"]
    at_bunq = f"/user/{JODI}/card/{card}"
    paid.jodi.ok("PUT", at_bunq, {"status": "ACTIVE"})
    main = {"account_id": account(writer, MAIN)}
    for path, body, expected in (
        ("freeze", main, ("DEACTIVATED", "1000.00")),
        ("unfreeze", main, ("ACTIVE", "1000.00")),
        ("limits", {**main, "limit": "250"}, ("ACTIVE", "250.00")),
    ):
        begun = post(writer, f"/cards/{card}/{path}", body)
        if path == "freeze":
            assert post(writer, f"/cards/{card}/unfreeze", main).status_code == 422, "one change at a time"
        shown = finished(site, writer, begun)
        assert (shown["kind"], shown["state"], shown["card_id"]) == ("card", "done", str(card))
        found = paid.jodi.one(at_bunq, "Card")
        assert (found["status"], found["card_limit"]["value"]) == expected
    assert post(writer, f"/cards/{card}/limits", main).status_code == 422
    other = post(writer, f"/cards/{card}/freeze", {"account_id": account(writer, SECOND)})
    assert finished(site, writer, other)["end_reason"] == "not_permitted"
    assert paid.jodi.one(at_bunq, "Card")["status"] == "ACTIVE"


def test_without_a_scope_a_key_or_the_ability_nothing_is_written(
    site: ThreadSite, bank: Bank, writer: Program, paid: Paid
) -> None:
    notes, text = f"{paid.page}/notes", {"text": "mine"}
    assert writer.call(notes, method="POST", json=text).status_code == 400
    narrow = program_of(site, ROBIN, scopes=(TokenScope.NOTES_READ, TokenScope.PAYMENTS_READ))
    assert send(narrow, "POST", notes, "1", json=text).status_code == 403
    assert send(writer, "POST", notes, "1", json={"text": " "}).status_code == 422
    assert send(writer, "PUT", f"{notes}/1", "1", json=text).status_code == 404
    with rows.behind(site.app):
        for each in (Ability.NOTES, Ability.CARDS):
            abilities.switch(members.require(ROBIN), 1, each, on=False)
    assert send(writer, "POST", notes, "1", json=text).status_code == 403
    assert send(writer, "POST", f"{paid.page}/attachments", "2", headers=PNG, data=PICTURE).status_code == 403
    assert post(writer, "/cards/1/freeze", {"account_id": account(writer, MAIN)}).status_code == 403
    assert rows.count(site.app, Instruction) == rows.count(site.app, InstructionFile) == 0
