"""What is taken out of hostile text, and what is left alone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunqflask.exports.text import (
    ascii_text,
    creditor_reference,
    cut,
    guarded,
    is_iban,
    name_part,
    pieces,
    plain,
    whole,
)
from tests.unit.exports.statements import HOSTILE

anything = st.one_of(st.sampled_from(HOSTILE), st.text())


@given(anything)
def test_plain_text_is_one_line_that_xml_takes(text: str) -> None:
    read = plain(text)
    assert read.splitlines() in ([], [read])
    assert re.fullmatch("[\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*", read)
    assert not set(read) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
    assert "  " not in read
    assert read == read.strip()
    assert plain(read) == read


@pytest.mark.parametrize("text", ["Café Zoë", "日本語", "👩‍👩‍👧 🦄", "a-b/c", "50% & more", "مرحبا"])
def test_plain_text_keeps_every_script(text: str) -> None:
    assert plain(text) == text


@given(anything)
def test_no_text_is_a_formula(text: str) -> None:
    read = guarded(text)
    assert read[:1] not in tuple("=+-@\t\r＝＋－＠") or set(read) == {"-"}


def test_the_apostrophe_stands_only_before_formulas() -> None:
    assert guarded("=1+1") == "'=1+1"
    assert guarded("\t=1+1") == "'=1+1"
    assert guarded("\u202e=1+1") == "'=1+1"
    assert guarded("Bread = good") == "Bread = good"
    assert [guarded(text) for text in ("---", "-", "- -", "-1", "--;-")] == ["---", "-", "'- -", "'-1", "'--;'-"]


@given(anything)
def test_ascii_text_is_ascii_in_one_line(text: str) -> None:
    assert re.fullmatch(r"[ -~]*", ascii_text(text))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Zoë & Søn Groß", "Zoe & Son Gross"),
        ("Łódź", "Lodz"),
        ("€ 5", "EUR 5"),
        ("it’s “fine” – yes", 'it\'s "fine" - yes'),
        ("RI_8LV69VR SPY*SEPAY 1 NZD = 0.61 #1", "RI_8LV69VR SPY*SEPAY 1 NZD = 0.61 #1"),
        ("🦄🦄 x", ". x"),
        ("日本", "."),
        ("ﬁne", "fine"),
    ],
)
def test_ascii_text_stays_readable(text: str, read: str) -> None:
    assert ascii_text(text) == read


@given(anything, st.integers(1, 80))
def test_pieces_hold_every_letter_and_none_is_too_long(text: str, width: int) -> None:
    found = pieces(plain(text), width)
    assert "".join(found).replace(" ", "") == plain(text).replace(" ", "")
    assert all(0 < len(piece) <= width and piece == piece.strip() for piece in found)


@given(st.lists(st.text("abc", min_size=1, max_size=9), max_size=30), st.integers(9, 40))
def test_pieces_joined_with_a_space_are_the_text_where_its_words_are_short_enough(words: list[str], width: int) -> None:
    text = " ".join(words)
    assert " ".join(pieces(text, width)) == text


@pytest.mark.parametrize(
    ("text", "longest", "begin"),
    [("one two", 7, "one two"), ("one two", 6, "one"), ("one two", 3, "one"), ("one two", 2, "on"), ("", 5, "")],
)
def test_a_text_is_cut_at_a_space(text: str, longest: int, begin: str) -> None:
    assert cut(text, longest) == begin


@given(anything, st.integers(1, 50))
def test_a_name_part_is_letters_digits_and_single_hyphens(text: str, longest: int) -> None:
    part = name_part(text, longest=longest)
    assert len(part) <= longest
    assert part == "" or re.fullmatch("[A-Za-z0-9]+(-[A-Za-z0-9]+)*", part)


@pytest.mark.parametrize(
    ("text", "answer"),
    [("NL12BUNQ2034567890", True), (None, False), ("", False), ("nl12", False), ("NL12BUNQ2034567890\n", False),
     ("NL12<x>", False), ("NL12" + "A" * 31, False)],
)  # fmt: skip
def test_only_the_form_of_an_iban_is_one(text: str | None, answer: bool) -> None:
    assert is_iban(text) is answer


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("RF18539007547034", "RF18539007547034"), ("rf18 5390 0754 7034", "RF18539007547034"),
        ("RF19539007547034", None), ("RF18539007547034 jaar 2026", None), ("RF18", None), ("", None),
        ("RF18" + "5" * 22, None), ("RF１８539007547034", None),
    ],
)  # fmt: skip
def test_only_a_text_that_is_an_invoices_reference_and_nothing_else_is_one(text: str, found: str | None) -> None:
    assert creditor_reference(text) == found


def test_half_a_character_becomes_the_replacement_character() -> None:
    assert whole("a\ud83db") == "a\ufffdb"
    assert whole("🦄") == "🦄"
