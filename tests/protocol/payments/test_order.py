"""The order of lists over several accounts and connections: by booking time, each payment and each day once."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import Connection, MonetaryAccount, Payment
from bunqflask.services.payments import local_days, repository
from bunqflask.services.payments.filters import Filter
from bunqflask.services.payments.lines import PaymentLine
from bunqflask.services.payments.search import Cursor, Search
from bunqflask.services.team import members
from bunqflask.web.payments import presenters
from tests.support import consents, history, rows
from tests.support.history import Paid

BEGUN = datetime(2026, 3, 27, 12, tzinfo=UTC)
SIZE = 300
NAMES = ("Koffie", "Thee", "Koffie Thee", "Brood")


def add_connection(member_id: int) -> list[MonetaryAccount]:
    """Connect somebody else with two accounts."""
    now = clock.now()
    other = Connection(
        environment="local",
        granted_user_id=77,
        granted_user_type="UserCompany",
        display_name="Walker Studio B.V.",
        state_since=now,
    )
    db.session.add(other)
    db.session.flush()
    [like, *_rest] = db.session.scalars(db.select(MonetaryAccount)).all()
    added = []
    for number in (1, 2):
        copied = {each.key: getattr(like, each.key) for each in MonetaryAccount.__table__.columns if each.key != "id"}
        copied |= {"connection_id": other.id, "monetary_account_id": 500 + number, "iban": f"NL0{number}TEST0000000000"}
        added.append(MonetaryAccount(**copied))
    db.session.add_all(added)
    db.session.flush()
    rows.hold(other.id, member_id)
    return added


@pytest.fixture
def mixed_app(connected_app: Flask) -> Flask:
    """Two connections whose ids are not in the order of time: the second one's are lower, and few times are unique."""
    rng, member = random.Random(5), members.find(consents.ROBIN)
    assert member is not None
    accounts = list(db.session.scalars(db.select(MonetaryAccount).order_by(MonetaryAccount.id)))
    accounts += add_connection(member.id)
    db.session.commit()
    ibans = [each.iban for each in accounts]
    for number, account in enumerate(accounts):
        paid = [
            Paid(
                at=BEGUN + timedelta(hours=rng.randrange(24 * 9), seconds=rng.choice((0, 0, 0, 1))),
                amount=f"{rng.choice((-1, 1)) * rng.randint(1, 400) / 4:.2f}",
                name=rng.choice(NAMES),
                iban=rng.choice((None, "NL91ABNA0417164300", *ibans)),
                type=rng.choice(("BUNQ", "IDEAL")),
            )
            for _ in range(SIZE // len(accounts))
        ]
        history.store(account, paid, first_id=100_000 // (number + 1), step=1)
    return connected_app


FILTERS = st.builds(
    Filter,
    words=st.sampled_from(["", "", "koffie", "thee", "brood koffie"]),
    first_day=st.none() | st.dates(date(2026, 3, 26), date(2026, 4, 6)),
    last_day=st.none() | st.dates(date(2026, 3, 26), date(2026, 4, 6)),
    account_ids=st.none() | st.frozensets(st.integers(1, 6), max_size=3),
    at_least=st.sampled_from([None, None, Decimal(25)]),
    at_most=st.sampled_from([None, None, Decimal(60)]),
    direction=st.sampled_from(["", "", "in", "out"]),
    type=st.sampled_from(["", "", "IDEAL"]),
)


def change_of(lines: list[PaymentLine], *, several: bool) -> Decimal:
    return sum((each.amount for each in lines if not (several and each.is_own)), Decimal(0))


def test_pages_list_each_payment_once_in_order_and_each_day_once_with_its_total(mixed_app: Flask) -> None:
    member = members.find(consents.ROBIN)
    assert member is not None
    scope = repository.scope_of(member)
    assert len(scope.connections) == 2
    everything = list(db.session.scalars(db.select(Payment)))
    assert len({each.created_at for each in everything}) < len(everything) * 3 / 4, "many times are equal"

    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(FILTERS, st.sampled_from([3, 7, 50]))
    def check(wanted: Filter, size: int) -> None:
        listed: list[PaymentLine] = []
        headed: dict[date, Decimal] = {}
        after: Cursor | None = None
        while True:
            search = Search(scope, wanted)
            page = search.page(after=after, size=size)
            with mixed_app.test_request_context():
                groups = presenters.days(page, search, ("/payments/", ""), after=after)
            for number, group in enumerate(groups):
                assert number == 0 or not group.continued
                if not group.continued:
                    assert group.day not in headed, "a day is headed once"
                    headed[group.day] = sum((each.amount for each in group.totals), Decimal(0))
            listed += page.lines
            after = page.older
            if after is None:
                break
        places = [(each.created_at, each.id) for each in listed]
        assert places == sorted(places, reverse=True)
        assert len(set(places)) == len(places)
        assert {each.id for each in listed} == {each.id for each in everything if fits(each, wanted)}
        for day, total in headed.items():
            of_day = [each for each in listed if local_days.day_of(each.created_at) == day]
            assert total == change_of(of_day, several=len(search.account_ids) > 1)
        assert set(headed) == {local_days.day_of(each.created_at) for each in listed}

    check()


def fits(payment: Payment, wanted: Filter) -> bool:
    day, size = local_days.day_of(payment.created_at), abs(payment.amount)
    words = payment.search_text.split()
    return (
        all(any(word.startswith(part) for word in words) for part in wanted.words.split())
        and (wanted.account_ids is None or payment.account_id in wanted.account_ids)
        and (wanted.first_day is None or day >= wanted.first_day)
        and (wanted.last_day is None or day <= wanted.last_day)
        and (wanted.at_least is None or size >= wanted.at_least)
        and (wanted.at_most is None or size <= wanted.at_most)
        and wanted.direction in ("", "in" if payment.amount > 0 else "out")
        and wanted.type in ("", payment.type)
    )
