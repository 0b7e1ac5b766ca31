"""The words of this site: every text a person reads passes through here.

English is what the code says. The pages of an account holder, who has no login here, speak Dutch too. Their words are
in `translations/nl.po`, read once by each process that needs them; a test finds the text that is missing there.

Python's own `gettext.gettext` looks for catalogues on disk at each call; the ones used here are kept.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

ENGLISH = "en"
LANGUAGES = (ENGLISH, "nl")
CATALOGUES = Path(__file__).parent / "translations"

_english = NullTranslations()
_spoken: ContextVar[tuple[str, NullTranslations]] = ContextVar("spoken", default=(ENGLISH, _english))


def gettext(message: str) -> str:
    """Return a text in the language that is spoken."""
    return _spoken.get()[1].gettext(message)


def ngettext(singular: str, plural: str, n: int) -> str:
    """Return the form of a text that fits a number, in the language that is spoken."""
    return _spoken.get()[1].ngettext(singular, plural, n)


def language() -> str:
    """Return the language that is spoken, as in HTML: `en` or `nl`."""
    return _spoken.get()[0]


@contextmanager
def speaking(chosen: str) -> Iterator[None]:
    """Speak a language of `LANGUAGES` for as long as the block runs."""
    before = _spoken.set((chosen, _translations(chosen)))
    try:
        yield
    finally:
        _spoken.reset(before)


@cache
def _translations(chosen: str) -> NullTranslations:
    if chosen == ENGLISH:
        return _english
    with (CATALOGUES / f"{chosen}.po").open("rb") as source:
        catalogue = read_po(source, locale=chosen, abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)
