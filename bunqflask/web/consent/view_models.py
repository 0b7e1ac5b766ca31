"""View models of attempts to obtain a consent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from markupsafe import Markup

from bunqflask.models import AttemptStep
from bunqflask.services.consent.invitations import InvitationState
from bunqflask.web.connections.view_models import AccountRow, ConnectionCard
from bunqflask.web.errors.problem import Problem


@dataclass(frozen=True, kw_only=True)
class PendingAttempt:
    """A consent under way: which one it is, and where it goes on.

    `link` is there as long as somebody can approve by it, until `expires_at` (UTC); `opened` says when that began.
    """

    id: str
    url: str
    text: str
    label: str
    link: str = ""
    opened: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class InviteForm:
    """What the form for an invitation says, as it was written; `renews` is the id of a connection, or empty."""

    label: str = ""
    language: str = ""
    renews: str = ""


@dataclass(frozen=True, kw_only=True)
class InviteRow:
    """An invitation in the list of its maker; all times are UTC.

    `link` is there while it can be used. `ends_at` is until when it can wait in this state, None at its end.
    """

    id: str
    label: str
    state: InvitationState
    state_text: str
    state_look: str
    state_since: datetime
    created_at: datetime
    ends_at: datetime | None = None
    renews_name: str | None = None
    language: str = ""
    link: str = ""
    note: str = ""
    may_withdraw: bool = False
    is_open: bool = True


@dataclass(frozen=True, kw_only=True)
class AccountDiff:
    """What a renewed permission covers, compared with the connection before it."""

    new: list[AccountRow] = field(default_factory=list)
    gone: list[AccountRow] = field(default_factory=list)
    stays: list[AccountRow] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class AttemptView:
    """One attempt at consent, at the step where it is now; all times are UTC.

    `seen` names what this view shows; the poll sends it back, so that 204 can mean "still the same".
    `opened` says, while it waits, that somebody has gone on to bunq, which calls this site `bunq_calls_us`.
    `link_stays_here` tells that no other device can open the link. `card` is the connection that was made, or the one
    that was to be renewed.
    """

    id: str
    step: AttemptStep
    seen: str = ""
    link: str = ""
    link_stays_here: bool = False
    qr_svg: Markup | None = None
    expires_at: datetime | None = None
    opened: str | None = None
    bunq_calls_us: str | None = None
    approved_at: datetime | None = None
    next_try_at: datetime | None = None
    give_up_at: datetime | None = None
    person: str | None = None
    person_kind: Literal["person", "company", "unknown"] = "unknown"
    connected_since: datetime | None = None
    # what an approval that waits for an answer covers
    ticked: list[AccountRow] = field(default_factory=list)
    account_diff: AccountDiff | None = None
    other_person: bool = False
    renews_name: str | None = None
    card: ConnectionCard | None = None
    problem: Problem | None = None
    polling: bool = False
    # for whom it is, and how far, when it is an invitation
    invitation: InviteRow | None = None
    # it came back in the member's own browser, and would change what they have
    asks_about_changes: bool = False
