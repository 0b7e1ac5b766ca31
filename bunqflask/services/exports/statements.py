"""From the accounts in scope to the statements of a period, with balances around it and what is not certain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from zoneinfo import ZoneInfo

from flask import current_app
from sqlalchemy import and_, exists, or_, select

from bunqflask import clock
from bunqflask.exports.statement import Account, Statement, decimal_text
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import AccountSync, Discrepancy, MonetaryAccount, Payment
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.exports.snapshot import Snapshot
from bunqflask.services.payments import aggregates, visibility
from bunqflask.services.payments.repository import Scope
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.sync import coverage, reconciliation, status
from bunqflask.services.sync.status import AccountStatus, SyncState

# A notice names so many payments, as one sentence has to hold them.
_MOST_PLACES = 5
# So far apart may bunq's order of ids and the order of time be.
_MOST_DISORDER = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Period:
    """Days of the site's time zone, both included."""

    first_day: date
    last_day: date
    zone: ZoneInfo

    @property
    def since(self) -> datetime:
        return datetime.combine(self.first_day, time.min, self.zone)

    @property
    def before(self) -> datetime:
        return datetime.combine(self.last_day + timedelta(days=1), time.min, self.zone)


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What the database knows about some accounts and a period, loaded with a few statements for all of them.

    `opening` and `closing` hold the balance after the last payment before the period and before its end, for accounts
    that have such a payment; it is None where bunq did not say one.
    """

    statuses: dict[int, AccountStatus]
    states: dict[int, AccountSync]
    opening: dict[int, Decimal | None]
    closing: dict[int, Decimal | None]


def zone() -> ZoneInfo:
    """The time zone in which an export's days begin and end: one for the whole site, so that packs agree."""
    chosen: ZoneInfo = current_app.config["TIME_ZONE"]
    return chosen


def today() -> date:
    """The day that it is in that time zone."""
    return clock.now().astimezone(zone()).date()


def with_history(accounts: Sequence[AccountBalance]) -> list[AccountBalance]:
    """Return those of some accounts whose payments have been imported, wholly or in part."""
    states = _states([account.id for account in accounts])
    return [account for account in accounts if account.id in states]


def with_payments(accounts: Sequence[AccountBalance], period: Period) -> set[int]:
    """Return the rows of those accounts that have a payment in the period which the principal may see."""
    has_payments = exists().where(
        Payment.account_id == MonetaryAccount.id,
        Payment.created_at >= period.since,
        Payment.created_at < period.before,
        *visibility.conditions(accounts, Payment),
    )
    ids = [account.id for account in accounts]
    query = select(MonetaryAccount.id).where(MonetaryAccount.id.in_(ids), has_payments)
    return set(db.session.scalars(query))


def chosen(scope: Scope, account_ids: Sequence[int]) -> list[AccountBalance]:
    """Return the accounts with these rows, or all in scope, whose payments have been imported.

    :raises NotFoundHere: one of them is not in scope.
    """
    if any(account_id not in scope.accounts for account_id in account_ids):
        raise NotFoundHere
    found = [scope.accounts[account_id] for account_id in account_ids or sorted(scope.accounts)]
    states = _states([account.id for account in found])
    with_states = [(states[account.id], account) for account in found if account.id in states]
    # A joint account may be imported through two connections: its payments count once, from where it is updated, then
    # from where the most is visible, then from where it is known best.
    with_states.sort(key=lambda pair: _knowledge(*pair))
    with_states.sort(key=lambda pair: pair[1].first_day or date.min, reverse=True)
    with_states.sort(key=lambda pair: pair[1].is_covered)
    best = {account.monetary_account_id: account for _state, account in with_states}
    return sorted(best.values(), key=lambda account: account.id)


def take(scope: Scope, accounts: Sequence[AccountBalance], period: Period, snapshot: Snapshot) -> list[Statement]:
    """Copy the payments of a period into the snapshot, and return the statements that are made of it."""
    facts = _facts(scope, accounts, period)
    for account in accounts:
        snapshot.copy(account.id, max(period.since, visibility.since(account)), period.before)
    snapshot.copy_notes([account.id for account in accounts])
    return [_statement(scope, account, period, facts, snapshot) for account in accounts]


