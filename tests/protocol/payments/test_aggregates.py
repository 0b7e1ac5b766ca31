"""What payments add up to is right to the cent, whatever changed since aggregates of them were made."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from flask import Flask
from sqlalchemy import func

from bunqflask.bunq.payment import Payment as Told
from bunqflask.bunq.resources import Amount
from bunqflask.extensions import db
from bunqflask.models import AggregateState, MonetaryAccount, Payment, PaymentTotal, StaleMonth, Unit
from bunqflask.services.payments import aggregates, local_days, repository, totals
from bunqflask.services.payments.filters import Filter
from bunqflask.services.payments.repository import AccountScope
from bunqflask.services.payments.search import Search
from bunqflask.services.payments.totals import Totals
from bunqflask.services.sync import payment_rows, payment_store
from bunqflask.services.team import members
from tests.support import consents, history

BEGUN = datetime(2024, 11, 20, 9, tzinfo=UTC)
BUSY, QUIET = timedelta(minutes=50), timedelta(days=3)
TYPES = ("BUNQ", "IDEAL")
STRANGER, NEWCOMER = "NL91ABNA0417164300", "NL86INGB0002445588"
ZONES = ("Europe/Amsterdam", "America/St_Johns", "Asia/Kathmandu")
ROUNDS, QUESTIONS = 24, 3
MICROSECOND = timedelta(microseconds=1)


class Story:
    """A history that grows, changes and is erased in part, and what all of it adds up to, counted one by one."""

    def __init__(self, app: Flask, seed: int) -> None:
        self.app, self.rng = app, random.Random(seed)
        self.newest_id, self.newest_at = 1000, BEGUN
        self.told: dict[tuple[int, int], Told] = {}

    def accounts(self) -> list[MonetaryAccount]:
        return list(db.session.scalars(db.select(MonetaryAccount).order_by(MonetaryAccount.id)))

    def scope(self) -> AccountScope:
        member = members.find(consents.ROBIN)
        assert member is not None
        return repository.scope_of(member)

    def new(self) -> None:
        """A page of new payments, over a busy or a quiet time."""
        step, found = self.rng.choice((BUSY, BUSY, QUIET)), []
        for _ in range(self.rng.randint(1, 400 if step is BUSY else 40)):
            self.newest_id += self.rng.randint(1, 3)
            self.newest_at += step
            found.append((self.newest_id, self.newest_at))
        self._store([self._payment(*each) for each in found])

    def late(self) -> None:
        """Payments with ids and moments of long ago."""
        first, times = 100_000_000 + self.newest_id, [self._time() for _ in range(self.rng.randint(1, 5))]
        self.newest_id += len(times)
        late = [(first + number, at) for number, at in enumerate(times)]
        self._store([self._payment(*each) for each in late])

    def change(self) -> None:
        """Payments that bunq tells otherwise than before: an amount, a moment, a type, another side, or only words."""
        account = self.rng.choice(self.accounts())
        known = [each for (account_id, _), each in self.told.items() if account_id == account.id]
        for was in self.rng.sample(known, min(len(known), 3)):
            what = self.rng.choice(("amount", "created_at", "type", "counterparty_iban", "description"))
            new = msgspec.structs.replace(
                self._payment(was.payment_id, self._time()), updated_at=was.updated_at + QUIET
            )
            self._store(
                [msgspec.structs.replace(was, **{what: getattr(new, what), "updated_at": new.updated_at})], account
            )

    def again(self) -> None:
        """What is known already, told once more: nothing of it changes."""
        account = self.rng.choice(self.accounts())
        before = _stored(account)
        self._store([each for (account_id, _), each in self.told.items() if account_id == account.id][-50:], account)
        assert _stored(account) == before

    def keep(self) -> None:
        """What follows each reading."""
        for account in self.accounts():
            aggregates.rebuild(account.id)
        scope = self.scope()
        usable = scope.usable_aggregates
        assert set(usable.stale) == set(scope.accounts)
        assert not any(usable.stale.values())

    def newcomer(self) -> None:
        """An account becomes known whose payments were those of a stranger until now."""
        self.accounts()[-1].iban = NEWCOMER
        db.session.commit()

    def move(self) -> None:
        """The site's time zone is set to another one."""
        self.app.config["TIME_ZONE"] = ZoneInfo(self.rng.choice(ZONES))

    def erase(self) -> None:
        """An account goes, with all that was kept of it."""
        gone = self.accounts()[0]
        self.told = {key: each for key, each in self.told.items() if key[0] != gone.id}
        iban, gone_id = gone.iban, gone.id
        db.session.execute(db.delete(MonetaryAccount).filter_by(id=gone.id))
        aggregates.forget_gone()
        db.session.commit()
        assert not any(iban in state.own_ibans for state in db.session.scalars(db.select(AggregateState)))
        for model in (PaymentTotal, StaleMonth, AggregateState):
            assert db.session.scalar(db.select(func.count()).select_from(model).filter_by(account_id=gone_id)) == 0

    def check(self) -> None:
        rows = _all()
        assert len(rows) == len(self.told)
        for _ in range(QUESTIONS):
            scope = self.scope()
            search = Search(scope, self._filter(scope))
            found = [row for row in rows if _fits(row, search)]
            assert totals.of_all(search) == _added_up(found, scope)
            first, last = (local_days.day_of(at) for at in (BEGUN - 2 * QUIET, self.newest_at + 2 * QUIET))
            within = (max(search.wanted.first, first), min(search.wanted.last, last))
            search = replace(search, wanted=replace(search.wanted, first_day=within[0], last_day=within[1]))
            found = [row for row in found if _fits(row, search)]
            assert totals.of_days(search) == _by(local_days.day_of, found, scope)
            assert totals.of_months(search) == _by(_month_of, found, scope)

    def _payment(self, payment_id: int, at: datetime) -> Told:
        ibans = [account.iban for account in self.accounts()]
        return Told(
            payment_id=payment_id,
            monetary_account_id=1,
            created_at=at,
            updated_at=at,
            amount=Amount(self.rng.choice(("EUR", "EUR", "EUR", "USD")), Decimal(self.rng.randint(-5, 5)) / 4),
            balance_after=None,
            description="",
            type=self.rng.choice(TYPES),
            sub_type="PAYMENT",
            counterparty_name=self.rng.choice(("Bos", "Smit")),
            counterparty_iban=self.rng.choice((None, STRANGER, STRANGER, NEWCOMER, *ibans)),
            raw="{}",
        )

    def _store(self, found: list[Told], account: MonetaryAccount | None = None) -> None:
        account = account or self.rng.choice(self.accounts())
        with history.within_a_unit():
            payment_store.store(account.id, payment_rows.rows_of(account.id, found))
        db.session.commit()
        self.told |= {(account.id, each.payment_id): each for each in found}

    def _filter(self, scope: AccountScope) -> Filter:
        begins, ends = sorted((self._day(), self._day()))
        return Filter(
            words=self.rng.choice(("", "", "", "bos")),
            account_ids=self.rng.choice(
                (None, None, *(frozenset((each,)) for each in scope.ids), frozenset(scope.ids[:2]))
            ),
            first_day=self.rng.choice((None, begins)),
            last_day=self.rng.choice((None, ends)),
            at_least=self.rng.choice((None, None, None, Decimal("0.5"))),
            direction=self.rng.choice(("", "", "in", "out")),
            type=self.rng.choice(("", "", *TYPES)),
        )

    def _day(self) -> date:
        """Any day of the history; often the first or the last of a month."""
        at = BEGUN + (self.newest_at - BEGUN) * self.rng.uniform(-0.1, 1.1)
        month = local_days.month_of(at.date())
        return self.rng.choice((at.date(), month, local_days.last_of_month(month)))

    def _time(self) -> datetime:
        """Any time of the history, often the first or the last instant of a day or of a month."""
        first = local_days.start_of(self._day())
        return first + self.rng.choice((timedelta(0), timedelta(0), -MICROSECOND, timedelta(seconds=55_555)))


