"""The team's people: the page of all, and the pages on which one is changed, locked or removed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from bunqflask.i18n import gettext as _
from bunqflask.models import TeamRole
from bunqflask.services import policy
from bunqflask.services.team import holdings, members, offboarding, presence, roles, rules
from bunqflask.services.team.members import Member, TeamRefused, Terms
from bunqflask.web.audit.presenters import newest
from bunqflask.web.guards import recently_authenticated
from bunqflask.web.team import people_presenters as presenters
from bunqflask.web.ui import formatting

bp = Blueprint("people", __name__, url_prefix="/team")
_NEWEST_EVENTS = 5


@dataclass(frozen=True, kw_only=True)
class TermsForm:
    """What a form says about a role, as it was written."""

    role: str = TeamRole.MEMBER.value
    until: str = ""
    may_export: bool = False
    label: str = ""
    account_ids: tuple[int, ...] = ()


@bp.get("")
def index() -> ResponseReturnValue:
    """Show the team."""
    return team_page()


@bp.get("/members/<int:member_id>")
def show(member_id: int) -> ResponseReturnValue:
    """Offer what can be changed about a person."""
    return _person_page(members.get_for(g.team_member, member_id))


@bp.post("/members/<int:member_id>")
@recently_authenticated
def change(member_id: int) -> ResponseReturnValue:
    """Give a person a role."""
    member = members.get_for(g.team_member, member_id)
    form = read_terms(request.form)
    try:
        changed = roles.change(g.team_member, member_id, terms_of(form))
    except TeamRefused as refused:
        return _person_page(member, form, refused), 422
    what = presenters.role_pill(changed.role, changed.ends_at).text
    flash(_("%(name)s: %(role)s.") % {"name": formatting.name(changed.name), "role": what})
    return redirect(url_for("people.index"))


@bp.post("/members/<int:member_id>/lock")
def lock(member_id: int) -> ResponseReturnValue:
    """Lock a person out at once."""
    member = members.get_for(g.team_member, member_id)
    try:
        locked = roles.lock(g.team_member, member_id)
    except TeamRefused as refused:
        return _person_page(member, refused=refused), 422
    flash(_("%(name)s is logged out everywhere and cannot log in.") % {"name": formatting.name(locked.name)})
    return redirect(url_for("people.show", member_id=member_id))


@bp.post("/members/<int:member_id>/unlock")
def unlock(member_id: int) -> ResponseReturnValue:
    """Let a person who was locked log in again."""
    unlocked = roles.unlock(g.team_member, member_id)
    flash(_("%(name)s can log in again.") % {"name": formatting.name(unlocked.name)})
    return redirect(url_for("people.show", member_id=member_id))


@bp.get("/members/<int:member_id>/remove")
def ask_to_remove(member_id: int) -> ResponseReturnValue:
    """Say what removing a person does, and what they alone hold."""
    return _removal_page(members.get_for(g.team_member, member_id))


@bp.post("/members/<int:member_id>/remove")
@recently_authenticated
def remove(member_id: int) -> ResponseReturnValue:
    """Remove a person's login, and hand over or end what they alone hold."""
    member = members.get_for(g.team_member, member_id)
    hands_over = request.form.get("data") == "hand-over"
    try:
        names = offboarding.remove(
            g.team_member,
            member_id,
            heir_id=request.form.get("heir", 0, type=int) if hands_over else None,
            disconnect=request.form.get("data") == "erase",
        )
    except TeamRefused as refused:
        return _removal_page(member, refused), 422
    flash(_("%(name)s is removed and can no longer log in.") % {"name": formatting.name(member.name)})
    if names:
        shown = ", ".join(formatting.name(name) for name in names)
        done = _("Handed over: %(names)s.") if hands_over else _("Erased: %(names)s.")
        flash(done % {"names": shown})
    return redirect(url_for("people.index"))


@bp.post("/logins/<int:login_id>/end")
@recently_authenticated
def end_login(login_id: int) -> ResponseReturnValue:
    """Log somebody out in one place."""
    presence.end(g.team_member, login_id)
    return redirect(url_for("people.index", _anchor="logins"))


