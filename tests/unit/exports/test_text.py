"""What is taken out of hostile text, and what is left alone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunqflask.exports.text import chunks, guarded, is_iban, name_part, plain, swift, whole
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
    assert guarded(text)[:1] not in tuple("=+-@\t\r＝＋－＠")


def test_the_apostrophe_stands_only_before_formulas() -> None:
    assert guarded("=1+1") == "'=1+1"
    assert guarded("\t=1+1") == "'=1+1"
    assert guarded("\u202e=1+1") == "'=1+1"
    assert guarded("Bread = good") == "Bread = good"


@given(anything)
def test_swift_text_has_only_characters_of_set_x(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9/\-?:().,'+ ]*", swift(text))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Zoë & Søn Groß", "Zoe + Son Gross"),
        ("Łódź", "Lodz"),
        ("€ 5", "EUR 5"),
        ("it’s “fine”", "it's 'fine'"),
        ("mail@host_name", "mail(at)host-name"),
        ("🦄🦄 x", ". x"),
        ("日本", "."),
        ("ﬁne", "fine"),
    ],
)
def test_swift_text_stays_readable(text: str, read: str) -> None:
    assert swift(text) == read


@given(anything, st.integers(1, 80))
def test_pieces_joined_are_the_text_and_none_is_too_long(text: str, width: int) -> None:
    pieces = chunks(plain(text), width, not_first=":-")
    assert "".join(pieces) == plain(text)
    assert all(0 < len(piece) <= width for piece in pieces)


def test_no_piece_begins_or_ends_with_a_space_where_the_text_has_words() -> None:
    pieces = chunks("word " * 100 + "end", 10)
    assert all(piece == piece.strip() for piece in pieces)


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


def test_half_a_character_becomes_the_replacement_character() -> None:
    assert whole("a\ud83db") == "a\ufffdb"
    assert whole("🦄") == "🦄"