def _stored(account: MonetaryAccount) -> set[Any]:
    """What is stored of an account's aggregates."""
    key = (PaymentTotal.unit, PaymentTotal.start, PaymentTotal.currency, PaymentTotal.direction, PaymentTotal.type)
    query = db.select(*key, PaymentTotal.own_iban, PaymentTotal.count, PaymentTotal.amount)
    stale = db.select(StaleMonth.month).filter_by(account_id=account.id)
    totals_of_it = {tuple(row) for row in db.session.execute(query.where(PaymentTotal.account_id == account.id))}
    return totals_of_it | set(db.session.scalars(stale))


def _all() -> list[Payment]:
    return list(db.session.scalars(db.select(Payment)))


def _month_of(at: datetime) -> date:
    return local_days.month_of(local_days.day_of(at))


def _by(period_of: Callable[[datetime], date], rows: list[Payment], scope: AccountScope) -> dict[date, list[Totals]]:
    found: dict[date, list[Payment]] = {}
    for row in rows:
        found.setdefault(period_of(row.created_at), []).append(row)
    return {period: _added_up(of_period, scope) for period, of_period in found.items()}


def _added_up(rows: list[Payment], scope: AccountScope) -> list[Totals]:
    found: dict[str, Totals] = {}
    for row in rows:
        own, zero = row.counterparty_iban in scope.ibans, Decimal(0)
        one = Totals(
            row.currency,
            1,
            zero if own else max(zero, row.amount),
            zero if own else min(zero, row.amount),
            row.amount if own else zero,
            int(own),
        )
        before = found.get(row.currency)
        found[row.currency] = one if before is None else before.plus(one)
    return [found[currency] for currency in sorted(found)]


