"""Consent in the browser: the waiting page, the link for another device, the way back from bunq."""

from __future__ import annotations

import secrets
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

from bunqflask.models import AttemptStep, ConsentAttempt
from bunqflask.services.consent import attempts, completion, oauth
from bunqflask.services.consent.attempts import AttemptProgress
from bunqflask.services.gateway import installations
from bunqflask.web.consent import presenters
from bunqflask.web.marks import polled, public, without_database

bp = Blueprint("consent", __name__)

# How long a page may wait for bunq's rate limit before it says when the next try is.
_CALLBACK_PATIENCE_S = 2.0
_POLL_PATIENCE_S = 0.5
# Where the browser's session keeps what bunq sent it back with, until that is taken up; a cookie has room for so much.
_RETURN, _LONGEST_VALUE = "consent_return", 500
# Where the browser's session keeps how its last consent ended: the error's name, the attempt, and its state's hash.
_RESULT = "consent_result"
_NO_RESULT = ["", None, ""]
_ERRORS = {
    error.__name__: error
    for error in (attempts.ConsentStateMismatch, attempts.ConsentDenied, attempts.ConsentFailed, attempts.LinkUsed)
}
# What tells htmx to stop polling.
_STOP_POLLING = 286


@bp.post("/connect")
def start() -> ResponseReturnValue:
    """Begin an attempt to obtain a consent."""
    return redirect(url_for("consent.show", attempt_id=attempts.start(g.team_member)))


@bp.get("/connect")
def begun() -> ResponseReturnValue:
    """Where a browser asks that has kept this address: the attempts under way stand on the first page."""
    return redirect(url_for("connections.home"))


@bp.get("/connect/<attempt_id>")
def show(attempt_id: str) -> ResponseReturnValue:
    """The attempt at the step where it is; without JavaScript, loading it again moves it on."""
    attempt = _advanced(attempt_id)
    return render_template("consent/show.html", attempt=presenters.attempt_view(attempt, g.team_member))


@bp.get("/connect/<attempt_id>/status")
@polled
def status(attempt_id: str) -> ResponseReturnValue:
    """The poll of that page: 204 while nothing has changed, 286 with the last part at the end."""
    progress = attempts.progress_for(g.team_member, attempt_id)
    if _shows_the_same(progress) and not attempts.is_overdue(progress) and not completion.is_due(progress):
        return Response(status=204)
    attempt = _advanced(attempt_id)
    if _shows_the_same(attempt):
        return Response(status=204)
    view = presenters.attempt_view(attempt, g.team_member)
    body = render_template("consent/_attempt.html", attempt=view)
    return make_response(body, 200 if view.polling else _STOP_POLLING)


@bp.post("/connect/<attempt_id>/go")
def go(attempt_id: str) -> ResponseReturnValue:
    """On to bunq in this browser."""
    attempt = attempts.get_for(g.team_member, attempt_id)
    return redirect(attempts.authorization_url(attempt, session, user_agent=_user_agent()))


@bp.post("/connect/<attempt_id>/confirm")
def confirm(attempt_id: str) -> ResponseReturnValue:
    """Take or discard what was approved on another device, or by another person."""
    attempt = attempts.get_for(g.team_member, attempt_id)
    if request.form.get("answer") == "yes":
        completion.confirm(attempt)
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
    """The one-time link on another device: it names the asker; only the press goes on to bunq."""
    attempt = attempts.by_link(token)
    if request.method != "POST":
        site = urlsplit(current_app.config["PUBLIC_URL"])
        return render_template(
            "consent/link.html",
            asker=attempt.member.name,
            bunq_calls_us=installations.shown_name(),
            site=site.netloc + site.path,
            expires_at=attempt.expires_at,
            token=token,
        )
    browser: str = session.setdefault("browser", secrets.token_urlsafe(16))
    return redirect(attempts.authorization_url_by_link(attempt, browser, session, user_agent=_user_agent()))


