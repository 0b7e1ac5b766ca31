"""Notes on the page of a payment: written, changed, deleted, with files, by those who may."""

from __future__ import annotations

import io
import json
import re
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from click.testing import Result

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import Ability, Instruction, InstructionFile, Payment, TeamRole, TokenScope
from bunqflask.services.instructions import abilities, notes
from bunqflask.services.team import members
from tests.protocol.api.program import EVERY_SCOPE, program_of
from tests.protocol.exports.test_export_page import download
from tests.protocol.payments.test_notes import HTMX, Paid, jodi, paid, robin
from tests.protocol.sandbox.test_attachment import PICTURE
from tests.support import instructions, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser, Page
from tests.support.consents import ROBIN, share

__all__ = ["jodi", "paid", "robin"]

# The database makes no difference to these: what it does is tested in tests/protocol/instructions/test_notes.py.
pytestmark = pytest.mark.sqlite_only


@pytest.fixture
def writer(site: ThreadSite, robin: Browser, paid: Paid) -> Browser:
    """Robin, for whose connection notes are switched on."""
    instructions.switch_on(site.app, ROBIN, Ability.NOTES)
    return robin


def send(browser: Browser, paid: Paid, text: str) -> Page:
    browser.get(paid.page)
    return browser.submit(action="/notes/write", button=None, text=text)


