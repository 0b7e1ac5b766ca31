"""Notes on a payment: texts, and files with a description.

https://doc.bunq.com/api-reference/note-text
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bunqflask import invisible
from bunqflask.bunq.resources import Json, number, read_time, text, whole

NoteKind = Literal["text", "attachment"]
_KINDS: dict[str, NoteKind] = {"NoteText": "text", "NoteAttachment": "attachment"}


@dataclass(frozen=True)
class Note:
    """One note; `text` is what was written, or what describes the files. Ids are those of its kind alone."""

    kind: NoteKind
    note_id: int
    created_at: datetime | None
    updated_at: datetime | None
    author: str
    text: str
    attachment_ids: list[int]
    raw: Json

    @classmethod
    def from_item(cls, item: Json) -> Note | None:
        """Read one list item `{"NoteText": {…}}` or `{"NoteAttachment": {…}}`; None when it holds no note.

        :raises ResponseNotUnderstood: a note without an id.
        """
        for wrapper, data in item.items():
            if wrapper in _KINDS and isinstance(data, dict):
                creator = data.get("label_user_creator")
                return cls(
                    kind=_KINDS[wrapper],
                    note_id=number(data, "id"),
                    created_at=read_time(data.get("created")),
                    updated_at=read_time(data.get("updated")),
                    author=text(creator.get("display_name")) if isinstance(creator, dict) else "",
                    text=lines(data.get("content" if wrapper == "NoteText" else "description")),
                    attachment_ids=attachment_ids(data.get("attachment")),
                    raw=data,
                )
        return None


def attachment_ids(listed: Any) -> list[int]:
    """Read the ids from the `attachment` member of a payment or a note, each once, ignoring entries without one."""
    items = listed if isinstance(listed, list) else [listed]
    ids = [whole(item.get("id")) for item in items if isinstance(item, dict)]
    return list(dict.fromkeys(each for each in ids if each is not None))


def lines(value: Any) -> str:
    """Return a text of several lines, without other control characters."""
    return "\n".join(invisible.remove(line) for line in value.splitlines()) if isinstance(value, str) else ""
