"""The page about payment files says what is read, refused and marked."""

import re

import pytest

from bunqflask.payment_files import amounts, lines, marks
from bunqflask.payment_files.csv_columns import HEADINGS
from bunqflask.payment_files.marks import MarkKind
from tests.support import documents

PAGE = (documents.ROOT / "docs" / "reference" / "payment-files.md").read_text(encoding="utf-8")


def rows_below(heading: str) -> list[list[str]]:
    """Return the cells of the rows of the tables below a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = (line for line in section.splitlines() if line.startswith("| "))
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def test_the_limits_are_those_of_the_code() -> None:
    _heading, *rows = rows_below("Limits")
    stated = {name: re.findall("[0-9.,]*[0-9]", value.partition("(")[0])[-1] for name, value in rows}
    assert stated == {
        "size of a file": str(lines.MOST_BYTES // 1024**2),
        "payments in a file": str(lines.MOST_LINES),
        "payments in a draft": str(lines.MOST_PER_DRAFT),
        "description": str(lines.LONGEST_DESCRIPTION),
        "name of the receiver": str(lines.LONGEST_NAME),
        "reference": str(lines.LONGEST_REFERENCE),
        "amount": f"{amounts.LARGEST:,}",
        "faults that are named": str(lines.MOST_FAULTS),
    }


def test_every_heading_that_is_known_is_listed_in_its_order() -> None:
    listed = [cells[1].split(", ") for cells in rows_below("CSV")][1 : len(HEADINGS) + 1]
    assert listed == [list(headings) for headings in HEADINGS.values()]


AMOUNTS = [(text, cells[1]) for cells in rows_below("CSV") for text in re.findall("`([^`]+)`", cells[0])]


@pytest.mark.parametrize(("text", "meaning"), AMOUNTS)
def test_an_amount_of_the_page_is_read_as_it_says(text: str, meaning: str) -> None:
    if meaning.startswith("refused"):
        with pytest.raises(amounts.NotAnAmount):
            amounts.read(text)
    else:
        assert f"{amounts.read(text).amount}" == meaning


def test_there_are_amounts_of_both_kinds_on_the_page() -> None:
    assert len(AMOUNTS) > 10
    assert {meaning.startswith("refused") for _text, meaning in AMOUNTS} == {True, False}


def test_every_mark_is_listed_with_the_numbers_of_its_rule() -> None:
    _heading, *rows = rows_below("Marks")
    rules = {name.strip("`"): rule for name, rule in rows}
    assert list(rules) == [kind.value for kind in MarkKind]
    assert f"within {marks.SAME_AMOUNT_WITHIN.days} days" in rules["paid_before"]
    assert f"within {marks.SAME_DESCRIPTION_WITHIN.days} days" in rules["paid_before"]
    assert f"at least €{marks.UNUSUAL_AT_LEAST:.0f} more" in rules["unusual_amount"]
