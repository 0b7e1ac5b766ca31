"""Notes and files on payments, and changes of cards: whatever bunq does, each is done there exactly once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import select

from bunqflask.database import leases
from bunqflask.extensions import db
from bunqflask.models import (
    CardBody,
    FileBody,
    Instruction,
    InstructionFile,
    InstructionState,
    MonetaryAccount,
    NoteBody,
    NoteChangeBody,
    NoteRemovalBody,
    NoteSync,
    Payment,
)
from bunqflask.models.instructions import Body
from bunqflask.services.instructions import notes
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.payments import notes as stored
from bunqflask.services.team import members
from tests.protocol.instructions.test_sending import parts_of
from tests.protocol.sandbox.client import JODI, MAIN, SECOND, Client
from tests.protocol.sandbox.test_attachment import PICTURE
from tests.protocol.sandbox.test_cards import ordered
from tests.support import instructions, rows
from tests.support.apps import ThreadSite
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ROBIN

A = f"/user/{JODI}/monetary-account/{MAIN}"
ENDS = ["done", "failed"]


class Noted:
    """The newest payment of Jodi's main account: our id of it, bunq's, and what there is on it at the bank."""

    def __init__(self, site: ThreadSite, holder: Client) -> None:
        self.site, self.holder = site, holder
        with rows.behind(site.app):
            query = select(Payment.id, Payment.payment_id).join(
                MonetaryAccount, MonetaryAccount.id == Payment.account_id
            )
            found = query.where(MonetaryAccount.monetary_account_id == MAIN).order_by(Payment.id.desc())
            self.row_id, self.id = db.session.execute(found).first() or (0, 0)
        self.path = f"{A}/payment/{self.id}"

    def texts(self) -> list[str]:
        return [each["NoteText"]["content"] for each in self.holder.get(f"{self.path}/note-text?count=200")]

    def files(self) -> list[dict[str, Any]]:
        return [each["NoteAttachment"] for each in self.holder.get(f"{self.path}/note-attachment?count=200")]

    def act(self, work: Callable[[Any], Instruction]) -> int:
        """Do something as Robin; return the id of the instruction."""
        with rows.behind(self.site.app):
            robin = members.require(ROBIN)
            return notes.in_transaction(lambda: work(robin))

    def write(self, text: str) -> int:
        return self.act(lambda robin: notes.write_within(robin, self.row_id, text))

    def shown(self) -> list[str]:
        """Return the texts of the stored notes."""
        with rows.behind(self.site.app):
            return [each.text for each in stored.of(self.row_id).notes if not each.attachment_ids]


@pytest.fixture
def noted(site: ThreadSite, robin: Browser, holder: Client) -> Noted:
    return Noted(site, holder)


@pytest.mark.sqlite_only
@pytest.mark.parametrize(("kind", "faults"), parts_of("note", ("change", "removal", "file")))
def test_each_fault_of_bunq_before_and_after_the_work_leaves_it_done_once(
    site: ThreadSite, bank: Bank, noted: Noted, holder: Client, kind: str, faults: Sequence[str]
) -> None:
    calls = {
        "note": "POST note-text",
        "change": "PUT note-text",
        "removal": "DELETE note-text",
        "file": "POST note-attachment",
    }
    for number, (fault, when) in enumerate((fault, when) for fault in faults for when in ("before", "after")):
        text = f"note {number}"
        about = holder.create(f"{noted.path}/note-text", {"content": "old"}) if kind in ("change", "removal") else 0
        before = noted.texts(), noted.files()
        made = instructions.prepare(site.app, ROBIN, MAIN, _body(noted, kind, about, text))
        if kind == "file":
            _store_file(site, made)
        bank.fault(call=calls[kind], fault=fault, when=when, times=1)
        row = instructions.work_until(site.app, made, ENDS)
        bank.no_faults()
        is_done = row.state is InstructionState.DONE
        assert is_done or row.error_facts, fault
        expected = {
            "note": sorted([*before[0], text] if is_done else before[0]),
            "change": sorted([*_without(before[0], "old"), text] if is_done else before[0]),
            "removal": sorted(_without(before[0], "old") if is_done else before[0]),
            "file": sorted(before[0]),
        }
        assert sorted(noted.texts()) == expected[kind], f"{fault} {when}"
        named = [each for each in noted.files() if row.reference in each["description"]]
        assert len(named) == (1 if kind == "file" and is_done else 0), f"{fault} {when}"
        for each in [*holder.get(f"{noted.path}/note-text?count=200")]:
            holder.ok("DELETE", f"{noted.path}/note-text/{each['NoteText']['id']}")
    assert rows.count(site.app, InstructionFile) == 0


def _without(texts: list[str], text: str) -> list[str]:
    return [each for each in texts if each != text]


def _body(noted: Noted, kind: str, about: int, text: str) -> Body:
    where = {"payment_row_id": noted.row_id, "payment_id": noted.id}
    bodies: dict[str, Callable[[], Body]] = {
        "note": lambda: NoteBody(**where, text=text),
        "change": lambda: NoteChangeBody(**where, note_id=about, text=text),
        "removal": lambda: NoteRemovalBody(**where, note_kind="text", note_id=about),
        "file": lambda: FileBody(
            **where, name="r.png", media_type="image/png", digest=hashlib.sha256(PICTURE).hexdigest()
        ),
    }
    return bodies[kind]()


def _store_file(site: ThreadSite, instruction_id: int) -> None:
    with rows.behind(site.app):
        db.session.add(InstructionFile(instruction_id=instruction_id, content=PICTURE))
        db.session.commit()


def test_a_note_is_written_changed_and_deleted_and_its_page_shows_each(site: ThreadSite, noted: Noted) -> None:
    made = instructions.work_until(site.app, noted.write("for the\r\nbooks \u202e\x00 "), ENDS)
    assert noted.shown() == noted.texts() == ["for the\nbooks"]
    note_id = made.bunq_id or 0
    changed = noted.act(lambda robin: notes.change_within(robin, noted.row_id, note_id, "for the tax office"))
    with pytest.raises(InstructionRefused):
        noted.act(lambda robin: notes.delete_within(robin, noted.row_id, "text", note_id))
    instructions.work_until(site.app, changed, ENDS)
    assert noted.shown() == noted.texts() == ["for the tax office"]
    deleted = noted.act(lambda robin: notes.delete_within(robin, noted.row_id, "text", note_id))
    instructions.work_until(site.app, deleted, ENDS)
    assert noted.shown() == noted.texts() == []


def test_a_look_at_bunq_that_began_before_a_note_was_written_does_not_hide_it(
    site: ThreadSite, robin: Browser, noted: Noted
) -> None:
    part, headers = f"/payments/{noted.row_id}/notes", {"HX-Request": "true"}
    assert "No notes or attachments." in robin.get(part, headers).html
    with rows.behind(site.app), leases.held(db.session.get_one(NoteSync, noted.row_id)) as lease:
        assert lease is not None  # somebody else's look goes on while the worker writes the note
        made = noted.write("for the books")
        instructions.work_until(site.app, made, ["done"])
        assert noted.shown() == []
    assert "for the books" in robin.get(part, headers).html
    with rows.behind(site.app):
        assert not stored.of(noted.row_id).is_stale


def test_the_same_text_twice_is_two_notes_also_when_both_answers_are_lost(
    site: ThreadSite, bank: Bank, noted: Noted
) -> None:
    both = [noted.write("twice"), noted.write("twice")]
    bank.fault(call="POST note-text", fault="reset", when="after", times=2)
    made = {instructions.work_until(site.app, each, ENDS).bunq_id for each in both}
    assert noted.texts() == ["twice", "twice"]
    assert len(made - {None}) == 2


@pytest.mark.sqlite_only
def test_a_file_is_uploaded_attached_and_not_kept_here(site: ThreadSite, noted: Noted, holder: Client) -> None:
    made = noted.act(lambda robin: notes.attach_within(robin, noted.row_id, "C:\\bills\\taxi.png", PICTURE))
    assert rows.count(site.app, InstructionFile) == 1
    row = instructions.work_until(site.app, made, ENDS)
    assert rows.count(site.app, InstructionFile) == 0
    [note] = noted.files()
    assert note["description"] == f"taxi.png ({row.reference})"
    [file] = note["attachment"]
    assert holder.call("GET", f"{A}/attachment/{file['id']}/content").content == PICTURE
    with rows.behind(site.app):
        assert [each.attachment_ids for each in stored.of(noted.row_id).notes] == [(file["id"],)]
    taken_off = noted.act(lambda robin: notes.detach_within(robin, noted.row_id, file["id"]))
    instructions.work_until(site.app, taken_off, ENDS)
    assert noted.files() == []


@pytest.mark.sqlite_only
def test_a_file_that_bunq_refuses_is_given_up_at_once_and_is_not_kept(
    site: ThreadSite, bank: Bank, noted: Noted
) -> None:
    made = noted.act(lambda robin: notes.attach_within(robin, noted.row_id, "taxi.png", PICTURE))
    bank.fault(call="POST attachment", fault="400", when="before", times=1)
    row = instructions.work_until(site.app, made, ENDS)
    assert (row.state, row.error_facts and row.error_facts["status"]) == (InstructionState.FAILED, 400)
    assert rows.count(site.app, InstructionFile) == 0
    assert noted.files() == []


@pytest.mark.sqlite_only
def test_a_file_that_is_taken_back_before_it_is_sent_is_not_kept(site: ThreadSite, noted: Noted) -> None:
    made = noted.act(lambda robin: notes.attach_within(robin, noted.row_id, "taxi.png", PICTURE))
    instructions.take_back(site.app, ROBIN, made)
    assert rows.count(site.app, InstructionFile) == 0


@pytest.mark.sqlite_only
def test_a_card_is_frozen_used_again_and_limited_whatever_fails(
    site: ThreadSite, bank: Bank, noted: Noted, holder: Client
) -> None:
    card = ordered(holder)["id"]
    holder.ok("PUT", f"/user/{JODI}/card/{card}", {"status": "ACTIVE"})
    for fault in ("", "reset", "500", "bad-signature", "404"):
        for when in ("before", "after"):
            for body in (CardBody(card, "DEACTIVATED"), CardBody(card, "ACTIVE"), instructions.limits(card, "250")):
                if fault:
                    bank.fault(call="PUT card", fault=fault, when=when, times=1)
                made = instructions.prepare(site.app, ROBIN, MAIN, body)
                row = instructions.work_until(site.app, made, ENDS)
                bank.no_faults()
                [shown] = [next(iter(each.values())) for each in holder.get(f"/user/{JODI}/card/{card}")]
                is_as_wanted = shown["status"] == body.status or shown["card_limit"]["value"] == "250.00"
                assert (row.state is InstructionState.DONE) <= is_as_wanted, (fault, when, body)
                assert row.state is InstructionState.DONE, (fault, when, body)


@pytest.mark.sqlite_only
def test_a_card_of_another_account_or_one_that_never_worked_is_not_touched(
    site: ThreadSite, bank: Bank, noted: Noted, holder: Client
) -> None:
    lost = ordered(holder)["id"]
    used = ordered(holder)["id"]
    holder.ok("PUT", f"/user/{JODI}/card/{used}", {"status": "ACTIVE"})
    holder.ok("PUT", f"/user/{JODI}/card/{lost}", {"status": "ACTIVE"})
    holder.ok("PUT", f"/user/{JODI}/card/{lost}", {"status": "LOST"})
    new = ordered(holder)["id"]
    bank.forget_calls()
    wanted = (
        (MAIN, CardBody(lost, "ACTIVE")),
        (MAIN, CardBody(new, "ACTIVE")),
        (SECOND, CardBody(used, "DEACTIVATED")),
    )
    for account, body in wanted:
        row = instructions.work_until(site.app, instructions.prepare(site.app, ROBIN, account, body), ENDS)
        assert row.state is InstructionState.FAILED
    assert [call for each in (lost, used, new) for call in bank.calls("PUT", f"card/{each}")] == []
