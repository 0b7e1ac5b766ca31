"""Payments in step with bunq: the whole history once, then what is new, each page kept with its place.

For each account we know which stretches of its history are here without a gap. A reading takes the newest
page, and goes on below a stretch until it meets the next one or the end of history. Each page is committed
together with the stretches, so whatever ends a worker costs at most the page that is being stored, and the
answer to the next call, which is made meanwhile.

https://doc.bunq.com/basics/pagination
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial, wraps
from typing import Any, TypeVar, cast

from flask import Flask, current_app
from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, case, func, update
from sqlalchemy import cast as cast_sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from bunqflask import clock
from bunqflask.bunq import errors
from bunqflask.bunq.client import BunqClient
from bunqflask.bunq.payment import PaymentPage
from bunqflask.database import leases
from bunqflask.extensions import db, read_only, table_of
from bunqflask.models import AccountSync, Connection, MonetaryAccount
from bunqflask.models.payments import ACCOUNT_BITS
from bunqflask.services.connections import accounts
from bunqflask.services.gateway import retry_policy, sessions
from bunqflask.services.gateway.pinned_session import KeptSession
from bunqflask.services.gateway.rate_limiter import CallGate, settle
from bunqflask.services.payments import aggregates, repository
from bunqflask.services.sync import payment_rows, payment_store, progress, reconciliation, webhooks
from bunqflask.services.sync.coverage import Stretch, merge

Work = TypeVar("Work", bound=Callable[..., bool])

FRESH = timedelta(minutes=60)
# bunq gives a callback up after six tries, so even with them payments are asked for now and then.
FRESH_WITH_CALLBACKS = timedelta(hours=24)
_REST = timedelta(minutes=5)
# Not every kind of account has payments to list; asking again will hardly change that, and nothing is wrong.
NOT_LISTED = "not_listed"
_REST_AFTER_NO = timedelta(hours=6)
# A gap that bunq itself has stays one: asking for it costs no more than this at each reading.
_MOST_REPAIRS = 3
# Two threads read a history: after each short answer of the database, the one that stores would wait for the one that
# makes rows, up to Python's usual 5 ms.
_HAND_OVER_S = 0.0005
# Accounts that were read one after the other fall due one after the other; one round reads them all.
_ROUND = timedelta(minutes=10)
_state = table_of(AccountSync)
_lowest, _unproved = cast_sql(bindparam("lowest"), BigInteger), _state.c.unproved_from
_PLACE = (
    update(_state)
    .where(_state.c.id == bindparam("account_id"))
    .values(
        stretches=bindparam("stretches"),
        lease_until=bindparam("lease_until"),
        unproved_from=case((_unproved <= _lowest, _unproved), else_=func.coalesce(_lowest, _unproved)),
    )
)


@dataclass(frozen=True)
class Progress:
    """How far the reading of one account is: payments kept, and of about how many; done or not."""

    account: MonetaryAccount
    kept: int
    expected: int | None = None
    done: bool = False
    trouble: str | None = None


@dataclass(frozen=True)
class _Line:
    """By what the payments of one account are asked for, one page after the other."""

    account_id: int
    monetary_account_id: int
    session: KeptSession


# A page as bunq tells it, and what keeps it.
_Page = tuple[PaymentPage, payment_store.Prepared]


def _while_it_exists(work: Work) -> Work:
    """Make a reading end with False, and no error, when its connection is erased meanwhile."""

    @wraps(work)
    def guarded(connection: Connection, *args: Any, **kwargs: Any) -> bool:
        connection_id = connection.id
        try:
            return work(connection, *args, **kwargs)
        except SQLAlchemyError:
            # A row that is gone shows itself in many ways: as a stale one, a missing one, a key that leads nowhere.
            db.session.rollback()
            if db.session.get(Connection, connection_id) is not None:
                raise
            return False

    return cast(Work, guarded)


@_while_it_exists
def run(
    connection: Connection,
    *,
    patience_s: float,
    full: bool = False,
    only: int | None = None,
    tell: Callable[[Progress], None] | None = None,
) -> bool:
    """Bring one connection's accounts and payments up to date; True when all of it went well.

    One account's trouble is noted on it and does not stop the others.

    :param full: read the whole history again, for what has changed since.
    :param only: read the payments of one account only, by our id of it.
    """
    if not _refresh(connection, patience_s=patience_s):
        return False
    gate = partial(CallGate, patience_s)
    found = [each for each in connection.monetary_accounts if each.is_shared and only in (None, each.id)]
    results = [_run_account(connection, account, gate(), full=full, tell=tell) for account in found]
    return all(results)


@_while_it_exists
def run_due(connection: Connection, *, patience_s: float) -> bool:
    """Do the same for the accounts that are due, while nobody waits for it: people's calls come first."""
    if not _refresh(connection, patience_s=patience_s, gives_way=True):
        return False
    gate = partial(CallGate, patience_s, gives_way=True)
    # Another worker may come to one of them first, while this one is at those before it.
    found = [(account, _is_as_seen(state)) for account, state in _due(connection, clock.now() + _ROUND)]
    results = [_run_account(connection, account, gate(), is_as_seen) for account, is_as_seen in found]
    return all(results)


