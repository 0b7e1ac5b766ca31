"""Logging in, in one step or two, and out."""

from flask import Blueprint, current_app, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.services.team import login_steps, logins, passkeys
from bunqflask.services.team.login_steps import NewLogin, NewPendingLogin
from bunqflask.services.team.throttle import LoginRefused, LoginThrottled
from bunqflask.web import cookies
from bunqflask.web.guards import own_path
from bunqflask.web.marks import public
from bunqflask.web.team.visitors import visitor
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
        return login_form(next_path, reason=request.args.get("reason"))
    email = request.form.get("email", "")
    try:
        new = login_steps.log_in(email, request.form.get("password", ""), visitor())
    except LoginThrottled as throttled:
        return login_form(next_path, email=email, error=too_many(throttled)), 429
    except LoginRefused:
        return login_form(next_path, email=email, error=_("That email and password do not match.")), 403
    _end_old_login()
    if isinstance(new, NewPendingLogin):
        response = redirect(url_for("login.factor", next=next_path if next_path != "/" else None))
        cookies.set_login(response, new.token)
        return response
    return logged_in(new, next_path)


@bp.route("/login/factor", methods=["GET", "POST"])
@public
def factor() -> ResponseReturnValue:
    """Ask for the second factor of a member whose password was right."""
    next_path, token = own_path(request.values.get("next", "")), _token()
    if login_steps.find_pending(token) is None:
        return redirect(url_for("login.log_in", next=next_path if next_path != "/" else None))
    if request.method != "POST":
        return _factor_page(next_path)
    try:
        new = login_steps.give_code(
            token, request.form.get("code", ""), visitor(), trust=request.form.get("trust") == "1"
        )
    except LoginThrottled as throttled:
        return _factor_page(next_path, too_many(throttled)), 429
    except LoginRefused:
        error = _("That code doesn’t work: it’s wrong, too old or was used before.")
        return _factor_page(next_path, error), 403
    return logged_in(new, next_path)


@bp.post("/logout")
@public
def log_out() -> ResponseReturnValue:
    """End this login, also one that lacks the second factor."""
    login_steps.end_pending(_token())
    _end_old_login()
    response = redirect(url_for("login.log_in"))
    cookies.set_login(response, None)
    return response


def logged_in(new: NewLogin, next_path: str) -> ResponseReturnValue:
    """Give the browser the tokens of its new login, and lead on."""
    # Whatever this browser held before was not this person's.
    session.clear()
    response = redirect(request.script_root + next_path)
    cookies.set_login(response, new.token)
    cookies.set_browser(response, new.browser_token)
    return response


def too_many(throttled: LoginThrottled) -> str:
    """Say until when tries are refused."""
    return _("Too many attempts. Try again after %(time)s.") % {"time": formatting.clock(throttled.until)}


def _end_old_login() -> None:
    if g.login is not None:
        logins.end(g.team_member, g.login.id)
    session.clear()


def _token() -> str:
    return request.cookies.get(current_app.config["LOGIN_COOKIE_NAME"], "")


def login_form(next_path: str, *, email: str = "", error: str | None = None, reason: str | None = None) -> str:
    """Return the page that asks for email and password."""
    return render_template(
        "team/login.html",
        next=next_path,
        email=email,
        error=error,
        reason=reason,
        passkeys=passkeys.are_possible(),
    )


def _factor_page(next_path: str, error: str | None = None) -> str:
    return render_template("team/login_factor.html", next=next_path, error=error, passkeys=passkeys.are_possible())
