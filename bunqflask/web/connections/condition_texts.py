"""What a page says of each condition of a connection: in a word, in a sentence, who can act, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bunqflask.i18n import gettext as _
from bunqflask.models import Condition, ErrorKind, StopReason
from bunqflask.services.connections.condition import Actor, Standing
from bunqflask.services.gateway.retry_policy import policy_for
from bunqflask.web.connections.view_models import Pill
from bunqflask.web.ui import formatting


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a connection needs somebody: `who` can act, and the steps in `todo`; none where nobody has to act."""

    title: str
    lead: str
    who: str
    todo: tuple[str, ...] = ()


def pill(standing: Standing) -> Pill:
    """Return a condition in one or two words."""
    if standing.condition == Condition.WORKING:
        return Pill("ok", _("Working"))
    if standing.condition == Condition.RENEW_SOON:
        return Pill("warn", _("Renew soon"))
    if standing.condition == Condition.DISCONNECTED:
        return Pill("neutral", _("Disconnected"))
    return Pill("bad", _("Approve again") if standing.reason == StopReason.REFUSED else _("Stopped"))


def explanation(standing: Standing, name: str) -> Explanation | None:
    """Return why a connection needs somebody; None where it does not."""
    if standing.condition == Condition.RENEW_SOON and standing.reminder_day is not None:
        return Explanation(
            title=_("%(name)s: you wanted to be reminded by %(day)s")
            % {"name": name, "day": formatting.day(standing.reminder_day)},
            lead=_("It still works. bunq does not say when a permission ends; this is your own reminder."),
            who=_("The holder of the accounts, in the bunq app"),
            todo=(_("Renew it now: the old permission keeps working until the new one has been tried."),),
        )
    if standing.reason is None:
        return None
    found = _stopped(standing.reason, standing)
    return replace(found, title=found.title % {"name": name})


def reason(why: StopReason | None) -> str:
    """Return why a connection stopped, as the end of a sentence."""
    return {
        StopReason.REFUSED: _("bunq refused the permission"),
        StopReason.ADDRESS: _("bunq refused the address or the key of this server"),
        StopReason.INSTALLATION: _("bunq no longer recognised this server"),
        StopReason.BUNQ_AWAY: _("bunq gave no usable answer for an hour"),
        StopReason.ANSWERS: _("bunq’s answers could not be trusted or understood"),
        StopReason.ACCOUNTS: _("bunq refused to list some accounts"),
        StopReason.LATE: _("no update was complete in time"),
        StopReason.NO_WORKER: _("no worker ran on this server"),
        None: "",
    }[why]


def who(standing: Standing) -> str:
    """Return who can do something about a condition."""
    return {
        Actor.HOLDER: _("The holder of the accounts, in the bunq app"),
        Actor.OPERATOR: _("The person who runs this site"),
        Actor.NOBODY: _("Nobody needs to"),
    }[standing.who]


def _stopped(why: StopReason, standing: Standing) -> Explanation:
    stays = _("Everything stored stays readable.")
    if why == StopReason.REFUSED:
        return _refused(standing, stays)
    title = _("%(name)s has stopped updating")
    leads = {
        StopReason.ADDRESS: _("bunq refuses this server: its address changed, or its API key is no longer accepted."),
        StopReason.INSTALLATION: _("bunq no longer recognises this server."),
        StopReason.BUNQ_AWAY: _("bunq has given no usable answer for more than an hour. We go on asking."),
        StopReason.ANSWERS: _("bunq’s answers are not signed by bunq or cannot be understood; none is stored."),
        StopReason.ACCOUNTS: _("bunq has refused to list some accounts for more than an hour."),
        StopReason.LATE: _("No update was complete for more than a day, and no error says why."),
        StopReason.NO_WORKER: _("No worker runs on this server, so nothing asks bunq for anything."),
    }
    todo = {
        StopReason.ADDRESS: policy_for(ErrorKind.SERVER_REFUSED).todo,
        StopReason.INSTALLATION: policy_for(ErrorKind.INSTALLATION_REFUSED).todo,
        StopReason.BUNQ_AWAY: (),
        StopReason.ANSWERS: policy_for(ErrorKind.NOT_TRUSTED).todo,
        StopReason.ACCOUNTS: (_("Renew the permission and tick these accounts; or leave them out."),),
        StopReason.LATE: (_("Look at the log of the worker on the server."),),
        StopReason.NO_WORKER: (_("Start it on the server: flask --app wsgi worker"),),
    }
    return Explanation(title=title, lead=f"{leads[why]} {stays}", who=who(standing), todo=todo[why])


def _refused(standing: Standing, stays: str) -> Explanation:
    lead = _(
        "bunq refuses the permission, although it accepts this server: most often it was withdrawn in the bunq app."
    )
    if standing.is_asked_again:
        again = _("We ask again for two hours before we take it for lost.")
        lead = f"{lead} {again}"
    return Explanation(
        title=_("%(name)s has stopped updating"),
        lead=f"{lead} {stays}",
        who=who(standing),
        todo=(_("Renew it: accounts, payments, notes and shares stay as they are."),),
    )
