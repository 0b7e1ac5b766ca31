"""Monetary accounts: read from bunq, stored, compared with what was there before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from flask import current_app
from sqlalchemy.exc import InvalidRequestError

from bunqflask import clock
from bunqflask.bunq import errors, resources
from bunqflask.bunq.client import BunqClient
from bunqflask.database import leases
from bunqflask.database.types import AMOUNT_DECIMALS
from bunqflask.extensions import db
from bunqflask.models import Connection, MonetaryAccount
from bunqflask.services.connections import access
from bunqflask.services.gateway import retry_policy, sessions
from bunqflask.services.gateway.rate_limiter import CallGate

STALE_AFTER = timedelta(minutes=5)
_TOO_LARGE = Decimal(10) ** 14


@dataclass(frozen=True)
class Difference:
    """What one reading changed, as bunq's monetary account ids."""

    new: list[int]
    gone: list[int]
    stays: list[int]


def is_stale(connection: Connection) -> bool:
    """Tell whether the accounts should be read again."""
    return connection.status == "active" and clock.is_over(connection.accounts_read_at, after=STALE_AFTER)


def is_due(connection: Connection) -> bool:
    """Tell whether a reading that is wanted may be tried now."""
    return clock.has_come(connection.next_try_at, longest=retry_policy.LONGEST_REST)


def refresh(connection: Connection, *, patience_s: float, gives_way: bool = False) -> None:
    """Read the accounts from bunq and store them; whatever goes wrong is noted on the connection.

    One worker at a time; while another one does it, or bunq is not to be asked yet, nothing happens.

    :param gives_way: nobody waits for it, so people's calls come first.
    """
    if connection.status != "active" or not is_due(connection):
        return
    holder = leases.take(connection)
    if holder is None:
        return
    gate, consented_at = CallGate(patience_s, gives_way=gives_way), connection.consented_at
    try:
        if connection.refused_at is not None:
            _find_out_who_is_refused(connection, gate)
        if connection.status == "active":
            _read_and_store(connection, consented_at, gate)
    except errors.SecretRefused as error:
        if _holds(connection, consented_at):
            _note_refusal(connection, error, gate)
    except errors.BunqError as error:
        if _holds(connection, consented_at):
            retry_policy.note(connection, error)
    except sessions.NotSetUp:
        retry_policy.note_kind(connection, "not_set_up")
    except sessions.SessionGone:
        return
    finally:
        leases.give_back(connection, holder)


def fetch(client: BunqClient, token: str, path_user_id: int) -> list[resources.MonetaryAccount]:
    """The work in a session that reads the accounts."""
    return client.list_monetary_accounts(token, path_user_id)


def store(connection: Connection, accounts: list[resources.MonetaryAccount]) -> Difference:
    """Bring the stored accounts in line with what bunq showed. Does not commit.

    An account that is no longer in the grant keeps its row; one that is in it again is the same row.
    """
    rows = {row.monetary_account_id: row for row in connection.monetary_accounts}
    were_shared = {key for key, row in rows.items() if row.is_shared}
    seen = {account.monetary_account_id for account in accounts}
    for account in accounts:
        row = rows.get(account.monetary_account_id)
        if row is None:
            row = MonetaryAccount(monetary_account_id=account.monetary_account_id)
            connection.monetary_accounts.append(row)
        fill(row, account)
    for key, row in rows.items():
        if key not in seen:
            row.is_shared = False
    connection.accounts_read_at = clock.now()
    return Difference(new=sorted(seen - were_shared), gone=sorted(were_shared - seen), stays=sorted(seen & were_shared))


def fill(row: MonetaryAccount, account: resources.MonetaryAccount) -> None:
    """Copy what bunq showed into a row."""
    row.wrapper = account.wrapper[:80]
    row.description = account.description[:500]
    row.iban = account.iban
    row.currency = account.currency[:10]
    row.balance = exact(account.balance)
    row.status, row.sub_status = account.status[:40], account.sub_status[:60]
    row.color = account.color
    row.savings_goal = exact(account.savings_goal)
    row.updated_at = account.updated_at
    row.is_shared = True
    row.raw = dict(account.raw)


def from_raw(items: list[dict[str, Any]]) -> list[MonetaryAccount]:
    """Make rows, not stored, from bunq's list items kept as JSON."""
    rows = []
    for item in items:
        account = resources.MonetaryAccount.from_item(item)
        if account is not None:
            row = MonetaryAccount(monetary_account_id=account.monetary_account_id)
            fill(row, account)
            rows.append(row)
    return rows


def exact(amount: resources.Amount | None) -> Decimal | None:
    """An amount that fits its column; one finer or larger than any currency needs stays in the raw JSON."""
    if amount is None:
        return None
    exponent = amount.value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -AMOUNT_DECIMALS or abs(amount.value) >= _TOO_LARGE:
        return None
    return amount.value


def _holds(connection: Connection, consented_at: datetime) -> bool:
    """Lock the connection and tell whether it still holds the permission that bunq was asked with.

    While bunq answered it may have been renewed, ended or erased: then the answer is about the past.
    """
    try:
        db.session.refresh(connection, with_for_update=True)
    except InvalidRequestError:
        return False
    return connection.status == "active" and connection.consented_at == consented_at


def _read_and_store(connection: Connection, consented_at: datetime, gate: CallGate) -> None:
    session, secret, installation = sessions.means_of(connection)
    found = sessions.run(session, secret=secret, installation=installation, gate=gate, work=fetch)
    if _holds(connection, consented_at):
        store(connection, found)
        retry_policy.clear(connection)
    db.session.commit()


def _note_refusal(connection: Connection, error: errors.SecretRefused, gate: CallGate) -> None:
    """bunq refused the grant, or perhaps this server: note it, and try to find out which."""
    connection.refused_at = clock.now()
    retry_policy.note(connection, error)
    try:
        _find_out_who_is_refused(connection, gate)
    except errors.BunqError as later:
        retry_policy.note_check_pending(connection, later)


def _find_out_who_is_refused(connection: Connection, gate: CallGate) -> None:
    """Our own session decides: if it works, the grant is what bunq refuses, and the connection is lost."""
    refused_at, consented_at = connection.refused_at, connection.consented_at
    if refused_at is None:
        return
    ours_works = sessions.own_session_works_since(sessions.current_installation(), refused_at, gate)
    if not _holds(connection, consented_at):
        return
    if ours_works:
        current_app.logger.warning("connection %s is lost: bunq refuses its grant", connection.id)
        facts = connection.trouble_facts
        access.mark(connection, "lost", "refused")
        connection.trouble_facts = facts
        connection.access_token = None
    else:
        # Not the grant's fault: when our own session works again, the grant is simply tried again.
        connection.refused_at = None
        retry_policy.note_kind(connection, "server_refused")
    db.session.commit()
