"""A program that applies the changes has exactly the payments that the list shows, whatever happened in between."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import delete

from bunqflask import clock, create_app
from bunqflask.bunq.notes import Note as BunqNote
from bunqflask.bunq.payment import PaymentPage
from bunqflask.config import Config
from bunqflask.database import leases
from bunqflask.database.leases import Lease
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import (
    AccountHolder,
    AccountShare,
    AccountSync,
    Connection,
    MonetaryAccount,
    NoteSync,
    Payment,
    WithdrawnPayment,
)
from bunqflask.models.payments import row_id
from bunqflask.services.consent import disconnect
from bunqflask.services.payments import aggregates, changes, notes, repository, revisions
from bunqflask.services.payments.changes import CursorRefused
from bunqflask.services.sync import payment_store, payment_sync, withdrawals
from bunqflask.services.sync.payment_rows import Row
from bunqflask.services.team import members
from bunqflask.services.team.members import Member
from tests.support import stored_payments
from tests.support.apps import PASSWORD, bare_environ, let_go
from tests.support.copies import Copy, listed
from tests.support.pool import AppPool

FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)
SHARED_FROM = date(2026, 1, 15)
IBANS = ("NL01BUNQ0000000001", "NL01BUNQ0000000002", "NL01BUNQ0000000003", "NL99ABNA0000000009")
HOLDER, READER = 0, 1


@pytest.fixture
def team(database_url: str, app_pool: AppPool) -> Iterator[list[Member]]:
    """A member who holds three accounts, and one who holds none, in an app's context; no bank is needed."""
    with app_pool.take(bare_environ(database_url)) as app, app.app_context():
        found = [members.add(f"person{each}@example.org", "", PASSWORD) for each in (HOLDER, READER)]
        db.session.add(
            Connection(
                environment="local",
                granted_user_id=77,
                granted_user_type="UserPerson",
                display_name="Jodi Walker",
                state_since=clock.now(),
            )
        )
        db.session.commit()
        for number in (1, 2, 3):
            add_account(found[HOLDER], number)
        yield found
        db.session.remove()


def add_account(holder: Member, number: int) -> int:
    connection_id = db.session.scalars(db.select(Connection.id)).one()
    account = MonetaryAccount(
        connection_id=connection_id,
        monetary_account_id=number,
        wrapper="MonetaryAccountBank",
        description=f"account {number}",
        iban=IBANS[(number - 1) % len(IBANS)],
        currency="EUR",
        status="ACTIVE",
        sub_status="NONE",
        raw={},
    )
    db.session.add(account)
    db.session.flush()
    db.session.add(AccountHolder(account_id=account.id, member_id=holder.id, since=clock.now()))
    account_id = account.id
    db.session.commit()
    return account_id


def account_ids() -> list[int]:
    return list(db.session.scalars(db.select(MonetaryAccount.id).order_by(MonetaryAccount.id)))


def row(account_id: int, payment_id: int, *, at: datetime, version: int = 0, text: str = "", iban: str = "") -> Row:
    """A payment as a sync makes one; each version of it was updated a second later."""
    return Row(
        id=row_id(payment_id, account_id),
        account_id=account_id,
        payment_id=payment_id,
        created_at=at,
        updated_at=at + timedelta(days=90, seconds=version),
        amount=Decimal("-1.50"),
        currency="EUR",
        balance_after=None,
        type="IDEAL",
        sub_type="PAYMENT",
        description=text or f"payment {payment_id}",
        counterparty_name="Bakkerij",
        counterparty_iban=iban or None,
        search_text="bakkerij",
        data="{}",
    )


def store(account_id: int, rows: Sequence[Row]) -> None:
    with transaction():
        payment_store.store(account_id, sorted(rows))


def note(payment_row_id: int, account_id: int, texts: Sequence[str]) -> None:
    """Store these notes on a payment, as a reading of bunq's does."""
    found = [
        BunqNote(
            kind="text", note_id=number, created_at=FIRST, updated_at=FIRST, author="Jodi", text=text,
            attachment_ids=[], raw={},
        )
        for number, text in enumerate(texts)
    ]  # fmt: skip
    notes._ensure_state(payment_row_id, account_id)
    with transaction():
        aggregates.lock(account_id)
        if notes._store(db.session.get_one(NoteSync, payment_row_id), found):
            revisions.touch(account_id, payment_row_id)


