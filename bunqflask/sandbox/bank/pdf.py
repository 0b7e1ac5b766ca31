"""PDF files of the simplest kind: facts and a table on A4 pages, in Helvetica, with files attached.

Only what a statement needs, so that the sandbox needs no PDF library. The format is ISO 32000-1.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

# A4 in points of 1/72 inch.
WIDTH, HEIGHT = 595, 842
LEFT, RIGHT, TOP, BOTTOM = 40, 555, 790, 60
LINE = 14

BANNER = "SIMULATED BANK - invented people, invented money"


@dataclass(frozen=True)
class Column:
    """One column of a table: where it begins (or ends, when it is `right`), and how many signs fit."""

    title: str
    at: int
    longest: int
    right: bool = False


@dataclass
class Document:
    """What is to be written: a title, facts, a table and files."""

    title: str
    facts: Sequence[tuple[str, str]]
    columns: Sequence[Column] = ()
    rows: Sequence[Sequence[str]] = ()
    # (name, MIME type, bytes)
    files: Sequence[tuple[str, str, bytes]] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        """Write the file."""
        pages = _Layout(self).pages
        objects: list[bytes] = [b"", b""]
        for name in (b"Helvetica", b"Helvetica-Bold"):
            objects.append(
                b"<</Type/Font/Subtype/Type1/BaseFont/" + name + b"/Encoding/WinAnsiEncoding>>"
            )  # objects 3 and 4
        kids = []
        for content in pages:
            objects.append(_stream(content))
            objects.append(
                b"<</Type/Page/Parent 2 0 R/Resources<</Font<</F1 3 0 R/F2 4 0 R>>>>/Contents %d 0 R>>" % len(objects)
            )
            kids.append(b"%d 0 R" % len(objects))
        names = b"".join(self._attach(objects, *each) for each in self.files)
        attached = b"/Names<</EmbeddedFiles<</Names[" + names + b"]>>>>" if names else b""
        objects[0] = b"<</Type/Catalog/Pages 2 0 R" + attached + b">>"
        objects[1] = b"<</Type/Pages/MediaBox[0 0 %d %d]/Count %d/Kids[%s]>>" % (
            WIDTH,
            HEIGHT,
            len(kids),
            b" ".join(kids),
        )
        return _file(objects)

    @staticmethod
    def _attach(objects: list[bytes], name: str, mime: str, content: bytes) -> bytes:
        """Add a file and return its entry in the list of names."""
        kind = mime.replace("/", "#2F").encode("ascii")
        objects.append(_stream(content, b"/Type/EmbeddedFile/Subtype/" + kind))
        text = b"(" + _escaped(name) + b")"
        objects.append(b"<</Type/Filespec/F%s/UF%s/EF<</F %d 0 R>>>>" % (text, text, len(objects)))
        return text + b"%d 0 R " % len(objects)


def _stream(content: bytes, more: bytes = b"") -> bytes:
    packed = zlib.compress(content)
    return b"<<%s/Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (more, len(packed), packed)


def _file(objects: list[bytes]) -> bytes:
    """Put the objects after each other, with the table that says where each begins."""
    written = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, each in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    written += b"".join(b"%010d 00000 n \n" % each for each in places)
    written += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(written)


def _escaped(text: str) -> bytes:
    """Return a text as the inside of a PDF string; signs that the font lacks become question marks."""
    plain = " ".join(text.split()).replace("−", "-").encode("cp1252", "replace")
    return plain.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _width(text: str, size: int) -> float:
    """Return the width of an amount or a number in points; of letters, roughly."""
    thousandths = {".": 278, ",": 278, " ": 278, "-": 333, "−": 333}
    return sum(thousandths.get(sign, 556) for sign in text) * size / 1000


class _Layout:
    """Lays the document out; each page ends up as a content stream."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.pages: list[bytes] = []
        self._page = bytearray()
        self._y = 0
        self._begin()
        self._text(LEFT, document.title, size=16, bold=True)
        self._y -= 2 * LINE
        for name, value in document.facts:
            self._text(LEFT, name, bold=True)
            self._text(LEFT + 130, _cut(value, 70))
            self._y -= LINE
        self._y -= LINE
        if document.columns:
            self._titles()
        for row in document.rows:
            if self._y < BOTTOM:
                self._end()
                self._begin()
                self._titles()
            for column, text in zip(document.columns, row, strict=True):
                self._cell(column, text)
            self._y -= LINE
        self._end()

    def _begin(self) -> None:
        self._page = bytearray()
        self._y = TOP
        self._text(LEFT, BANNER, size=8, bold=True)
        self._y -= 2 * LINE

    def _end(self) -> None:
        self._y = BOTTOM - 2 * LINE
        self._text(LEFT, f"Page {len(self.pages) + 1}", size=8)
        self.pages.append(bytes(self._page))

    def _titles(self) -> None:
        for column in self.document.columns:
            self._cell(column, column.title, bold=True)
        self._page += b"%d %d m %d %d l S\n" % (LEFT, self._y - 4, RIGHT, self._y - 4)
        self._y -= LINE + 2

    def _cell(self, column: Column, text: str, *, bold: bool = False) -> None:
        text = _cut(text, column.longest)
        at = column.at - _width(text, 9) if column.right else column.at
        self._text(at, text, bold=bold)

    def _text(self, x: float, text: str, *, size: int = 9, bold: bool = False) -> None:
        font = b"/F2" if bold else b"/F1"
        self._page += b"BT %s %d Tf %.1f %d Td (%s) Tj ET\n" % (font, size, x, self._y, _escaped(text))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
