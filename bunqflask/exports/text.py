"""Text from the bank is hostile text: what a format cannot carry, or would understand wrongly, is taken out here."""

import re
import unicodedata
from typing import BinaryIO

from bunqflask import invisible

_SPACES = re.compile(r"\s+")
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
_NOT_ASCII = re.compile(r"[^ -~]+")
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9]+")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Za-z0-9]{1,30}")
_REFERENCE = re.compile(r"RF[0-9]{2}[A-Z0-9]{1,21}")
# A spreadsheet takes a cell that begins like this for a formula; the wide forms too, once an input method folds them.
# It begins a cell where its own separator stands, whatever the file's is: the Dutch and the German Excel take ";".
# Quotes and spaces before it may vanish when the cell is read.
_FORMULA = re.compile("(^|[;|,\t])(?=[\\s\"']*[=+\\-@\uff1d\uff0b\uff0d\uff20])")

# Letters that do not fall apart into a base letter and an accent, and signs that have a likeness in ASCII.
_LIKENESS = str.maketrans(
    {
        "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ł": "l",
        "Ł": "L", "þ": "th", "Þ": "TH", "ð": "d", "Ð": "D", "ı": "i", "€": "EUR", "£": "GBP", "–": "-", "—": "-",
        "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "·": ".", "•": ".",
    }
)  # fmt: skip


def plain(text: str) -> str:
    """Return text as one line: nothing invisible, single spaces."""
    if text.isascii() and text.isprintable() and "  " not in text and text[:1] != " " and text[-1:] != " ":
        return text
    return _SPACES.sub(" ", invisible.remove(whole(text))).strip()


def whole(text: str) -> str:
    """Return text that UTF-8 can carry: half of a character becomes the replacement character."""
    return _LONE_SURROGATES.sub("\ufffd", text)


def guarded(text: str) -> str:
    """Return text for a CSV cell: an apostrophe stops a spreadsheet from running any part of it as a formula.

    Hyphens alone, which people write where a payment needs no description, are none.
    """
    text = plain(text)
    return text if text.strip("-") == "" else _FORMULA.sub(r"\1'", text)


def _latin(text: str) -> str:
    spread = unicodedata.normalize("NFKD", plain(text).translate(_LIKENESS))
    return "".join(letter for letter in spread if not unicodedata.combining(letter))


def ascii_text(text: str) -> str:
    """Return text in ASCII: accents off, likenesses for signs, a full stop for the rest."""
    if text.isascii():
        return plain(text)
    return plain(_NOT_ASCII.sub(".", _latin(text).translate(_LIKENESS)))


def name_part(text: str, *, longest: int) -> str:
    """Return letters, digits and single hyphens of a name, for files and ledger accounts; may be empty."""
    return _NOT_A_NAME.sub("-", _latin(text)).strip("-")[:longest].strip("-")


def is_iban(text: str | None) -> bool:
    """Tell whether text has the form of an IBAN, as ISO 20022 writes it."""
    return text is not None and _IBAN.fullmatch(text) is not None


def creditor_reference(text: str) -> str | None:
    """Return the reference of an invoice that a text is, without its spaces; None where it is none, or more than one.

    https://www.iso.org/standard/50649.html (ISO 11649)
    """
    bare = text.replace(" ", "").upper()
    if not _REFERENCE.fullmatch(bare):
        return None
    number = "".join(str(int(sign, 36)) for sign in bare[4:] + bare[:4])
    return bare if int(number) % 97 == 1 else None


def cut(text: str, longest: int) -> str:
    """Return the begin of a text, cut at a space; inside a word only where the text begins with one too long."""
    if len(text) <= longest:
        return text
    end = text.rfind(" ", 1, longest + 1)
    return text[: end if end > 0 else longest].rstrip()


def pieces(text: str, longest: int) -> list[str]:
    """Cut a text of single spaces at spaces, which are dropped: readers join the pieces with a space."""
    found = []
    while text:
        found.append(cut(text, longest))
        text = text[len(found[-1]) :].lstrip()
    return found


class Sink:
    """Collects text and hands it on as bytes, in pieces worth a write."""

    def __init__(self, stream: BinaryIO, *, encoding: str = "utf-8", enough: int = 65_536) -> None:
        self._stream = stream
        self._encoding = encoding
        self._enough = enough
        self._parts: list[str] = []
        self._length = 0

    def write(self, text: str) -> int:
        self._parts.append(text)
        self._length += len(text)
        if self._length >= self._enough:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Write the rest of the buffer; a format's last line."""
        if self._parts:
            self._stream.write("".join(self._parts).encode(self._encoding))
            self._parts.clear()
            self._length = 0