class World:
    """What can happen between two looks, by chance."""

    def __init__(self, team: list[Member], seed: int) -> None:
        self.team, self.chance, self.versions, self.numbers = team, random.Random(seed), 0, 100

    def act(self) -> None:
        acts: list[Callable[[], None]] = [
            self.add, self.add, self.add, self.edit, self.edit, self.list_again, self.move, self.write_note, self.share,
            self.share, self.end_share, self.know_another_iban, self.erase, self.open_account, self.withdraw,
            self.bring_back,
        ]  # fmt: skip
        self.chance.choice(acts)()

    def account(self) -> int | None:
        known = account_ids()
        return self.chance.choice(known) if known else None

    def add(self) -> None:
        account_id = self.account()
        if account_id is not None:
            count = self.chance.randint(1, 7)
            store(account_id, [self._row(account_id, self.numbers + each) for each in range(count)])
            self.numbers += count

    def list_again(self) -> None:
        """bunq lists some payments again: one has another text, the others are as they were."""
        some = self._some(5)
        for account_id in {each.account_id for each in some}:
            of_account = [each for each in some if each.account_id == account_id]
            again = [row(each.account_id, each.payment_id, at=each.created_at) for each in of_account]
            again = [
                each._replace(
                    updated_at=was.updated_at,
                    description=was.description,
                    counterparty_iban=was.counterparty_iban,
                    amount=was.amount,
                )
                for each, was in zip(again, of_account, strict=True)
            ]
            again[0] = again[0]._replace(description=f"said otherwise {self.versions}")
            store(account_id, again)

    def edit(self) -> None:
        for each in self._some(2):
            store(each.account_id, [self._row(each.account_id, each.payment_id, at=each.created_at)])

    def move(self) -> None:
        """bunq says that a payment was booked at another time, perhaps before what is shared."""
        for each in self._some(2):
            store(each.account_id, [self._row(each.account_id, each.payment_id)])

    def withdraw(self) -> None:
        """bunq does not list a payment any more."""
        for each in self._some(1):
            payment_sync._ensure_state(each.account_id)
            with transaction():
                withdrawals._withdraw(db.session.get_one(AccountSync, each.account_id), [each.id], clock.now())

    def bring_back(self) -> None:
        """bunq lists a payment again that it had left out."""
        gone = db.session.scalar(db.select(WithdrawnPayment).order_by(WithdrawnPayment.id).limit(1))
        if gone is not None:
            account_id, payment_id = gone.account_id, gone.payment_id
            again = self._row(account_id, payment_id, at=gone.created_at)
            with transaction():
                payment_store.store(account_id, [again])
                withdrawals._bring_back(account_id, [payment_id])

    def write_note(self) -> None:
        for each in self._some(1):
            note(each.id, each.account_id, ["seen"] * self.chance.randint(0, 2))

    def share(self) -> None:
        account_id = self.account()
        if account_id is not None:
            db.session.add(
                AccountShare(
                    account_id=account_id,
                    member_id=self.team[READER].id,
                    granted_by_id=self.team[HOLDER].id,
                    since=clock.now(),
                    first_day=self.chance.choice([None, SHARED_FROM, SHARED_FROM, date(2026, 1, 20)]),
                )
            )
            db.session.commit()

    def end_share(self) -> None:
        known = list(db.session.scalars(db.select(AccountShare.id)))
        if known:
            db.session.execute(delete(AccountShare).where(AccountShare.id == self.chance.choice(known)))
            db.session.commit()

    def know_another_iban(self) -> None:
        """An account gets another IBAN, so that transfers to it become own ones."""
        account_id = self.account()
        if account_id is not None:
            account = db.session.get_one(MonetaryAccount, account_id)
            account.other_ibans = self.chance.choice([(), (IBANS[3],)])
            db.session.commit()

    def erase(self) -> None:
        """The holder gives an account up: its payments are deleted."""
        account_id = self.account()
        if account_id is not None and self.chance.random() < 0.5:
            with transaction():
                connection = db.session.scalars(db.select(Connection)).one()
                db.session.execute(delete(AccountHolder).where(AccountHolder.account_id == account_id))
                if len(account_ids()) > 1:
                    disconnect.erase_unheld(connection)

    def open_account(self) -> None:
        if len(account_ids()) < 5:
            self.numbers += 1
            add_account(self.team[HOLDER], self.numbers)

    def _row(self, account_id: int, payment_id: int, at: datetime | None = None) -> Row:
        self.versions += 1
        return row(
            account_id,
            payment_id,
            # After the last one's, so that none is older than what is stored.
            at=at or FIRST + timedelta(hours=self.chance.randint(0, 700)),
            version=self.versions,
            text=f"version {self.versions}",
            iban=self.chance.choice(["", *IBANS]),
        )._replace(updated_at=FIRST + timedelta(days=90, seconds=self.versions))

    def _some(self, most: int) -> list[Payment]:
        known = list(db.session.scalars(db.select(Payment).order_by(Payment.id)))
        db.session.expunge_all()
        return self.chance.sample(known, min(most, len(known)))


