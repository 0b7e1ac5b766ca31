"""A team member's own settings: how pages look, where they are logged in, the password."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.devices import device
from bunqflask.i18n import gettext as _
from bunqflask.services.team import browsers, logins
from bunqflask.services.team.password_change import change_password
from bunqflask.services.team.passwords import PasswordRefused
from bunqflask.services.team.throttle import LoginRefused, LoginThrottled
from bunqflask.web import cookies
from bunqflask.web.guards import own_path, recently_authenticated
from bunqflask.web.team.login import too_many
from bunqflask.web.team.visitors import visitor
from bunqflask.web.ui.appearance import THEMES

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
@recently_authenticated
def end_login(login_id: int) -> ResponseReturnValue:
    """Log out in another place."""
    logins.end(g.team_member, login_id)
    return redirect(url_for("settings.index"))


@bp.post("/browsers/<int:browser_id>/forget")
@recently_authenticated
def forget_browser(browser_id: int) -> ResponseReturnValue:
    """Trust a browser no more, and log out there."""
    browsers.forget(g.team_member, browser_id, keep_login=g.login.id)
    return redirect(url_for("settings.index"))


@bp.post("/password")
def password() -> ResponseReturnValue:
    """Change the password; every other login ends."""
    current, new = request.form.get("current", ""), request.form.get("new", "")
    try:
        change_password(g.login, current, new, visitor())
    except LoginThrottled as throttled:
        return _page({"current": too_many(throttled)}), 429
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
    trusted = [
        {"id": each.id, "device": device(each.user_agent), "seen_at": each.last_seen_at, "until": each.trusted_until}
        for each in browsers.list_trusted(g.team_member)
    ]
    return render_template("team/settings.html", logins=places, trusted=trusted, errors=errors)
