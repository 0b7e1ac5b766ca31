"""How money, dates and names read on a page."""

import unicodedata
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from babel.numbers import format_currency, get_currency_symbol
from flask import Flask, render_template_string
from hypothesis import given
from hypothesis import strategies as st

from bunqflask.web.ui import formatting

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("4118.00", "EUR", "€4,118.00"),
        ("-182.4", "EUR", "−€182.40"),
        ("-1234567.89", "EUR", "−€1,234,567.89"),
        ("1204.5", "USD", "$1,204.50"),
        ("0", "EUR", "€0.00"),
        ("5", "XBT", "XBT\xa05.00"),
    ],
)
def test_money_reads_as_people_write_it(amount: str, currency: str, text: str) -> None:
    assert formatting.money(Decimal(amount), currency) == text


def test_dutch_money_puts_the_sign_after_the_currency() -> None:
    assert formatting.money(Decimal("-182.40"), "EUR", locale="nl") == "€\xa0−182,40"


def test_money_is_never_rounded() -> None:
    assert formatting.money(Decimal("1.239"), "EUR") == "€1.239"


@given(
    st.integers(-(10**18), 10**18).map(lambda units: Decimal(units) / 10_000)
    | st.integers(-(10**16), 10**16).map(lambda cents: Decimal(cents) / 100),
    st.sampled_from(["EUR", "USD", "JPY", "KWD", "CHF", "XBT"]),
    st.sampled_from(["en", "nl", "de", "en_IN"]),
)
def test_money_is_written_as_babel_has_it(amount: Decimal, currency: str, locale: str) -> None:
    symbol = get_currency_symbol(currency, locale)
    text = format_currency(amount, currency, locale=locale, decimal_quantization=False)
    if symbol == currency and locale != "nl":
        text = text.replace(symbol, symbol + formatting.NO_BREAK)
    assert formatting.money(amount, currency, locale=locale) == text.replace("-", formatting.MINUS)


@given(st.text(max_size=80))
def test_a_text_on_one_line_shows_nothing_unseen(text: str) -> None:
    line = formatting.one_line(text, 50)
    assert len(line) <= 50
    assert not any(unicodedata.category(sign) in ("Cc", "Cf", "Co", "Cs") for sign in set(line) - set("\u200c\u200d"))
    assert line.split(" ") == line.split() or line == ""


@pytest.mark.parametrize("amount", ["0", "-4118.00", "99999"])
def test_hidden_money_tells_neither_size_nor_sign(amount: str) -> None:
    assert formatting.money(Decimal(amount), "EUR", hide=True) == "€•••"


def test_a_missing_amount_is_said_in_words() -> None:
    assert formatting.money(None, "EUR") == "unknown"


def test_currency_names_fit_inside_a_sentence() -> None:
    assert [formatting.currency_name(each) for each in ("EUR", "USD", "XBT")] == ["euro", "US dollar", "XBT"]


@pytest.mark.parametrize("raw", ["NL65BUNQ2090411945", "NL65 BUNQ 2090 4119 45"])
def test_iban_is_grouped_in_fours(raw: str) -> None:
    assert formatting.iban(raw) == "NL65 BUNQ 2090 4119 45"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("Jodi Walker", "Jodi Walker"),
        ("  two\n lines\t", "two lines"),
        ("a\u202eb\u2066c\u200fd", "abcd"),
        ("nul\x00 bell\x07", "nul bell"),
        ("pay\u200dpal \u00adb\u200bank\U000e0041", "paypal bank"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("<script>", "<script>"),
        ("\u202e", "(no name)"),
        ("", "(no name)"),
        (None, "(no name)"),
    ],
)
def test_names_lose_what_could_mislead_and_keep_the_rest(raw: str | None, shown: str) -> None:
    assert formatting.name(raw) == shown


def test_names_are_cut_at_140_signs() -> None:
    assert formatting.name("x" * 140) == "x" * 140
    assert formatting.name("x" * 141) == "x" * 139 + "…"


@pytest.mark.parametrize(
    ("raw", "letters"),
    [("Jodi Walker", "JW"), ("Walker Studio B.V.", "WB"), ("Jodi", "J"), ("(x) & Co", "C"), ("", ""), (None, "")],
)
def test_initials(raw: str | None, letters: str) -> None:
    assert formatting.initials(raw) == letters


def test_days_have_three_lengths() -> None:
    day = date(2026, 11, 22)
    assert formatting.day(day) == "22 November 2026"
    assert formatting.day(day, "short") == "22 Nov 2026"
    assert formatting.day(day, "week") == "Sunday 22 November"


def test_a_late_utc_evening_is_the_next_day_in_amsterdam() -> None:
    evening = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    assert formatting.day(evening) == "2 July 2026"
    assert formatting.clock(evening) == "00:30"


def test_moments_carry_their_offset_and_their_exact_time() -> None:
    assert formatting.iso(NOON) == "2026-11-22T13:00:00+01:00"
    assert formatting.exact(NOON) == "22 Nov 2026 13:00:00"
    assert formatting.clock(NOON, seconds=True) == "13:00:00"


def test_a_moment_of_another_day_names_its_day() -> None:
    assert formatting.moment(NOON, NOON) == "13:00"
    assert formatting.moment(NOON, NOON + timedelta(days=1)) == "22 Nov 2026 13:00"


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        formatting.clock(datetime(2026, 11, 22))  # noqa: DTZ001 - a time without a zone is what is refused


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 hour ago"),
        (86399, "23 hours ago"),
        (86400, "21 Nov 2026"),
    ],
)
def test_ago(seconds: int, text: str) -> None:
    assert formatting.ago(NOON - timedelta(seconds=seconds), NOON) == text


@pytest.mark.parametrize(("seconds", "text"), [(540, "9 min"), (60, "1 min"), (59, "59 s"), (0, "0 s"), (-9, "0 s")])
def test_what_is_left_never_goes_below_nothing(seconds: int, text: str) -> None:
    assert formatting.left(NOON + timedelta(seconds=seconds), NOON) == text


def test_templates_get_filters_and_translated_text() -> None:
    app = Flask(__name__)
    formatting.register(app)
    with app.app_context():
        page = render_template_string(
            "{{ amount|money('EUR') }} {{ _('Hello %(name)s', name=name) }}"
            "{% trans count=2 %}{{ count }} account{% pluralize %}{{ count }} accounts{% endtrans %}",
            amount=Decimal("-1"),
            name="<b>",
        )
    assert page == "−€1.00 Hello &lt;b&gt;2 accounts"
