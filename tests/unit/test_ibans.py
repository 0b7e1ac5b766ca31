"""IBANs as people write them, and each way in which one can be wrong."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunqflask import ibans
from tests.unit.payment_files.files import RABO, iban

# Examples of the IBAN registry, one for each length that is easy to confuse.
EXAMPLES = (
    "NL91ABNA0417164300", "BE68539007547034", "DE89370400440532013000", "FR1420041010050500013M02606",
    "NO9386011117947", "MT84MALT011000012345MTLCAST001S", "GB29NWBK60161331926819", "CH9300762011623852957",
)  # fmt: skip
LENGTHS = {"NL": 18, "BE": 16, "DE": 22, "NO": 15, "MT": 31, "SK": 24, "CH": 21}


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_of_the_registry_are_right(example: str) -> None:
    assert ibans.fault_of(example) is None


@pytest.mark.parametrize(
    "text", ["NL39 RABO 0300 0652 64", "nl39rabo0300065264", " NL39-RABO-0300.0652.64\xa0", "NL39\u200bRABO0300065264"]
)
def test_spaces_case_and_what_nobody_sees_make_no_difference(text: str) -> None:
    assert ibans.normalise(text) == RABO


@st.composite
def right_ibans(draw: st.DrawFn) -> str:
    country = draw(st.sampled_from(sorted(LENGTHS)))
    length = LENGTHS[country] - 4
    signs = st.text(string.ascii_uppercase + string.digits, min_size=length, max_size=length)
    return iban(country, draw(signs))


@given(right_ibans(), st.data())
def test_each_right_iban_comes_back_from_its_groups_of_four(right: str, data: st.DataObject) -> None:
    spaced = " ".join(right[start : start + 4] for start in range(0, len(right), 4))
    written = data.draw(st.sampled_from([spaced, spaced.lower(), right]))
    assert ibans.normalise(written) == right
    assert ibans.fault_of(right) is None


@given(right_ibans(), st.data())
def test_one_wrong_digit_is_always_found(right: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(2, len(right) - 1))
    other = data.draw(st.sampled_from(string.digits if right[place].isdigit() else string.ascii_uppercase))
    wrong = right[:place] + other + right[place + 1 :]
    if other != right[place]:
        assert ibans.fault_of(wrong) is not None


@given(right_ibans(), st.data())
def test_two_digits_that_changed_places_are_always_found(right: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(4, len(right) - 2))
    wrong = right[:place] + right[place + 1] + right[place] + right[place + 2 :]
    if wrong != right and (right[place] + right[place + 1]).isdigit():
        assert "check digits do not fit" in (ibans.fault_of(wrong) or "")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("", "is not one"),
        ("0300065264", "is not one"),
        ("NL39RABO03000652_4", "is not one"),
        ("ＮＬ39RABO0300065264", "is not one"),
        ("NL٣٩RABO0300065264", "is not one"),
        ("NL39RABO030006526", "has 17 characters, and one of NL has 18"),
        ("NL39RABO03000652640", "has 19 characters, and one of NL has 18"),
        ("NL38RABO0300065264", "check digits do not fit"),
        (iban("US", "12345678901234"), "is of US, which is not in SEPA"),
        (iban("XX", "12345678901234"), "is of XX, which is not in SEPA"),
    ],
)
def test_a_wrong_iban_is_refused_for_its_reason(wrong: str, why: str) -> None:
    assert why in (ibans.fault_of(wrong) or "")
