"""A team member's own settings: how pages look, where they are logged in, the password."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.services.team import logins
from bunqflask.services.team.passwords import PasswordRefused
from bunqflask.services.team.throttle import LoginRefused, LoginThrottled
from bunqflask.web import cookies
from bunqflask.web.guards import own_path
from bunqflask.web.ui import formatting
from bunqflask.web.ui.appearance import THEMES
from bunqflask.web.ui.devices import device

bp = Blueprint("settings", __name__, url_prefix="/settings")


@bp.get("")
def index() -> ResponseReturnValue:
    """Show the settings."""
    return _page({})


@bp.post("/look")
def look() -> ResponseReturnValue:
    """Keep theme and hidden amounts in this browser."""
    theme = request.form.get("theme", "system")
    response = redirect(request.script_root + own_path(request.form.get("next", "")))
    cookies.set_preference(response, "theme", theme if theme in THEMES else "system")
    cookies.set_preference(response, "hide_amounts", "1" if request.form.get("hide_amounts") else "")
    return response


@bp.post("/logins/<int:login_id>/end")
def end_login(login_id: int) -> ResponseReturnValue:
    """Log out in another place."""
    logins.end(g.team_member, login_id)
    return redirect(url_for("settings.index"))


@bp.post("/password")
def password() -> ResponseReturnValue:
    """Change the password; every other login ends."""
    current, new = request.form.get("current", ""), request.form.get("new", "")
    try:
        logins.change_password(g.team_member, current, new, login_id=g.login.id)
    except LoginThrottled as throttled:
        until = formatting.clock(throttled.until)
        return _page({"current": _("Too many attempts. Try again after %(time)s.") % {"time": until}}), 429
    except LoginRefused:
        return _page({"current": _("That’s not your current password.")}), 422
    except PasswordRefused as refused:
        return _page({"new": str(refused)}), 422
    flash(_("Password changed. You’ve been logged out everywhere else."))
    return redirect(url_for("settings.index"))


def _page(errors: dict[str, str]) -> str:
    places = [
        {
            "id": login.id,
            "device": device(login.user_agent),
            "address": login.address,
            "since": login.created_at,
            "last_seen_at": login.last_seen_at,
            "current": login.id == g.login.id,
        }
        for login in logins.list_for(g.team_member)
    ]
    return render_template("team/settings.html", logins=places, errors=errors)
