"""Consent in the browser of the member who asks for it: where it begins, its invitations, and the page that waits."""

from __future__ import annotations

from flask import Blueprint, Response, flash, g, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.models import AttemptStep, ConsentAttempt, Language
from bunqflask.services import policy
from bunqflask.services.connections import overview
from bunqflask.services.consent import attempts, completion, holder
from bunqflask.services.consent.attempts import AttemptProgress, Invitation, TooManyInvitations
from bunqflask.services.policy import NotFoundHere
from bunqflask.web.consent import invitation_rows, presenters
from bunqflask.web.consent.view_models import InviteForm
from bunqflask.web.marks import polled
from bunqflask.web.ui import formatting

bp = Blueprint("consent", __name__)

# How long a page may wait for bunq's rate limit before it says when the next try is.
_POLL_PATIENCE_S = 0.5
# What tells htmx to stop polling.
_STOP_POLLING = 286


@bp.post("/connect")
def start() -> ResponseReturnValue:
    """Begin an attempt to obtain a consent."""
    return redirect(url_for("consent.show", attempt_id=attempts.start(g.team_member)))


@bp.get("/connect")
def begin() -> ResponseReturnValue:
    """Offer to connect one's own accounts, or to invite somebody; `renews` names a connection to be renewed."""
    return _begin_page(InviteForm(renews=request.args.get("renews", "")))


@bp.post("/connect/invitations")
def invite() -> ResponseReturnValue:
    """Make an invitation for a holder elsewhere."""
    given = {name: request.form.get(name, "") for name in ("label", "language", "renews")}
    form = InviteForm(**given)
    renews = _renewed(form)
    label = formatting.one_line(form.label, attempts.LONGEST_LABEL) or (
        renews.holder_name[: attempts.LONGEST_LABEL] if renews else ""
    )
    if not label:
        return _begin_page(form, refused=_("Enter a name or an email address, for your list of invitations.")), 422
    language = Language(form.language) if form.language in list(Language) else None
    wish = Invitation(label=label, language=language)
    try:
        attempt_id = attempts.start(g.team_member, renews_connection_id=renews.id if renews else None, invitation=wish)
    except TooManyInvitations:
        many = _("You have %(count)d open invitations. Withdraw some before you make more.")
        return _begin_page(form, refused=many % {"count": attempts.MOST_INVITATIONS}), 422
    return redirect(url_for("consent.show", attempt_id=attempt_id))


def _begin_page(form: InviteForm, *, refused: str = "") -> str:
    policy.check_can_connect(g.team_member)
    renews = _renewed(form)
    return render_template(
        "consent/begin.html",
        form=form,
        refused=refused,
        renews_name=renews.holder_name if renews else None,
        invitations=invitation_rows.load(g.team_member),
    )


def _renewed(form: InviteForm) -> overview.ConnectionOverview | None:
    """Return the connection that an invitation is to renew.

    :raises NotFoundHere: the member may not manage it.
    """
    if not form.renews:
        return None
    if not form.renews.isdecimal() or len(form.renews) > 9:
        raise NotFoundHere
    policy.check_can_manage(g.team_member, int(form.renews))
    return overview.get(g.team_member, int(form.renews))


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
    return redirect(holder.authorization_url(attempt, session, user_agent=request.headers.get("User-Agent", "")))


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


@bp.post("/connect/<attempt_id>/withdraw")
def withdraw(attempt_id: str) -> ResponseReturnValue:
    """Withdraw an invitation from the list: its link ends."""
    attempt = attempts.get_for(g.team_member, attempt_id)
    attempts.cancel(attempt)
    if attempts.get_for(g.team_member, attempt_id).step == AttemptStep.CONFIRM:
        # It was approved meanwhile: the page of it asks what to do with that.
        return redirect(url_for("consent.show", attempt_id=attempt_id))
    flash(_("Withdrawn: the link for %(name)s no longer works.") % {"name": formatting.name(attempt.label)})
    return redirect(url_for("consent.begin"))


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