def forged(browser: Browser, path: str, sent: dict[str, str]) -> int:
    """Send a form that no page offered, with the token of one that was; return the status."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/settings").html)
    assert found
    return browser.post(path, {"token": "a-form", **sent, "csrf_token": found[1]}, {"Origin": browser.home}).status


def done(site: ThreadSite) -> None:
    """Let all that is prepared be done at bunq."""
    for number in range(1, rows.count(site.app, Instruction) + 1):
        instructions.work_until(site.app, number, ["done", "failed", "cancelled"])


def test_a_note_is_written_changed_and_deleted_on_the_page(site: ThreadSite, writer: Browser, paid: Paid) -> None:
    page = send(writer, paid, "<b>for the books</b>")
    assert "To be sent" in page.text
    assert re.search(r'id="notes"[^>]*hx-trigger="load delay:2s"', page.html)
    done(site)
    page = writer.get(paid.page)
    assert "<b>for the books</b>" in page.text
    assert "To be sent" not in page.text
    assert [each["NoteText"]["content"] for each in paid.jodi.get(f"{paid.notes}/note-text")] == [
        "<b>for the books</b>"
    ]
    edit = writer.get(page.link("Change or delete “<b>for the books</b>”"))
    assert "<b>for the books</b>" in edit.text
    writer.submit(button="Send to bunq", text="for the tax office", act="change")
    done(site)
    page = writer.get(paid.page)
    assert "for the tax office" in page.text
    writer.get(page.link("Change or delete “for the tax office”"))
    writer.submit(button="Delete at bunq", act="delete")
    done(site)
    assert "for the tax office" not in writer.get(paid.page).text
    assert paid.jodi.get(f"{paid.notes}/note-text") == []


def test_what_was_not_sent_can_be_taken_back(site: ThreadSite, writer: Browser, paid: Paid) -> None:
    send(writer, paid, "oh no")
    page = writer.submit(action="/cancel", button="Take back")
    assert "oh no" not in page.text
    done(site)
    assert paid.jodi.get(f"{paid.notes}/note-text") == []


def test_a_receipt_is_attached_and_taken_off(site: ThreadSite, writer: Browser, paid: Paid) -> None:
    writer.get(paid.page)
    page = writer.upload("/notes/attach", "file", "taxi.png", PICTURE)
    assert "taxi.png" in page.text
    done(site)
    assert rows.count(site.app, InstructionFile) == 0
    page = writer.get(paid.page)
    assert "taxi.png (BF" in page.text
    [note] = [each["NoteAttachment"] for each in paid.jodi.get(f"{paid.notes}/note-attachment")]
    page = writer.get(f"{paid.page}/notes/attachment/{note['id']}")
    assert "Take the file off the payment" in page.text
    writer.submit(button="Delete at bunq", act="delete")
    done(site)
    assert paid.jodi.get(f"{paid.notes}/note-attachment") == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"GIF89a", "not a PDF, PNG or JPEG"),
        (b"", "not a PDF, PNG or JPEG"),
        (b"%PDF-1.7 1 0 obj <</OpenAction <</S /JavaScript /JS (app.alert(1))>>>> endobj", "holds a script"),
        (PICTURE + b"x" * 10 * 1024 * 1024, "larger than 10 MB"),
    ],
)
def test_files_that_may_not_be_attached_are_refused(
    site: ThreadSite, writer: Browser, paid: Paid, content: bytes, said: str
) -> None:
    writer.get(paid.page)
    page = writer.upload("/notes/attach", "file", "x.pdf", content)
    assert said in page.text
    assert rows.count(site.app, Instruction) == rows.count(site.app, InstructionFile) == 0


def test_a_file_beyond_the_limit_of_the_form_is_not_read(site: ThreadSite, writer: Browser, paid: Paid) -> None:
    writer.get(paid.page)
    assert writer.upload("/notes/attach", "file", "x.png", PICTURE + b"x" * 12 * 1024 * 1024).status == 413
    assert rows.count(site.app, Instruction) == 0


def test_who_may_not_write_finds_no_form_and_no_way_around_it(site: ThreadSite, robin: Browser, paid: Paid) -> None:
    number = paid.write("theirs")
    robin.get(paid.part, HTMX)
    edit = f"{paid.page}/notes/text/{number}"
    assert "Write a note" not in robin.get(paid.page).text, "nothing is switched on"
    assert robin.get(edit).status == 404
    instructions.switch_on(site.app, ROBIN, Ability.NOTES)
    assert "Write a note" in robin.get(paid.page).text
    stranger = sign_in(site, "stranger@example.org")
    guest = sign_in(site, "guest@example.org", role=TeamRole.GUEST)
    for browser in (stranger, guest):
        if browser is guest:
            share(robin)
        assert browser.get(edit).status == 404
        for path, sent in (
            ("notes/write", {"text": "mine"}),
            (f"notes/text/{number}", {"act": "delete"}),
            ("notes/attach", {}),
        ):
            assert forged(browser, f"{paid.page}/{path}", sent) == 404
    assert rows.count(site.app, Instruction) == 0
    with rows.behind(site.app):
        abilities.switch(members.require(ROBIN), 1, Ability.NOTES, on=False)
    assert forged(robin, f"{paid.page}/notes/write", {"text": "mine"}) == 403
    assert forged(robin, edit, {"act": "delete"}) == 404
    assert rows.count(site.app, Instruction) == 0


def test_payments_without_a_known_receipt_are_found_and_those_with_one_too(
    site: ThreadSite, writer: Browser, paid: Paid
) -> None:
    row = paid.page.rpartition("/")[2]
    with rows.behind(site.app):
        # The other side of the same transfer came with the file too.
        before = db.session.scalars(db.select(Payment.id).where(Payment.payment_id < paid.id))
        other = str(max(before))

    def listed(value: str, **more: str) -> set[str]:
        asked = "&".join(f"{name}={text}" for name, text in {"receipt": value, **more}.items())
        page = writer.get(f"/payments?{asked}")
        assert page.status == 200
        assert "Receipts are known here of payments that somebody has opened" in page.text
        return {row for row in (row, other) if f'id="p{row}"' in page.html}

    assert listed("known") == {row}, "it came with a file of its own"
    assert listed("missing") == {other}
    with rows.behind(site.app):
        robin = members.require(ROBIN)
        notes.in_transaction(lambda: notes.attach_within(robin, int(other), "taxi.png", PICTURE))
    done(site)
    assert listed("known") == {row, other}
    assert listed("missing") == set()
    assert listed("missing", q="taxi", sums="1") == set()
    assert writer.get("/payments?receipt=lost").status == 422
    assert "Receipts are known" not in writer.get("/payments").text


def test_receipts_come_with_a_pack_and_what_bunq_does_not_hand_out_is_named(
    site: ThreadSite, bank: Bank, writer: Browser, paid: Paid
) -> None:
    with rows.behind(site.app):
        robin = members.require(ROBIN)
        row_id = int(paid.page.rpartition("/")[2])
        notes.in_transaction(lambda: notes.attach_within(robin, row_id, "taxi.png", PICTURE))
    done(site)
    pack = packed(writer)
    files = {name: pack.read(name) for name in pack.namelist() if name.startswith("receipts/")}
    assert len(files) == 2
    assert set(files.values()) == {PICTURE}
    assert all(f"payment-{paid.id}-file-" in name for name in files)
    assert {each["name"] for each in json.loads(pack.read("manifest.json"))["files"]} >= files.keys()
    assert "opened a file of a payment" in writer.get("/audit").text

    bank.fault(call="GET content", fault="404", when="before", times=None)
    pack = packed(writer)
    bank.no_faults()
    missing = pack.read("receipts/NOT-FETCHED.txt").decode()
    assert missing.count(f"payment {paid.id}, file ") == 2
    assert "Receipts come with a whole pack" in exported(writer, files="1").text
    assert not [name for name in packed(writer, receipts=[]).namelist() if name.startswith("receipts/")]


def exported(browser: Browser, **more: str | list[str]) -> requests.Response:
    """Ask for a pack with receipts of the last days, as CSV and for a spreadsheet."""
    today = clock.now().date()
    days = {"from": str(today - timedelta(days=5)), "to": str(today + timedelta(days=1))}
    return download(browser, **{**days, "format": ["csv", "xlsx"], "account": "1", "receipts": "1", **more})


def packed(browser: Browser, **more: str | list[str]) -> zipfile.ZipFile:
    answer = exported(browser, **more)
    assert answer.headers["Content-Type"] == "application/zip", answer.text
    return zipfile.ZipFile(io.BytesIO(answer.content))


def test_a_program_finds_and_orders_receipts_where_it_may_read_notes(
    site: ThreadSite, writer: Browser, paid: Paid
) -> None:
    row = paid.page.rpartition("/")[2]
    program = program_of(site, ROBIN, scopes=(*EVERY_SCOPE,))
    known = {each["id"] for each in program.get("/payments", receipt="known")["items"]}
    missing = {each["id"] for each in program.get("/payments", receipt="missing")["items"]}
    assert (row in known, row in missing, bool(missing)) == (True, False, True)
    assert program.call("/payments", params={"receipt": "lost"}).status_code == 422

    day = str(clock.now().date() - timedelta(days=5))
    wish = {"formats": ["csv"], "from": day, "to": "2030-01-01", "account_ids": ["1"], "with_receipts": True}
    ordered = program.call("/exports", method="POST", json=wish)
    assert (ordered.status_code, ordered.json()["with_receipts"]) == (202, True)
    content_at = ordered.json()["content_at"]
    pack = zipfile.ZipFile(io.BytesIO(program.session.get(content_at, timeout=60).content))
    assert [pack.read(name) for name in pack.namelist() if name.startswith("receipts/")] == [PICTURE]
    assert program.call("/exports", method="POST", json={**wish, "only_files": True}).status_code == 422

    narrow = program_of(site, ROBIN, scopes=(TokenScope.EXPORTS_READ,))
    for refused in (narrow.call("/exports", method="POST", json=wish), narrow.session.get(content_at, timeout=60)):
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert narrow.call("/exports", method="POST", json={**wish, "with_receipts": False}).status_code == 202


def test_a_command_writes_a_pack_with_receipts(site: ThreadSite, writer: Browser, paid: Paid, tmp_path: Path) -> None:
    def run(*options: str) -> Result:
        days = ["--from", str(clock.now().date() - timedelta(days=5)), "--to", "2030-01-01"]
        fixed = [*days, "--format", "csv", "--receipts", "--output", str(tmp_path)]
        return site.app.test_cli_runner().invoke(args=["export", *fixed, "--member", ROBIN, *options])

    written = run()
    assert written.exit_code == 0, written.output
    pack = zipfile.ZipFile(next(tmp_path.glob("*.zip")))
    assert [pack.read(name) for name in pack.namelist() if name.startswith("receipts/")] == [PICTURE]
    refused = run("--only-files")
    assert (refused.exit_code, "Receipts come with a whole pack" in refused.output) == (1, True), refused.output