def own_ibans(scope: Scope, accounts: Sequence[AccountBalance]) -> set[str]:
    """Return the IBANs between which a payment is an own transfer: of all that is in scope, and of the same people.

    A person may export one account of several, or see one of several: a transfer to another is one nevertheless.
    """
    connection_ids = {account.connection_id for account in accounts}
    return {*scope.ibans, *aggregates.own_ibans(MonetaryAccount.connection_id.in_(connection_ids))}


def _knowledge(state: AccountSync, account: AccountBalance) -> tuple[bool, bool, datetime, int]:
    """Sort histories, the best last: whole ones over parts, then what adds up, then the last one synced."""
    synced_at = state.synced_at or datetime.min.replace(tzinfo=UTC)
    return coverage.is_complete(state.covered), not state.discrepancies, synced_at, account.id


def _states(account_ids: Sequence[int]) -> dict[int, AccountSync]:
    """Return how far histories are imported, of those accounts of which anything is."""
    query = select(AccountSync).where(AccountSync.id.in_(account_ids))
    return {state.id: state for state in db.session.scalars(query) if state.covered}


def _facts(scope: Scope, accounts: Sequence[AccountBalance], period: Period) -> _Facts:
    ids = [account.id for account in accounts]
    connection_ids = {account.connection_id for account in accounts}
    return _Facts(
        statuses=status.of_connections([each for each in scope.connections if each.id in connection_ids]),
        states=_states(ids),
        opening=_balances_before(accounts, period.since),
        closing=_balances_before(accounts, period.before),
    )


def _balances_before(accounts: Sequence[AccountBalance], moment: datetime) -> dict[int, Decimal | None]:
    """Return the balance after the last payment before a time, of each account that has one: an index look-up each."""
    limited = visibility.conditions(accounts, Payment)
    last = (
        select(Payment.id)
        .where(Payment.account_id == MonetaryAccount.id, Payment.created_at < moment, *limited)
        .order_by(Payment.created_at.desc(), Payment.id.desc())
        .limit(1)
        .correlate(MonetaryAccount)
        .scalar_subquery()
    )
    query = (
        select(MonetaryAccount.id, Payment.id.label("payment"), Payment.balance_after)
        .join(Payment, Payment.id == last)
        .where(MonetaryAccount.id.in_([account.id for account in accounts]))
    )
    found = db.session.execute(query).all()
    balances = {row.id: row.balance_after for row in found}
    for account_id, is_before, amount in _out_of_order({row.id: row.payment for row in found}, moment):
        balance = balances[account_id]
        balances[account_id] = None if balance is None else balance + amount if is_before else balance - amount
    return balances


def _out_of_order(last: Mapping[int, int], moment: datetime) -> Iterator[tuple[int, bool, Decimal]]:
    """Yield account, whether it was booked before a time, and amount of each payment that another balance holds.

    bunq's balances follow its ids, periods follow the time. Within a day of the time, these are the payments before it
    whose id is higher than that of the last one (in `last`, by account), and those after it whose id is lower.
    """
    if not last:
        return
    around = Payment.created_at.between(moment - _MOST_DISORDER, moment + _MOST_DISORDER)
    is_before = Payment.created_at < moment
    higher = [and_(Payment.account_id == account_id, Payment.id > row_id) for account_id, row_id in last.items()]
    lower = [and_(Payment.account_id == account_id, Payment.id < row_id) for account_id, row_id in last.items()]
    query = select(Payment.account_id, Payment.created_at, Payment.amount).where(
        Payment.account_id.in_(last), around, or_(and_(is_before, or_(*higher)), and_(~is_before, or_(*lower)))
    )
    for account_id, created_at, amount in db.session.execute(query):
        yield account_id, created_at < moment, amount


