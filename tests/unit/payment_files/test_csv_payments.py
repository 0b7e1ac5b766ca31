"""CSV files of spreadsheets and bookkeeping programs: encoding, delimiter and columns are found, amounts are echoed."""

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunqflask import invisible
from bunqflask.payment_files import csv_columns, csv_payments
from bunqflask.payment_files.csv_columns import ColumnMapping, propose
from tests.unit.payment_files.files import (
    GERMAN,
    ING,
    RABO,
    csv_file,
    lines_of,
    opened,
    read_csv,
    reasons_of,
)

DUTCH = ColumnMapping(name="Naam", iban="IBAN", amount="Bedrag", description="Omschrijving", reference="Kenmerk")


def test_a_dutch_file_is_read_line_by_line() -> None:
    content = csv_file(
        "Drukkerij Noord;NL39 RABO 0300 0652 64;1.234,56;Factuur 12, november;F-12",
        f"Café Zuid;{ING};€ 12,5;;",
    )
    found = read_csv(content)
    first, second = lines_of(found)

    assert (first.number, first.amount, first.amount_text) == (2, Decimal("1234.56"), "1.234,56")
    assert (first.name, first.iban, first.description) == ("Drukkerij Noord", RABO, "Factuur 12, november")
    assert (first.end_to_end_id, second.end_to_end_id, first.execution_day) == ("F-12", None, None)
    assert (second.name, second.amount, second.amount_text) == ("Café Zuid", Decimal("12.50"), "€ 12,5")
    assert found.total == Decimal("1247.06")  # type: ignore[union-attr]  # lines_of says which of both it is


@pytest.mark.parametrize(
    ("encoding", "named"),
    [("utf-8", "UTF-8"), ("utf-8-sig", "UTF-8"), ("cp1252", "Windows-1252"), ("utf-16", "UTF-16")],
)
def test_the_encoding_is_found_and_told(encoding: str, named: str) -> None:
    text = csv_file(f"Müller & Çelik – Straße;{GERMAN};1,00;€ 5 korting;").decode()
    content = text.encode(encoding)
    assert opened(content).encoding == named
    (line,) = lines_of(read_csv(content))
    assert (line.name, line.description) == ("Müller & Çelik – Straße", "€ 5 korting")


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_the_delimiter_is_found_also_where_amounts_and_texts_have_commas(delimiter: str) -> None:
    content = io.StringIO(newline="")
    writer = csv.writer(content, delimiter=delimiter)
    writer.writerow(["Naam", "Tegenrekening", "Bedrag", "Omschrijving"])
    writer.writerow(["Noord, Drukkerij", RABO, "1.234,56", "factuur 12, november; deel 1"])
    found = content.getvalue().encode()

    assert opened(found).delimiter == delimiter
    (line,) = lines_of(read_csv(found))
    assert (line.name, line.amount) == ("Noord, Drukkerij", Decimal("1234.56"))
    assert line.description == "factuur 12, november; deel 1"


def test_a_line_that_names_the_delimiter_is_obeyed_and_counted() -> None:
    content = b"sep=,\r\n" + csv_file(f"Noord,{RABO},12.50,x,", heading="Name,IBAN,Amount,Description,Reference")
    assert opened(content).delimiter == ","
    assert [line.number for line in lines_of(read_csv(content))] == [3]


def test_numbers_are_lines_of_the_file_also_after_empty_and_long_cells() -> None:
    content = csv_file("", f'Noord;{RABO};1,00;"twee\r\nregels";', ";;;;", f"West;{RABO};2,00;;", f"Oost;{ING};3;;")
    lines = lines_of(read_csv(content))
    assert [(line.number, line.description) for line in lines] == [(3, "twee regels"), (6, ""), (7, "")]


@pytest.mark.parametrize(
    "text", ["=1+1", "+31612345678", "@SUM(A1)", '=HYPERLINK("http://evil.example")', "-5", "=cmd|' /C calc'!A0"]
)
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    escaped = text.replace('"', '""')
    (line,) = lines_of(read_csv(csv_file(f'"{escaped}";{RABO};1,00;"{escaped}";')))
    assert line.name == line.description == text


@pytest.mark.parametrize(
    ("headings", "found"),
    [
        ("Naam;Tegenrekening;Bedrag;Omschrijving;Kenmerk", "Naam;Tegenrekening;Bedrag;Omschrijving;Kenmerk"),
        ("name;iban;amount;description;reference", "name;iban;amount;description;reference"),
        ("NAAM BEGUNSTIGDE;IBAN;Bedrag (EUR);Betreft", "NAAM BEGUNSTIGDE;IBAN;Bedrag (EUR);Betreft;"),
        ("Rekeningnummer;Tegenrekening;Naam;Te betalen", "Naam;Tegenrekening;Te betalen;;"),
        ("Leverancier;IBAN-nummer;Bedrag;Betalingskenmerk", "Leverancier;IBAN-nummer;Bedrag;;Betalingskenmerk"),
        ("Amount;End-to-end id;Payee;Beneficiary_IBAN", "Payee;Beneficiary_IBAN;Amount;;End-to-end id"),
        ("Naam;IBAN;IBAN;Bedrag", "Naam;;Bedrag;;"),
        ("Datum;Saldo;Rente", ";;;;"),
    ],
)
def test_columns_are_proposed_from_their_headings(headings: str, found: str) -> None:
    name, iban, amount, description, reference = found.split(";")
    assert propose(headings.split(";")) == ColumnMapping(
        name=name, iban=iban, amount=amount, description=description, reference=reference
    )


def test_no_heading_stands_for_two_values() -> None:
    every = [heading for headings in csv_columns.HEADINGS.values() for heading in headings]
    assert len(every) == len(set(every))


def test_a_mapping_can_name_any_columns() -> None:
    table = opened(csv_file(f"x;{RABO};5,00;y", heading="Wie;Waarheen;Hoeveel;Waarom"))
    chosen = ColumnMapping(name="Wie", iban="Waarheen", amount="Hoeveel", description="Waarom")
    (line,) = lines_of(csv_payments.read(table, chosen))
    assert (line.name, line.description, line.amount) == ("x", "y", Decimal("5.00"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": ""}, "No column is chosen for the names"),
        ({"iban": ""}, "No column is chosen for the IBANs"),
        ({"amount": ""}, "No column is chosen for the amounts"),
        ({"amount": "Saldo"}, "The file has no column “Saldo”"),
        ({"description": "Naam"}, "The column “Naam” is chosen twice"),
        ({"description": "Dubbel"}, "more than one column “Dubbel”"),
    ],
)
def test_a_mapping_that_does_not_fit_reads_nothing(changes: dict[str, str], why: str) -> None:
    table = opened(csv_file(f"N;{RABO};1,00;;;a;b", heading="Naam;IBAN;Bedrag;Omschrijving;Kenmerk;Dubbel;Dubbel"))
    (reason,) = reasons_of(csv_payments.read(table, ColumnMapping(**{**vars(DUTCH), **changes})))
    assert why in reason


def test_a_column_that_is_there_twice_does_no_harm_where_nobody_chose_it() -> None:
    table = opened(csv_file(f"N;{RABO};1,00;;;a;b", heading="Naam;IBAN;Bedrag;Omschrijving;Kenmerk;Dubbel;Dubbel"))
    assert len(lines_of(csv_payments.read(table, DUTCH))) == 1


def test_a_chosen_decimal_sign_makes_thousands_clear_and_nothing_else_does() -> None:
    content = csv_file(f"Noord;{RABO};1.234;;", f"West;{ING};5,00;;")
    assert reasons_of(read_csv(content)) == [
        "Line 2: the amount “1.234” can mean 1234 euros or 1.234: write the cents (1234,00), or say which sign stands "
        "before the cents in this file."
    ]
    assert [line.amount for line in lines_of(read_csv(content, ","))] == [Decimal("1234.00"), Decimal("5.00")]
    assert len(reasons_of(read_csv(content, "."))) == 2


def test_amounts_of_one_file_are_written_in_one_way() -> None:
    found = reasons_of(
        read_csv(csv_file(f"A;{RABO};7;;", f"B;{ING};1.234,56;;", f"C;{RABO};12.50;;", f"D;{ING};3,5;;"))
    )
    assert found == [
        "Line 4: the amount “12.50” has another sign before its cents than the first (Line 3): use one in all."
    ]


def test_a_column_of_currencies_has_to_say_euros() -> None:
    heading = "Naam;IBAN;Bedrag;Valuta"
    assert len(lines_of(read_csv(csv_file(f"N;{RABO};1,00;EUR", f"N;{RABO};1,00; eur ", heading=heading)))) == 2
    found = reasons_of(read_csv(csv_file(f"N;{RABO};1,00;USD", f"N;{RABO};1,00;", heading=heading)))
    assert [reason[:29] for reason in found] == ["Line 2: the currency is “USD”", "Line 3: the currency is “”, a"]


PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=30).filter(
    lambda text: invisible.remove(text) == text and text.split() == [text]
)


@given(
    st.lists(st.tuples(PLAIN, PLAIN, st.integers(1, 9_999_999)), min_size=1, max_size=8),
    st.sampled_from([";", ",", "\t"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["\r\n", "\n"]),
)
def test_every_file_that_a_program_writes_comes_back(
    payments: list[tuple[str, str, int]], delimiter: str, encoding: str, ending: str
) -> None:
    content = io.StringIO(newline="")
    writer = csv.writer(content, delimiter=delimiter, lineterminator=ending)
    writer.writerow(["Naam", "IBAN", "Bedrag", "Omschrijving"])
    for name, text, cents in payments:
        writer.writerow([name, RABO, f"{cents // 100},{cents % 100:02d}", text])
    lines = lines_of(read_csv(content.getvalue().encode(encoding)))
    assert [(line.name, line.description, int(line.amount * 100)) for line in lines] == payments
