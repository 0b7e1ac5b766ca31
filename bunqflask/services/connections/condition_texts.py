"""The texts about each condition of a connection: a word, a sentence, who can act, and what to do.

Pages, notices, the command line and programs all take their text from here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from babel.dates import format_date

from bunqflask.i18n import gettext as _
from bunqflask.i18n import language
from bunqflask.models import Condition, ErrorKind, StopReason
from bunqflask.services.connections.standing import Actor, Recovery, Standing
from bunqflask.services.gateway.retry_policy import policy_for


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a connection is not up to date or is to be renewed: `who` can act, and how; no `todo` where nobody has to."""

    title: str
    lead: str
    who: str
    todo: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it, but who can act, in one line."""
        return " ".join([f"{self.title}.", self.lead, *self.todo])


def label(standing: Standing) -> str:
    """Return a condition in one or two words."""
    if standing.recovery == Recovery.APPROVED:
        return _("Approved again")
    if standing.recovery == Recovery.CAUSE_GONE:
        return _("Updating again")
    if standing.reason == StopReason.REFUSED:
        return _("Approve again")
    return {
        Condition.WORKING: _("Working"),
        Condition.RENEW_SOON: _("Renew soon"),
        Condition.STOPPED: _("Stopped"),
        Condition.DISCONNECTED: _("Disconnected"),
    }[standing.condition]


def explanation(standing: Standing, name: str) -> Explanation | None:
    """Return why a connection is not up to date or is to be renewed; None where it works or has ended here.

    :param name: of its holder, as it is shown.
    """
    if standing.recovery is not None:
        return _recovering(standing, name)
    if standing.condition == Condition.RENEW_SOON and standing.reminder_day is not None:
        day = format_date(standing.reminder_day, "d MMMM y", locale=language())
        return Explanation(
            title=_("%(name)s: you wanted to be reminded by %(day)s") % {"name": name, "day": day},
            lead=_("It still works. bunq does not say when a permission ends; this is your own reminder."),
            who=who(standing),
            todo=(_("Renew it now: the old permission keeps working until the new one has been tried."),),
        )
    if standing.reason is None:
        return None
    if standing.reason == StopReason.REFUSED:
        return _refused(standing, name)
    return _stopped(standing.reason, standing, name)


def interruption(kind: ErrorKind | None) -> Explanation | None:
    """Return the text about an error that has not stopped a connection; waiting for bunq's rate limit is none."""
    if kind in (None, ErrorKind.WAITING):
        return None
    policy = policy_for(kind)
    return Explanation(title=policy.title, lead=policy.lead, who=policy.who, todo=policy.todo)


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


def has_stopped(name: str) -> str:
    """Return the title of a connection that has stopped."""
    return _("%(name)s has stopped updating") % {"name": name}


def must_approve(name: str) -> str:
    """Return the title of a connection whose permission is lost."""
    return _("%(name)s needs to approve again") % {"name": name}


def _recovering(standing: Standing, name: str) -> Explanation:
    titles = {
        Recovery.APPROVED: _("%(name)s is approved again; the first update is under way"),
        Recovery.CAUSE_GONE: _("%(name)s updates again; the first update is under way"),
        None: "",
    }
    lead = _("It counts as working once that update is complete. Everything stored stays readable.")
    return Explanation(title=titles[standing.recovery] % {"name": name}, lead=lead, who=who(standing))


def _stopped(why: StopReason, standing: Standing, name: str) -> Explanation:
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
        StopReason.ANSWERS: policy_for(ErrorKind.NOT_TRUSTED).todo,
        StopReason.ACCOUNTS: (_("Renew the permission and tick these accounts; or leave them out."),),
        StopReason.LATE: (_("Look at the log of the worker on the server."),),
        StopReason.NO_WORKER: (_("Start it on the server: flask --app wsgi worker"),),
    }
    lead = f"{leads[why]} {_stays()}"
    return Explanation(title=has_stopped(name), lead=lead, who=who(standing), todo=todo.get(why, ()))


def _refused(standing: Standing, name: str) -> Explanation:
    lead = _(
        "bunq refuses the permission, although it accepts this server: most often it was withdrawn in the bunq app."
    )
    lost = Explanation(
        title=must_approve(name),
        lead=f"{lead} {_stays()}",
        who=who(standing),
        todo=(_("Renew it: accounts, payments, notes and shares stay as they are."),),
    )
    if not standing.is_asked_again:
        return lost
    again = _("We ask again for two hours before we take it for lost.")
    return replace(lost, title=has_stopped(name), lead=f"{lead} {again} {_stays()}")


def _stays() -> str:
    return _("Everything stored stays readable.")
