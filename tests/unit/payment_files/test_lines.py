"""Lines that every format becomes: their limits, all faults at once, and drafts of as many as bunq takes."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunqflask.payment_files import lines
from bunqflask.payment_files.lines import (
    LONGEST_DESCRIPTION,
    LONGEST_NAME,
    LONGEST_REFERENCE,
    MOST_FAULTS,
    MOST_PER_DRAFT,
    FileRefused,
    PaymentLine,
    split_into_drafts,
)
from bunqflask.sandbox.bank import drafts
from tests.unit.payment_files.files import RABO, csv_file, lines_of, read_csv, reasons_of


def a_line(number: int) -> PaymentLine:
    return PaymentLine(
        number=number, amount=Decimal("1.00"), amount_text="1,00", name="Noord", iban=RABO, description=""
    )


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (350, [350]), (351, [350, 1]), (1000, [350, 350, 300])]
)
def test_a_file_becomes_as_few_drafts_as_bunq_allows(count: int, sizes: list[int]) -> None:
    assert [len(draft) for draft in split_into_drafts([a_line(n) for n in range(count)])] == sizes


@given(st.integers(0, 60), st.integers(1, 20))
def test_each_line_is_in_exactly_one_draft_in_the_order_of_the_file(count: int, largest: int) -> None:
    found = split_into_drafts([a_line(number) for number in range(count)], largest)
    assert [line.number for draft in found for line in draft] == list(range(count))
    assert all(0 < len(draft) <= largest for draft in found)
    assert len(found) == -(-count // largest)


def test_the_stand_in_for_bunq_takes_as_many_payments_in_a_draft() -> None:
    assert drafts.ENTRIES_MAXIMUM == MOST_PER_DRAFT


def test_texts_of_the_longest_length_are_taken_whole() -> None:
    name, text, reference = "n" * LONGEST_NAME, "ë" * LONGEST_DESCRIPTION, "r" * LONGEST_REFERENCE
    (line,) = lines_of(read_csv(csv_file(f"{name};{RABO};1,00;{text};{reference}")))
    assert (line.name, line.description, line.end_to_end_id) == (name, text, reference)


def test_texts_that_are_too_long_are_refused_and_not_cut() -> None:
    name, text, reference = "n" * (LONGEST_NAME + 1), "ë" * (LONGEST_DESCRIPTION + 1), "r" * (LONGEST_REFERENCE + 1)
    found = reasons_of(read_csv(csv_file(f"{name};{RABO};1,00;{text};{reference}")))
    assert len(found) == 3
    assert all(reason.endswith("shorten it.") for reason in found)
    assert "71 characters" in found[0]
    assert "141 characters, and bunq takes 140" in found[1]
    assert name not in found[0], "a reason stays short"


def test_one_fault_means_that_no_line_is_taken() -> None:
    found = read_csv(csv_file(f"Noord;{RABO};1,00;;", f";{RABO};2,00;;", f"West;{RABO};3,00;;"))
    assert reasons_of(found) == ["Line 3: the name of the receiver is missing: write one."]
    assert not hasattr(found, "lines")


def test_all_faults_are_named_but_not_without_end() -> None:
    found = read_csv(csv_file(*["Noord;X;1,00;;"] * (MOST_FAULTS + 7)))
    assert isinstance(found, FileRefused)
    assert len(found.faults) == MOST_FAULTS
    assert found.left_out == 7
    assert [fault.line for fault in found.faults] == list(range(2, MOST_FAULTS + 2))


def test_what_nobody_sees_is_not_in_a_line() -> None:
    (line,) = lines_of(read_csv(csv_file(f"Bak\u00adkerij \u202eZon;{RABO};1,00;a\u200bb\t c;")))
    assert (line.name, line.description) == ("Bakkerij Zon", "ab c")


def test_a_quotation_is_one_short_line() -> None:
    assert lines.quoted("a\nb") == "“a b”"
    assert lines.quoted("x" * 500) == f"“{'x' * 59}…”"
