"""Logging in and out."""

from flask import Blueprint, current_app, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.services.team import logins
from bunqflask.services.team.throttle import LoginRefused, LoginThrottled
from bunqflask.web import cookies
from bunqflask.web.guards import own_path
from bunqflask.web.marks import public
from bunqflask.web.ui import formatting

bp = Blueprint("login", __name__)


@bp.route("/login", methods=["GET", "POST"])
@public
def log_in() -> ResponseReturnValue:
    """Ask for email and password; a person who is logged in is sent on."""
    next_path = own_path(request.values.get("next", ""))
    if request.method != "POST":
        if g.team_member is not None:
            return redirect(request.script_root + next_path)
        return _form(next_path, reason=request.args.get("reason"))
    email = request.form.get("email", "")
    try:
        new = logins.log_in(
            email,
            request.form.get("password", ""),
            address=request.remote_addr or "",
            user_agent=request.user_agent.string,
            known_browser=request.cookies.get(current_app.config["KNOWN_COOKIE_NAME"], ""),
        )
    except LoginThrottled as throttled:
        error = _("Too many attempts. Try again after %(time)s.") % {"time": formatting.clock(throttled.until)}
        return _form(next_path, email=email, error=error), 429
    except LoginRefused:
        return _form(next_path, email=email, error=_("That email and password do not match.")), 403
    if g.login is not None:
        logins.end(g.team_member, g.login.id)
    # Whatever this browser held before was not this person's.
    session.clear()
    response = redirect(request.script_root + next_path)
    cookies.set_login(response, new.token)
    cookies.set_known_browser(response, logins.known_browser(new.member_id))
    return response


@bp.post("/logout")
def log_out() -> ResponseReturnValue:
    """End this login."""
    logins.end(g.team_member, g.login.id)
    session.clear()
    response = redirect(url_for("login.log_in"))
    cookies.set_login(response, None)
    return response


def _form(next_path: str, *, email: str = "", error: str | None = None, reason: str | None = None) -> str:
    return render_template("team/login.html", next=next_path, email=email, error=error, reason=reason)
