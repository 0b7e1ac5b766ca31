"""Finding payments in a long history: whatever way the database takes, it is the newest of all that fit."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import flask_migrate
import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bunqflask import create_app
from bunqflask.config import Config
from bunqflask.extensions import db, read_only, table_of
from bunqflask.models import Payment
from bunqflask.services.payments import repository, search
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import Filter
from bunqflask.services.payments.tokenizer import search_text
from bunqflask.services.team import members
from tests.support import consents, history
from tests.support.apps import bare_environ, let_go
from tests.support.databases import Databases
from tests.support.history import Paid

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
def long_app(databases: Databases) -> Iterator[Flask]:
    url = databases.copy(fill)
    app = create_app(Config.from_env(bare_environ(url)))
    yield app
    let_go(app)
    databases.forget(url)


AMOUNTS = st.sampled_from([None, Decimal(0), Decimal(5), Decimal("12.5"), Decimal(20), Decimal(900), Decimal(5000)])
MOMENTS = st.none() | st.integers(-10, SIZE + 10).map(lambda number: BEGUN + STEP * number)
FILTERS = st.builds(
    Filter,
    words=st.just("") | st.sampled_from(WORDS).filter(search_text),
    amount=st.sampled_from([None, None, Decimal("12.5")]),
    since=MOMENTS,
    before=MOMENTS,
    at_least=AMOUNTS,
    at_most=AMOUNTS,
    direction=st.sampled_from(["", "", "in", "out"]),
    type=st.sampled_from(["", "", "BUNQ", "SWIFT", "NONE"]),
)


def fits(payment: Payment, wanted: Filter) -> bool:
    size, words = abs(payment.amount), payment.words.split()
    asked = search_text(wanted.words).split()
    return (
        (not asked or all(any(word.startswith(part) for word in words) for part in asked) or size == wanted.amount)
        and (wanted.since is None or payment.created_at >= wanted.since)
        and (wanted.before is None or payment.created_at < wanted.before)
        and (wanted.at_least is None or size >= wanted.at_least)
        and (wanted.at_most is None or size <= wanted.at_most)
        and wanted.direction in ("", "in" if payment.amount > 0 else "out" if payment.amount < 0 else None)
        and wanted.type in ("", payment.type)
    )


def scope_of_robin() -> Scope:
    member = members.find(consents.ROBIN)
    assert member is not None
    return repository.scope_of(member)


def test_the_newest_of_all_that_fit_are_found_and_older_ones_follow(long_app: Flask) -> None:
    with long_app.app_context():
        read_only()
        scope = scope_of_robin()
        everything = list(db.session.scalars(db.select(Payment).order_by(Payment.id.desc())))
        assert len(everything) == SIZE

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        @given(FILTERS, st.integers(0, 3), st.sampled_from([1, 50]))
        @example(Filter(words="12.5", amount=Decimal("12.5")), 3, 50)
        @example(Filter(words="cafe", type="SWIFT"), 1, 50)
        @example(Filter(words="a", before=BEGUN + STEP * 600, since=BEGUN + STEP * 400), 3, 50)
        @example(Filter(words="cafe bakkerij"), 1, 50)
        @example(Filter(words="note 1"), 3, 50)
        @example(Filter(words="1"), 3, 50)
        @example(Filter(words="note 1", at_least=Decimal(20)), 3, 50)
        def check(wanted: Filter, pages: int, size: int) -> None:
            expected = [each.id for each in everything if fits(each, wanted)]
            older_id, found = None, []
            for _ in range(pages + 1):
                page = search.list_page(scope, wanted, older_id=older_id, size=size)
                found += [each.id for each in page.payments]
                older_id = page.older_id
                if older_id is None:
                    break
            assert found == expected[: (pages + 1) * size]
            assert (older_id is None) == (len(expected) <= (pages + 1) * size)

        check()
        db.session.remove()


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
        read_only()
        scope = scope_of_robin()
        assert search.list_page(scope, Filter(words="cafe bos")).payments == []
        for words in typed:
            search.list_page(scope, Filter(words=words))
        assert search.list_page(scope, Filter(words="cafe OR bos")).payments == []
        db.session.remove()


def test_payments_stored_before_the_index_of_words_changed_are_found_by_it(long_app: Flask) -> None:
    with long_app.app_context():
        flask_migrate.downgrade(revision="0008")
        uncut = table_of(Payment).update().where(Payment.words.contains("end")).values(words=f"{'a' * 150}end")
        db.session.execute(uncut)
        db.session.commit()
        flask_migrate.upgrade()
        scope = scope_of_robin()
        for words in ("a" * 150, "a" * 100, f"{'a' * 150}end"):
            found = search.list_page(scope, Filter(words=words)).payments
            assert {each.counterparty_name for each in found} == {f"{'a' * 150}end"}
        assert search.list_page(scope, Filter(words="cafe")).payments
        db.session.remove()
