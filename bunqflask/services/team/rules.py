"""What owners have laid down for the whole team, in one row of the database."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select

from bunqflask.database.transactions import transaction
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db
from bunqflask.models import AuditKind, TeamRules
from bunqflask.services import policy
from bunqflask.services.audit import trail
from bunqflask.services.principal import Principal

_ONLY_ROW = 1


def second_factor_from() -> date | None:
    """Return the day from which a member without a second factor reaches only the page that sets one up."""
    return db.session.scalar(select(TeamRules.second_factor_from).where(TeamRules.id == _ONLY_ROW))


def require_second_factor(principal: Principal, first_day: date | None) -> None:
    """Require a second factor from a day on; None requires none.

    :raises NotPermitted: the principal is no owner.
    """
    policy.check_can_set_rules(principal)
    row = {"second_factor_from": first_day}
    rule = insert_into(TeamRules).values(id=_ONLY_ROW, **row)
    with transaction():
        db.session.execute(rule.on_conflict_do_update(index_elements=["id"], set_=row))
        day = str(first_day) if first_day is not None else None
        trail.record(AuditKind.RULE_CHANGED, actor_id=principal.id or None, second_factor_from=day)
