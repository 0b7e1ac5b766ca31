"""How a connection stands: the read model that pages, programs, notices and the command line start from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from bunqflask.models import Condition, StopReason


class Actor(StrEnum):
    """Who can end a condition."""

    NOBODY = "nobody"
    # a member who holds the accounts, together with the bunq user who approves
    HOLDER = "holder"
    # the person who runs this site
    OPERATOR = "operator"


class Recovery(StrEnum):
    """Why a connection that has stopped is expected to work again after its next complete update."""

    # the permission was refused, or did not cover everything, and another one was given since
    APPROVED = "approved"
    # nothing stands in the way any more
    CAUSE_GONE = "cause_gone"


_WHO = {
    StopReason.REFUSED: Actor.HOLDER,
    StopReason.ADDRESS: Actor.OPERATOR,
    StopReason.INSTALLATION: Actor.OPERATOR,
    StopReason.BUNQ_AWAY: Actor.NOBODY,
    StopReason.ANSWERS: Actor.OPERATOR,
    StopReason.ACCOUNTS: Actor.HOLDER,
    StopReason.LATE: Actor.OPERATOR,
    StopReason.NO_WORKER: Actor.OPERATOR,
}


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The condition of a connection: since when, why, what bunq said, and who can do something about it.

    `account_ids` are our ids of the accounts that are not updated. `is_asked_again` tells that bunq has refused the
    permission, and is asked with it again for a while. `given_at` is when the oldest permission was given that is in
    use, `reminder_day` when its holders want to be reminded. `is_current` tells that everything is up to date now:
    while an error has not lasted for long, a working connection is not. `complete_at` is the last complete update.
    `recovery` is known of a stopped one that only waits for its next complete update.
    """

    condition: Condition
    since: datetime
    reason: StopReason | None = None
    facts: dict[str, Any] | None = None
    account_ids: tuple[int, ...] = ()
    is_asked_again: bool = False
    next_try_at: datetime | None = None
    given_at: datetime | None = None
    reminder_day: date | None = None
    is_current: bool = False
    complete_at: datetime | None = None
    recovery: Recovery | None = None

    @property
    def who(self) -> Actor:
        """Who can do something about it."""
        if self.recovery is not None:
            return Actor.NOBODY
        if self.reason is not None:
            return _WHO[self.reason]
        return Actor.HOLDER if self.condition == Condition.RENEW_SOON else Actor.NOBODY

    @property
    def needs_somebody(self) -> bool:
        """Whether it is counted among those that need somebody's attention."""
        return self.condition in (Condition.STOPPED, Condition.RENEW_SOON) and self.recovery is None