@bp.post("/second-factor")
@recently_authenticated
def require_second_factor() -> ResponseReturnValue:
    """Set the day from which every member needs a second factor; none for no such rule."""
    given = request.form.get("second_factor_from", "").strip()
    try:
        first_day = date.fromisoformat(given) if given else None
    except ValueError:
        flash(_("Nothing was changed: enter a date, for example 2027-01-31."), "error")
        return redirect(url_for("people.index"))
    rules.require_second_factor(g.team_member, first_day)
    if first_day is None:
        flash(_("A second factor is optional now."))
    else:
        flash(_("Everybody needs a second factor from %(day)s.") % {"day": formatting.day(first_day)})
    return redirect(url_for("people.index"))


def team_page(form: TermsForm | None = None, refused: TeamRefused | None = None) -> str:
    """Render the page of the team, with an invitation as it was written."""
    found = members.list_for(g.team_member)
    return render_template(
        "team/index.html",
        people=presenters.team(found),
        own_accounts=holdings.list_held(g.team_member) if policy.can_manage_people(g.team_member) else [],
        counts=presenters.counts(found),
        invitations=presenters.open_invitations(),
        logins=presenters.logins(),
        may_invite=policy.can_manage_people(g.team_member),
        sees_all_logins=policy.can_end_logins(g.team_member),
        sets_rules=policy.can_set_rules(g.team_member),
        second_factor_from=rules.second_factor_from(),
        rights_table=presenters.rights_table(),
        events=newest(g.team_member, _NEWEST_EVENTS),
        roles=presenters.offered_roles(),
        guest_days=presenters.guest_days(),
        form=form or TermsForm(),
        refused=refused,
    )


def read_terms(form: MultiDict[str, str]) -> TermsForm:
    """Return what a form says about a role."""
    return TermsForm(
        role=form.get("role", ""),
        until=form.get("until", "").strip(),
        may_export=form.get("may_export") == "1",
        label=form.get("label", ""),
        account_ids=tuple(form.getlist("account", type=int)),
    )


def terms_of(form: TermsForm) -> Terms:
    """Return the terms that a form asks for.

    :raises TeamRefused: there is no such role, or a guest's last day is missing, no day, over or too late.
    """
    try:
        role = TeamRole(form.role)
    except ValueError as error:
        raise TeamRefused(_("Choose a role."), field="role") from error
    try:
        last_day = date.fromisoformat(form.until) if form.until and role is TeamRole.GUEST else None
    except ValueError as error:
        raise TeamRefused(_("Enter a date, for example 2027-01-31."), field="until") from error
    return roles.terms_of(role, last_day=last_day, may_export=form.may_export)


def _person_page(member: Member, form: TermsForm | None = None, refused: TeamRefused | None = None) -> str:
    last_owner = presenters.last_owner_of(members.list_all())
    until = str(roles.last_day_of(member.ends_at)) if member.ends_at else ""
    # Who is made a guest may not export, unless that is ticked.
    may_export = member.role is TeamRole.GUEST and member.may_export
    present = TermsForm(role=member.role.value, until=until, may_export=may_export)
    return render_template(
        "team/person.html",
        person=presenters.person(member, is_last_owner=member.id == last_owner),
        may_lock=policy.can_lock(g.team_member, member),
        may_remove=policy.can_remove(g.team_member, member),
        roles=presenters.offered_roles(),
        guest_days=presenters.guest_days(),
        own_accounts=[],
        form=form or present,
        refused=refused,
    )


def _removal_page(member: Member, refused: TeamRefused | None = None) -> str:
    policy.check_can_remove(g.team_member, member)
    team = members.list_all()
    allowed = [each for each in team if policy.can_hand_over_to(g.team_member, each)]
    return render_template(
        "team/remove.html",
        person=presenters.person(member, is_last_owner=member.id == presenters.last_owner_of(team)),
        alone=holdings.held_alone(g.team_member, member.id),
        heirs=[each for each in allowed if each.id != member.id and not each.locked_at],
        refused=refused,
        chosen=request.form.get("data", "hand-over"),
    )
