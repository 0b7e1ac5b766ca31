"""Days, sums and doubts of a statement, before any format comes in."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunqflask.exports.formats import FORMATS
from bunqflask.exports.statement import Entry, StatementBroken, booked, caution, decimal_text, is_verified, totals_of
from tests.unit.exports.statements import account, entry, statement, written


@pytest.mark.parametrize(
    ("utc", "day"),
    [
        ("2026-10-15 21:59:59", "2026-10-15"),  # summer time: midnight is 22:00 UTC
        ("2026-10-15 22:00:00", "2026-10-16"),
        ("2026-10-15 23:30:00", "2026-10-16"),
        ("2026-10-24 22:00:00", "2026-10-25"),  # the day with 25 hours begins in summer time
        ("2026-10-25 22:59:59", "2026-10-25"),  # and ends in winter time
        ("2026-10-25 23:00:00", "2026-10-26"),
        ("2026-10-30 22:30:00", "2026-10-30"),
        ("2026-10-30 23:30:00", "2026-10-31"),
    ],
)
def test_a_payment_lands_on_its_local_day(utc: str, day: str) -> None:
    ((local, _),) = booked(statement([entry(booked_at=utc)]))
    assert local.date().isoformat() == day


# What marks the line with a payment's day.
_OF_A_PAYMENT = {
    "csv": "Bread",
    "jsonl": "Bread",
    "camt053": "<Ntry>",
    "ofx": "<STMTTRN>",
    "hledger": "Bread",
    "beancount": "Bread",
    "mt940": ":61:",
    "qif": "D03",
}


@pytest.mark.parametrize(
    ("utc", "day"),
    [
        ("2026-03-28 23:00:00", "2026-03-29"),  # the day with 23 hours
        ("2026-03-29 21:59:59", "2026-03-29"),
        ("2026-03-29 22:00:00", "2026-03-30"),
    ],
)
@pytest.mark.parametrize("name", _OF_A_PAYMENT)
def test_every_format_agrees_on_the_day_at_the_change_to_summer_time(name: str, utc: str, day: str) -> None:
    march = statement([entry(booked_at=utc)], first_day=date(2026, 3, 29), last_day=date(2026, 3, 30))
    year, month, number = day.split("-")
    spelled = {
        "mt940": f":61:{year[2:]}{month}{number}",
        "qif": f"D{month}/{number}/{year}",
        "ofx": f"<DTPOSTED>{year}{month}{number}",
    }
    lines = written(name, march).decode().splitlines()
    about_the_payment = [line for line in lines if _OF_A_PAYMENT[name] in line]
    assert [spelled.get(name, day) in line for line in about_the_payment] == [True]


@pytest.mark.parametrize("utc", ["2026-09-30 21:59:59", "2026-10-31 23:00:00"])
@pytest.mark.parametrize("name", FORMATS)
def test_no_format_takes_a_payment_of_another_day(name: str, utc: str) -> None:
    with pytest.raises(StatementBroken, match="payment 1 was booked outside 2026-10-01 to 2026-10-31"):
        written(name, statement([entry(booked_at=utc)]))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (entry(currency="USD"), "not in EUR"),
        (replace(entry(), booked_at=entry().booked_at.replace(tzinfo=None)), "without a zone"),
        (entry(amount="NaN"), "no usable amount"),
        (entry(amount="Infinity"), "no usable amount"),
        (entry(amount="1000000000000000"), "no usable amount"),
    ],
)
def test_no_format_takes_an_entry_that_cannot_be_summed(name: str, broken: Entry, words: str) -> None:
    with pytest.raises(StatementBroken, match=words):
        written(name, statement([broken]))


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "€€€", "E\nR"])
def test_a_currency_is_three_letters(currency: str) -> None:
    with pytest.raises(StatementBroken, match="ISO 4217"):
        list(booked(statement(account=account(currency=currency))))


def test_the_error_names_no_person() -> None:
    with pytest.raises(StatementBroken) as caught:
        written("csv", statement([entry(currency="USD", counterparty_name="Jodi", description="Secret")]))
    assert "Jodi" not in str(caught.value)
    assert "Secret" not in str(caught.value)


def test_unknown_balances_are_taken_from_what_is_known() -> None:
    entries = [entry(1, "10.00", balance_after=Decimal("60.00")), entry(2, "-4.00", balance_after=Decimal("56.00"))]
    from_closing = totals_of(statement(entries, opening=None, closing=Decimal("106.00")))
    assert (from_closing.opening, from_closing.known) == (Decimal("100.00"), True)
    from_entries = totals_of(statement(entries, opening=None))
    assert (from_entries.opening, from_entries.closing) == (Decimal("50.00"), Decimal("56.00"))
    from_nothing = totals_of(statement([entry(1, "10.00")], opening=None))
    assert (from_nothing.opening, from_nothing.closing, from_nothing.known) == (Decimal(), Decimal("10.00"), False)


def test_a_statement_whose_sums_contradict_it_is_not_verified() -> None:
    wrong = statement([entry(amount="10.00")], opening=Decimal("100.00"), closing=Decimal("110.01"))
    assert not is_verified(wrong, totals_of(wrong))
    assert caution(wrong, totals_of(wrong)).startswith("NOT VERIFIED COMPLETE.")
    right = replace(wrong, closing=Decimal("110.00"))
    assert is_verified(right, totals_of(right))
    assert caution(right, totals_of(right)) == ""


def test_an_unverified_statement_says_why() -> None:
    doubtful = statement([], verified=False, notice="A gap on 2026-10-03.")
    assert caution(doubtful) == "NOT VERIFIED COMPLETE. A gap on 2026-10-03."


# In columns of their own, or nowhere.
TABLES = ("csv", "csv-comma", "bunq-csv", "bunq-csv-comma", "xlsx", "notes")


@pytest.mark.parametrize("name", sorted(set(FORMATS) - set(TABLES) - {"qif"}))
def test_formats_with_room_for_words_say_that_a_period_is_not_verified(name: str) -> None:
    text = written(name, statement([entry()], verified=False, notice="A gap.")).decode()
    said = ("NOT VERIFIED COMPLETE. A gap.", '"verified":false,"notice":"A gap."', ":20:NOTVERIFIED\r\n")
    assert any(words in text for words in said)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"xlsx", "mt940", "qif", "bunq-csv", "bunq-csv-comma", "notes"}))
def test_formats_with_room_for_it_name_the_zone(name: str) -> None:
    of = statement([entry()], zone=ZoneInfo("Pacific/Kiritimati"))
    assert "Pacific/Kiritimati" in written(name, of).decode()


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**14), max_value=10**14))
def test_an_amount_is_written_exactly(amount: Decimal) -> None:
    text = decimal_text(amount)
    assert Decimal(text) == amount
    assert "E" not in text
    assert text.partition(".")[2].isdigit()
    assert len(text.partition(".")[2]) == 2


@pytest.mark.parametrize(
    ("amount", "text"),
    [("-0.00", "0.00"), ("0", "0.00"), ("5", "5.00"), ("-5.5", "-5.50"), ("1E+3", "1000.00"), ("1.2345", "1.2345"),
     ("1.23000", "1.23"), ("0.001", "0.001")],
)  # fmt: skip
def test_an_amount_has_two_decimals_or_as_many_as_it_needs(amount: str, text: str) -> None:
    assert decimal_text(Decimal(amount)) == text


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_statement_gives_the_same_bytes(name: str) -> None:
    of = statement([entry(1, "10.00"), entry(2, "-3.33", "2026-10-25 00:30")])
    assert written(name, of) == written(name, of)
    assert written(name, [of]) == written(name, of)


@pytest.mark.parametrize("name", FORMATS)
def test_a_period_without_payments_is_still_a_file(name: str) -> None:
    assert written(name, statement([]))
