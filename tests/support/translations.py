"""The texts of the account holder's pages, read from templates and code, to be compared with a catalogue."""

from __future__ import annotations

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from bunqflask.i18n import CATALOGUES

ROOT = Path(__file__).parents[2]
# What a holder's pages are made of. The frame (`base.html`) has texts for members too, which are translated as well.
TEMPLATES = (
    "base.html",
    "pieces.html",
    "consent/link.html",
    "consent/done.html",
    "consent/_reads.html",
    "errors/consent.html",
    "errors/error.html",
    "errors/_problem.html",
)
CODE = (
    "web/consent/errors.py",
    "web/consent/holder_pages.py",
    "web/errors/disk.py",
    "web/errors/problems.py",
    "web/ui/formatting.py",
)
_WORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}

# A text, with its plural if it has one.
Text = str | tuple[str, ...]


def texts() -> set[Text]:
    """Return every text of these pages."""
    found: set[Text] = set()
    for name in TEMPLATES:
        options = {"trimmed": "true", "silent": "false"}
        found |= _read("jinja2.ext:babel_extract", ROOT / "templates" / name, options)
    for name in CODE:
        found |= _read("python", ROOT / "bunqflask" / name, {})
    return found


def catalogue(language: str) -> Catalog:
    """Return the committed catalogue of a language."""
    with (CATALOGUES / f"{language}.po").open("rb") as source:
        return read_po(source, locale=language, abort_invalid=True)


def _read(method: str, path: Path, options: dict[str, str]) -> set[Text]:
    return {each[1] for each in extract_from_file(method, path, keywords=_WORDS, options=options)}