def is_due(connection: Connection) -> bool:
    """Tell whether the payments of a connection should be read again, and nobody is at it."""
    if connection.status != "active" or any(leases.is_taken(state) for state in states_of(connection)):
        return False
    if not any(account.is_shared for account in connection.monetary_accounts):
        return accounts.is_due(connection) and clock.is_over(connection.accounts_read_at, after=FRESH)
    return bool(_due(connection, clock.now()))


def _refresh(connection: Connection, *, patience_s: float, gives_way: bool = False) -> bool:
    """Read which accounts there are; False when bunq could not be asked."""
    accounts.refresh(connection, patience_s=patience_s, gives_way=gives_way)
    db.session.refresh(connection)
    if connection.status != "active" or connection.trouble not in (None, "waiting"):
        return False
    webhooks.ensure(connection, CallGate(patience_s, gives_way=gives_way))
    return True


def _due(connection: Connection, moment: datetime) -> list[tuple[MonetaryAccount, AccountSync | None]]:
    """Return the accounts whose payments should be read again by a moment, and how far they are read."""
    oldest = moment - (FRESH if connection.hooks_set_at is None else FRESH_WITH_CALLBACKS)
    states = {state.id: state for state in states_of(connection)}
    found = [(account, states.get(account.id)) for account in connection.monetary_accounts if account.is_shared]
    return [(account, state) for account, state in found if _is_behind(state, oldest)]


def _is_as_seen(state: AccountSync | None) -> ColumnElement[bool]:
    """The condition that nobody has read this account since."""
    return and_(
        AccountSync.read_at.is_not_distinct_from(state.read_at if state else None),
        AccountSync.next_try_at.is_not_distinct_from(state.next_try_at if state else None),
    )


def _is_behind(state: AccountSync | None, oldest: datetime) -> bool:
    if state is None:
        return True
    if state.trouble is not None:
        return clock.has_come(state.next_try_at, longest=_REST_AFTER_NO if state.trouble == NOT_LISTED else _REST)
    if state.read_at is None or state.read_at < oldest or clock.is_ahead(state.read_at):
        return True
    return state.wanted_at is not None and state.wanted_at > state.read_at


def states_of(connection: Connection) -> list[AccountSync]:
    """Return how far each account of a connection has been read."""
    query = db.select(AccountSync).join(AccountSync.account).where(MonetaryAccount.connection_id == connection.id)
    return list(db.session.scalars(query))


def _run_account(
    connection: Connection,
    account: MonetaryAccount,
    gate: CallGate,
    *conditions: ColumnElement[bool],
    full: bool = False,
    tell: Callable[[Progress], None] | None = None,
) -> bool:
    state = _state_of(account)
    holder = leases.take(state, *conditions)
    if holder is None:
        return True  # another worker is at it, or has just been
    trouble, asked_at = None, clock.now()
    try:
        with KeptSession(connection.id, gate) as session:
            line = _Line(account.id, account.monetary_account_id, session)
            _read(account, state, line, full=full, tell=tell)
            proof = reconciliation.prove(account) if full else _repair(account, state, line)
        _proved(account, state, asked_at, proof)
    except errors.BunqError as error:
        trouble = _note(state, error)
    except sessions.SessionGone:
        return False
    finally:
        leases.give_back(state, holder)
    aggregates.keep(account)
    if tell is not None:
        tell(Progress(account, repository.count(account), done=trouble is None, trouble=trouble))
    return trouble in (None, NOT_LISTED)


def _read(
    account: MonetaryAccount,
    state: AccountSync,
    line: _Line,
    *,
    full: bool,
    tell: Callable[[Progress], None] | None,
) -> None:
    known = list(state.stretches)
    stretches = [] if full else [Stretch(*each) for each in known]
    (page, prepared), below = _page(line, None), None
    with _asking_ahead(line) as ask:
        while True:
            stretches = merge(stretches, page, below=below)
            before, below = below, stretches[0].oldest
            if before is not None and below >= before and not stretches[0].reaches_end:
                raise errors.ResponseNotUnderstood("bunq repeats a page of payments")
            following = None if stretches[0].reaches_end else ask(below)
            lowest = payment_store.store(line.account_id, prepared, known=known)
            _keep_place(line.account_id, stretches, lowest)
            db.session.commit()
            if tell is not None:
                tell(Progress(account, repository.count(account), progress.expected_total(account, state)))
            if following is None:
                return
            settle()
            page, prepared = following.result()


