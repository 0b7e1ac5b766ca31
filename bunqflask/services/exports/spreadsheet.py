"""What spreadsheets fetch automatically: the payments and the balances of a token's accounts, as tables."""

from __future__ import annotations

from datetime import date

from bunqflask.exports.table import Cell, Table
from bunqflask.models.payments import payment_id_of
from bunqflask.services import policy
from bunqflask.services.audit import looks
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.payments import local_days, repository
from bunqflask.services.payments.filters import Filter
from bunqflask.services.payments.lines import PaymentLine
from bunqflask.services.payments.search import Cursor, Search
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal

# Of a spreadsheet's millions of cells these are half a million; a process holds them for a moment, about 20 MB.
MOST_ROWS = 50_000
_PAGE = 2_000
_LOOK_PATIENCE_S = 0.5
PAYMENT_COLUMNS = (
    "date",  # the day in the time zone of the server, YYYY-MM-DD
    "time",  # HH:MM:SS in the same
    "account",
    "account_iban",
    "payment_id",  # bunq's id of the payment, as in the exports
    "amount",  # signed
    "currency",
    "direction",  # in, out, or own: between the accounts of the link
    "counterparty",
    "counterparty_iban",
    "description",
    "type",
)
BALANCE_COLUMNS = (
    "account",
    "account_iban",
    "account_id",  # bunq's id of the monetary account, as in the exports
    "holder",
    "currency",
    "balance",
    "date",  # when bunq said so, in the time zone of the server
    "time",
)


class TooManyRows(Exception):
    """More payments were asked for than a table can have."""


def payments(
    principal: Principal, *, account_id: int | None = None, first: date | None = None, last: date | None = None
) -> Table:
    """Return payments, the oldest first: so a new one comes below, and what a person wrote beside a row stays there.

    :param account_id: our id of the only account wanted.
    :param first: the first day wanted, `last` the last one.
    :raises NotPermitted: the principal may not export.
    :raises NotFoundHere: the principal does not see the account.
    :raises TooManyRows: there are more than `MOST_ROWS`.
    """
    policy.check_can_export(principal)
    scope = repository.accounts_of(principal)
    if account_id is not None and account_id not in scope.accounts:
        raise NotFoundHere
    account_ids = None if account_id is None else frozenset([account_id])
    search = Search(scope, Filter(account_ids=account_ids, first_day=first, last_day=last))
    rows: list[tuple[Cell, ...]] = []
    after: Cursor | None = None
    while True:
        page = search.page(after=after, size=_PAGE)
        rows += [_payment(line, scope.accounts[line.account_id]) for line in page.lines]
        if len(rows) > MOST_ROWS:
            raise TooManyRows
        if page.older is None:
            break
        after = page.older
    others = {each for each in search.account_ids if not scope.accounts[each].is_held}
    if others:
        looks.record_if_possible(principal, others, local_days.zone(), patience_s=_LOOK_PATIENCE_S)
    return Table(PAYMENT_COLUMNS, rows[::-1])


def balances(principal: Principal) -> Table:
    """Return the last known balance of each account.

    :raises NotPermitted: the principal may not export.
    """
    policy.check_can_export(principal)
    scope = repository.scope_of(principal)
    found = [_balance(account, scope.by_id[account.connection_id].holder_name) for account in scope.accounts.values()]
    return Table(BALANCE_COLUMNS, found)


def _payment(line: PaymentLine, account: AccountBalance) -> tuple[Cell, ...]:
    at = line.created_at.astimezone(local_days.zone())
    return (
        f"{at:%Y-%m-%d}",
        f"{at:%H:%M:%S}",
        account.name,
        account.iban,
        str(payment_id_of(line.id)),
        line.amount,
        line.currency,
        line.direction,
        line.counterparty_name,
        line.counterparty_iban,
        line.description,
        line.type,
    )


def _balance(account: AccountBalance, holder: str) -> tuple[Cell, ...]:
    at = account.updated_at.astimezone(local_days.zone()) if account.updated_at else None
    return (
        account.name,
        account.iban,
        str(account.monetary_account_id),
        holder,
        account.currency,
        account.balance,
        f"{at:%Y-%m-%d}" if at else None,
        f"{at:%H:%M:%S}" if at else None,
    )
