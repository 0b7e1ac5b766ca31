"""Informing the members who hold an account when another member obtains a consent for it too."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.models import AccountHolder, Connection, Consent, MonetaryAccount, NoticeKind, TeamMember
from bunqflask.services.notices import inbox


def inform_holders(consent: Consent, monetary_account_ids: Collection[int]) -> None:
    """Leave a notice to each other holder of some accounts of a consent, naming those that they hold themselves.

    Takes part in the caller's transaction.
    """
    query = (
        select(AccountHolder.member_id, MonetaryAccount.description)
        .join(MonetaryAccount, MonetaryAccount.id == AccountHolder.account_id)
        .where(MonetaryAccount.connection_id == consent.connection_id, AccountHolder.member_id != consent.member_id)
        .where(MonetaryAccount.monetary_account_id.in_(monetary_account_ids))
        .order_by(AccountHolder.member_id, MonetaryAccount.monetary_account_id)
    )
    names: dict[int, list[str]] = {}
    for member_id, name in db.session.execute(query):
        names.setdefault(member_id, []).append(name)
    who = db.session.scalar(select(TeamMember.name).filter_by(id=consent.member_id))
    connection = db.session.get_one(Connection, consent.connection_id)
    for member_id, accounts in names.items():
        facts: dict[str, Any] = {"member": who, "connection": connection.display_name, "accounts": ", ".join(accounts)}
        inbox.add_within(member_id, NoticeKind.CONNECTION_JOINED, **facts)
