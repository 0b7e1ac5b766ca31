"""The page of a member's second factors."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.services.team import factors, passkeys
from bunqflask.services.team.factors import FactorRefused
from bunqflask.services.team.throttle import LoginRefused, LoginThrottled
from bunqflask.web.guards import recently_authenticated
from bunqflask.web.team.login import too_many
from bunqflask.web.team.visitors import visitor
from bunqflask.web.ui.qr import qr_svg

bp = Blueprint("factors", __name__, url_prefix="/settings/factors")


@bp.get("")
def index() -> ResponseReturnValue:
    """Show which second factors a member has."""
    return render_template(
        "team/factors.html",
        factors=factors.list_for(g.team_member),
        codes_left=factors.count_recovery_codes(g.team_member),
        passkeys=passkeys.are_possible(),
        required_from=g.login.factor_required_from,
    )


@bp.post("/totp")
@recently_authenticated
def begin_totp() -> ResponseReturnValue:
    """Make the secret for an authenticator app."""
    factors.begin_totp(g.team_member)
    return redirect(url_for("factors.totp"))


@bp.route("/totp/setup", methods=["GET", "POST"])
def totp() -> ResponseReturnValue:
    """Show the secret for an authenticator app, and ask for the first code."""
    if request.method != "POST":
        return _totp_page({})
    given = [request.form.get(name, "") for name in ("code", "password", "name")]
    try:
        codes = factors.activate_totp(g.login, given[0], given[1], given[2], visitor())
    except LoginThrottled as throttled:
        return _totp_page({"password": too_many(throttled)}, 429)
    except FactorRefused:
        return _totp_page({"code": _("That code doesn’t match. Is the clock of your phone right?")}, 422)
    except LoginRefused:
        return _totp_page({"password": _("That’s not your password.")}, 422)
    flash(_("Second factor added. Logging in now asks for a code too."))
    return codes_page(codes) if codes else redirect(url_for("factors.index"))


@bp.post("/codes")
@recently_authenticated
def new_codes() -> ResponseReturnValue:
    """Replace the recovery codes; this page alone shows the new ones."""
    codes = factors.new_codes(g.login, visitor())
    return codes_page(codes) if codes else redirect(url_for("factors.index"))


@bp.post("/<int:factor_id>/remove")
@recently_authenticated
def remove(factor_id: int) -> ResponseReturnValue:
    """Remove a second factor."""
    factors.remove(g.login, factor_id, visitor())
    flash(_("Second factor removed."))
    return redirect(url_for("factors.index"))


def _totp_page(errors: dict[str, str], status: int = 200) -> ResponseReturnValue:
    pending = factors.pending_totp(g.team_member)
    if pending is None:
        return redirect(url_for("factors.index"))
    qr = qr_svg(pending.address, _("QR code for your authenticator app"))
    return render_template("team/factor_totp.html", secret=pending.secret, qr=qr, errors=errors), status


def codes_page(codes: list[str]) -> str:
    """Return the page that alone shows new recovery codes."""
    return render_template("team/factor_codes.html", codes=codes)
