"""What people see of accounts that are not their own: recorded once a day, so that pages need not write."""

from __future__ import annotations

from collections.abc import Collection
from datetime import tzinfo
from typing import Any

from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db
from bunqflask.models import AccountLook, AuditKind
from bunqflask.services.audit import trail
from bunqflask.services.principal import Principal, TokenBearer


def record_if_possible(principal: Principal, account_ids: Collection[int], zone: tzinfo, *, patience_s: float) -> None:
    """Do as `record_look`; a database that takes no write now is no reason to refuse the answer."""
    try:
        record_look(principal, account_ids, zone, patience_s=patience_s)
    except DBAPIError as error:
        current_app.logger.warning("a look at %d accounts is not recorded: %s", len(account_ids), error.orig)


def record_look(principal: Principal, account_ids: Collection[int], zone: tzinfo, *, patience_s: float) -> None:
    """Record that the principal saw payments of these accounts, which are not their own, once a day; a token apart.

    Only reads when all of it is recorded already, as it is for all pages of a day but the first ones.

    :param zone: the time zone in which days begin.
    :param patience_s: how long to wait for another writer.
    :raises OperationalError: another writer took longer.
    """
    day = str(clock.now().astimezone(zone).date())
    token_id = principal.token_id if isinstance(principal, TokenBearer) else 0
    seen = AccountLook.member_id == principal.id, AccountLook.day == day, AccountLook.token_id == token_id
    known = set(db.session.scalars(select(AccountLook.account_id).where(*seen)))
    new = set(account_ids) - known
    if not new:
        return
    row = {"member_id": principal.id, "day": day, "token_id": token_id}
    rows = [{**row, "account_id": account_id} for account_id in sorted(new)]
    with transaction(wait_s=patience_s):
        # Two pages at the same time: each row is added by one of them.
        keep = insert_into(AccountLook).on_conflict_do_nothing().returning(AccountLook.account_id)
        added = list(db.session.scalars(keep, rows))
        if added:
            facts: dict[str, Any] = {"token": token_id} if token_id else {}
            trail.record(AuditKind.ACCOUNT_VIEWED, actor_id=principal.id, account_ids=added, day=day, **facts)


def record_attachment(principal: Principal, account_id: int, *, payment: int, attachment: int) -> None:
    """Record that the principal opened a file of a payment, by our id of the account and bunq's of the others."""
    with transaction():
        trail.record(
            AuditKind.ATTACHMENT_OPENED,
            actor_id=principal.id,
            account_ids=[account_id],
            payment=payment,
            attachment=attachment,
        )
