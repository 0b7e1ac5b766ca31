"""The notices of the member of a request: at the top of every page, and all of them as a list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError

from bunqflask.i18n import gettext as _
from bunqflask.models import NoticeKind, TeamRole
from bunqflask.services.notices import inbox, texts
from bunqflask.services.notices.inbox import Notice
from bunqflask.services.notices.texts import Names, Said
from bunqflask.services.team import logins
from bunqflask.web.guards import own_path
from bunqflask.web.team.people_presenters import rights_of, role_name
from bunqflask.web.ui import formatting

bp = Blueprint("notices", __name__, url_prefix="/notices")
_LARGEST_ID = 2**31 - 1
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


@dataclass(frozen=True)
class ListedNotice:
    """A notice as the list shows it; `url` leads to the page about it, None where there is none."""

    id: int
    subject: str
    text: str
    what_to_do: str
    url: str | None
    created_at: datetime
    is_read: bool


def load() -> list[ShownNotice]:
    """Return what the member of this request is to see on every page; asks the database only if there is something."""
    login = g.get("login")
    if login is None or not login.has_notices:
        return []
    try:
        found = inbox.list_open(login.member, login.browser_id)
    except DBAPIError as error:
        # An error page is to be shown also while the database is away.
        current_app.logger.warning("the notices are not shown: %s", error.orig)
        return []
    return [ShownNotice(each.id, _said(each).sentence, each.created_at, each.kind in _ABOUT_LOGINS) for each in found]


@bp.get("")
def index() -> ResponseReturnValue:
    """List the member's notices."""
    found = inbox.list_all(g.team_member, g.login.browser_id)
    names = texts.names_for(g.team_member) if found else Names()
    rows = [_listed(each, names) for each in found]
    return render_template("notices/index.html", notices=rows, newest=found[0].id if found else 0)


@bp.post("/read")
def read_all() -> ResponseReturnValue:
    """Mark all as read that the list showed."""
    newest = min(max(request.form.get("newest", 0, type=int), 0), _LARGEST_ID)
    inbox.read_all(g.team_member, g.login.browser_id, up_to=newest)
    return redirect(url_for("notices.index"))


@bp.post("/<int:notice_id>/dismiss")
def dismiss(notice_id: int) -> ResponseReturnValue:
    """Show a notice no more."""
    inbox.dismiss(g.team_member, notice_id, g.login.browser_id)
    return redirect(request.script_root + own_path(request.form.get("next", "")))


@bp.post("/<int:notice_id>/not-me")
def not_me(notice_id: int) -> ResponseReturnValue:
    """End what somebody else began, and lead to a new password."""
    logins.end_others(g.login)
    inbox.dismiss(g.team_member, notice_id, g.login.browser_id)
    flash(
        _("You’ve been logged out everywhere else. Choose a new password now, and check your second factors."), "error"
    )
    return redirect(url_for("settings.index", _anchor="passwords"))


def _listed(notice: Notice, names: Names) -> ListedNotice:
    said = _said(notice, names)
    url = None if said.path == "/notices" else request.script_root + said.path
    return ListedNotice(notice.id, said.subject, said.sentence, said.what_to_do, url, notice.created_at, notice.is_read)


def _said(notice: Notice, names: Names | None = None) -> Said:
    if notice.kind is NoticeKind.ROLE_CHANGED:
        return Said(_("Your role changed"), _role_words(notice.facts), path="/team")
    return texts.say(notice.kind, notice.facts, names or Names())


def _role_words(facts: dict[str, Any]) -> str:
    role = TeamRole(facts["role"])
    shown = {"role": role_name(role), "rights": rights_of(role, may_export=facts["may_export"] is True)}
    if role is not TeamRole.GUEST:
        return _("Your role here was changed to %(role)s. %(rights)s.") % shown
    shown["day"] = formatting.day(date.fromisoformat(facts["until"]), "short")
    return _("Your role here was changed to %(role)s, until %(day)s. %(rights)s.") % shown
