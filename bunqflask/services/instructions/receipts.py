"""Which files may be attached to payments: PDF, PNG and JPEG by their content, and nothing that could run something.

A PDF is looked through for the names of scripts and of actions that start programs, also in its compressed objects.
That is not proof: a PDF can be encrypted, or hide them otherwise. So files are only ever handed out as downloads, and
what opens them is the reader's own program.

https://opensource.adobe.com/dc-acrobat-sdk-docs/pdfstandards/PDF32000_2008.pdf
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from bunqflask.i18n import gettext as _
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.payments import file_types

LARGEST_BYTES = 10 * 1024 * 1024
_LONGEST_NAME = 80
_TAKEN = ("application/pdf", "image/png", "image/jpeg")
# Names of a PDF for what runs: scripts, programs, and forms and media that hold scripts.
_ACTIVE = re.compile(rb"/(?:JavaScript|JS|Launch|RichMedia|XFA)(?![A-Za-z0-9_.-])")
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)
_HOLDS_OBJECTS = re.compile(rb"/Type\s*/ObjStm(?![A-Za-z0-9])")
# A small file can be made to inflate without end.
_MOST_INFLATED = 64 * 1024 * 1024
# So far before a stream stands what it is.
_HEAD_BYTES = 1_000


def check(content: bytes) -> str:
    """Return the media type of a file that may be attached.

    :raises InstructionRefused: it may not.
    """
    if len(content) > LARGEST_BYTES:
        raise InstructionRefused(_("The file is larger than 10 MB."))
    media_type = file_types.of(content).media_type
    if media_type not in _TAKEN:
        raise InstructionRefused(_("The file is not a PDF, PNG or JPEG: bunq takes no other."))
    if media_type == "application/pdf" and _is_active(content):
        raise InstructionRefused(
            _("The PDF holds a script, or starts a program. Print it to a new PDF, and attach that.")
        )
    return media_type


def name_of(given: str) -> str:
    """Return the name of a file as it is shown at bunq: one short line, without a folder."""
    last = given.replace("\\", "/").rpartition("/")[2]
    name = "".join(each for each in " ".join(last.split()) if each.isprintable())
    return name[-_LONGEST_NAME:].strip() or _("receipt")


def _is_active(content: bytes) -> bool:
    return any(_ACTIVE.search(_ESCAPED.sub(_unescaped, part)) for part in _objects(content))


def _objects(content: bytes) -> Iterator[bytes]:
    """Yield what of a PDF is objects: all but the streams, and those streams that hold compressed objects."""
    end, left = 0, _MOST_INFLATED
    for found in _STREAM.finditer(content):
        head = content[end : found.start()]
        yield head
        if _HOLDS_OBJECTS.search(head[-_HEAD_BYTES:]) and left > 0:
            inflated = _inflated(found[1], left)
            left -= len(inflated)
            yield inflated
        end = found.end()
    yield content[end:]


def _inflated(stream: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(stream, most)
    except zlib.error:
        return stream


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)])
