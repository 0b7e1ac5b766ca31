"""What payments add up to is right to the cent, whatever changed since sums of them were kept."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from flask import Flask
from sqlalchemy import func

from bunqflask import clock
from bunqflask.bunq.payment import Payment as Told
from bunqflask.bunq.resources import Amount
from bunqflask.extensions import db
from bunqflask.models import MonetaryAccount, Payment, SpanSum, SummedSpan
from bunqflask.services.payments import aggregates, repository, totals
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import Filter
from bunqflask.services.payments.time_ranges import Span
from bunqflask.services.payments.totals import Totals
from bunqflask.services.sync import payment_rows, payment_store
from bunqflask.services.team import members
from tests.support import consents

BEGUN = datetime(2024, 11, 20, 9, tzinfo=UTC)
# Some months have many payments, and their days are summed too; the others have few.
BUSY, QUIET = timedelta(minutes=50), timedelta(days=3)
TYPES = ("BUNQ", "IDEAL")
STRANGER, NEWCOMER = "NL91ABNA0417164300", "NL86INGB0002445588"
ZONES = ("Europe/Amsterdam", "America/St_Johns", "Asia/Kathmandu")
ROUNDS, QUESTIONS = 24, 4


class Story:
    """A history that grows, changes and is erased in part, and what all of it adds up to, counted one by one."""

    def __init__(self, app: Flask, seed: int) -> None:
        self.app, self.rng = app, random.Random(seed)
        self.newest_id, self.newest_at = 1000, BEGUN
        self.told: dict[tuple[int, int], Told] = {}

    def accounts(self) -> list[MonetaryAccount]:
        return list(db.session.scalars(db.select(MonetaryAccount).order_by(MonetaryAccount.id)))

    def scope(self) -> Scope:
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
        span = int((self.newest_at - BEGUN).total_seconds()) + 1
        moments = sorted(self.rng.randrange(span) for _ in range(self.rng.randint(1, 5)))
        first = 100_000_000 + self.newest_id
        self.newest_id += len(moments)
        late = [(first + number, BEGUN + timedelta(seconds=each)) for number, each in enumerate(moments)]
        self._store([self._payment(*each) for each in late])

    def change(self) -> None:
        """Payments that bunq tells otherwise than before: an amount, a moment, a type, another side, or only words."""
        account = self.rng.choice(self.accounts())
        known = [each for (account_id, _), each in self.told.items() if account_id == account.id]
        for was in self.rng.sample(known, min(len(known), 3)):
            what = self.rng.choice(("amount", "created_at", "type", "counterparty_iban", "description"))
            new = msgspec.structs.replace(
                self._payment(was.payment_id, was.created_at + timedelta(days=40)), updated_at=was.updated_at + QUIET
            )
            self._store(
                [msgspec.structs.replace(was, **{what: getattr(new, what), "updated_at": new.updated_at})], account
            )

    def again(self) -> None:
        """What is known already, told once more: nothing of it changes."""
        account = self.rng.choice(self.accounts())
        kept = _spans(account)
        self._store([each for (account_id, _), each in self.told.items() if account_id == account.id][-50:], account)
        assert _spans(account) == kept

    def keep(self) -> None:
        """What follows each reading."""
        for account in self.accounts():
            aggregates.rebuild(account)
            assert set(self.scope().ibans) <= set(account.known_ibans or [])

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
        iban = gone.iban
        db.session.execute(db.delete(MonetaryAccount).filter_by(id=gone.id))
        aggregates.forget_gone()
        db.session.commit()
        assert not any(iban in (account.known_ibans or []) for account in self.accounts())
        left = db.session.scalar(db.select(func.count()).select_from(SummedSpan).filter_by(account_id=gone.id))
        assert left == 0

    def check(self) -> None:
        scope = self.scope()
        rows = _all()
        assert len(rows) == len(self.told)
        for _ in range(QUESTIONS):
            wanted = self._filter(scope)
            assert totals.totals(scope, wanted) == _added_up(rows, scope, wanted, None)
            asked = self._spans()
            found = totals.sums(scope, wanted, asked)
            expected = {each[0]: _added_up(rows, scope, wanted, each) for each in asked}
            assert found == {since: each for since, each in expected.items() if each}

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
        payment_store.store(account.id, payment_store.prepare(payment_rows.rows_of(account.id, found)))
        db.session.commit()
        self.told |= {(account.id, each.payment_id): each for each in found}

    def _filter(self, scope: Scope) -> Filter:
        begins, ends = sorted((self._moment(), self._moment()))
        return Filter(
            words=self.rng.choice(("", "", "", "bos")),
            account_id=self.rng.choice((None, None, *scope.ids)),
            since=self.rng.choice((None, begins)),
            before=self.rng.choice((None, ends)),
            at_least=self.rng.choice((None, None, None, Decimal("0.5"))),
            direction=self.rng.choice(("", "", "in", "out")),
            type=self.rng.choice(("", "", *TYPES)),
        )

    def _moment(self) -> datetime:
        zone: ZoneInfo = self.app.config["TIME_ZONE"]
        at = BEGUN + (self.newest_at - BEGUN) * self.rng.uniform(-0.1, 1.1)
        midnight = datetime(at.year, at.month, at.day, tzinfo=zone)
        return self.rng.choice((at, midnight, midnight.replace(day=1), midnight.replace(day=1, month=1)))

    def _spans(self) -> list[Span]:
        """Days, months or years of the site, one after the other."""
        zone: ZoneInfo = self.app.config["TIME_ZONE"]
        at = self._moment().astimezone(zone)
        day = datetime(at.year, at.month, at.day, tzinfo=zone)
        if self.rng.random() < 0.3:
            return [(day, day + timedelta(hours=30)), (day + timedelta(days=3), day + timedelta(days=9))]
        edges = [day.date() + timedelta(days=number) for number in range(self.rng.randint(2, 40))]
        if self.rng.random() < 0.5:
            edges = sorted({each.replace(day=1) + timedelta(days=31 * number) for number, each in enumerate(edges)})
            edges = sorted({each.replace(day=1) for each in edges})
        moments = [datetime(each.year, each.month, each.day, tzinfo=zone) for each in edges]
        return list(pairwise(moments))


def _spans(account: MonetaryAccount) -> set[Any]:
    query = db.select(SummedSpan.id, SummedSpan.unit, SummedSpan.since).filter_by(account_id=account.id)
    return {tuple(row) for row in db.session.execute(query)}


def _all() -> list[Payment]:
    return list(db.session.scalars(db.select(Payment)))


def _added_up(rows: list[Payment], scope: Scope, wanted: Filter, span: Span | None) -> list[Totals]:
    found: dict[str, Totals] = {}
    for row in rows:
        if not _fits(row, scope, wanted) or (span and not span[0] <= row.created_at < span[1]):
            continue
        own, zero = row.counterparty_iban in scope.ibans, Decimal(0)
        one = Totals(
            row.currency,
            1,
            zero if own else max(zero, row.amount),
            zero if own else min(zero, row.amount),
            row.amount if own else zero,
            int(own),
            row.id,
        )
        before = found.get(row.currency)
        found[row.currency] = one if before is None else before.plus(one)
    return [found[currency] for currency in sorted(found)]


def _fits(row: Payment, scope: Scope, wanted: Filter) -> bool:
    return (
        row.account_id in ([wanted.account_id] if wanted.account_id is not None else scope.ids)
        and (not wanted.words or wanted.words == row.counterparty_name.lower())
        and (wanted.since is None or row.created_at >= wanted.since)
        and (wanted.before is None or row.created_at < wanted.before)
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


def test_moments_that_cannot_be_true_are_added_up_too(connected_app: Flask) -> None:
    story, zone = Story(connected_app, 2), connected_app.config["TIME_ZONE"]
    story.new()
    [account, *_rest] = story.accounts()
    years = (1, 1969, 1970, clock.now().year + 1, clock.now().year + 2, 9999)
    moments = [datetime(year, month, 1, tzinfo=UTC) for year in years for month in (1, 12)]
    for number, at in enumerate(moments):
        story._store([story._payment(50_000_000 + number, at)], account)
    story.keep()
    kept = db.session.scalars(db.select(SummedSpan.since).filter_by(account_id=account.id)).all()
    assert len(kept) < 1_000
    for year in years[:-1]:
        year_long = [(datetime(year, 1, 1, tzinfo=zone), datetime(year + 1, 1, 1, tzinfo=zone))]
        found = totals.sums(story.scope(), Filter(), year_long)
        assert found == {
            since: _added_up(_all(), story.scope(), Filter(), (since, before)) for since, before in year_long
        }


def test_a_reading_keeps_all_there_is(connected_app: Flask) -> None:
    """After a reading nothing needs to be added up but what is outside whole days; the sums kept are all of it."""
    story = Story(connected_app, 1)
    for _ in range(8):
        story.new()
    story.keep()
    for unit in ("year", "month"):
        kept = db.select(func.sum(SpanSum.count)).join(SummedSpan).where(SummedSpan.unit == unit)
        assert db.session.scalar(kept) == len(story.told)
    assert db.session.scalar(db.select(func.count()).where(SummedSpan.unit == "day"))
    before = [_spans(account) for account in story.accounts()]
    story.keep()
    assert [_spans(account) for account in story.accounts()] == before
