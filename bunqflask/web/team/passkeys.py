"""Logging in with a passkey, and making one; the script `passkey.js` is what talks to the browser."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.team import logins, passkeys
from bunqflask.services.team.passkeys import PasskeyRefused
from bunqflask.services.team.throttle import LoginRefused, LoginThrottled
from bunqflask.web.guards import own_path, recently_authenticated
from bunqflask.web.marks import public
from bunqflask.web.team.factors import codes_page
from bunqflask.web.team.login import logged_in, login_form, too_many
from bunqflask.web.team.visitors import visitor

bp = Blueprint("passkeys", __name__)


@bp.before_request
def _check_possible() -> None:
    if not passkeys.are_possible():
        raise NotFoundHere


@bp.post("/login/passkey/options")
@public
def login_options() -> ResponseReturnValue:
    """What a browser needs to ask for a passkey."""
    try:
        return _json(passkeys.login_options(visitor()))
    except LoginThrottled as throttled:
        return Response(too_many(throttled), 429, mimetype="text/plain")


@bp.post("/login/passkey")
@public
def log_in() -> ResponseReturnValue:
    """Log the member in whose passkey has answered."""
    next_path = own_path(request.form.get("next", ""))
    pending_token = request.cookies.get(current_app.config["LOGIN_COOKIE_NAME"], "")
    try:
        new = passkeys.log_in(request.form.get("passkey", ""), visitor(), pending_token=pending_token)
    except LoginRefused:
        return login_form(next_path, error=_("That passkey doesn’t work here. Log in with your password.")), 403
    if g.login is not None:
        logins.end(g.team_member, g.login.id)
    return logged_in(new, next_path)


@bp.post("/settings/factors/passkey/options")
def registration_options() -> ResponseReturnValue:
    """What a browser needs to make a passkey."""
    return _json(passkeys.registration_options(g.team_member))


@bp.route("/settings/factors/passkey", methods=["GET", "POST"])
@recently_authenticated
def add() -> ResponseReturnValue:
    """Ask for a name, and store the new passkey."""
    if request.method != "POST":
        return _add_page()
    answer, name = request.form.get("passkey", ""), request.form.get("name", "")
    try:
        codes = passkeys.register(g.login, answer, name, visitor())
    except PasskeyRefused:
        return _add_page(_("That passkey couldn’t be stored. Try again.")), 422
    flash(_("Passkey added. You can log in with it from now on."))
    return codes_page(codes) if codes else redirect(url_for("factors.index"))


@bp.post("/settings/factors/passkey/confirm-options")
def confirm_options() -> ResponseReturnValue:
    """What a browser needs to ask for a passkey before an act that cannot be undone."""
    return _json(passkeys.confirm_options(g.team_member))


def _add_page(error: str | None = None) -> str:
    return render_template("team/factor_passkey.html", error=error)


def _json(text: str) -> Response:
    return Response(text, mimetype="application/json")
