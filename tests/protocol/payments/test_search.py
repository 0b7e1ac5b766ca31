"""Finding payments in a long history: whatever way is taken, it is the newest of all that fit, by booking time."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bunqflask import create_app
from bunqflask.config import Config
from bunqflask.extensions import db
from bunqflask.models import Payment
from bunqflask.services.payments import local_days, repository, search
from bunqflask.services.payments.filters import Filter
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import Cursor, Search, Way
from bunqflask.services.payments.tokenizer import search_text
from bunqflask.services.team import members
from tests.support import consents, history
from tests.support.apps import bare_environ, let_go
from tests.support.databases import Databases
from tests.support.history import Paid
from tests.support.pool import AppPool

# More than are ever put in order at once, or looked at one by one.
SIZE = 12_000
BEGUN = datetime(2020, 1, 1, tzinfo=UTC)
STEP = timedelta(hours=4)
ACCOUNTS = (2083712, 2083712, 2083712, 2083715)
NAMES = ("Café Zürich", "Bakkerij Bos", "ŁÓDŹ snake_case", "O'Neil 100%", "支付 Σίσυφος", "a" * 150 + "end", "Bos")
WORDS = (
    *("cafe", "CAF", "café zurich", "zur", "b", "bo", "bos", "bakkerij bos", "łódź", "snake", "snake_c", "case", "a"),
    *("a" * 150, "a" * 150 + "e", "支", "σισυφοσ", "o neil", '"', "100%", "%", "_", "nowhere", "12.5", "NL91 BANK"),
    *("nl91bank0000000", "bank 0000", "0000", "note 1", "note 11", "1", "11", "1199"),
)
TYPES = ("BUNQ", "EBA_SCT", "MASTERCARD")


def fill(database_url: str) -> None:
    """Store a long history in two accounts, with one payment that came much later than its moment."""
    consents.fill_connected(database_url)
    app = create_app(Config.from_env(bare_environ(database_url)))
    rng = random.Random(7)
    with app.app_context():
        paid: dict[int, list[Paid]] = {account: [] for account in ACCOUNTS}
        for number in range(SIZE):
            late = number == SIZE - 100
            paid[rng.choice(ACCOUNTS)].append(
                Paid(
                    id=1000 + number,
                    at=BEGUN + STEP * (500 if late else number),
                    amount=f"{rng.choice((-1, -1, -1, -1, -1, 1)) * rng.choice((0, 5, 12.5, 20, 20, 20, 999)):.2f}",
                    name=rng.choice(NAMES),
                    iban=f"NL9{rng.randint(0, 9)}BANK{rng.randint(0, 99):010}" if number % 3 else None,
                    text=f"note {number}" if number % 5 else "",
                    type="SWIFT" if number % 4000 == 9 else rng.choice(TYPES),
                )
            )
        for account, each in paid.items():
            history.store(history.account(account), each)
        db.session.remove()
    let_go(app)


@pytest.fixture
def long_app(databases: Databases, app_pool: AppPool) -> Iterator[Flask]:
    url = databases.copy(fill)
    with app_pool.take(bare_environ(url)) as app:
        yield app
    databases.forget(url)


AMOUNTS = st.sampled_from([None, Decimal(0), Decimal(5), Decimal("12.5"), Decimal(20), Decimal(900), Decimal(5000)])
DAYS = st.none() | st.integers(-10, SIZE + 10).map(lambda number: (BEGUN + STEP * number).date())
FILTERS = st.builds(
    Filter,
    words=st.just("") | st.sampled_from(WORDS).filter(search_text),
    amount=st.sampled_from([None, None, Decimal("12.5")]),
    first_day=DAYS,
    last_day=DAYS,
    account_ids=st.none(),
    at_least=AMOUNTS,
    at_most=AMOUNTS,
    direction=st.sampled_from(["", "", "in", "out"]),
    type=st.sampled_from(["", "", "BUNQ", "SWIFT", "NONE"]),
)


def fits(payment: Payment, wanted: Filter) -> bool:
    size, words, day = abs(payment.amount), payment.search_text.split(), local_days.day_of(payment.created_at)
    asked = search_text(wanted.words).split()
    return (
        (not asked or all(any(word.startswith(part) for word in words) for part in asked) or size == wanted.amount)
        and (wanted.first_day is None or day >= wanted.first_day)
        and (wanted.last_day is None or day <= wanted.last_day)
        and (wanted.at_least is None or size >= wanted.at_least)
        and (wanted.at_most is None or size <= wanted.at_most)
        and wanted.direction in ("", "in" if payment.amount > 0 else "out" if payment.amount < 0 else None)
        and wanted.type in ("", payment.type)
    )


def scope_of_robin() -> Scope:
    member = members.find(consents.ROBIN)
    assert member is not None
    return repository.scope_of(member)


@pytest.mark.parametrize("few", [None, 200], ids=["as it is", "few are gathered"])
def test_the_newest_of_all_that_fit_are_found_and_older_ones_follow(
    long_app: Flask, monkeypatch: pytest.MonkeyPatch, few: int | None
) -> None:
    """With the limits lowered, what is gathered in a history of this length is walked by time, as in a longer one."""
    if few is not None:
        monkeypatch.setattr(search, "MOST_BY_WORDS", few)
        monkeypatch.setattr(search, "MOST_BY_AMOUNTS", few)
    ways: set[Way] = set()
    with long_app.app_context():
        scope = scope_of_robin()
        newest_first = (Payment.created_at.desc(), Payment.id.desc())
        everything = list(db.session.scalars(db.select(Payment).order_by(*newest_first)))
        assert len(everything) == SIZE

        @settings(max_examples=50, suppress_health_check=list(HealthCheck))
        @given(FILTERS, st.integers(0, 3), st.sampled_from([1, 50]))
        @example(Filter(words="12.5", amount=Decimal("12.5")), 3, 50)
        @example(Filter(words="cafe", type="SWIFT"), 1, 50)
        @example(Filter(words="a", first_day=date(2020, 3, 7), last_day=date(2020, 4, 10)), 3, 50)
        @example(Filter(words="cafe bakkerij"), 1, 50)
        @example(Filter(words="note 1"), 3, 50)
        @example(Filter(words="1"), 3, 50)
        @example(Filter(words="note 1", at_least=Decimal(20)), 3, 50)
        @example(Filter(at_least=Decimal(999), direction="in"), 3, 50)
        def check(wanted: Filter, pages: int, size: int) -> None:
            expected = [each.id for each in everything if fits(each, wanted)]
            after, found = None, []
            for _ in range(pages + 1):
                asked = Search(scope, wanted)
                ways.add(asked.way)
                page = asked.page(after=after, size=size)
                found += [each.id for each in page.lines]
                after = page.older
                if after is None:
                    break
            assert found == expected[: (pages + 1) * size]
            assert (after is None) == (len(expected) <= (pages + 1) * size)
            if found:
                at = len(found) // 2
                [line] = [each for each in page.lines if each.id == expected[at]] or page.lines[:1]
                at, place = expected.index(line.id), Cursor(line.created_at, line.id)
                assert asked.beside(place) == (
                    expected[at - 1] if at else None,
                    expected[at + 1] if at + 1 < len(expected) else None,
                )
                above = asked.down_to(place, most=at + 1)
                assert above is not None
                assert [each.id for each in above] == expected[: at + 1]
                assert asked.down_to(place, most=at) is None

        check()
        db.session.remove()
    assert ways == set(Way)


def test_words_are_no_language_of_the_database(long_app: Flask) -> None:
    """Whatever somebody types is words, not something that a database's search would take for an order."""
    typed = [
        "cafe OR bos",
        "NOT cafe",
        "cafe & !bos",
        "(",
        "cafe*",
        "words:cafe",
        "^cafe",
        "NEAR(a b)",
        "a'b",
        'x"y',
        "\\",
    ]
    with long_app.app_context():
        scope = scope_of_robin()
        assert Search(scope, Filter(words="cafe bos")).page().lines == []
        for words in typed:
            Search(scope, Filter(words=words)).page()
        assert Search(scope, Filter(words="cafe OR bos")).page().lines == []
        db.session.remove()
