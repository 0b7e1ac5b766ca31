"""Who holds and who reads accounts, with their names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import literal, or_, select

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AccountHolder, AccountShare, TeamMember
from bunqflask.services.principal import Principal


@dataclass
class People:
    """Who holds and who reads some accounts, by our ids of these: the members' ids and names."""

    principal_id: int = 0
    holders: dict[int, dict[int, str]] = field(default_factory=dict)
    readers: dict[int, dict[int, str]] = field(default_factory=dict)
    team_reads: set[int] = field(default_factory=set)

    def other_holders(self, account_id: int) -> list[str]:
        """Return the names of those who hold an account, without the principal."""
        return [name for number, name in self.holders.get(account_id, {}).items() if number != self.principal_id]

    @classmethod
    def of(cls, principal: Principal, account_ids: Collection[int]) -> People:
        """Load them, with one statement."""
        found = cls(principal.id)
        if not account_ids:
            return found
        holding = select(AccountHolder.account_id, AccountHolder.member_id, literal(True).label("is_holder"))
        reading = select(AccountShare.account_id, AccountShare.member_id, literal(False).label("is_holder"))
        is_valid = or_(AccountShare.until.is_(None), AccountShare.until > clock.now())
        rights = holding.union_all(reading.where(is_valid)).subquery()
        query = (
            select(rights.c.account_id, rights.c.is_holder, TeamMember.id, TeamMember.name)
            .outerjoin(TeamMember, TeamMember.id == rights.c.member_id)
            .where(rights.c.account_id.in_(account_ids))
            .order_by(TeamMember.id)
        )
        for account_id, is_holder, member_id, name in db.session.execute(query):
            if member_id is None:
                found.team_reads.add(account_id)
            else:
                (found.holders if is_holder else found.readers).setdefault(account_id, {})[member_id] = name
        return found
