"""The pages of connections: which work, which need somebody, until when each wants to be renewed."""

from __future__ import annotations

from flask import Blueprint, current_app, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask import calendar_files, clock
from bunqflask.i18n import gettext as _
from bunqflask.models import AuditKind
from bunqflask.services import policy
from bunqflask.services.audit import reading
from bunqflask.services.audit.reading import AccountName, TrailEvent, Wanted
from bunqflask.services.connections import condition_rows, days, overview, reminders, timeline
from bunqflask.services.connections.overview import ConnectionOverview
from bunqflask.services.connections.reminders import ReminderRefused
from bunqflask.services.consent import attempts
from bunqflask.services.instructions import abilities
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.tokens import tokens
from bunqflask.services.tokens.tokens import TokenRefused
from bunqflask.web.connections import condition_presenters as shown
from bunqflask.web.connections import presenters
from bunqflask.web.consent import invitation_rows
from bunqflask.web.consent.presenters import pending
from bunqflask.web.consent.view_models import InviteRow
from bunqflask.web.guards import recently_authenticated

bp = Blueprint("conditions", __name__, url_prefix="/connections")

FILTERS = ("all", "needs", "mine")
USUAL_DAYS = (80, 90, 180)
_EVENTS = (
    AuditKind.CONNECTED,
    AuditKind.RENEWED,
    AuditKind.DISCONNECTED,
    AuditKind.SHARED,
    AuditKind.UNSHARED,
)


@bp.get("")
def index() -> ResponseReturnValue:
    """Show all connections that the member sees, those that need somebody first."""
    wanted = request.args.get("show", "all")
    found = shown.rows(overview.list_all(g.team_member, with_standing=True), clock.now())
    needing = [each for each in found if each.needs_somebody]
    chosen = {"needs": needing, "mine": [each for each in found if each.is_own]}.get(wanted, found)
    return render_template(
        "connections/all.html",
        all=found,
        rows=chosen,
        chosen=wanted if wanted in FILTERS else "all",
        needing=needing,
        worst=needing[0] if needing else None,
        summary=shown.summary(found),
        pending=[pending(each) for each in attempts.list_open(g.team_member) if not each.is_invitation],
        invitations=_open_invitations(),
    )


def _open_invitations() -> list[InviteRow]:
    if not policy.can_connect(g.team_member):
        return []
    return [each for each in invitation_rows.load(g.team_member) if each.is_open]


@bp.get("/<int:connection_id>")
def show(connection_id: int) -> ResponseReturnValue:
    """Show one connection: its condition, its clocks, its days and what happened."""
    return _page(overview.get(g.team_member, connection_id, with_standing=True))


@bp.post("/<int:connection_id>/reminder")
def remind(connection_id: int) -> ResponseReturnValue:
    """Set when the holders want to be reminded to renew it."""
    connection = _own(connection_id)
    chosen = request.form.get("after", "")
    try:
        reminders.set_days(g.team_member, connection_id, _days(chosen, request.form.get("days", "")))
    except ReminderRefused as refused:
        return make_response(_page(connection, error=str(refused)), 422)
    flash(_("The reminder is set."))
    return redirect(url_for("conditions.show", connection_id=connection_id))


@bp.get("/<int:connection_id>/reminder.ics")
def reminder_file(connection_id: int) -> ResponseReturnValue:
    """Download the reminder of one connection for a calendar program."""
    return _file([_own(connection_id)], f"renew-bunq-{connection_id}.ics")


@bp.get("/reminders.ics")
def reminders_file() -> ResponseReturnValue:
    """Download the reminders of all connections that the member can renew."""
    policy.check_can_connect(g.team_member)
    return _file(overview.list_all(g.team_member, with_people=False, with_standing=True), "renew-bunq.ics")


@bp.route("/calendar", methods=["GET", "POST"])
@recently_authenticated
def calendar() -> ResponseReturnValue:
    """Offer an address to which a calendar program subscribes, and make one; it is shown this once."""
    policy.check_can_connect(g.team_member)
    token = error = None
    if request.method == "POST":
        try:
            token = tokens.add_calendar(g.team_member)
        except TokenRefused as refused:
            error = str(refused)
    root = current_app.config["PUBLIC_URL"].rstrip("/")
    page = render_template("connections/calendar.html", token=token, root=root, error=error)
    return make_response(page, 422 if error else 200)


def _page(connection: ConnectionOverview, *, error: str | None = None) -> str:
    now, zone = clock.now(), condition_rows.zone()
    account_ids = [each.id for each in connection.accounts]
    changes = timeline.changes_of(connection.id, account_ids, limit=shown.SHOWN_ENTRIES + 1)
    given = timeline.reminders_of(connection.id, limit=shown.SHOWN_ENTRIES) if connection.may_manage else []
    return render_template(
        "connections/show.html",
        card=presenters.card(connection),
        row=shown.row(connection, now),
        connection=connection,
        standing=connection.standing,
        strip=shown.strip(days.strip(connection.id, connection.current_until, now, zone)),
        entries=shown.timeline(g.team_member, changes, given, _events(connection)),
        givers=[each for each in connection.permissions if each.account_ids or each.is_own],
        usual_days=USUAL_DAYS,
        may_switch=abilities.can_switch(g.team_member, connection.id),
        error=error,
    )


def _events(connection: ConnectionOverview) -> list[TrailEvent]:
    """What the audit trail says about the accounts that the member sees."""
    names = {
        each.id: AccountName(id=each.id, name=each.name, holder=connection.holder_name, is_held=each.is_held)
        for each in connection.accounts
    }
    if not names:
        return []
    return reading.newest_about(g.team_member, names, Wanted(account_ids=tuple(names), kinds=_EVENTS))


def _own(connection_id: int) -> ConnectionOverview:
    connection = overview.get(g.team_member, connection_id, with_standing=True)
    if not connection.may_manage:
        raise NotFoundHere
    return connection


def _days(chosen: str, number: str) -> int | None:
    if chosen == "never":
        return None
    given = (number if chosen == "other" else chosen).strip()
    if not (given.isascii() and given.isdigit() and len(given) <= 4):
        raise ReminderRefused(_("Choose a number of days from 1 to %(count)s.") % {"count": reminders.LONGEST_DAYS})
    return int(given)


def _file(connections: list[ConnectionOverview], name: str) -> ResponseReturnValue:
    answer = make_response(reminders.calendar(connections))
    answer.mimetype = calendar_files.MEDIA_TYPE
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer
