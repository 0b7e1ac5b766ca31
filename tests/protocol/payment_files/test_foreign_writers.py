"""pain.001 files that five libraries of bookkeeping programs wrote, each read whole and to the cent."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bunqflask.payment_files import pain001
from bunqflask.payment_files.lines import PaymentFile
from tests.support.writers import Order, Writer
from tests.unit.payment_files.files import GERMAN, ING, OWN, RABO, lines_of, reasons_of

V03, V09 = "pain.001.001.03", "pain.001.001.09"
# Each program with the versions that it writes.
WRITERS = [
    ("sepaxml", V03),
    ("sepaxml", V09),
    ("sepa", V03),
    ("sepa", V09),
    ("sepa_xml", V03),
    ("sepa_generator", V03),
    ("pain001", V03),
    ("pain001", V09),
]
INVOICES = [
    Order(name="Drukkerij Noord", iban=RABO, cents=18_240, text="Factuur 12", reference="E-1", day="2026-12-01"),
    Order(name="Meubels & Zonen", iban=GERMAN, cents=123_456_789, text="Kast 3", reference="E-2", day="2026-12-01"),
    Order(name="Energie Direct", iban=ING, cents=1, text="Restbedrag", reference="E-3", day="2026-12-01"),
]


@pytest.fixture(scope="module", params=WRITERS, ids=lambda each: f"{each[0]}-{each[1][-2:]}")
def writer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Writer, str]]:
    name, version = request.param
    found = Writer(name, tmp_path_factory.mktemp(name))
    yield found, version
    found.close()


def check(content: bytes, orders: list[Order]) -> PaymentFile:
    """Check that a file is read as the payments that it was written of."""
    found = pain001.read(content)
    lines = lines_of(found)
    assert isinstance(found, PaymentFile)
    assert [(line.number, int(line.amount * 100)) for line in lines] == [
        (number, order.cents) for number, order in enumerate(orders, start=1)
    ]
    assert [(line.name, line.iban, line.end_to_end_id) for line in lines] == [
        (order.name, order.iban, order.reference) for order in orders
    ]
    assert all(order.text in line.description for line, order in zip(lines, orders, strict=True))
    assert [line.execution_day for line in lines] == [date.fromisoformat(order.day) for order in orders]
    assert (found.debtor_iban, int(found.total * 100)) == (OWN, sum(order.cents for order in orders))
    return found


def test_what_a_program_writes_is_read_whole(writer: tuple[Writer, str]) -> None:
    program, version = writer
    check(program.write(version, OWN, INVOICES), INVOICES)


WORDS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=30)
ORDERS = st.lists(
    st.builds(
        Order,
        name=WORDS,
        iban=st.sampled_from([RABO, ING, GERMAN]),
        cents=st.integers(1, 99_999_999),
        text=WORDS,
        reference=WORDS,
        day=st.just("2026-12-01"),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda order: order.reference,
)


# Without shrinking: a program that gave up is started anew for each example.
@settings(max_examples=10, deadline=None, phases=[Phase.generate])
@given(orders=ORDERS)
def test_all_amounts_that_a_program_writes_come_back_to_the_cent(
    writer: tuple[Writer, str], orders: list[Order]
) -> None:
    program, version = writer
    check(program.write(version, OWN, orders), orders)


def test_a_file_that_was_changed_after_it_was_written_is_refused(writer: tuple[Writer, str]) -> None:
    program, version = writer
    content = program.write(version, OWN, INVOICES)
    for old, new in ((RABO, RABO[:-1] + "5"), (">182.4", ">192.4"), ("E-2", "E-1"), ('Ccy="EUR"', 'Ccy="USD"')):
        assert old.encode() in content, old
        assert reasons_of(pain001.read(content.replace(old.encode(), new.encode())))


def test_an_account_that_does_not_exist_is_refused_where_the_program_lets_it_through(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    program = Writer("sepa_generator", tmp_path_factory.mktemp("wrong"))
    wrong = [replace(INVOICES[0], iban="NL38RABO0300065264")]
    (reason,) = reasons_of(pain001.read(program.write(V03, OWN, wrong)))
    program.close()
    assert reason.startswith("Payment 1: the IBAN “NL38RABO0300065264” has a typing error")
