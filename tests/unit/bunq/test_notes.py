"""Notes as bunq may tell them: whatever their shape, what comes out can be stored, shown and asked for."""

from typing import Any

import pytest

from bunqflask.bunq.errors import ResponseNotUnderstood
from bunqflask.bunq.notes import Note, attachment_ids
from bunqflask.web.payments.note_presenters import _lines

TEXT: dict[str, Any] = {
    "id": 5,
    "created": "2026-11-20 12:00:00.123456",
    "updated": "2026-11-20 12:00:00.123456",
    "label_user_creator": {"uuid": "u", "display_name": "Jodi Walker", "country": "NL"},
    "content": "for the books",
}


def note(wrapper: str = "NoteText", **changes: Any) -> Note:
    found = Note.from_item({wrapper: {**TEXT, **changes}})
    assert found is not None
    return found


def test_a_text_and_a_file_are_read_as_documented() -> None:
    read = note()
    assert (read.kind, read.note_id, read.author, read.text) == ("text", 5, "Jodi Walker", "for the books")
    assert read.created_at is not None
    assert read.attachment_ids == []
    assert read.raw == TEXT
    file = note("NoteAttachment", description="receipt", attachment=[{"id": 7, "monetary_account_id": 3}])
    assert (file.kind, file.text, file.attachment_ids) == ("attachment", "receipt", [7])


@pytest.mark.parametrize("missing", [None, "", 5, [], {"a": 1}])
def test_members_that_are_missing_or_something_else_are_empty(missing: Any) -> None:
    members = ("created", "updated", "label_user_creator", "content", "description", "attachment")
    for wrapper in ("NoteText", "NoteAttachment"):
        read = note(wrapper, **dict.fromkeys(members, missing))
        assert (read.text, read.author, read.created_at, read.attachment_ids) == ("", "", None, [])


@pytest.mark.parametrize("item", [{}, {"NoteText": None}, {"NoteText": [TEXT]}, {"Payment": TEXT}, {"NoteVoice": TEXT}])
def test_what_is_no_note_is_passed_over(item: dict[str, Any]) -> None:
    assert Note.from_item(item) is None


@pytest.mark.parametrize("wrong", [None, "x", -1, 2**63, True, 1.5])
def test_a_note_without_a_usable_id_is_not_understood(wrong: Any) -> None:
    with pytest.raises(ResponseNotUnderstood):
        note(id=wrong)
    assert note(id="12").note_id == 12


def test_files_are_named_once_and_strange_ones_not_at_all() -> None:
    assert attachment_ids([{"id": 3}, {"id": "4"}, {"id": 3}, {"id": None}, {}, None, 5, "6", {"id": 2**63}]) == [3, 4]
    assert attachment_ids({"id": 8}) == [8]
    assert attachment_ids(None) == attachment_ids("7") == []


def test_lines_are_kept_and_what_is_not_for_reading_is_not() -> None:
    read = note(content="one\r\ntwo\u2028three\x00\x1b[31m\u202e\n\n  four \ud800")
    assert read.text.encode()
    assert _lines(read.text) == "one\ntwo\nthree[31m\n\nfour"
    assert _lines(note(content="\u200b\n \n").text) == ""
    assert len(_lines("y" * 50_000)) <= 9_000