def _fits(row: Payment, search: Search) -> bool:
    wanted, day = search.wanted, local_days.day_of(row.created_at)
    return (
        row.account_id in search.account_ids
        and (not wanted.words or wanted.words == row.counterparty_name.lower())
        and (wanted.first_day is None or day >= wanted.first_day)
        and (wanted.last_day is None or day <= wanted.last_day)
        and (wanted.at_least is None or abs(row.amount) >= wanted.at_least)
        and wanted.direction in ("", "in" if row.amount > 0 else "out" if row.amount < 0 else None)
        and wanted.type in ("", row.type)
    )


@pytest.mark.parametrize("seed", range(3))
def test_sums_are_those_of_the_payments_whatever_happened(connected_app: Flask, seed: int) -> None:
    story = Story(connected_app, seed)
    acts = (story.new, story.new, story.late, story.change, story.again, story.keep, story.keep)
    rare = {8: story.newcomer, 12: story.move, 16: story.move, 20: story.erase}
    for number in range(ROUNDS):
        rare.get(number, story.rng.choice(acts))()
        story.check()
    story.keep()
    story.check()


def test_timestamps_that_cannot_be_true_are_added_up_too(connected_app: Flask) -> None:
    story = Story(connected_app, 2)
    story.new()
    [account, *_rest] = story.accounts()
    times = [datetime(year, month, 1, tzinfo=UTC) for year in (1, 1969, 1970, 2199, 2200, 9999) for month in (1, 12)]
    for number, at in enumerate(times):
        story._store([story._payment(50_000_000 + number, at)], account)
    for _ in range(2):
        search = Search(story.scope(), Filter())
        assert sum(each.count for each in totals.of_all(search)) == len(story.told)
        by_month = _by(_month_of, _all(), search.scope)
        assert totals.of_months(search) == by_month
        for month in by_month:
            one = Search(story.scope(), Filter(first_day=month, last_day=local_days.last_of_month(month)))
            assert totals.of_months(one).get(month) == by_month[month]
        story.keep()


@pytest.mark.parametrize(
    "day", [date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 1), date(2026, 3, 30), date(2026, 2, 28)]
)
@pytest.mark.parametrize("place", ["first", "last", "moved there", "moved away"])
def test_a_change_at_the_edge_of_a_day_reaches_its_aggregates(connected_app: Flask, day: date, place: str) -> None:
    """Also of the first and last days of months, and of days on which the clock changes."""
    story = Story(connected_app, 3)
    account = story.accounts()[0]
    first, last = local_days.start_of(day), local_days.end_of(day) - MICROSECOND
    at, then = {
        "first": (first, first),
        "last": (last, last),
        "moved there": (first - MICROSECOND, first),
        "moved away": (last, last + MICROSECOND),
    }[place]
    was = msgspec.structs.replace(story._payment(1, at), amount=Amount("EUR", Decimal(-5)))
    story._store([was, story._payment(2, BEGUN)], account)
    story.keep()
    changed = msgspec.structs.replace(
        was, created_at=then, amount=Amount("EUR", Decimal(-7)), updated_at=was.updated_at + QUIET
    )
    story._store([changed], account)
    for _ in range(2):
        search, rows = Search(story.scope(), Filter()), _all()
        assert totals.of_all(search) == _added_up(rows, search.scope)
        assert totals.of_days(search) == _by(local_days.day_of, rows, search.scope)
        one = replace(search, wanted=Filter(first_day=day, last_day=day))
        assert totals.of_all(one) == _added_up([row for row in rows if _fits(row, one)], search.scope)
        story.keep()


def test_a_change_deletes_the_aggregates_of_its_month_and_no_others(connected_app: Flask) -> None:
    story = Story(connected_app, 4)
    account = story.accounts()[0]
    times = [datetime(2026, month, 15, tzinfo=UTC) for month in range(1, 7)]
    story._store([story._payment(number, at) for number, at in enumerate(times, start=1)], account)
    story.keep()
    story._store([story._payment(100, local_days.start_of(date(2026, 4, 1)))], account)
    starts = set(db.session.scalars(db.select(PaymentTotal.start).filter_by(account_id=account.id, unit=Unit.MONTH)))
    assert starts == {date(2026, month, 1) for month in (1, 2, 3, 5, 6)}
    stale = db.session.scalars(db.select(StaleMonth.month).filter_by(account_id=account.id)).all()
    assert stale == [date(2026, 4, 1)]


def test_after_a_sync_aggregates_hold_all_payments(connected_app: Flask) -> None:
    story = Story(connected_app, 1)
    for _ in range(8):
        story.new()
    story.keep()
    for unit in Unit:
        held = db.select(func.sum(PaymentTotal.count)).where(PaymentTotal.unit == unit)
        assert db.session.scalar(held) == len(story.told)
    before = [_stored(account) for account in story.accounts()]
    story.keep()
    assert [_stored(account) for account in story.accounts()] == before
