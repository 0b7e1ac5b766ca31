"""A currency's own number of decimals, where a format asks for it."""

from decimal import Decimal

import pytest

from bunqflask.exports.currencies import amount_text, decimals_of
from tests.unit.exports.statements import account, entry, statement, written


@pytest.mark.parametrize(("currency", "decimals"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("XXX", 2)])
def test_a_currency_has_its_own_number_of_decimals(currency: str, decimals: int) -> None:
    assert decimals_of(currency) == decimals


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [("100", "EUR", "100.00"), ("100.00", "JPY", "100"), ("-0.00", "JPY", "0"), ("0.50", "JPY", "0.50"),
     ("1.5", "KWD", "1.50"), ("1.234", "KWD", "1.234")],
)  # fmt: skip
def test_decimals_that_a_currency_lacks_are_left_out_unless_they_say_something(
    amount: str, currency: str, text: str
) -> None:
    assert amount_text(Decimal(amount), currency) == text


def test_bank_formats_write_yen_without_decimals() -> None:
    of = statement([entry(1, "-150000.00", currency="JPY")], account=account(currency="JPY"))
    lines = written("mt940", of).decode("ascii").split("\r\n")
    assert lines[4:6] == [":60F:C261001JPY100,", ":61:2610151015D150000,NTRFNONREF//1"]
    camt = written("camt053", of)
    assert b'<Amt Ccy="JPY">150000</Amt>' in camt
    assert b"<TtlNetNtryAmt>150000</TtlNetNtryAmt>" in camt


@pytest.mark.parametrize(("currency", "example"), [("EUR", "1000.00"), ("JPY", "1000.00"), ("KWD", "1000.000")])
def test_hledger_is_told_of_a_third_decimal(currency: str, example: str) -> None:
    content = written("hledger", statement(account=account(currency=currency))).decode()
    assert f"commodity {example} {currency}\n" in content
