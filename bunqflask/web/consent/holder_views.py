"""What a holder of accounts sees, who has no login here: the link, the way back from bunq, and the page to keep."""

from __future__ import annotations

import secrets

from flask import Response, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from bunqflask import calendar_files, i18n
from bunqflask.models import AttemptStep
from bunqflask.services.consent import attempts, completion, holder, oauth
from bunqflask.web import language
from bunqflask.web.consent import holder_pages
from bunqflask.web.consent.holder_pages import NO_RESULT, RESULT
from bunqflask.web.consent.views import bp
from bunqflask.web.marks import public, without_database

# How long the way back may wait for bunq's rate limit.
_CALLBACK_PATIENCE_S = 2.0
# Where the browser's session keeps what bunq sent it back with, until that is taken up; a cookie has room for so much.
_RETURN, _LONGEST_VALUE = "consent_return", 500
_ERRORS = {
    error.__name__: error
    for error in (attempts.ConsentStateMismatch, attempts.ConsentDenied, attempts.ConsentFailed, attempts.LinkUsed)
}


@bp.route("/c/<token>", methods=["GET", "POST"])
@public
def link(token: str) -> ResponseReturnValue:
    """The one-time link on another device: it names the asker; only the press goes on to bunq."""
    attempt = holder.by_link(token, session.get("browser"))
    if request.method != "POST":
        if _is_shown_to_a_person():
            holder.record_seen(attempt)
        spoken = holder_pages.language_of(attempt)
        language.remember(spoken)
        with i18n.speaking(spoken):
            return render_template("consent/link.html", token=token, **holder_pages.asker(attempt))
    # The link works in this browser alone, for days: the cookie that tells it outlives the browser's end.
    session.permanent = True
    browser: str = session.setdefault("browser", secrets.token_urlsafe(16))
    agent = request.headers.get("User-Agent", "")
    return redirect(holder.authorization_url_by_link(attempt, browser, session, user_agent=agent))


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
    if _RETURN not in session and RESULT in session:
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
        if not (state and session.get(RESULT, NO_RESULT)[2] == oauth.fingerprint(state)):
            session[RESULT] = [type(error).__name__, error.attempt_id, ""]
        return redirect(_result_url(), 303)
    except attempts.ConsentError as error:
        kind, attempt_id = type(error).__name__, error.attempt_id or ""
    session.pop(_RETURN, None)
    session[RESULT] = [kind, attempt_id, oauth.fingerprint(state)]
    return redirect(_result_url(), 303)


@bp.get("/oauth/result")
@public
def result() -> ResponseReturnValue:
    """How the last consent of this browser ended: the page after the way back, except for the member who asked."""
    kind, attempt_id, _state = session.get(RESULT, NO_RESULT)
    if kind in _ERRORS:
        raise _ERRORS[kind](attempt_id)
    attempt = attempts.by_id(attempt_id or "")
    if attempt.step == AttemptStep.FAILED:
        raise attempts.ConsentFailed(attempt_id)
    with i18n.speaking(holder_pages.language_of(attempt)):
        return render_template("consent/done.html", **holder_pages.receipt(attempt))


@bp.get("/oauth/reminder.ics")
@public
def reminder() -> ResponseReturnValue:
    """A calendar file that reminds the holder of the permission, for the browser in which it was approved."""
    kind, attempt_id, _state = session.get(RESULT, NO_RESULT)
    attempt = attempts.by_id(attempt_id if attempt_id and not kind else "")
    if attempt.approved_at is None:
        raise attempts.ConsentStateMismatch
    with i18n.speaking(holder_pages.language_of(attempt)):
        day, name = holder_pages.reminder(attempt), holder_pages.calendar_name()
    answer = Response(calendar_files.write([day], name=name), content_type=calendar_files.MEDIA_TYPE)
    answer.headers.set("Content-Disposition", "attachment", filename="bunq-permission.ics")
    return answer


def _result_url() -> str:
    """Where the way back leads in this browser: the member who asked sees the attempt itself, if it goes on."""
    kind, attempt_id, _state = session[RESULT]
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


def _is_shown_to_a_person() -> bool:
    """Tell whether a browser asks for the page to show it: programs that preview a link in a chat do not say so.

    https://www.w3.org/TR/fetch-metadata/
    """
    return request.headers.get("Sec-Fetch-Dest") == "document" and not _is_only_looked_at()