@pytest.mark.parametrize("seed", range(4))
def test_a_copy_is_the_list_whatever_happens(team: list[Member], seed: int) -> None:
    world, sizes = World(team, seed), random.Random(-seed)
    copies = {(person, limit): Copy(limit=limit) for person in (HOLDER, READER) for limit in (1, 3, 1000)}
    earlier: dict[tuple[int, int], Copy] = {}
    for _ in range(20):
        world.act()
        for (person, limit), copy in copies.items():
            # Some ask only now and then, and stop in the middle.
            for _ in range(sizes.randint(0, 3)):
                copy.turn(team[person])
            db.session.rollback()
            if sizes.random() < 0.1:
                earlier[person, limit] = copy.as_before()
            if sizes.random() < 0.4:
                copy.catch_up(team[person])
                assert copy.payments == listed(team[person])
    for (person, limit), copy in [*copies.items(), *earlier.items()]:
        anew = Copy(limit=limit)
        for each in (copy, anew):
            each.catch_up(team[person])
            assert each.payments == listed(team[person])


def test_what_was_listed_again_unchanged_is_no_change(team: list[Member]) -> None:
    [account_id, *_] = account_ids()
    rows = [row(account_id, each, at=FIRST) for each in range(10)]
    store(account_id, rows)
    copy = Copy(limit=100)
    copy.catch_up(team[HOLDER])
    cursor = copy.cursor
    store(account_id, rows)
    store(account_id, [rows[0], rows[1]._replace(description="other")])
    found = changes.since(repository.scope_of(team[HOLDER]), cursor, limit=100, with_notes=True)

    assert [(each.line.description, each.is_new) for each in found.payments] == [("other", False)]


def test_new_and_changed_are_told_apart_also_in_the_middle_of_a_page(team: list[Member]) -> None:
    [account_id, *_] = account_ids()
    store(account_id, [row(account_id, each, at=FIRST) for each in range(5)])
    copy = Copy(limit=100)
    copy.catch_up(team[HOLDER])
    store(account_id, [row(account_id, each, at=FIRST, version=1) for each in range(2)])
    store(account_id, [row(account_id, each, at=FIRST) for each in range(5, 8)])
    cursor, told = copy.cursor, []
    for _ in range(5):
        found = changes.since(repository.scope_of(team[HOLDER]), cursor, limit=1, with_notes=True)
        told += [each.is_new for each in found.payments]
        cursor = found.cursor
        if len(told) == 4:
            # One that was new in an earlier page changes before the program is up to date.
            db.session.rollback()
            store(account_id, [row(account_id, 5, at=FIRST, version=2)])

    assert told == [False, False, True, True, True]


def test_a_shared_account_that_is_not_shared_any_more_is_removed(team: list[Member]) -> None:
    [account_id, *_] = account_ids()
    store(account_id, [row(account_id, each, at=FIRST) for each in range(5)])
    share = AccountShare(
        account_id=account_id, member_id=team[READER].id, granted_by_id=team[HOLDER].id, since=clock.now()
    )
    db.session.add(share)
    db.session.commit()
    copy = Copy(limit=100)
    copy.catch_up(team[READER])
    had = len(copy.payments)
    db.session.delete(share)
    db.session.commit()
    found = changes.since(repository.scope_of(team[READER]), copy.cursor, limit=100, with_notes=True)

    assert (had, list(found.removed_accounts), list(found.payments)) == (5, [account_id], [])


