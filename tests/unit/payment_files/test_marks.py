"""What a preview marks, by the rule of each mark; and that it marks nothing else."""

import time
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bunqflask.i18n import speaking
from bunqflask.payment_files import marks
from bunqflask.payment_files.lines import MOST_LINES, PaymentLine
from bunqflask.payment_files.marks import EarlierPayment, Facts, Mark, MarkKind, comparable_name, marks_of
from tests.unit.payment_files.files import GERMAN, ING, RABO

TODAY = date(2026, 11, 29)


def a_line(
    number: int = 1,
    amount: str = "100.00",
    *,
    name: str = "P. Jansen",
    iban: str = RABO,
    description: str = "Salaris november",
    execution_day: date | None = None,
) -> PaymentLine:
    return PaymentLine(
        number=number,
        amount=Decimal(amount),
        amount_text=amount,
        name=name,
        iban=iban,
        description=description,
        execution_day=execution_day,
    )


def earlier(
    days_ago: int, amount: str = "100.00", description: str = "Salaris november", **more: bool
) -> EarlierPayment:
    day = TODAY - timedelta(days=days_ago)
    return EarlierPayment(iban=RABO, amount=Decimal(amount), description=description, day=day, **more)


def kinds(found: Sequence[Mark]) -> list[tuple[int, MarkKind]]:
    return [(mark.line, mark.kind) for mark in found]


def test_a_payment_like_all_before_has_no_mark() -> None:
    facts = Facts(
        today=TODAY,
        payees={RABO: ["P. Jansen"]},
        usual_amounts={RABO: [Decimal("100.00")]},
        recent=[earlier(30)],
        balance=Decimal("100.00"),
    )
    assert marks_of([a_line(execution_day=TODAY)], facts) == []


def test_an_iban_that_was_never_paid_is_marked() -> None:
    (mark,) = marks_of([a_line()], Facts(today=TODAY, payees={ING: ["Energie Direct"]}))
    assert (mark.line, mark.kind) == (1, MarkKind.UNKNOWN_PAYEE)


@pytest.mark.parametrize(
    "name", ["P. Jansen", "p jansen", "P.  JANSEN", "Jansen, P.", "Dhr. P. Jansen", "P. Jánsen", "P.\u200b Jansen"]
)
def test_another_iban_for_a_known_name_is_marked_in_each_spelling(name: str) -> None:
    (mark,) = marks_of([a_line(name=name, iban=ING)], Facts(today=TODAY, payees={RABO: ["P. Jansen"]}))
    assert mark.kind == MarkKind.CHANGED_IBAN
    assert RABO in mark.text


def test_an_iban_that_a_name_had_before_is_not_changed() -> None:
    payees = {RABO: ["P. Jansen"], ING: ["P. Jansen", "Jansen"]}
    assert marks_of([a_line(iban=ING)], Facts(today=TODAY, payees=payees)) == []


def test_a_name_with_many_ibans_names_the_first_three() -> None:
    payees = {f"NL{number}": ["Noord B.V."] for number in range(10, 20)}
    (mark,) = marks_of([a_line(name="Noord")], Facts(today=TODAY, payees=payees))
    assert "NL10, NL11, NL12…" in mark.text


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Drukkerij Noord B.V.", "drukkerij noord", True),
        ("Drukkerij Noord BV", "Drukkerij Noord b.v.", True),
        ("Müller GmbH", "MULLER", True),
        ("Straße 7", "STRASSE 7", True),
        ("O'Brien", "OBrien", True),
        ("Jansen-de Vries", "de Vries Jansen", True),
        ("B.V.", "bv", True),
        ("Noord", "Zuid", False),
        ("Jansen", "Janssen", False),
        ("B.V.", "N.V.", False),
        ("P. Jansen", "J. Jansen", False),
    ],
)
def test_names_are_compared_without_what_spellings_differ_in(one: str, other: str, same: bool) -> None:
    assert (comparable_name(one) == comparable_name(other)) is same


@given(st.text(max_size=40))
@example("\U0001d790")
def test_a_name_that_was_made_comparable_stays_as_it_is(name: str) -> None:
    assert comparable_name(comparable_name(name)) == comparable_name(name)


def test_the_same_payment_twice_in_a_file_is_marked_once_for_each_later_one() -> None:
    lines = [
        a_line(2),
        a_line(3, iban=ING),
        a_line(4, description=" salaris  NOVEMBER"),
        a_line(5, description="Bonus"),
    ]
    found = list(marks.duplicates_in_file(lines))
    assert kinds(found) == [(4, MarkKind.TWICE_IN_FILE), (5, MarkKind.TWICE_IN_FILE)]
    assert "amount and description as number 2" in found[0].text
    assert "as number 2, with another description" in found[1].text


def test_another_amount_is_no_duplicate() -> None:
    assert list(marks.duplicates_in_file([a_line(1, "100.00"), a_line(2, "100.01")])) == []


@pytest.mark.parametrize(
    ("before", "is_marked"),
    [
        (earlier(0), True),
        (earlier(25), True),
        (earlier(26), False),
        (earlier(25, description="SALARIS november "), True),
        (earlier(7, description="Bonus"), True),
        (earlier(8, description="Bonus"), False),
        (earlier(1, amount="100.01"), False),
        (earlier(60, description="Bonus", is_draft=True), True),
    ],
)
def test_what_was_paid_lately_is_marked(before: EarlierPayment, is_marked: bool) -> None:
    found = list(marks.paid_before([a_line()], [before], TODAY))
    assert kinds(found) == ([(1, MarkKind.PAID_BEFORE)] if is_marked else [])


