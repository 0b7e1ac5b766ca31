"""The notices at the top of every page: their words, and the button that dismisses one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import Blueprint, current_app, flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError

from bunqflask.i18n import gettext as _
from bunqflask.models import NoticeKind, TeamRole
from bunqflask.services.team import logins, notices
from bunqflask.services.team.notices import Notice
from bunqflask.web.guards import own_path
from bunqflask.web.team.people_presenters import rights_of, role_name
from bunqflask.web.ui import formatting
from bunqflask.web.ui.devices import device

bp = Blueprint("notices", __name__, url_prefix="/notices")
# Each says what happened, from the facts of the notice.
_WORDS: dict[NoticeKind, Callable[[dict[str, Any]], str]] = {
    NoticeKind.NEW_BROWSER: lambda facts: (
        _("Somebody logged in as you in a new browser: %(browser)s, from %(address)s.") % facts
    ),
    NoticeKind.FACTOR_MISSING: lambda facts: (
        _(
            "Somebody entered your password, but not your second factor: %(browser)s, from %(address)s. "
            "If it wasn’t you, change your password."
        )
        % facts
    ),
    NoticeKind.PASSWORD_CHANGED: lambda facts: _("Your password was changed: %(browser)s, from %(address)s.") % facts,
    NoticeKind.FACTOR_CHANGED: lambda facts: _factor_words(facts) % facts,
    NoticeKind.RECOVERY_CODE_USED: lambda facts: (
        _(
            "A recovery code was used to log in: %(browser)s, from %(address)s. %(left)s are left. "
            "Make new ones in Settings."
        )
        % facts
    ),
    NoticeKind.CONNECTION_JOINED: lambda facts: (
        _("%(member)s connected %(connection)s too, with these accounts of yours: %(accounts)s.") % facts
    ),
    NoticeKind.ROLE_CHANGED: lambda facts: _role_words(facts),
}
# Those of which somebody else may be the cause.
_ABOUT_LOGINS = {
    NoticeKind.FACTOR_MISSING,
    NoticeKind.NEW_BROWSER,
    NoticeKind.PASSWORD_CHANGED,
    NoticeKind.FACTOR_CHANGED,
    NoticeKind.RECOVERY_CODE_USED,
}


@dataclass(frozen=True)
class ShownNotice:
    """A notice as a page shows it."""

    id: int
    text: str
    created_at: datetime
    asks_who: bool


def load() -> list[ShownNotice]:
    """Return the notices for the member of this request; asks the database only if there is one."""
    login = g.get("login")
    if login is None or not login.has_notices:
        return []
    try:
        found = notices.list_open(login.member, login.browser_id)
    except DBAPIError as error:
        # An error page is to be shown also while the database is away.
        current_app.logger.warning("the notices are not shown: %s", error.orig)
        return []
    return [_shown(each) for each in found]


@bp.post("/<int:notice_id>/dismiss")
def dismiss(notice_id: int) -> ResponseReturnValue:
    """Show a notice no more."""
    notices.dismiss(g.team_member, notice_id, g.login.browser_id)
    return redirect(request.script_root + own_path(request.form.get("next", "")))


@bp.post("/<int:notice_id>/not-me")
def not_me(notice_id: int) -> ResponseReturnValue:
    """End what somebody else began, and lead to a new password."""
    logins.end_others(g.login)
    notices.dismiss(g.team_member, notice_id, g.login.browser_id)
    flash(
        _("You’ve been logged out everywhere else. Choose a new password now, and check your second factors."), "error"
    )
    return redirect(url_for("settings.index", _anchor="passwords"))


def _factor_words(facts: dict[str, Any]) -> str:
    return {
        "added": _("A second factor was added: %(factor)s."),
        "removed": _("A second factor was removed: %(factor)s."),
        "reset": _("The person who runs this site removed your second factors: %(factor)s."),
        "codes": _("New recovery codes were made."),
    }[facts["change"]]


def _role_words(facts: dict[str, Any]) -> str:
    role = TeamRole(facts["role"])
    shown = {"role": role_name(role), "rights": rights_of(role, may_export=facts["may_export"] == "True")}
    if role is not TeamRole.GUEST:
        return _("Your role here was changed to %(role)s. %(rights)s.") % shown
    shown["day"] = formatting.day(date.fromisoformat(facts["until"]), "short")
    return _("Your role here was changed to %(role)s, until %(day)s. %(rights)s.") % shown


def _shown(notice: Notice) -> ShownNotice:
    facts = {key: formatting.name(str(value)) for key, value in notice.facts.items()}
    facts["browser"] = device(notice.facts.get("browser", ""))
    return ShownNotice(notice.id, _WORDS[notice.kind](facts), notice.created_at, notice.kind in _ABOUT_LOGINS)
