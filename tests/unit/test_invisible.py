"""What is taken out of every text of strangers, and what stays because it is seen."""

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunqflask import invisible

JOINERS = "\u200c\u200d"


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (0x00AD, 0x00AD),
        (0x061C, 0x061C),
        (0x200B, 0x200F),
        (0x202A, 0x202E),
        (0x2060, 0x2069),
        (0xFE00, 0xFE0F),
        (0xFEFF, 0xFEFF),
        (0xE0000, 0xE007F),
        (0xE0100, 0xE01EF),
    ],
)
def test_no_invisible_character_parts_a_latin_word(first: int, last: int) -> None:
    for code in range(first, last + 1):
        assert invisible.remove(f"pay{chr(code)}pal") == "paypal", hex(code)


def test_every_control_and_format_character_that_unicode_knows_is_in_the_list() -> None:
    known = [chr(code) for code in range(sys.maxunicode + 1)]
    left = [
        sign
        for sign in known
        if unicodedata.category(sign) in ("Cc", "Cf", "Co", "Cs") and sign in invisible.remove(f"a{sign}b")
    ]
    assert left == []


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\t", "\x0b", "\x85", "\u2028", "\u2029", "\n\n"])
def test_lines_become_one(separator: str) -> None:
    assert invisible.remove(f"one{separator}two") == "one two"


@pytest.mark.parametrize("text", ["👩‍👩‍👧 ❤️‍🔥 🦄", "می‌خواهم", "क्‍ष", "Café – “żółć”", "日本語", "x y", ""])
def test_what_is_seen_stays(text: str) -> None:
    assert invisible.remove(text) == text


@given(st.text())
def test_a_second_look_finds_nothing(text: str) -> None:
    once = invisible.remove(text)
    assert invisible.remove(once) == once
    assert len(once.splitlines()) <= 1


@given(st.text())
def test_json_spelled_out_says_the_same_and_hides_nothing(text: str) -> None:
    written = invisible.spell_out(json.dumps({"name": text}, ensure_ascii=False, indent=2))
    assert json.loads(written) == {"name": text}
    for line in written.split("\n"):
        assert invisible.remove(line) == line