def test_a_database_that_was_put_back_sends_an_account_anew(team: list[Member]) -> None:
    [account_id, *_] = account_ids()
    for number in range(3):
        store(account_id, [row(account_id, number, at=FIRST)])
    copy = Copy(limit=100)
    copy.catch_up(team[HOLDER])
    db.session.execute(delete(Payment).where(Payment.payment_id == 2))
    db.session.get_one(MonetaryAccount, account_id).revision = 2
    db.session.commit()
    copy.catch_up(team[HOLDER])

    assert copy.payments == listed(team[HOLDER])
    assert len(copy.payments) == 2


@pytest.mark.parametrize("text", ["x", "!", "AAAA", "kw", "k8QGAAAAAAAAkJA0", "é" * 9, "wA", "A" * 7_000])
def test_a_cursor_of_another_kind_is_refused(team: list[Member], text: str) -> None:
    with pytest.raises(CursorRefused):
        changes.since(repository.scope_of(team[HOLDER]), text, limit=10, with_notes=False)


def test_nothing_is_skipped_while_others_write(team: list[Member]) -> None:
    """Two write to each of two accounts, with pauses before they commit; a program asks all the time."""
    app: Flask = create_app(Config.from_env(bare_environ(db.engine.url.render_as_string(hide_password=False))))
    accounts, each_writes = account_ids()[:2], 30
    errors = list[BaseException]()

    def write(account_id: int, first: int, seed: int) -> None:
        chance = random.Random(seed)
        try:
            with app.app_context():
                for number in range(each_writes):
                    with transaction():
                        new = row(account_id, first + number, at=FIRST)
                        again = row(account_id, chance.randint(first, first + number), at=FIRST, version=number)
                        payment_store.store(account_id, sorted({each.id: each for each in (again, new)}.values()))
                        time.sleep(chance.random() / 200)
                db.session.remove()
        except BaseException as error:  # noqa: BLE001 - a thread's error must fail the test
            errors.append(error)

    threads = [
        threading.Thread(target=write, args=(account_id, first, account_id * 7 + first))
        for account_id in accounts
        for first in (1_000, 5_000)
    ]
    copies = [Copy(limit=limit) for limit in (1, 4, 1000)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for copy in copies:
            copy.turn(team[HOLDER])
            db.session.rollback()
    for thread in threads:
        thread.join()
    let_go(app)
    assert errors == []
    shown = listed(team[HOLDER])
    assert len(shown) == 4 * each_writes
    for copy in copies:
        copy.catch_up(team[HOLDER])
        db.session.rollback()
        assert copy.payments == shown


def test_an_account_can_be_erased_while_a_page_of_it_is_stored(
    team: list[Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    account_id, *_ = account_ids()
    lease = leases.take(payment_sync._ensure_state(account_id))
    assert lease is not None
    app: Flask = create_app(Config.from_env(bare_environ(db.engine.url.render_as_string(hide_password=False))))
    is_locked, errors = threading.Event(), list[BaseException]()
    verify = Lease.verify

    def slowly(self: Lease) -> None:
        verify(self)
        is_locked.set()
        time.sleep(0.5)

    def erase() -> None:
        is_locked.wait(30)
        try:
            with app.app_context(), transaction():
                connection = db.session.scalars(db.select(Connection).with_for_update()).one()
                db.session.execute(delete(AccountHolder).where(AccountHolder.account_id == account_id))
                disconnect.erase_unheld(connection)
        except BaseException as error:  # noqa: BLE001 - a thread's error must fail the test
            errors.append(error)

    monkeypatch.setattr(Lease, "verify", slowly)
    thread = threading.Thread(target=erase)
    thread.start()
    page = PaymentPage([stored_payments._from_bunq(1, 1, "one")], None)
    account = payment_sync._Account(account_id, 1, lease, None)  # type: ignore[arg-type]  # bunq is not asked
    payment_sync._store_page(account, page, (), (), below=None)
    thread.join()
    let_go(app)
    db.session.rollback()

    assert errors == []
    assert account_id not in account_ids()
    assert db.session.scalar(db.select(Payment.id)) is None
