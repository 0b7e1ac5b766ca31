"""Statements for tests: plain ones by hand, and hostile ones by the thousand."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from bunqflask.exports.formats import FORMATS
from bunqflask.exports.statement import Account, Entry, Statement, Statements

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
OWN_IBAN = "NL12BUNQ2034567890"
OTHER_IBAN = "NL02ABNA0123456789"

# How bunq describes a card payment in another currency.
ABROAD = "Ramen TOKYO, JP\n1500 JPY, 1 EUR = 163.04 JPY"
HOSTILE = (
    "",
    " ",
    "<script>alert(1)</script>",
    "]]>&amp;<![CDATA[",
    "=1+1",
    '=HYPERLINK("http://example.org")',
    "+31 6 1234",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "x;=cmd|' /C calc'!A0;y",
    'x; "=1+1"; \'@SUM(A1)|-2+3\t+31\n=1+1',
    'a,b;"";=1+1',
    "shy\u00ad zero\u200bwidth pay\u200dpal tag\U000e0041\U000e0042 va\ufe0friation",
    "\r=1+1",
    "＝1+1",
    "a\tb\nc\r\nd\x0be\x85f\u2028g\u2029h",
    "\x00\x01\x08\x1b\x7f\ufffe\uffff",
    "half \ud83d character",
    "Zoë & Søn Groß, Łódź €5",
    "مرحبا \u202egnp.exe\u202c \u2066x\u2069 \u200f",
    "👩‍👩‍👧 🦄 日本語",
    ":86:/IBAN/NL00EVIL0000000000/NAME/x\n:61:2601010101C1,00NTRFNONREF\n-",
    ": : :20:x -- " * 40,
    "-----:::::" * 30,
    "/NAME/Evil/REMI/x/IBAN/NL00EVIL0000000000/",
    "^\n!Type:Cash\nT1.00",
    "x\n\n2026-01-01 * x\n    assets:bunq  1 EUR\n",
    "date:2020-01-01, date2:2020-01-02 ; | = * ! (x) [2020-01-01]",
    '" \\ "" \\" #tag ^link',
    "_x0041_ %s {0} ${x}",
    "</NAME></STMTTRN><STMTTRN>",
    ABROAD,
    "é" * 9_000,
    "word " * 1_800,
)


def instant(text: str) -> datetime:
    """Return "2026-10-31 23:30" as an aware UTC time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def account(**changed: Any) -> Account:
    values: dict[str, Any] = {
        "name": "Main account", "iban": OWN_IBAN, "currency": "EUR", "holder": "Jodi Walker",
        "monetary_account_id": 10111, "kind": "bank",
    }  # fmt: skip
    return Account(**{**values, **changed})


def entry(payment_id: int = 1, amount: str = "10.00", booked_at: str = "2026-10-15 12:00", **changed: Any) -> Entry:
    values: dict[str, Any] = {
        "payment_id": payment_id, "booked_at": instant(booked_at), "amount": Decimal(amount), "currency": "EUR",
        "balance_after": None, "counterparty_name": "Baker", "counterparty_iban": OTHER_IBAN,
        "description": "Bread", "kind": "BUNQ", "sub_kind": "PAYMENT", "is_own_transfer": False,
    }  # fmt: skip
    return Entry(**{**values, **changed})


def statement(entries: Sequence[Entry] = (), **changed: Any) -> Statement:
    values: dict[str, Any] = {
        "account": account(), "first_day": date(2026, 10, 1), "last_day": date(2026, 10, 31), "zone": AMSTERDAM,
        "opening": Decimal("100.00"), "closing": None, "verified": True, "notice": "", "entries": lambda: iter(entries),
    }  # fmt: skip
    return Statement(**{**values, **changed})


def written(format_name: str, statements: Statements) -> bytes:
    """Return what a format makes of the statements."""
    stream = io.BytesIO()
    FORMATS[format_name].write(statements, stream)
    return stream.getvalue()


def whole_ledger(format_name: str, statements: Statements) -> bytes:
    """Return the ledger with the payments in place of the line that includes them."""
    write_ledger = FORMATS[format_name].write_ledger
    assert write_ledger is not None
    stream = io.BytesIO()
    write_ledger(statements, "payments.file", stream)
    include = b'include "payments.file"' if format_name == "beancount" else b"include payments.file"
    head, found, tail = stream.getvalue().partition(include)
    assert found
    return head + written(format_name, statements) + tail


def sum_of(entries: Sequence[Entry]) -> Decimal:
    return sum((entry.amount for entry in entries), Decimal())


texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40))
zones = st.sampled_from(
    ["Europe/Amsterdam", "UTC", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "America/St_Johns"]
).map(ZoneInfo)


@st.composite
def amounts(draw: st.DrawFn, largest: int = 10**12) -> Decimal:
    """Draw an amount of at least a cent, in or out; `largest` is in whole units."""
    cents = draw(st.one_of(st.sampled_from([1, 100 * largest]), st.integers(1, 100 * largest)))
    return Decimal(cents if draw(st.booleans()) else -cents).scaleb(-2)


