"""The list of invitations to connect, as their maker sees it."""

from __future__ import annotations

from flask import url_for

from bunqflask.i18n import gettext as _
from bunqflask.i18n import ngettext
from bunqflask.models import AttemptStep
from bunqflask.services.consent import invitations
from bunqflask.services.consent.invitations import InvitationState, OpenInvitation
from bunqflask.services.principal import Principal
from bunqflask.web.consent.view_models import InviteRow
from bunqflask.web.ui import formatting

_CAN_WITHDRAW = (
    InvitationState.NOT_OPENED,
    InvitationState.OPENED,
    InvitationState.AT_BUNQ,
    InvitationState.FETCHING,
)


def load(principal: Principal) -> list[InviteRow]:
    """Return the rows of `consent/_invitations.html` for a principal."""
    return [row(each) for each in invitations.list_open(principal)]


def row(found: OpenInvitation) -> InviteRow:
    """Show one invitation in the list."""
    text, look = _state(found)
    return InviteRow(
        id=found.id,
        label=found.label,
        renews_name=found.renews_name,
        state=found.state,
        state_text=text,
        state_look=look,
        state_since=found.state_since,
        created_at=found.created_at,
        ends_at=found.ends_at,
        language={"en": _("English"), "nl": _("Dutch")}.get(found.language or "", ""),
        link=url_for("consent.link", token=found.token, _external=True) if found.token else "",
        note=_note(found),
        may_withdraw=found.state in _CAN_WITHDRAW,
        is_open=found.is_open,
    )


def _state(found: OpenInvitation) -> tuple[str, str]:
    """Return the words of a state, and the pill that shows it."""
    ended = {
        AttemptStep.DENIED: _("Refused at bunq"),
        AttemptStep.FAILED: _("Failed"),
        AttemptStep.CANCELLED: _("Withdrawn"),
        AttemptStep.DISCARDED: _("Discarded"),
        AttemptStep.CONFIRM: _("Not answered in time"),
    }
    return {
        InvitationState.NOT_OPENED: (_("Not opened"), "neutral"),
        InvitationState.OPENED: (_("Opened"), "neutral"),
        InvitationState.AT_BUNQ: (_("At bunq"), "neutral"),
        InvitationState.FETCHING: (_("Approved, fetching accounts"), "neutral"),
        InvitationState.APPROVED: (_("Approved, waits for you"), "warn"),
        InvitationState.DONE: (_("Connected"), "ok"),
        InvitationState.ENDED: (ended.get(found.step, _("Expired")), "neutral"),
    }[found.state]


def _note(found: OpenInvitation) -> str:
    if found.state == InvitationState.APPROVED:
        count = found.account_count or 0
        text = ngettext("%(name)s approved %(count)d account.", "%(name)s approved %(count)d accounts.", count)
        return text % {"name": formatting.name(found.holder_name, 100), "count": count}
    if found.failure is not None and found.step == AttemptStep.WAITING:
        return _("The last approval could not be used. The same browser can go on again with the link.")
    return ""
