"""What pages of payments say: amounts as people write them, filters told back, days in this site's zone."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from bunqflask.models import ConnectionState
from bunqflask.services.connections.overview import AccountBalance, ConnectionOverview
from bunqflask.services.payments.filters import Filter
from bunqflask.services.payments.repository import Scope
from bunqflask.web.payments import filter_form, presenters
from bunqflask.web.payments.amount_input import Ambiguous, NotAnAmount, parse
from bunqflask.web.ui import formatting

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MAIN = AccountBalance(
    id=7,
    connection_id=1,
    monetary_account_id=1,
    name="Main",
    wrapper="MonetaryAccountBank",
    iban=None,
    currency="EUR",
    balance=None,
    status="ACTIVE",
    sub_status="NONE",
    color=None,
    savings_goal=None,
    updated_at=None,
)
SCOPE = Scope(
    (
        ConnectionOverview(
            id=1,
            holder_name="Jodi Walker",
            holder_type="UserPerson",
            granted_user_id=1,
            state=ConnectionState.ACTIVE,
            state_since=NOON,
            accounts_synced_at=NOON,
            error_kind=None,
            error_facts=None,
            next_try_at=None,
            may_manage=True,
            accounts=(MAIN,),
            is_stale=False,
            is_due=True,
            is_syncing=False,
            is_requested=False,
        ),
    )
)


def asked(**given: str) -> filter_form.Asked:
    return filter_form.read(MultiDict({name.rstrip("_"): value for name, value in given.items()}), SCOPE)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1234.5", "1234.5"),
        ("1.234,50", "1234.50"),
        ("1,234.50", "1234.50"),
        ("1,234,567.89", "1234567.89"),
        ("1.234.567", "1234567"),
        ("12,5", "12.5"),
        ("0.234", "0.234"),
        ("1234,567", "1234.567"),
        ("€ 1 234,50", "1234.50"),
        ("1’234.50", "1234.50"),
        ("12", "12"),
    ],
)
def test_an_amount_is_read_as_people_write_it(text: str, value: str) -> None:
    assert parse(text) == Decimal(value)


@pytest.mark.parametrize("text", ["1.234", "1,234", "999.000"])
def test_an_amount_with_two_meanings_is_asked_back_in_words_that_work(text: str) -> None:
    with pytest.raises(Ambiguous) as raised:
        parse(text)
    plain = text.replace(",", ".")
    assert parse(raised.value.thousands) == Decimal(plain.replace(".", ""))
    assert parse(raised.value.decimals) == Decimal(plain)


@pytest.mark.parametrize(
    "text", ["", "abc", "1..2", "-5", "1.234.50", "1,23,456", "1.234,567", "1,234,50", "٣", "1e9", "9" * 15, "NaN"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(NotAnAmount):
        parse(text)


@given(st.decimals(min_value=0, max_value=10**11, places=2))
def test_every_amount_is_read_back_from_each_way_to_write_it(value: Decimal) -> None:
    english = f"{value:,.2f}"
    dutch = english.translate(str.maketrans(",.", ".,"))
    assert parse(str(value)) == parse(english) == parse(dutch) == value


@given(st.text(max_size=30))
def test_no_text_breaks_a_filter(text: str) -> None:
    for name in filter_form.NAMES:
        found = filter_form.read(MultiDict({name: text}), SCOPE)
        assert not text.strip() or name in found.values
        assert not (name in found.errors and any(name not in chip.without for chip in found.chips))


def test_days_are_days_of_this_zone() -> None:
    wanted = asked(from_="2026-03-29", to="2026-03-29").wanted
    assert (wanted.first_day, wanted.last_day) == (date(2026, 3, 29), date(2026, 3, 29))


def test_nothing_asked_is_everything() -> None:
    assert asked(q="  ", min="", direction="").wanted == Filter()


def test_words_that_are_an_amount_find_it_too() -> None:
    assert asked(q="−42,50").wanted.amount == Decimal("42.50")
    assert asked(q="1.234").wanted.amount is None
    assert asked(q="café").wanted.amount is None


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        ("min", "1.234", "Type 1234 or 1.2340"),
        ("min", "ten", "like 12.50"),
        ("max", "-5", "Leave out the plus or minus"),
        ("from", "22-11-2026", "like 2026-11-22"),
        ("to", "0001-01-01", "like 2026-11-22"),
        ("q", "!?", "at least one letter or digit"),
        ("account", "8", "isn’t shared with you"),
        ("account", "²", "isn’t shared with you"),
        ("direction", "sideways", "In or Out"),
        ("type", "<b>", "one of the types"),
    ],
)
def test_what_is_not_understood_is_said_at_its_field_and_kept(field: str, text: str, says: str) -> None:
    found = filter_form.read(MultiDict({field: text}), SCOPE)
    assert says in found.errors[field]
    assert found.values[field] == ([text] if field == "account" else text)
    assert not found.chips


def test_several_accounts_are_each_a_filter() -> None:
    found = filter_form.read(MultiDict([("account", "7"), ("account", "7"), ("account", "8")]), SCOPE)
    assert (found.values["account"], set(found.errors)) == (["7", "8"], {"account"})
    found = filter_form.read(MultiDict([("account", "7"), ("holder", "1")]), SCOPE)
    assert found.wanted.account_ids == frozenset([7])
    assert [(chip.text, chip.without) for chip in found.chips] == [
        ("Jodi Walker", {"account": ["7"]}),
        ("Main", {"holder": "1"}),
    ]
    assert asked(holder="2").errors
    assert asked(holder="²").errors


def test_the_days_of_a_month_are_one_filter() -> None:
    found = asked(from_="2026-02-01", to="2026-02-28")
    assert found.month == date(2026, 2, 1)
    assert [(chip.text, chip.without) for chip in found.chips] == [("February 2026", {})]
    assert asked(from_="2026-02-01", to="2026-02-27").month is None


def test_limits_that_cross_are_told_at_the_second() -> None:
    assert set(asked(min="10", max="5").errors) == {"max"}
    assert set(asked(from_="2026-02-02", to="2026-02-01").errors) == {"to"}


def test_each_chip_takes_away_its_own_filter() -> None:
    found = asked(q="café", direction="out", account="7", min="5", from_="2026-11-22", type="IDEAL")
    texts = {chip.text: set(found.values) - set(chip.without) for chip in found.chips}
    assert texts == {
        "“café”": {"q"},
        "Money out": {"direction"},
        "Main": {"account"},
        "At least 5": {"min"},
        "From 22 Nov 2026": {"from"},
        "iDEAL": {"type"},
    }


@pytest.mark.parametrize(
    ("day", "title"),
    [
        (date(2026, 11, 22), "Today, 22 November"),
        (date(2026, 11, 21), "Yesterday, 21 November"),
        (date(2026, 11, 20), "Friday 20 November"),
        (date(2025, 11, 20), "Thursday 20 November 2025"),
    ],
)
def test_a_day_is_named_as_people_name_it(day: date, title: str) -> None:
    assert presenters.day_title(day, date(2026, 11, 22)) == title


def test_a_type_nobody_knows_keeps_bunqs_name() -> None:
    assert filter_form.type_label("EBA_SDD") == "Direct debit"
    assert filter_form.type_label("NEW_KIND") == "New kind"


def test_raw_json_shows_what_is_invisible() -> None:
    text = presenters.readable_json({"name": "a\u202eb\u200b", "é": "\U000e0041"})
    assert "\\u202e" in text
    assert "\u202e" not in text
    assert "é" in text
    assert "\U000e0041" not in text


def test_the_zone_of_the_site_is_the_one_of_the_tests() -> None:
    assert formatting.zone().key == "Europe/Amsterdam"
