"""Amounts in files: each way of writing one, and no guess."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunqflask.payment_files import amounts
from bunqflask.payment_files.amounts import DecimalSign, NotAnAmount

CENTS = st.integers(1, 99_999_999_999).map(lambda cents: Decimal(cents) / 100)


@pytest.mark.parametrize(
    ("text", "amount", "sign"),
    [
        ("1.234,56", "1234.56", ","),
        ("1234,56", "1234.56", ","),
        ("1,234.56", "1234.56", "."),
        ("1234.56", "1234.56", "."),
        ("1.234.567,89", "1234567.89", ","),
        ("1,234,567.8", "1234567.80", "."),
        ("1.234.567", "1234567.00", ","),
        ("1,234,567", "1234567.00", "."),
        ("1 234,56", "1234.56", ","),
        ("1\xa0234\u202f567,00", "1234567.00", ","),
        ("1'234.50", "1234.50", "."),
        ("1’234.50", "1234.50", "."),
        ("12,5", "12.50", ","),
        ("0,01", "0.01", ","),
        ("7", "7.00", ""),
        ("1234", "1234.00", ""),
        ("1 234", "1234.00", ""),
        ("€ 12,50", "12.50", ","),
        ("€12.50", "12.50", "."),
        ("EUR 12,50", "12.50", ","),
        ("12,50 eur", "12.50", ","),
        (" 12,50\t", "12.50", ","),
        ("999.999.999,99", "999999999.99", ","),
    ],
)
def test_an_amount_is_read_with_the_sign_that_it_shows(text: str, amount: str, sign: str) -> None:
    found = amounts.read(text)
    assert (found.amount, found.decimal_sign) == (Decimal(amount), sign)
    assert found.amount.as_tuple().exponent == -2


@pytest.mark.parametrize(
    ("text", "sign", "amount"),
    [("1.234", ",", "1234.00"), ("1,234", ".", "1234.00"), ("12.345", ",", "12345.00"), ("1.234,56", ",", "1234.56")],
)
def test_a_chosen_sign_says_what_an_amount_means(text: str, sign: DecimalSign, amount: str) -> None:
    assert amounts.read(text, sign).amount == Decimal(amount)


@pytest.mark.parametrize(
    ("text", "sign", "why"),
    [
        ("1.234", "", "can mean 1234 euros or 1.234: write the cents (1234,00)"),
        ("1,234", "", "can mean 1234 euros or 1,234: write the cents (1234.00)"),
        ("999.999", "", "can mean 999999 euros"),
        ("1.234", ".", "more than two digits of cents"),
        ("1,234", ",", "more than two digits of cents"),
        ("1234.56", ",", "a comma stands before the cents"),
        ("1,234.56", ",", "a comma stands before the cents"),
        ("1.234.567", ".", "a point stands before the cents"),
        ("12,50", ".", "a point stands before the cents"),
        ("0.123", "", "more than two digits of cents"),
        ("1234.567", "", "more than two digits of cents"),
        ("1.234,567", "", "read safely"),
        ("1.23.456,00", "", "read safely"),
        ("1.234.56", "", "read safely"),
        ("1,234,56", "", "read safely"),
        ("12.34.56", "", "read safely"),
        ("1 23", "", "read safely"),
        ("1 234.567,00", "", "read safely"),
        ("007", "", "read safely"),
        ("1e3", "", "read safely"),
        ("1E+3", "", "read safely"),
        ("١٢", "", "read safely"),
        ("１２", "", "read safely"),
        ("12,", "", "read safely"),
        (",50", "", "read safely"),
        ("12,-", "", "read safely"),
        ("NaN", "", "read safely"),
        ("Infinity", "", "read safely"),
        ("0x10", "", "read safely"),
        ("1_000", "", "read safely"),
        ("=1+1", "", "read safely"),
        ("12,50 USD", "", "read safely"),
        ("$12.50", "", "read safely"),
        ("5 EUR 3", "", "read safely"),
        ("twaalf", "", "read safely"),
        ("", "", "is missing"),
        ("€", "", "is missing"),
        ("-12,50", "", "negative"),
        ("12,50-", "", "negative"),
        ("−12,50", "", "negative"),
        ("(12,50)", "", "negative"),
        ("0", "", "zero"),
        ("0,00", "", "zero"),
        ("1.000.000.000,00", "", "larger than one payment can be"),
        ("9" * 100_000, "", "larger than one payment can be"),
    ],
)
def test_what_is_no_safe_amount_is_refused_for_its_reason(text: str, sign: DecimalSign, why: str) -> None:
    with pytest.raises(NotAnAmount, match=re.escape(why)):
        amounts.read(text, sign)


def dutch(amount: Decimal) -> str:
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


@given(CENTS, st.sampled_from(["", ","]))
def test_every_amount_in_the_dutch_way_comes_back(amount: Decimal, sign: DecimalSign) -> None:
    assert amounts.read(dutch(amount), sign).amount == amount
    assert amounts.read(dutch(amount).replace(".", ""), sign).amount == amount


@given(CENTS, st.sampled_from(["", "."]))
def test_every_amount_in_the_english_way_comes_back(amount: Decimal, sign: DecimalSign) -> None:
    assert amounts.read(f"{amount:,.2f}", sign).amount == amount
    assert amounts.read(f"€ {amount:.2f}", sign).amount == amount


@given(CENTS)
def test_an_amount_is_never_read_in_the_way_that_was_not_chosen(amount: Decimal) -> None:
    with pytest.raises(NotAnAmount):
        amounts.read(dutch(amount), ".")
    with pytest.raises(NotAnAmount):
        amounts.read(f"{amount:,.2f}", ",")


@given(st.text("0123456789.,' €-", max_size=12))
def test_what_is_read_has_the_digits_of_the_text(text: str) -> None:
    try:
        found = amounts.read(text)
    except NotAnAmount:
        return
    digits = "".join(filter(str.isdigit, text))
    # The digits stand there in the same order; only cents that the text leaves out are added.
    assert f"{found.amount:f}".replace(".", "").lstrip("0") in {
        f"{digits}{more}".lstrip("0") for more in ("", "0", "00")
    }
