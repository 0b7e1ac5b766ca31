"""The running month on the first page: exact, each account at bunq once, the same days of last month beside it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from flask import Flask

from bunqflask import clock, create_app
from bunqflask.config import Config
from bunqflask.extensions import db
from bunqflask.models import AccountShare, AggregateState, Connection, MonetaryAccount, StaleMonth
from bunqflask.services.connections import overview
from bunqflask.services.payments import this_month
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.this_month import Days, ThisMonth
from bunqflask.services.principal import Principal
from bunqflask.services.team import members
from tests.support import consents, history, rows
from tests.support.apps import add_member, bare_environ, let_go
from tests.support.databases import Databases
from tests.support.history import Paid

# Noon of 30 March in Amsterdam: February has no such day.
TODAY = datetime(2026, 3, 30, 10, tzinfo=UTC)


@pytest.fixture
def app(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    url = databases.copy(consents.fill_connected)
    app = create_app(Config.from_env(bare_environ(url)))
    with app.app_context():
        monkeypatch.setattr(clock, "now", lambda: TODAY)
        yield app
        db.session.remove()
    let_go(app)
    databases.forget(url)


def accounts() -> list[MonetaryAccount]:
    return list(db.session.scalars(db.select(MonetaryAccount).order_by(MonetaryAccount.id)))


def member(email: str = consents.ROBIN) -> Principal:
    found = members.find(email)
    assert found is not None
    return found


def found(email: str = consents.ROBIN) -> ThisMonth:
    return this_month.of(Scope(tuple(overview.list_all(member(email)))))


def sums(month: ThisMonth) -> dict[str, tuple[Decimal, ...]]:
    """Return in and out of this month, then of last month, by currency."""
    return {
        each.now.currency: tuple(
            amount
            for of_days in (each.now, each.before)
            if of_days is not None
            for amount in (of_days.money_in, of_days.money_out)
        )
        for each in month.changes
    }


def exact(*amounts: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, amounts))


def fill() -> None:
    main, savings, *_rest = accounts()
    main.currency, savings.currency = "EUR", "EUR"
    history.store(
        main,
        [
            Paid(at="2026-01-31T23:59:59+01:00", amount="1000.00"),
            Paid(at="2026-02-01T00:00:00+01:00", amount="0.10"),
            Paid(at="2026-02-28T23:59:59+01:00", amount="-0.07"),
            Paid(at="2026-03-01T00:00:00+01:00", amount="0.20"),
            Paid(at="2026-03-29T12:00:00+02:00", amount="-5.00", iban=savings.iban, name="Savings"),
            Paid(at="2026-03-30T08:00:00+02:00", amount="-0.01"),
        ],
    )
    history.store(
        savings, [Paid(at="2026-03-29T12:00:00+02:00", amount="5.00", iban=main.iban, name="Main")], first_id=5000
    )


def test_in_and_out_are_those_of_the_same_local_days_without_own_transfers(app: Flask) -> None:
    fill()
    month = found()
    assert (month.days, month.days_before) == (
        Days(first=date(2026, 3, 1), last=date(2026, 3, 30)),
        Days(first=date(2026, 2, 1), last=date(2026, 2, 28)),
    )
    assert sums(month) == {"EUR": exact("0.20", "-0.01", "0.10", "-0.07")}
    assert month.changes[0].now.own_count == 2
    assert exact("-0.01", "5.00", "-5.00", "0.20", "-0.07") == tuple(each.amount for each in month.newest)


def test_only_as_many_days_of_last_month_count_as_this_month_has_had(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill()
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 2, 10, tzinfo=UTC))
    assert sums(found()) == {"EUR": exact("0.20", "0", "0.10", "0")}


@pytest.mark.parametrize("lacks", ["all aggregates", "last month's", "this month's"])
def test_what_aggregates_lack_is_added_up_from_the_payments(app: Flask, lacks: str) -> None:
    fill()
    if lacks == "all aggregates":
        db.session.execute(db.delete(AggregateState))
    else:
        month = date(2026, 2, 1) if lacks == "last month's" else date(2026, 3, 1)
        db.session.add(StaleMonth(account_id=accounts()[0].id, month=month))
    db.session.commit()
    assert sums(found()) == {"EUR": exact("0.20", "-0.01", "0.10", "-0.07")}


def test_currencies_are_apart(app: Flask) -> None:
    fill()
    dollars = accounts()[2]
    dollars.currency = "USD"
    db.session.commit()
    history.store(dollars, [Paid(at="2026-02-10T12:00:00+01:00", amount="-7.25")], first_id=9000)
    assert sums(found()) == {"EUR": exact("0.20", "-0.01", "0.10", "-0.07"), "USD": exact("0", "0", "0", "-7.25")}


def test_an_account_seen_through_two_connections_counts_once(app: Flask) -> None:
    fill()
    main = accounts()[0]
    copied = {each.key: getattr(main, each.key) for each in main.__table__.columns if each.key != "id"}
    first = db.session.scalars(db.select(Connection)).one()
    like = {each.key: getattr(first, each.key) for each in first.__table__.columns if each.key != "id"}
    second = Connection(**like | {"granted_user_id": 900_001, "callback_hash": None})
    db.session.add(second)
    db.session.flush()
    twin = MonetaryAccount(**copied | {"connection_id": second.id})
    db.session.add(twin)
    db.session.flush()
    rows.hold(second.id, member().id)
    db.session.commit()
    history.store(twin, [Paid(at="2026-03-01T00:00:00+01:00", amount="0.20")])
    month = found()
    assert sums(month) == {"EUR": exact("0.20", "-0.01", "0.10", "-0.07")}
    assert len({each.id for each in month.newest}) == 5


def test_a_guest_sees_and_compares_only_the_days_that_are_shared(app: Flask) -> None:
    fill()
    add_member(app, "guest@example.org")
    guest, main = member("guest@example.org"), accounts()[0]
    share = AccountShare(
        account_id=main.id,
        granted_by_id=member().id,
        member_id=guest.id,
        since=TODAY,
        first_day=date(2026, 3, 29),
    )
    db.session.add(share)
    db.session.commit()
    month = found("guest@example.org")
    assert sums(month) == {"EUR": exact("0", "-5.01")}, "one's own account is not an own transfer to a guest"
    assert exact("-0.01", "-5.00") == tuple(each.amount for each in month.newest)


def test_it_says_whether_all_payments_were_imported(app: Flask) -> None:
    fill()
    assert not found().is_complete, "two accounts were never imported"
    for number, account in enumerate(accounts()[2:]):
        history.store(account, [Paid(at="2026-01-10T12:00:00+01:00", amount="1.00")], first_id=20_000 + number)
    assert found().is_complete
