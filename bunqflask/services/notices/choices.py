"""What a member chose about notices: what is shown in the app, quiet hours, amounts, a limit for balances."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from sqlalchemy import select

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.database.types import fits
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import NoticeSettings, NoticeTopic, TeamMember
from bunqflask.services.notices import topics
from bunqflask.services.payments import local_days
from bunqflask.services.principal import Principal


class ChoiceRefused(Exception):
    """A choice cannot be stored; the text says why, for a person."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """A member's choices; quiet hours are in the site's time zone, and both or none of their ends are set."""

    topics: tuple[NoticeTopic, ...] = topics.USUAL_IN_APP
    quiet_from: time | None = None
    quiet_until: time | None = None
    with_amounts: bool = False
    low_balance: Decimal | None = None

    def quiet_end(self, now: datetime) -> datetime | None:
        """Return when the quiet hours end that a time lies in, or None outside of them."""
        if self.quiet_from is None or self.quiet_until is None:
            return None
        local = now.astimezone(local_days.zone())
        present, crosses_midnight = local.time(), self.quiet_from > self.quiet_until
        is_late, is_early = present >= self.quiet_from, present < self.quiet_until
        if not (is_late or is_early if crosses_midnight else is_late and is_early):
            return None
        day = local.date() + timedelta(days=1 if crosses_midnight and is_late else 0)
        return datetime.combine(day, self.quiet_until, local_days.zone()).astimezone(UTC)


def of(member_id: int) -> Choices:
    """Return what a member chose, or what is usual."""
    columns = (
        NoticeSettings.topics,
        NoticeSettings.quiet_from,
        NoticeSettings.quiet_until,
        NoticeSettings.with_amounts,
        NoticeSettings.low_balance,
    )
    row = db.session.execute(select(*columns).where(NoticeSettings.member_id == member_id)).one_or_none()
    return Choices() if row is None else Choices(**row._mapping)


def save(principal: Principal, chosen: Choices) -> None:
    """Store what a member chose.

    :raises ChoiceRefused: quiet hours lack an end, or are empty; the limit has too many digits.
    """
    if (chosen.quiet_from is None) != (chosen.quiet_until is None):
        raise ChoiceRefused(_("Quiet hours need a beginning and an end."))
    if chosen.quiet_from is not None and chosen.quiet_from == chosen.quiet_until:
        raise ChoiceRefused(_("Quiet hours that end when they begin would be empty."))
    if chosen.low_balance is not None and not fits(chosen.low_balance):
        raise ChoiceRefused(_("That limit is too large, or has too many decimals."))
    with transaction():
        db.session.execute(select(TeamMember.id).where(TeamMember.id == principal.id).with_for_update(key_share=True))
        row = db.session.get(NoticeSettings, principal.id)
        if row is None:
            row = NoticeSettings(member_id=principal.id)
            db.session.add(row)
        elif row.low_balance != chosen.low_balance:
            row.below = ()
        # What concerns the member's own login is always shown.
        row.topics = tuple(dict.fromkeys((*chosen.topics, NoticeTopic.SECURITY)))
        row.quiet_from, row.quiet_until = chosen.quiet_from, chosen.quiet_until
        row.with_amounts, row.low_balance = chosen.with_amounts, chosen.low_balance


def is_quiet_until(member_id: int) -> datetime | None:
    """Return until when a member's quiet hours last that have begun, or None."""
    return of(member_id).quiet_end(clock.now())
