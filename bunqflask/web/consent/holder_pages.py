"""What the pages of an account holder show, and in which language."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import current_app, session

from bunqflask.calendar_files import CalendarDay
from bunqflask.i18n import gettext as _
from bunqflask.models import Ability, AttemptStep, ConsentAttempt
from bunqflask.services.consent import attempts
from bunqflask.services.gateway import installations
from bunqflask.services.instructions import abilities
from bunqflask.web import language
from bunqflask.web.ui import formatting

# Where the browser's session keeps how its last consent ended: the error's name, the attempt, and its state's hash.
RESULT = "consent_result"
NO_RESULT = ["", None, ""]

_REMIND_AFTER = timedelta(days=80)
_WARN_BEFORE = timedelta(hours=15)
_ENDED = (AttemptStep.FAILED, AttemptStep.CANCELLED, AttemptStep.DISCARDED)


def language_of(attempt: ConsentAttempt | None) -> str:
    """Return the language of the holder's pages: the inviter's choice, or the one that the browser asks for."""
    if attempt is not None and attempt.language is not None:
        return attempt.language.value
    return language.asked_for()


def is_approved_here(attempt: ConsentAttempt) -> bool:
    """Tell whether this browser is the one in which an attempt was approved."""
    kind, attempt_id, _state = session.get(RESULT, NO_RESULT)
    return not kind and attempt_id == attempt.id


def asker(attempt: ConsentAttempt) -> dict[str, Any]:
    """Say who asks for the permission, and until when the link can be used."""
    return {
        "asker": attempt.member.name,
        "site": site(),
        "bunq_calls_us": installations.shown_name(),
        "expires_at": attempt.expires_at,
        "failed_before": attempt.failure is not None,
        "writes": _writes(attempt.connection_id or attempt.renews_connection_id),
    }


def _writes(connection_id: int | None) -> list[str]:
    """Return what an owner has switched on for the connection that is made or renewed; none for a new one."""
    if connection_id is None:
        return []
    names = {
        Ability.DRAFTS: _("Draft payments, which only you accept in the bunq app"),
        Ability.REQUESTS: _("Requests for money in your name"),
        Ability.LINKS: _("bunq.me links in your name"),
        Ability.TRANSFERS: _("Transfers between your own accounts"),
        Ability.NOTES: _("Notes and files on payments"),
        Ability.CARDS: _("Freezing cards, and their limits"),
    }
    on = abilities.of_connection(connection_id)
    return [name for ability, name in names.items() if ability in on]


def receipt(attempt: ConsentAttempt) -> dict[str, Any]:
    """Say what was given, to whom and when, for the browser in which it was approved."""
    return {
        **asker(attempt),
        "person": attempt.granted_user_name or "",
        "approved_at": attempt.approved_at,
        "iban_endings": attempt.iban_endings,
        "is_confirmed": attempt.step == AttemptStep.CONNECTED,
        "is_ended": attempt.step in _ENDED,
        "confirm_until": attempts.deadline(attempt) if attempt.step == AttemptStep.CONFIRM else None,
    }


def reminder(attempt: ConsentAttempt) -> CalendarDay:
    """Remind the holder to look at a permission that they gave."""
    if attempt.approved_at is None:
        raise ValueError("nothing was approved")
    who = {"name": formatting.name(attempt.member.name), "site": site()}
    lines = [
        _("You gave it on %(day)s. bunq names no day on which it ends.") % {"day": formatting.day(attempt.approved_at)},
        how_to_revoke(),
    ]
    organisation = installations.shown_name()
    if organisation:
        lines.insert(1, _("In the bunq app it has the name “%(name)s”.") % {"name": formatting.name(organisation)})
    return CalendarDay(
        uid=f"permission-{attempt.link_hash[:32]}@{urlsplit(current_app.config['PUBLIC_URL']).hostname}",
        day=formatting.local_day(attempt.approved_at + _REMIND_AFTER),
        title=_("Do you still want %(name)s (%(site)s) to see your bunq accounts?") % who,
        text="\n".join(lines),
        changed_at=attempt.approved_at,
        alarm_before=_WARN_BEFORE,
    )


def calendar_name() -> str:
    """Return what a calendar program calls the reminder's calendar."""
    return _("Permission at bunq")


def how_to_revoke() -> str:
    """Say how a holder takes a permission back."""
    return _("You can revoke this permission at any time in the bunq app: Profile › Security › App connections.")


def site() -> str:
    """Return the address of this site as people say it."""
    parts = urlsplit(str(current_app.config["PUBLIC_URL"]))
    return parts.netloc + parts.path
