"""Monetary accounts, and their balances on past days."""

from __future__ import annotations

from datetime import date, timedelta

from flask import g

from bunqflask import clock
from bunqflask.api import amounts, problems
from bunqflask.api.blueprint import endpoint
from bunqflask.api.queries import BalanceQuery
from bunqflask.api.schemas import AccountItem, Accounts, DayBalanceItem, DayBalances, SyncState
from bunqflask.models import TokenScope
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.payments import local_days, repository
from bunqflask.services.payments.repository import Scope
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal
from bunqflask.services.sync import balance_history, status
from bunqflask.services.sync.status import AccountStatus

_TAG = "Accounts"
_MOST_DAYS, _USUAL_DAYS = 400, 30


@endpoint("GET", "/accounts", answer=Accounts, scope=TokenScope.BALANCES_READ, tag=_TAG)
def accounts() -> Accounts:
    """All accounts that the token sees, with their last known balances and how far they are imported."""
    return list_of(g.bearer)


@endpoint("GET", "/accounts/<int:account_id>", answer=AccountItem, scope=TokenScope.BALANCES_READ, tag=_TAG)
def account(account_id: int) -> AccountItem:
    """One account."""
    scope, found = _scope_and_account(g.bearer, account_id)
    statuses = status.of_connections([scope.by_id[found.connection_id]])
    return _item(found, statuses[found.id])


@endpoint(
    "GET",
    "/accounts/<int:account_id>/balances",
    query=BalanceQuery,
    answer=DayBalances,
    scope=TokenScope.BALANCES_READ,
    tag=_TAG,
)
def balances(account_id: int, query: BalanceQuery) -> DayBalances:
    """The balance at the end of a day (`date`) or of each day of a period; by default of the last 30 days.

    A day is left out as long as no payment up to it is known.
    """
    return days_of(g.bearer, account_id, query)


def list_of(principal: Principal) -> Accounts:
    """Return the accounts that a principal sees."""
    scope = repository.scope_of(principal)
    statuses = status.of_connections(scope.connections)
    return Accounts([_item(each, statuses[each.id]) for each in scope.accounts.values()])


def days_of(principal: Principal, account_id: int, query: BalanceQuery) -> DayBalances:
    """Return the balances of an account at the ends of days.

    :raises NotFoundHere: the principal does not see the account.
    :raises ParameterRefused: the days are too many, or in the wrong order.
    """
    scope, found = _scope_and_account(principal, account_id)
    problems.check_days(query)
    last = query.date or query.last or local_days.day_of(clock.now())
    first = query.date or query.first or last - timedelta(days=_USUAL_DAYS - 1)
    _check_days(first, last)
    days = balance_history.of_days(found, scope, first, last)
    return DayBalances(
        [
            DayBalanceItem(
                date=each.day,
                balance=amounts.text(each.balance),
                money_in=amounts.text(each.money_in),
                money_out=amounts.text(each.money_out),
                own_transfers=amounts.text(each.own),
                is_verified=each.is_verified,
            )
            for each in days
        ]
    )


def _check_days(first: date, last: date) -> None:
    if first > last:
        problems.refuse("`from` is after `to`.")
    if (last - first).days >= _MOST_DAYS:
        problems.refuse(f"At most {_MOST_DAYS} days at a time.")


def _scope_and_account(principal: Principal, account_id: int) -> tuple[Scope, AccountBalance]:
    scope = repository.scope_of(principal)
    if account_id not in scope.accounts:
        raise NotFoundHere
    return scope, scope.accounts[account_id]


def _item(found: AccountBalance, state: AccountStatus) -> AccountItem:
    return AccountItem(
        id=str(found.id),
        connection_id=str(found.connection_id),
        monetary_account_id=str(found.monetary_account_id),
        name=found.name,
        type=found.wrapper,
        iban=found.iban,
        currency=found.currency,
        balance=amounts.text_or_none(found.balance),
        balance_at=found.updated_at,
        status=found.status,
        is_held=found.is_held,
        payments_from=found.first_day,
        sync=SyncState(
            state=state.state.value,
            synced_at=state.synced_at,
            next_try_at=state.next_try_at,
            not_imported=amounts.text_or_none(state.not_imported),
            verified_until=state.verified_until,
        ),
    )