@bp.get("/oauth/callback")
@public
@without_database
def callback() -> ResponseReturnValue:
    """The way back from bunq: takes the code and the state out of the address, also while the database is away."""
    if _is_only_looked_at():
        return _nothing_done()
    given = {name: request.args[name] for name in ("state", "error", "code") if name in request.args}
    session[_RETURN] = {name: text for name, text in given.items() if len(text) <= _LONGEST_VALUE}
    return redirect(url_for("consent.finish"), 303)


@bp.get("/oauth/finish")
@public
def finish() -> ResponseReturnValue:
    """Take up what bunq sent the browser back with, and lead on.

    A database that is away used neither code nor state up: that page stays here, and loading it again goes on.
    """
    if _is_only_looked_at():
        return _nothing_done()
    if _RETURN not in session and _RESULT in session:
        return redirect(_result_url(), 303)  # this page was loaded again
    given = session.get(_RETURN, {})
    state = given.get("state", "")
    try:
        attempt_id = completion.come_back(
            session,
            principal=g.team_member,
            state=state,
            error=given.get("error"),
            code=given.get("code"),
            patience_s=_CALLBACK_PATIENCE_S,
        )
        kind, attempt_id = "", attempts.by_id(attempt_id).id
    except attempts.ConsentStateMismatch as error:
        session.pop(_RETURN, None)
        # Loaded again in the same browser: it leads where it led before.
        if not (state and session.get(_RESULT, _NO_RESULT)[2] == oauth.fingerprint(state)):
            session[_RESULT] = [type(error).__name__, error.attempt_id, ""]
        return redirect(_result_url(), 303)
    except attempts.ConsentError as error:
        kind, attempt_id = type(error).__name__, error.attempt_id or ""
    session.pop(_RETURN, None)
    session[_RESULT] = [kind, attempt_id, oauth.fingerprint(state)]
    return redirect(_result_url(), 303)


@bp.get("/oauth/result")
@public
def result() -> ResponseReturnValue:
    """How the last consent of this browser ended: the page after the way back, except for the member who asked."""
    kind, attempt_id, _state = session.get(_RESULT, _NO_RESULT)
    if kind in _ERRORS:
        raise _ERRORS[kind](attempt_id)
    attempt = attempts.by_id(attempt_id or "")
    if attempt.step == AttemptStep.FAILED:
        raise attempts.ConsentFailed(attempt_id)
    return render_template("consent/done.html", asker=attempt.member.name, person=attempt.granted_user_name or "")


def _result_url() -> str:
    """Where the way back leads in this browser: the member who asked sees the attempt itself, if it goes on."""
    kind, attempt_id, _state = session[_RESULT]
    attempt = None if kind else attempts.by_id(attempt_id)
    if attempt is not None and g.team_member is not None and g.team_member.id == attempt.member_id:
        return url_for("consent.show", attempt_id=attempt_id)
    return url_for("consent.result")


def _is_only_looked_at() -> bool:
    """Tell whether a program or a browser asks before anybody goes there: an approval works only once."""
    return request.method == "HEAD" or "prefetch" in request.headers.get("Sec-Purpose", "")


def _nothing_done() -> Response:
    # A browser that fetches ahead takes 503 for "ask again when a person goes there".
    return Response(status=204 if request.method == "HEAD" else 503)


def _user_agent() -> str:
    return request.headers.get("User-Agent", "")


def _shows_the_same(attempt: ConsentAttempt | AttemptProgress) -> bool:
    """Tell whether the page that asks shows an attempt as it is, and is to ask again."""
    return presenters.is_polled(attempt) and request.args.get("seen", presenters.seen(attempt)) == presenters.seen(
        attempt
    )


def _advanced(attempt_id: str) -> ConsentAttempt:
    attempt = attempts.get_for(g.team_member, attempt_id)
    if not completion.is_due(attempt):
        return attempt
    completion.advance(attempt_id, patience_s=_POLL_PATIENCE_S)
    return attempts.get_for(g.team_member, attempt_id)
