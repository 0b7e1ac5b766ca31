"""Consent in the browser: the waiting page, the link for another device, the way back from bunq."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Response,
    current_app,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue

from bunqflask import worker
from bunqflask.extensions import writable
from bunqflask.models import ConsentAttempt
from bunqflask.services.consent import attempts, completion
from bunqflask.web.connections import presenters
from bunqflask.web.guards import polled, public

bp = Blueprint("consent", __name__)

# How long a page may wait for bunq's turn before it says when the next try is.
_BACK_PATIENCE_S = 2.0
_POLL_PATIENCE_S = 0.5
# What tells htmx to stop polling.
_STOP_POLLING = 286


@bp.post("/connect")
def start() -> ResponseReturnValue:
    """Begin an attempt to obtain a consent."""
    attempts.end_all_overdue()
    attempt = attempts.start(g.team_member)
    return redirect(url_for("consent.show", attempt_id=attempt.id))


@bp.get("/connect/<attempt_id>")
def show(attempt_id: str) -> ResponseReturnValue:
    """The attempt at the step where it is; without script, asking for it again moves it on."""
    attempt = _advanced(attempt_id)
    return render_template("consent/show.html", attempt=presenters.attempt_view(attempt, g.team_member))


@bp.get("/connect/<attempt_id>/status")
@polled
def status(attempt_id: str) -> ResponseReturnValue:
    """The poll of that page: 204 while nothing has changed, 286 with the last part at the end."""
    glance = attempts.glance(g.team_member, attempt_id)
    # Most polls end here.
    if glance is not None and not completion.is_due(glance) and _is_as_seen(glance):
        return Response(status=204)
    attempt = _advanced(attempt_id)
    if _is_as_seen(attempt):
        return Response(status=204)
    view = presenters.attempt_view(attempt, g.team_member)
    body = render_template("consent/_attempt.html", attempt=view)
    return make_response(body, 200 if view.polling else _STOP_POLLING)


@bp.post("/connect/<attempt_id>/go")
def go(attempt_id: str) -> ResponseReturnValue:
    """On to bunq in this browser."""
    attempt = attempts.get_for(g.team_member, attempt_id)
    return redirect(attempts.begin(attempt, session))


@bp.post("/connect/<attempt_id>/confirm")
def confirm(attempt_id: str) -> ResponseReturnValue:
    """Take or discard what was approved on another device, or by another person."""
    attempt = attempts.get_for(g.team_member, attempt_id)
    if request.form.get("answer") == "yes":
        completion.confirm(attempt)
        worker.wake()
    else:
        attempts.discard(attempt)
    return redirect(url_for("consent.show", attempt_id=attempt_id))


@bp.post("/connect/<attempt_id>/cancel")
def cancel(attempt_id: str) -> ResponseReturnValue:
    """Give an attempt up."""
    attempts.cancel(attempts.get_for(g.team_member, attempt_id))
    return redirect(url_for("consent.show", attempt_id=attempt_id))


@bp.route("/c/<token>", methods=["GET", "POST"])
@public
def link(token: str) -> ResponseReturnValue:
    """The one-time link on another device: says who asks; only the press goes on to bunq."""
    attempt = attempts.by_link(token)
    if request.method != "POST":
        site = urlsplit(current_app.config["PUBLIC_URL"])
        return render_template(
            "consent/link.html",
            asker=attempt.member.name,
            site=site.netloc + site.path,
            expires_at=attempt.expires_at,
            token=token,
        )
    browser: str = session.setdefault("browser", secrets.token_urlsafe(16))
    attempts.take_link(attempt, browser)
    return redirect(attempts.begin(attempt, session))


@bp.get("/oauth/callback")
@public
def callback() -> ResponseReturnValue:
    """The way back from bunq."""
    writable()
    attempt = attempts.come_back(
        session,
        member=g.team_member,
        state=request.args.get("state", ""),
        error=request.args.get("error"),
        code=request.args.get("code"),
    )
    # Read before the slow part: by then the attempt may be another member's page to show.
    is_own = g.team_member is not None and g.team_member.id == attempt.member_id
    completion.advance(attempt, patience_s=_BACK_PATIENCE_S)
    worker.wake()
    if is_own:
        return redirect(url_for("consent.show", attempt_id=attempt.id))
    if attempt.step == "failed":
        raise attempts.ConsentFailed(attempt)
    return render_template("consent/done.html", asker=attempt.member.name, person=attempt.granted_user_name or "")


def _is_as_seen(attempt: Any) -> bool:
    """Tell whether the page that asks shows an attempt as it is."""
    return presenters.is_polled(attempt) and request.args.get("seen", presenters.seen(attempt)) == presenters.seen(
        attempt
    )


def _advanced(attempt_id: str) -> ConsentAttempt:
    attempt = attempts.get_for(g.team_member, attempt_id)
    if completion.is_due(attempt):
        writable()
        attempt = attempts.get_for(g.team_member, attempt_id)
        completion.advance(attempt, patience_s=_POLL_PATIENCE_S)
    return attempt