def _statement(scope: Scope, account: AccountBalance, period: Period, facts: _Facts, snapshot: Snapshot) -> Statement:
    opening = facts.opening.get(account.id)
    is_whole = coverage.is_complete(facts.states[account.id].covered) and account.first_day is None
    if account.id not in facts.opening and is_whole:
        # The history is whole, and it begins later; unless bunq's balance is one that no payment explains.
        is_explained = account.id in facts.closing or not facts.statuses[account.id].not_imported
        opening = Decimal(0) if is_explained else None
    closing = facts.closing.get(account.id, opening)
    notice = _notice(account, facts, period)
    discrepancies = _before(account, facts, period)
    return Statement(
        account=Account(
            name=account.name,
            iban=account.iban,
            currency=account.currency,
            holder=scope.by_id[account.connection_id].holder_name,
            monetary_account_id=account.monetary_account_id,
            kind=account.wrapper.removeprefix("MonetaryAccount"),
        ),
        first_day=max(period.first_day, min(account.first_day or period.first_day, period.last_day)),
        last_day=period.last_day,
        zone=period.zone,
        opening=opening,
        closing=closing,
        verified=not notice,
        notice=notice or discrepancies,
        entries=partial(snapshot.entries, account.id),
    )


def _notice(account: AccountBalance, facts: _Facts, period: Period) -> str:
    """Say why a period is not verified complete; empty when it is."""
    standing, state, before = facts.statuses[account.id], facts.states[account.id], period.before
    if account.first_day is not None and account.first_day > period.first_day:
        return _("Payments before %(day)s are not shared with the person who made this export.") % {
            "day": account.first_day
        }
    if standing.state == SyncState.NOT_LISTED:
        return _("bunq does not list the payments of this account.")
    if not coverage.is_complete(state.covered):
        return _("The history of this account is not fully imported yet.")
    is_over = before <= clock.now()
    # A period that is over has to be synced once after its end.
    if standing.synced_at is None or (is_over and standing.synced_at < before):
        return _("The last update from bunq was before the period ended.")
    within = _found_between(state, max(period.since, visibility.since(account)), before)
    if within:
        return _("Amounts and balances do not add up: %(places)s.") % {"places": _places(account, within, period.zone)}
    if state.verified_id is None and not state.discrepancies and account.id in facts.closing:
        return _("bunq gives no balances with the payments of this account.")
    if standing.unreadable:
        # Without an amount or a time, nobody knows of which day it is.
        ids = ", ".join(str(each or "?") for each in standing.unreadable[:_MOST_PLACES])
        return _("bunq lists payments that cannot be read, with these numbers: %(ids)s.") % {"ids": ids}
    if standing.not_imported:
        # Nobody knows yet of which day the missing payments are.
        return _("bunq's balance and these payments differ by %(amount)s %(currency)s that are not imported yet.") % {
            "amount": decimal_text(standing.not_imported),
            "currency": account.currency,
        }
    return "" if is_over else _("The period is not over: more payments may come.")


def _before(account: AccountBalance, facts: _Facts, period: Period) -> str:
    """Say that a period adds up although earlier payments do not; empty where those do too."""
    earlier = _found_between(facts.states[account.id], visibility.since(account), period.since)
    if not earlier:
        return ""
    places = _places(account, earlier, period.zone)
    return _("This period adds up. Before it, amounts and balances do not: %(places)s.") % {"places": places}


def _found_between(state: AccountSync, since: datetime, before: datetime) -> list[Discrepancy]:
    """Return the discrepancies that were found at payments from `since` until before `before`."""
    if not state.discrepancies:
        return []
    ids = [each.row_id for each in state.discrepancies]
    query = select(Payment.id).where(Payment.id.in_(ids), Payment.created_at >= since, Payment.created_at < before)
    found = set(db.session.scalars(query))
    return [each for each in state.discrepancies if each.row_id in found]


def _places(account: AccountBalance, discrepancies: Sequence[Discrepancy], zone: ZoneInfo) -> str:
    """Say where amounts and balances do not add up, and what it seems to be."""
    kinds = {
        "missing": _("something is missing before the payment of %(time)s"),
        "duplicate": _("the payment of %(time)s is there twice"),
        "changed": _("the payment of %(time)s has changed"),
        "unknown": _("bunq gave no balance after the payment of %(time)s"),
    }
    places = [
        kinds[each.kind] % {"time": f"{each.payment.created_at.astimezone(zone):%Y-%m-%d %H:%M}"}
        for each in reconciliation.explain(account.id, discrepancies)
    ]
    if len(places) > _MOST_PLACES:
        places = [*places[:_MOST_PLACES], _("and %(count)s more") % {"count": len(places) - _MOST_PLACES}]
    return "; ".join(places)
