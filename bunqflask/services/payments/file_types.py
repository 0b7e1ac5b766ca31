"""What a file of a payment is, told by its first bytes.

bunq signs those, but not the header that names its type, and a person at the other side of a payment may have chosen
both.
"""

from __future__ import annotations

from typing import NamedTuple

from bunqflask.services.payments.notes import File


class FileType(NamedTuple):
    """A media type, and how names of such files end."""

    media_type: str
    ending: str


_BY_START = (
    (b"\x89PNG\r\n\x1a\n", FileType("image/png", "png")),
    (b"\xff\xd8\xff", FileType("image/jpeg", "jpg")),
    (b"%PDF-", FileType("application/pdf", "pdf")),
)
_ANY = FileType("application/octet-stream", "bin")


def of(content: bytes) -> FileType:
    """Return what a file is."""
    return next((found for start, found in _BY_START if content.startswith(start)), _ANY)


def name_of(file: File, content: bytes) -> str:
    """Return how a file is called: by bunq's ids of it and of its payment."""
    return f"payment-{file.payment_id}-file-{file.attachment_id}.{of(content).ending}"
