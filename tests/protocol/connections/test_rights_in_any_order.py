"""Four members act in any order: nobody sees an account without a right, no payment is lost to a holder."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bunqflask import clock, create_app
from bunqflask.config import Config
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import (
    AttemptStep,
    Connection,
    Consent,
    ConsentAttempt,
    ConsentGrantState,
    MonetaryAccount,
    Payment,
)
from bunqflask.services.connections import lifecycle, sharing
from bunqflask.services.connections.sharing import ShareRefused, Wish
from bunqflask.services.consent import attempts, completion
from bunqflask.services.consent.disconnect import disconnect
from bunqflask.services.payments import details, local_days, repository, totals
from bunqflask.services.payments.filters import Filter
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import Search
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.team import members
from bunqflask.services.team.members import Member
from tests.support import history
from tests.support.apps import PASSWORD, bare_environ, let_go
from tests.support.history import Paid

ACCOUNTS, PEOPLE, USER = (1, 2, 3, 4), 4, 77
OLD, NEW = timedelta(days=40), timedelta(days=3)
# Between the two payments of each account.
BETWEEN = timedelta(days=20)

people = st.integers(0, PEOPLE - 1)
ticked = st.frozensets(st.sampled_from(ACCOUNTS), min_size=1)
consents = st.tuples(st.just("consent"), people, ticked)
shares = st.tuples(
    st.just("share"),
    people,
    st.sampled_from(ACCOUNTS),
    st.one_of(people, st.sampled_from(["team", "later"])),
    st.booleans(),
)
steps = st.one_of(
    consents,
    shares,
    shares,
    st.tuples(st.just("discard"), people, ticked),
    st.tuples(st.just("lose")),
    st.tuples(st.just("end share"), people),
    st.tuples(st.just("disconnect"), people),
    st.tuples(st.just("erase"), people),
)
# Two members have consented before anything else happens.
sequences = st.tuples(consents, consents, st.lists(steps, min_size=2, max_size=8))
BOTH, ONE = frozenset({1, 2}), frozenset({1})


@dataclass
class Expected:
    """What should be: who holds what, what is shared, and which consents work, the newest last."""

    held: dict[int, set[int]] = field(default_factory=lambda: {each: set() for each in range(PEOPLE)})
    # granter, account, reader (None: the whole team), and whether only the newer payment is shared
    shares: list[tuple[int, int, int | None, bool]] = field(default_factory=list)
    consents: list[tuple[int, frozenset[int]]] = field(default_factory=list)

    @property
    def stored(self) -> set[int]:
        return set().union(*self.held.values())

    def seen_by(self, person: int) -> dict[int, bool]:
        """Return the accounts that somebody sees, and whether only the newer payments."""
        found = dict.fromkeys(self.held[person], False)
        for granter, account, reader, is_limited in self.shares:
            if granter != person and reader in (None, person):
                found[account] = found.get(account, True) and is_limited
        return found


@pytest.fixture
def team(database_url: str) -> Iterator[list[Member]]:
    """Four members, in an app's context; no bank is needed."""
    app: Flask = create_app(Config.from_env(bare_environ(database_url)))
    with app.app_context():
        yield [members.add(f"person{each}@example.org", "", PASSWORD) for each in range(PEOPLE)]
        db.session.remove()
    let_go(app)


def approved(member: Member, accounts: frozenset[int]) -> ConsentAttempt:
    """An attempt that waits for its member to confirm it."""
    now = clock.now()
    attempt = ConsentAttempt(
        id=uuid.uuid4().hex,
        environment="local",
        member_id=member.id,
        step=AttemptStep.CONFIRM,
        step_since=now,
        created_at=now,
        expires_at=now + timedelta(minutes=10),
        approved_at=now,
        link_hash=uuid.uuid4().hex,
        granted_user_id=USER,
        granted_user_type="UserPerson",
        granted_user_name="Jodi Walker",
        accounts=[{"MonetaryAccountBank": {"id": each, "status": "ACTIVE", "currency": "EUR"}} for each in accounts],
    )
    db.session.add(attempt)
    db.session.commit()
    return attempt