def _keep_place(account_id: int, stretches: Iterable[Stretch], lowest: int | None) -> None:
    """Note how far an account is read, and go on holding its lease. Does not commit.

    :param lowest: the row from which on the payments are to be proved.
    :raises SessionGone: the account is here no longer.
    """
    place = {
        "account_id": account_id,
        "stretches": [stretch.as_json() for stretch in stretches],
        "lease_until": clock.now() + leases.LEASE,
        "lowest": lowest,
    }
    # Not through the row that is loaded: each commit would read it anew.
    if db.session.connection().execute(_PLACE, place).rowcount != 1:
        raise sessions.SessionGone


@contextmanager
def _asking_ahead(line: _Line) -> Iterator[Callable[[int], Future[_Page]]]:
    """Yield a way to ask for the page below an id while something else is done, in a session of its own."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    sys.setswitchinterval(_HAND_OVER_S)

    def ask(below: int) -> _Page:
        with app.app_context():
            read_only()  # what is being stored meanwhile has the database's one lock for writing
            return _page(line, below)

    with ThreadPoolExecutor(1, "asking ahead") as pool:
        yield lambda below: pool.submit(ask, below)


def _page(line: _Line, older_id: int | None) -> _Page:
    def work(client: BunqClient, token: str, user_id: int) -> PaymentPage:
        return client.list_payments(token, user_id, line.monetary_account_id, older_id=older_id)

    page = line.session.run(work)
    return page, payment_store.prepare(payment_rows.rows_of(line.account_id, page.payments))


def _repair(account: MonetaryAccount, state: AccountSync, line: _Line) -> reconciliation.Proof:
    """Where payments do not add up, read again just there: one may have come late, or have changed.

    The newest place first: a page holds it and what is older, so it mends its neighbours too. Then what is below
    that page, because a place that bunq itself leaves broken must not keep older ones from being mended. Returns how
    the payments then add up.
    """
    proof = _prove_on(account, state)
    places = [gap.row_id >> ACCOUNT_BITS for gap in proof.breaks]
    for _ in range(_MOST_REPAIRS):
        if not places:
            break
        page, prepared = _page(line, places[-1] + 1)
        lowest = payment_store.store(line.account_id, prepared, known=state.stretches)
        if lowest is not None:
            state.unproved_from = min(lowest, state.unproved_from or lowest)
        db.session.commit()
        lowest = min([places[-1], *(payment.payment_id for payment in page.payments)])
        proof = _prove_on(account, state)
        left = [gap.row_id >> ACCOUNT_BITS for gap in proof.breaks]
        # What comes before the last one of a page is on the next.
        places = [place for place in left if place <= lowest and place < places[-1]]
    return proof


def _prove_on(account: MonetaryAccount, state: AccountSync) -> reconciliation.Proof:
    # Whoever stores a payment until the proof is noted would store one that nobody proves.
    aggregates.lock(account.id)
    db.session.refresh(state)
    return reconciliation.prove_on(account, state)


def _proved(account: MonetaryAccount, state: AccountSync, asked_at: datetime, proof: reconciliation.Proof) -> None:
    """Note the success, as of the moment bunq was first asked, and how far the payments now add up."""
    state.read_at = asked_at
    state.trouble = state.trouble_facts = state.next_try_at = None
    state.verified_id, state.breaks = proof.verified_id, [gap.as_json() for gap in proof.breaks]
    state.unproved_from = None
    if state.wanted_at is not None and clock.is_ahead(state.wanted_at):
        state.wanted_at = None  # noted by a clock that was wrong: this reading was meant
    if proof.is_anew:
        state.proved_at = asked_at
    db.session.commit()


def _note(state: AccountSync, error: errors.BunqError) -> str:
    db.session.rollback()
    kind, rest = retry_policy.kind_of(error), _REST
    if isinstance(error, errors.ObjectNotFound | errors.PermissionRefused):
        kind, rest = NOT_LISTED, _REST_AFTER_NO
    wait_s = getattr(error, "wait_s", 0.0)
    state.trouble, state.trouble_facts = kind, retry_policy.facts_of(error)
    state.next_try_at = clock.now() + (timedelta(seconds=wait_s) if wait_s else rest)
    db.session.commit()
    if kind != "waiting":
        current_app.logger.warning("payments of account %s: %s", state.id, error)
    return kind


def _state_of(account: MonetaryAccount) -> AccountSync:
    state: AccountSync | None = db.session.get(AccountSync, account.id)
    if state is None:
        # Another worker may make it at the same moment.
        insert = sqlite.insert if db.engine.dialect.name == "sqlite" else postgresql.insert
        fresh = insert(AccountSync).values(id=account.id, stretches=[], breaks=[])
        db.session.execute(fresh.on_conflict_do_nothing())
        db.session.commit()
        state = db.session.get_one(AccountSync, account.id)
    return state
