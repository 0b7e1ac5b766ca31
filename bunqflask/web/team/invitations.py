"""Invitations: owners and admins make them, invited people accept them; and links for a new password."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.services.team import invitations, passwords, resets
from bunqflask.services.team.invitations import LinkGone, NewLink
from bunqflask.services.team.members import TeamRefused
from bunqflask.services.team.passwords import PasswordRefused
from bunqflask.web.errors.pages import page
from bunqflask.web.errors.problem import Problem, Way
from bunqflask.web.guards import recently_authenticated
from bunqflask.web.marks import public
from bunqflask.web.team import people
from bunqflask.web.team import people_presenters as presenters
from bunqflask.web.ui import formatting
from bunqflask.web.ui.qr import qr_svg, stays_here

bp = Blueprint("invitations", __name__)


@bp.errorhandler(LinkGone)
def _link_gone(_error: LinkGone) -> Response:
    problem = Problem(
        title=_("This link no longer works"),
        lead=_("Nothing was changed."),
        happened=_("It was used already, was withdrawn or replaced, or is too old."),
        todo=[_("Ask the person who sent it for a new one.")],
        who=_("The person who sent you the link"),
        status=404,
        ways=[Way(label=_("Log in"), url=url_for("login.log_in"), primary=True)],
    )
    return page(problem)


@bp.post("/team/invitations")
@recently_authenticated
def make() -> ResponseReturnValue:
    """Make an invitation, and show its link this once."""
    form = people.read_terms(request.form)
    try:
        link = invitations.invite(g.team_member, form.label, people.terms_of(form), form.account_ids)
    except TeamRefused as refused:
        return people.team_page(form, refused), 422
    return _link_page(link)


@bp.post("/team/invitations/<int:invitation_id>/renew")
def renew(invitation_id: int) -> ResponseReturnValue:
    """Replace an invitation's link, and show the new one this once."""
    return _link_page(invitations.renew(g.team_member, invitation_id))


@bp.post("/team/invitations/<int:invitation_id>/withdraw")
def withdraw(invitation_id: int) -> ResponseReturnValue:
    """End an invitation."""
    label = invitations.withdraw(g.team_member, invitation_id)
    flash(_("The invitation for %(name)s is withdrawn; its link no longer works.") % {"name": formatting.name(label)})
    return redirect(url_for("people.index"))


@bp.get("/welcome/<token>")
@public
def welcome(token: str) -> ResponseReturnValue:
    """Show who invites and what for; opening the page uses nothing up."""
    found = invitations.open_link(token) if request.method == "GET" else invitations.get(token)
    return _welcome_page(token, found, email=found.label if "@" in found.label else "")


@bp.post("/welcome/<token>")
@public
def accept(token: str) -> ResponseReturnValue:
    """Make the invited person a team member."""
    given = {name: request.form.get(name, "") for name in ("email", "name")}
    errors: dict[str, str] = {}
    try:
        member = invitations.accept(token, password=request.form.get("new", ""), **given)
    except PasswordRefused as refused:
        errors = {"new": str(refused)}
    except TeamRefused as refused:
        errors = {refused.field: str(refused)}
    else:
        flash(_("Welcome, %(name)s. You can log in now.") % {"name": formatting.name(member.name)})
        return redirect(url_for("login.log_in"))
    return _welcome_page(token, invitations.get(token), errors=errors, **given), 422


@bp.get("/password/<token>")
@public
def ask_for_password(token: str) -> ResponseReturnValue:
    """Ask for the new password of the person for whom the link was made; opening the page uses nothing up."""
    return _password_page(token)


@bp.post("/password/<token>")
@public
def set_password(token: str) -> ResponseReturnValue:
    """Store the new password."""
    try:
        resets.use(token, request.form.get("new", ""))
    except PasswordRefused as refused:
        return _password_page(token, error=str(refused)), 422
    flash(_("Password changed. You can log in now."))
    return redirect(url_for("login.log_in"))


def _link_page(link: NewLink) -> Response:
    body = render_template(
        "team/invited.html",
        link=link,
        qr=qr_svg(link.url, _("QR code of this invitation’s link")),
        link_stays_here=stays_here(link.url),
    )
    return make_response(body)


def _welcome_page(
    token: str,
    invitation: invitations.OpenInvitation,
    *,
    email: str = "",
    name: str = "",
    errors: dict[str, str] | None = None,
) -> str:
    return render_template(
        "team/welcome.html",
        token=token,
        invitation=invitation,
        pill=presenters.role_pill(invitation.role, invitation.ends_at),
        may_do=presenters.rights_in_lines(invitation.role, may_export=invitation.may_export),
        site=urlsplit(current_app.config["PUBLIC_URL"]).netloc,
        email=email,
        name=name,
        errors=errors or {},
        least=passwords.MIN_LENGTH,
    )


def _password_page(token: str, *, error: str | None = None) -> str:
    member = resets.get(token)
    return render_template("team/password.html", token=token, person=member, error=error, least=passwords.MIN_LENGTH)