@st.composite
def hostile_statements(draw: st.DrawFn, *, number: int = 10111, largest: int = 10**12) -> Statement:
    """Draw a statement of up to a dozen payments whose balances agree, with the worst texts a bank may pass on."""
    zone = draw(zones)
    first_day = draw(st.dates(date(2015, 1, 1), date(2035, 1, 1)))
    last_day = first_day + timedelta(days=draw(st.integers(0, 40)))
    begin = datetime.combine(first_day, time.min, zone).astimezone(UTC)
    end = datetime.combine(last_day + timedelta(days=1), time.min, zone).astimezone(UTC)
    seconds = int((end - begin).total_seconds())
    currency = draw(st.sampled_from(["EUR", "USD", "GBP", "JPY"]))
    opening = draw(st.one_of(st.just(Decimal("0.00")), amounts(largest)))
    moments = sorted(draw(st.lists(st.integers(0, seconds - 1), max_size=12)))
    balance, entries = opening, []
    for place, moment in enumerate(moments):
        amount = draw(amounts(largest))
        balance += amount
        entries.append(
            Entry(
                payment_id=90_000 + place,
                booked_at=begin + timedelta(seconds=moment, microseconds=draw(st.integers(0, 999_999))),
                amount=amount,
                currency=currency,
                balance_after=balance,
                counterparty_name=draw(texts),
                counterparty_iban=draw(st.one_of(st.none(), st.just(OTHER_IBAN), texts)),
                description=draw(texts),
                kind=draw(st.sampled_from(["BUNQ", "EBA_SCT", "EBA_SDD", "IDEAL", "MASTERCARD", "INTEREST", ""])),
                sub_kind=draw(st.sampled_from(["PAYMENT", "WITHDRAWAL", "REVERSAL", "SDD", "<x>", ""])),
                is_own_transfer=draw(st.booleans()),
            )
        )
    verified = draw(st.booleans())
    return statement(
        entries,
        account=account(
            name=draw(texts),
            iban=draw(st.sampled_from([OWN_IBAN, None, "FR7612345678901234567890123", "not an IBAN <&>"])),
            currency=currency,
            holder=draw(texts),
            monetary_account_id=number,
            kind=draw(st.sampled_from(["bank", "savings", "joint"])),
        ),
        first_day=first_day,
        last_day=last_day,
        zone=zone,
        opening=opening,
        closing=balance,
        verified=verified,
        notice="" if verified else draw(texts),
    )


def many(count: int, *, text: str = "Bread", **changed: Any) -> Statement:
    """Return a statement whose entries are made one by one, so that only a format can hold them all."""

    def entries() -> Iterator[Entry]:
        start = instant("2026-10-01 00:00")
        balance = Decimal("100.00")
        for place in range(count):
            balance += 1
            yield Entry(
                payment_id=place,
                booked_at=start + timedelta(seconds=place),
                amount=Decimal("1.00"),
                currency="EUR",
                balance_after=balance,
                counterparty_name="Bakkerij Zoë",
                counterparty_iban=OTHER_IBAN,
                description=f"{text}, invoice {place}",
                kind="BUNQ",
                sub_kind="PAYMENT",
                is_own_transfer=False,
            )

    return replace(statement(**changed), entries=entries)


# Names and descriptions as people write them, and as they have troubled importers.
ODD = (
    ("Jansen & Zn", "Factuur 2026/0012 klantnr 100-234 SPY*SEPAY RI_8LV69VR 1 NZD = 0.61 en/of #1"),
    ("Coöperatieve Vereniging tot Behoud van het Oude Ambacht", "RF18539007547034 " + "jaar 2026 lid 12345 " * 12),
    ("Zoë 🎉", "Feest 🥳 €12,50 – “dank je”"),
    ("نور الهدى", "دفعة شهر سبتمبر"),
    ("東京ストア", "注文番号 12345"),
    ("", ""),
    ("NAME", "/REMI/ /NAME/ iets :61:2609050905C1000,00NTRFNONREF :86:vals - derde"),
    ("-streep", "?20abc?30def -}{1: @@ mail@example.org"),
    ("\"dubbel\" <en> 'enkel'", "back\\slash ^ | ; [x] {y} ~ `z` &amp; ]]>"),
)


def two_months() -> list[Statement]:
    """Return October and November of two accounts: odd texts, payments after midnight and abroad, a transfer."""
    savings = account(name="Savings", iban="NL34BUNQ2034567891", monetary_account_id=10112)
    october = [entry(1, "-2.50", "2026-09-30 22:30", description="Half past midnight, the first of October")]
    october += [
        entry(place, f"{place * (-1) ** place}.{place:02}", counterparty_name=name, description=description)
        for place, (name, description) in enumerate(ODD, start=2)
    ]
    october.append(entry(11, "-9.20", counterparty_iban=None, description=ABROAD, kind="MASTERCARD"))
    october.append(entry(20, "-25.00", "2026-10-20 12:00", counterparty_iban=savings.iban, is_own_transfer=True))
    november = [entry(30, "-30.00", "2026-11-02 09:00", counterparty_name="Łódź")]
    saved = entry(21, "25.00", "2026-10-20 12:00", counterparty_iban=OWN_IBAN, is_own_transfer=True)
    return [
        *_two_months(account(), october, november),
        *_two_months(savings, [saved], []),
    ]


def _two_months(of: Account, october: list[Entry], november: list[Entry]) -> tuple[Statement, Statement]:
    opening = Decimal("100.00")
    middle = opening + sum_of(october)
    days = {"first_day": date(2026, 11, 1), "last_day": date(2026, 11, 30)}
    return (
        statement(october, account=of, opening=opening, closing=middle),
        statement(november, account=of, opening=middle, closing=middle + sum_of(november), **days),
    )
