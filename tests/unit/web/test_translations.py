"""The account holder's pages in Dutch: no text is missing, and each takes the same values."""

from __future__ import annotations

import re

import pytest

from bunqflask import i18n
from tests.support import translations

_VALUE = re.compile(r"%\((\w+)\)[sd]")
_TAG = re.compile(r"</?[a-z][^>]*>")


@pytest.mark.parametrize("language", [each for each in i18n.LANGUAGES if each != i18n.ENGLISH])
def test_no_text_of_the_holders_pages_is_missing_or_left_over(language: str) -> None:
    written = {each.id for each in translations.catalogue(language) if each.id}
    needed = translations.texts()
    assert len(needed) > 60, "the texts were not found"
    assert needed - written == set(), "not translated"
    assert written - needed == set(), "translated and no longer there"


def test_each_translation_has_words_and_the_values_and_tags_of_its_text() -> None:
    for each in translations.catalogue("nl"):
        if not each.id:
            continue
        texts = (each.id,) if isinstance(each.id, str) else tuple(each.id)
        said = (each.string,) if isinstance(each.string, str) else tuple(each.string or ())
        assert not each.fuzzy, each.id
        for text, translated in zip(texts, said, strict=True):
            assert translated.strip(), each.id
            assert set(_VALUE.findall(text)) == set(_VALUE.findall(translated)), each.id
            assert _TAG.findall(text) == _TAG.findall(translated), each.id


def test_a_language_is_spoken_for_as_long_as_its_block_runs() -> None:
    with i18n.speaking("nl"):
        assert (i18n.language(), i18n.gettext("Continue to bunq")) == ("nl", "Verder naar bunq")
        assert i18n.ngettext("%(n)d hour ago", "%(n)d hours ago", 2) == "%(n)d uur geleden"
        with i18n.speaking("en"):
            assert i18n.gettext("Continue to bunq") == "Continue to bunq"
        assert i18n.gettext("What only members read") == "What only members read", "English, where nothing is said"
    assert (i18n.language(), i18n.gettext("Continue to bunq")) == ("en", "Continue to bunq")
