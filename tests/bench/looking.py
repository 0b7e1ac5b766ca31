"""Looking at payments: searches and filters over a million of them, and the pages that show them."""

import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from flask import Flask
from sqlalchemy import func

from bunqflask import clock
from bunqflask.extensions import db, read_only
from bunqflask.models import AccountSync, MonetaryAccount, Payment
from bunqflask.services.payments import repository, search, totals
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import Filter
from bunqflask.services.sync import reconciliation
from bunqflask.services.team import members
from tests.bench import databases, long_history
from tests.bench.servers import compare, page
from tests.bench.table import Row, at_most, percentile
from tests.support.apps import GunicornSite, let_go, sign_in

FEW, MANY = 10_000, 1_000_000
REPEATS = 5
SLOWEST_MS, MOST_TIMES = 50.0, 3.0
PAGES_ASKED = 1_000
_DAY = timedelta(days=1)
_MONTH_AGO = long_history.NEWEST - 30 * _DAY
_YEARS_AGO = long_history.NEWEST - 5 * 365 * _DAY

SEARCHES = {
    "a common word": Filter(words="cafe"),
    "one letter": Filter(words="c"),
    "the beginning of a word": Filter(words="bak"),
    "two words": Filter(words="cafe muller"),
    "three words": Filter(words="cafe muller zurich"),
    "a word that is nowhere": Filter(words="xylophone"),
    "an amount": Filter(words="12.34", amount=Decimal("12.34")),
    "part of an IBAN": Filter(words="NL42 TEST"),
    "a word in a month": Filter(words="coffee", since=_MONTH_AGO),
    "a word in a month, five years ago": Filter(words="cafe", since=_YEARS_AGO, before=_YEARS_AGO + 30 * _DAY),
    "a word and sizes": Filter(words="rent", at_least=Decimal(50), at_most=Decimal(60)),
}
FILTERS = {
    "everything": Filter(),
    "a month": Filter(since=_MONTH_AGO),
    "a month, five years ago": Filter(since=_YEARS_AGO, before=_YEARS_AGO + 30 * _DAY),
    "two years, five years ago": Filter(since=_YEARS_AGO, before=_YEARS_AGO + 730 * _DAY),
    "money in": Filter(direction="in"),
    "sizes": Filter(at_least=Decimal(100), at_most=Decimal(101)),
    "a rare size": Filter(at_least=Decimal("199.99")),
    "a size that is nowhere": Filter(at_least=Decimal(100_000)),
    "a type": Filter(type="MASTERCARD"),
    "a type that is nowhere": Filter(type="INTERCHANGE"),
}


def measure(folder: Path) -> list[Row]:
    """Ask the same of a short and of a long history, then look at the long one."""
    few, many = long_history.database(FEW), long_history.database(MANY)
    rows = []
    for what, wanted in (("search", SEARCHES), ("filter", FILTERS)):
        short, long = _times(few, wanted, _list), _times(many, wanted, _list)
        rows += _rows(f"{what} {MANY:,} payments", short, long)
    for what, wanted in (("searches find, unless it is much,", SEARCHES), ("filters let through", FILTERS)):
        short, long = _times(few, wanted, _sum), _times(many, wanted, _sum)
        rows += _rows(f"add up what {what} of {MANY:,} payments", short, long)
    much = _times(many, {"one letter": SEARCHES["one letter"]}, _sum_whatever)["one letter"]
    rows.append(Row(f"add up all that one letter finds of {MANY:,} payments", f"{percentile(much, 50):.0f} ms"))
    short_ms, long_ms = (percentile(_proofs(url), 95) for url in (few, many))
    more = f"  ({long_ms:.1f} ms of {short_ms:.1f} ms)"
    rows.append(
        at_most(f"prove one more payment of {MANY:,}, p95 against {FEW:,}", long_ms / short_ms, MOST_TIMES, more=more)
    )
    return rows + _pages(folder, many)


def _proofs(url: str) -> list[float]:
    """Time how long it takes to prove each account after a payment came."""
    app = long_history.application(url)
    found = []
    for number in range(REPEATS + 1):
        with app.app_context():
            for account in db.session.scalars(db.select(MonetaryAccount)).all():
                state = db.session.get_one(AccountSync, account.id)
                state.reconciled_at = clock.now()
                state.unreconciled_from = db.session.scalar(
                    db.select(func.max(Payment.id)).filter_by(account_id=account.id)
                )
                db.session.flush()
                started = time.monotonic()
                reconciliation.prove_on(account, state)
                if number:
                    found.append((time.monotonic() - started) * 1000)
            db.session.rollback()
            db.session.remove()
    let_go(app)
    return found


def _rows(what: str, short: dict[str, list[float]], long: dict[str, list[float]]) -> list[Row]:
    """Compare the times of all questions, and name the one that took longest."""
    slow, quick = (percentile([each for times in side.values() for each in times], 95) for side in (long, short))
    worst = max(long, key=lambda name: percentile(long[name], 50))
    more = f"  (slowest: {worst}, {percentile(long[worst], 50):.0f} ms)"
    return [
        at_most(f"{what}, p95 of {'' if databases.on_postgres() else 'CPU '}time", slow, SLOWEST_MS, " ms", more),
        at_most(f"{what}, p95 against {FEW:,}", slow / quick, MOST_TIMES, more=f"  (of {quick:.1f} ms)"),
    ]


def _list(scope: Scope, wanted: Filter) -> object:
    return search.list_page(scope, wanted)


def _sum(scope: Scope, wanted: Filter) -> object:
    """What a page does before it is sent; the rest is asked for by the page itself."""
    return search.finds_many(scope, wanted) or totals.totals(scope, wanted)


def _sum_whatever(scope: Scope, wanted: Filter) -> object:
    return totals.totals(scope, wanted)


def _times(url: str, questions: dict[str, Filter], ask: Callable[[Scope, Filter], object]) -> dict[str, list[float]]:
    """Ask each question some times; returns the milliseconds it took, but for the first time."""
    app = long_history.application(url)
    found: dict[str, list[float]] = {name: [] for name in questions}
    for number in range(REPEATS + 1):
        for name, wanted in questions.items():
            took_ms = _timed(app, lambda scope, wanted=wanted: ask(scope, wanted))  # type: ignore[misc]
            if number:
                found[name].append(took_ms)
    let_go(app)
    return found


def _timed(app: Flask, work: Callable[[Scope], object]) -> float:
    with app.app_context():
        read_only()
        member = members.find(long_history.EMAIL)
        assert member is not None
        scope = repository.scope_of(member)
        # SQLite runs in this thread, and what else runs on the machine must not count.
        watch = time.monotonic if databases.on_postgres() else time.thread_time
        started = watch()
        work(scope)
        took_ms = (watch() - started) * 1000
        db.session.remove()
    return took_ms


def _pages(folder: Path, url: str) -> list[Row]:
    site = GunicornSite(long_history.environ(url), folder / "gunicorn.log", fresh=True)
    site.start()
    try:
        browser = sign_in(site, long_history.EMAIL)
        step = MANY // PAGES_ASKED
        older = [f"/payments?older_id={long_history.row_of(number)}" for number in range(step, MANY, step)]
        htmx = {"HX-Request": "true"}
        return [
            compare("/payments against a bare view", page(site, browser, ["/payments"]), 0.3, folder),
            compare("load older against a bare view", page(site, browser, older[:1], htmx), 0.3, folder),
            compare("load older, each time elsewhere", page(site, browser, older, htmx), None, folder),
        ]
    finally:
        site.close()
        site.kill()