def import_payments() -> None:
    """Give each account without payments an old one and a new one, as a sync would."""
    for account in db.session.scalars(db.select(MonetaryAccount)).all():
        if db.session.scalar(db.select(Payment.id).filter_by(account_id=account.id).limit(1)) is None:
            now = clock.now()
            history.store(account, [Paid(at=now - OLD, amount="400"), Paid(at=now - NEW, amount="5")])


def connection_id() -> int:
    return db.session.scalar(db.select(Connection.id)) or 0


def consent(team: list[Member], expected: Expected, person: int, accounts: frozenset[int]) -> None:
    completion.confirm(approved(team[person], accounts))
    import_payments()
    expected.held[person] |= accounts
    own = [each for each in expected.consents if each[0] == person and each[1] <= accounts]
    expected.consents = [each for each in expected.consents if each not in own] + [(person, accounts)]


def discard(team: list[Member], _expected: Expected, person: int, accounts: frozenset[int]) -> None:
    attempts.discard(approved(team[person], accounts))


def lose(_team: list[Member], expected: Expected) -> None:
    """bunq refuses the newest consent."""
    query = db.select(Consent).filter_by(state=ConsentGrantState.ACTIVE).order_by(Consent.id.desc()).limit(1)
    with transaction():
        newest = db.session.scalar(query)
        if newest is not None:
            lifecycle.end(newest, ConsentGrantState.LOST)
            lifecycle.settle(db.session.get_one(Connection, newest.connection_id))
    expected.consents = expected.consents[:-1]


def share(
    team: list[Member], expected: Expected, person: int, account: int, reader: int | str, is_limited: bool
) -> None:
    held = sorted(expected.held[person])
    # Mostly something that may be shared.
    account = held[account % len(held)] if held and account != ACCOUNTS[-1] else account
    row = db.session.scalar(db.select(MonetaryAccount.id).filter_by(monetary_account_id=account))
    first_day = local_days.day_of(clock.now() - BETWEEN) if is_limited else None
    named = [team[reader].id] if isinstance(reader, int) else []
    wish = Wish(
        account_ids=[row or 0],
        member_ids=named,
        with_team=reader == "team",
        with_future_members=reader == "later",
        first_day=first_day,
    )
    if account not in expected.held[person]:
        with pytest.raises(NotFoundHere):
            sharing.add(team[person], wish)
        return
    if reader == person:
        with pytest.raises(ShareRefused):
            sharing.add(team[person], wish)
        return
    sharing.add(team[person], wish)
    readers: list[int | None] = [reader] if isinstance(reader, int) else [None]
    if reader == "team":
        readers = [each for each in range(PEOPLE) if each != person]
    kept = [each for each in expected.shares if each[:2] != (person, account) or each[2] not in readers]
    expected.shares = kept + [(person, account, each, is_limited) for each in readers]


def end_share(team: list[Member], expected: Expected, person: int) -> None:
    """End the first share that somebody made."""
    own = [each for each in sharing.list_for(team[person], connection_id()) if each.is_own]
    if not own:
        return
    sharing.end(team[person], own[0].id)
    number = db.session.get_one(MonetaryAccount, own[0].account_id).monetary_account_id
    for each in expected.shares:
        name = None if each[2] is None else team[each[2]].name
        if each[:2] == (person, number) and name == own[0].member_name:
            expected.shares.remove(each)
            return
    raise AssertionError("a share was listed that nobody made")


def end(team: list[Member], expected: Expected, person: int, *, erase: bool) -> None:
    may = expected.held[person] or any(each[0] == person for each in expected.consents)
    if not may:
        with pytest.raises(NotFoundHere):
            disconnect(team[person], connection_id(), erase=erase)
        return
    disconnect(team[person], connection_id(), erase=erase)
    expected.consents = [each for each in expected.consents if each[0] != person]
    if erase:
        expected.held[person] = set()
        shares = [each for each in expected.shares if each[0] != person and each[1] in expected.stored]
        expected.shares = shares
        stored = expected.stored
        expected.consents = [(who, accounts & stored) for who, accounts in expected.consents]


