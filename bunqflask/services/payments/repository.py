"""Whose payments are asked for: the connections and accounts that a principal may see, and how many are stored."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cached_property

from sqlalchemy import func, select

from bunqflask.extensions import db
from bunqflask.models import Payment
from bunqflask.services.connections import overview
from bunqflask.services.connections.overview import AccountBalance, ConnectionOverview
from bunqflask.services.payments import aggregates
from bunqflask.services.payments.aggregates import Usable
from bunqflask.services.principal import Principal


class AccountScope:
    """The accounts that a principal may see, by our id of each; own transfers are known by the accounts' IBANs."""

    def __init__(self, accounts: Iterable[AccountBalance] = ()) -> None:
        self.accounts = {account.id: account for account in accounts}

    @cached_property
    def by_iban(self) -> dict[str, AccountBalance]:
        """The accounts, by all their IBANs; of those with the same one, that whose payments are counted."""
        found: dict[str, AccountBalance] = {}
        for account in sorted(self.accounts.values(), key=_preference):
            for iban in account.ibans:
                found.setdefault(iban, account)
        return found

    @cached_property
    def ibans(self) -> list[str]:
        return sorted(self.by_iban)

    @cached_property
    def usable_aggregates(self) -> Usable:
        """The aggregates of these accounts that can be used, as of the first question."""
        return aggregates.usable(list(self.accounts), self.ibans)

    @cached_property
    def ids(self) -> list[int]:
        """The rows of the accounts, each of bunq's once."""
        return self.once(self.accounts)

    def once(self, account_ids: Iterable[int]) -> list[int]:
        """Return those of some accounts in scope, each of bunq's once: a joint one may come through two connections."""
        best: dict[int, AccountBalance] = {}
        for account in sorted((self.accounts[each] for each in account_ids if each in self.accounts), key=_preference):
            best.setdefault(account.monetary_account_id, account)
        return sorted(account.id for account in best.values())


class Scope(AccountScope):
    """The same with the connections, which cost more to load."""

    def __init__(self, connections: tuple[ConnectionOverview, ...] = ()) -> None:
        super().__init__(account for connection in connections for account in connection.accounts)
        self.connections = connections

    @cached_property
    def by_id(self) -> dict[int, ConnectionOverview]:
        """The connections, by their ids."""
        return {connection.id: connection for connection in self.connections}

    def of_connection(self, connection_id: int) -> Scope:
        """Return one connection of it: transfers to the principal's accounts elsewhere are no own transfers in it."""
        return Scope(tuple(each for each in self.connections if each.id == connection_id))


def _preference(account: AccountBalance) -> tuple[bool, date, int]:
    """Sort rows of one account at bunq, the best first: one that is updated, then where the most is visible."""
    return not account.is_covered, account.first_day or date.min, account.id


def scope_of(principal: Principal, connection_id: int | None = None) -> Scope:
    """Return what the principal may see: all of it, or one connection's accounts.

    :raises NotFoundHere: there is no such connection for this principal.
    """
    if connection_id is not None:
        return Scope((overview.get(principal, connection_id),))
    return Scope(tuple(overview.list_all(principal, with_people=False)))


def accounts_of(principal: Principal) -> AccountScope:
    """Return all accounts that the principal may see, for what asks for payments only."""
    return AccountScope(overview.accounts_of(principal))


def count(account_id: int) -> int:
    """Return how many payments of an account are stored."""
    return db.session.scalar(select(func.count()).where(Payment.account_id == account_id)) or 0
