"""Who holds and who reads accounts, with their names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import BigInteger, bindparam, literal, or_, select

from bunqflask import clock
from bunqflask.database.lists import is_listed, listed
from bunqflask.extensions import db, table_of
from bunqflask.models import AccountHolder, AccountShare, TeamMember
from bunqflask.services.principal import Principal

_holder, _share, _member = (table_of(each).c for each in (AccountHolder, AccountShare, TeamMember))
_rights = (
    select(_holder.account_id, _holder.member_id, literal(True).label("is_holder"))
    .where(is_listed(_holder.account_id, "account_ids", BigInteger()))
    .union_all(
        select(_share.account_id, _share.member_id, literal(False))
        .where(is_listed(_share.account_id, "account_ids", BigInteger()))
        .where(or_(_share.until.is_(None), _share.until > bindparam("now")))
    )
    .subquery()
)
_PEOPLE = (
    select(_rights.c.account_id, _rights.c.is_holder, _member.id, _member.name)
    .outerjoin(table_of(TeamMember), _member.id == _rights.c.member_id)
    .order_by(_member.id)
)


@dataclass
class People:
    """Who holds and who reads some accounts, by our ids of these: the members' ids and names."""

    principal_id: int = 0
    holders: dict[int, dict[int, str]] = field(default_factory=dict)
    readers: dict[int, dict[int, str]] = field(default_factory=dict)
    team_reads: set[int] = field(default_factory=set)

    def holder_names(self, account_id: int) -> tuple[str, ...]:
        """Return the names of those who hold an account."""
        return tuple(self.holders.get(account_id, {}).values())

    def other_holders(self, account_id: int) -> tuple[str, ...]:
        """Return the names of those who hold an account, without the principal."""
        held = self.holders.get(account_id, {})
        return tuple(name for number, name in held.items() if number != self.principal_id)

    def reader_names(self, account_id: int) -> tuple[str, ...]:
        """Return the names of those with whom an account is shared."""
        return tuple(self.readers.get(account_id, {}).values())

    @classmethod
    def of(cls, principal: Principal, account_ids: Collection[int]) -> People:
        """Load them, with one statement."""
        found = cls(principal.id)
        if not account_ids:
            return found
        asked = {"account_ids": listed(account_ids), "now": clock.now()}
        for account_id, is_holder, member_id, name in db.session.connection().execute(_PEOPLE, asked).all():
            if member_id is None:
                found.team_reads.add(account_id)
            else:
                (found.holders if is_holder else found.readers).setdefault(account_id, {})[member_id] = name
        return found


NOBODY = People()