ACTS = {
    "consent": consent,
    "discard": discard,
    "lose": lose,
    "share": share,
    "end share": end_share,
    "disconnect": lambda team, expected, person: end(team, expected, person, erase=False),
    "erase": lambda team, expected, person: end(team, expected, person, erase=True),
}


def check(team: list[Member], expected: Expected, *, is_last: bool) -> None:
    db.session.rollback()
    rows = db.session.scalars(db.select(MonetaryAccount)).all()
    assert {each.monetary_account_id for each in rows} == expected.stored, "exactly what somebody holds is stored"
    covered = set().union(*(accounts for _who, accounts in expected.consents)) if expected.consents else set()
    assert {each.monetary_account_id for each in rows if each.is_covered} == covered & expected.stored
    payments = db.session.scalars(db.select(Payment)).all()
    assert len(payments) == 2 * len(rows), "no payment is lost, and none stays without its account"
    numbers = {each.id: each.monetary_account_id for each in rows}
    limit = local_days.start_of(local_days.day_of(clock.now() - BETWEEN))
    for person, member in enumerate(team):
        seen, scope = expected.seen_by(person), repository.scope_of(member)
        assert {numbers[each]: account.first_day is not None for each, account in scope.accounts.items()} == seen
        assert {numbers[each.id] for each in scope.accounts.values() if each.is_held} == expected.held[person]
        should = {each.id for each in payments if is_seen(each, seen, numbers, limit)}
        search = Search(scope, Filter())
        assert {line.id for line in search.page().lines} == should
        assert {line.id for line in Search(scope, Filter(words="bread")).page().lines} == should
        assert sum(each.count for each in totals.of_all(search)) == len(should)
        if is_last:
            check_addresses(scope, payments, should)


def check_addresses(scope: Scope, payments: Sequence[Payment], should: set[int]) -> None:
    """Ask for each payment by its own address."""
    for each in payments:
        if each.id in should:
            assert details.get(scope, each.id).line.id == each.id
        else:
            with pytest.raises(NotFoundHere):
                details.get(scope, each.id)


def is_seen(payment: Payment, seen: dict[int, bool], numbers: dict[int, int], limit: object) -> bool:
    number = numbers[payment.account_id]
    return number in seen and (not seen[number] or payment.created_at >= limit)  # type: ignore[operator]  # a time, given on as an object


def forget() -> None:
    for model in (ConsentAttempt, Connection):
        for row in db.session.scalars(db.select(model)).all():
            db.session.delete(row)
    db.session.commit()


@settings(
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(sequences)
@example((("consent", 0, BOTH), ("consent", 1, ONE), [("share", 0, 2, 2, False), ("erase", 0), ("consent", 0, ONE)]))
@example((("consent", 0, BOTH), ("consent", 1, ONE), [("share", 1, 1, 2, True), ("share", 0, 2, "later", False)]))
@example((("consent", 0, ONE), ("consent", 1, BOTH), [("lose",), ("disconnect", 0), ("erase", 1), ("erase", 0)]))
def test_nobody_sees_without_a_right_and_nothing_is_lost_to_a_holder(
    team: list[Member], acts: tuple[tuple[object, ...], tuple[object, ...], list[tuple[object, ...]]]
) -> None:
    forget()
    expected = Expected()
    first, second, more = acts
    for number, (name, *given_to) in enumerate((first, second, *more), start=1):
        ACTS[str(name)](team, expected, *given_to)  # type: ignore[operator]  # each act takes what its step holds
        check(team, expected, is_last=number == len(more) + 2)


def test_the_day_between_the_two_payments_is_between_them() -> None:
    today = date(2026, 11, 28)
    assert today - OLD < today - BETWEEN < today - NEW