def test_a_payment_of_lately_is_named_with_its_day_in_the_language_of_the_page() -> None:
    recent = [earlier(15), earlier(20)]
    (mark,) = marks.paid_before([a_line()], recent, TODAY)
    assert "on 14 November 2026: “Salaris november”" in mark.text
    with speaking("nl"):
        (mark,) = marks.paid_before([a_line()], recent, TODAY)
    assert "14 november 2026" in mark.text


@pytest.mark.parametrize(
    ("amount", "before", "is_marked"),
    [
        ("2400.00", ["1600.00", "1600.00"], True),
        ("2399.99", ["1600.00", "1600.00"], False),
        ("2400.00", ["1600.00", "2000.00"], False),
        ("12.00", ["3.00"], False),
        ("13.00", ["3.00"], True),
        ("1234.00", ["12.34"], True),
        ("1000000.00", [], False),
    ],
)
def test_an_amount_far_above_all_before_is_marked(amount: str, before: list[str], is_marked: bool) -> None:
    usual = {RABO: [Decimal(each) for each in before]}
    found = list(marks.unusual_amounts([a_line(amount=amount)], usual))
    assert kinds(found) == ([(1, MarkKind.UNUSUAL_AMOUNT)] if is_marked else [])


def test_lines_beyond_the_balance_are_marked_with_what_is_short() -> None:
    lines = [a_line(1, "12000.00"), a_line(2, "480.37"), a_line(3, "3078.10")]
    (mark,) = marks.over_balance(lines, Decimal("12480.37"))
    assert (mark.line, mark.kind) == (3, MarkKind.OVER_BALANCE)
    assert "adds up to €15,558.47; the account has €12,480.37 and is €3,078.10 short" in mark.text


def test_an_account_below_zero_is_short_from_the_first_line_on() -> None:
    found = list(marks.over_balance([a_line(1, "1.00"), a_line(2, "2.00")], Decimal("-5.00")))
    assert kinds(found) == [(1, MarkKind.OVER_BALANCE), (2, MarkKind.OVER_BALANCE)]
    assert "the account has −€5.00 and is €6.00 short" in found[0].text


def test_an_unknown_balance_marks_nothing() -> None:
    assert list(marks.over_balance([a_line(amount="999999999.99")], None)) == []


@given(st.lists(st.integers(1, 1_000_000), max_size=20), st.integers(0, 5_000_000))
def test_a_file_is_over_the_balance_where_its_sum_is(cents: list[int], balance: int) -> None:
    lines = [a_line(number, f"{each / 100:.2f}") for number, each in enumerate(cents)]
    found = list(marks.over_balance(lines, Decimal(balance) / 100))
    assert bool(found) == (sum(cents) > balance)


def test_a_later_day_is_reported_and_today_is_not() -> None:
    lines = [a_line(1, execution_day=TODAY), a_line(2, execution_day=TODAY + timedelta(days=3)), a_line(3)]
    (mark,) = marks.later_days(lines, TODAY)
    assert (mark.line, mark.kind) == (2, MarkKind.LATER_DAY)
    assert "paid on 2 December 2026" in mark.text


def test_all_marks_come_in_the_order_of_the_lines_and_in_whole_sentences() -> None:
    lines = [
        a_line(1, "100.00", iban=ING),
        a_line(2, "5000.00", execution_day=TODAY + timedelta(days=1)),
        a_line(3, "5000.00", name="Iemand", iban=GERMAN),
        a_line(4, "5000.00"),
    ]
    facts = Facts(
        today=TODAY,
        payees={RABO: ["P. Jansen"]},
        usual_amounts={RABO: [Decimal("100.00")]},
        recent=[earlier(3, "5000.00")],
        balance=Decimal("6000.00"),
    )
    found = marks_of(lines, facts)
    assert kinds(found) == [
        (1, MarkKind.CHANGED_IBAN),
        (2, MarkKind.PAID_BEFORE),
        (2, MarkKind.UNUSUAL_AMOUNT),
        (2, MarkKind.LATER_DAY),
        (3, MarkKind.UNKNOWN_PAYEE),
        (3, MarkKind.OVER_BALANCE),
        (4, MarkKind.TWICE_IN_FILE),
        (4, MarkKind.PAID_BEFORE),
        (4, MarkKind.UNUSUAL_AMOUNT),
        (4, MarkKind.OVER_BALANCE),
    ]
    assert all((mark.text.endswith(".") and mark.text[0].isupper()) or mark.text[0] == "“" for mark in found)


def test_the_largest_file_is_marked_within_two_seconds_beside_a_long_past() -> None:
    lines = [a_line(number, f"{number}.00", name=f"Naam {number}") for number in range(1, MOST_LINES + 1)]
    facts = Facts(
        today=TODAY,
        payees={f"NL{number:016d}": [f"Naam {number}", f"Naam {number} B.V."] for number in range(5_000)},
        usual_amounts={RABO: [Decimal(number) for number in range(1_000)]},
        recent=[earlier(number % 25, f"{number}.00") for number in range(5_000)],
        balance=Decimal("1.00"),
    )
    began = time.process_time()
    found = marks_of(lines, facts)
    assert time.process_time() - began < 2.0
    assert len(found) > MOST_LINES
