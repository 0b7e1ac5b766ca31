"""Connections and their accounts: pages are rendered from what is stored; the worker brings it up to date."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.services.connections import overview
from bunqflask.services.connections.overview import ConnectionOverview
from bunqflask.services.consent import attempts, invitations
from bunqflask.services.consent.disconnect import disconnect as end_connection
from bunqflask.services.payments import this_month
from bunqflask.services.payments.repository import Scope
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.sync import connection_sync
from bunqflask.web.audit.looks import note_look
from bunqflask.web.connections import home as first_page
from bunqflask.web.connections import presenters
from bunqflask.web.consent.presenters import pending
from bunqflask.web.guards import recently_authenticated
from bunqflask.web.marks import polled
from bunqflask.web.ui import formatting
from bunqflask.web.ui.htmx import render, wants_fragment

bp = Blueprint("connections", __name__)


@bp.get("/")
def home() -> ResponseReturnValue:
    """All connections that this team member sees."""
    scope = Scope(tuple(overview.list_all(g.team_member, with_standing=True)))
    cards = [presenters.card(connection) for connection in scope.connections]
    month = first_page.month(this_month.of(scope))
    if month:
        note_look(scope, None)
    open_attempts = [each for each in attempts.list_open(g.team_member) if not invitations.waits_for_holder(each)]
    return render_template(
        "connections/index.html",
        cards=cards,
        total=first_page.total(cards),
        month=month,
        reconnect=first_page.needing_reconnect(cards, {each.renews_connection_id for each in open_attempts}),
        pending=[pending(attempt) for attempt in open_attempts],
    )


@bp.get("/connections/<int:connection_id>/accounts")
@polled
def index(connection_id: int) -> ResponseReturnValue:
    """One connection."""
    card = presenters.card(overview.get(g.team_member, connection_id, with_standing=True))
    return render("connections/connection.html", "connections/_card.html", card=card)


@bp.post("/connections/<int:connection_id>/sync")
@polled
def sync(connection_id: int) -> ResponseReturnValue:
    """Ask for accounts and payments to be brought up to date now."""
    connection_sync.request(g.team_member, connection_id)
    if not wants_fragment():
        return redirect(url_for("connections.index", connection_id=connection_id))
    card = presenters.card(overview.get(g.team_member, connection_id, with_standing=True), focus=True)
    return render_template("connections/_card.html", card=card)


@bp.route("/connections/<int:connection_id>/disconnect", methods=["GET", "POST"])
@recently_authenticated
def disconnect(connection_id: int) -> ResponseReturnValue:
    """Ask first, then end the member's own permissions and rights, and keep or erase what was imported."""
    connection = _own(connection_id)
    if request.method != "POST":
        return render_template(
            "connections/disconnect.html",
            card=presenters.card(connection),
            ending=presenters.ending(connection),
            database=db.engine.dialect.name,
        )
    end_connection(g.team_member, connection_id, erase=request.form.get("data") == "erase")
    flash(
        _(
            "%(name)s is disconnected. To revoke the permission itself, use the bunq app: Profile › "
            "Security › App connections."
        )
        % {"name": formatting.name(connection.holder_name)}
    )
    return redirect(url_for("connections.home"))


@bp.post("/connections/<int:connection_id>/reconnect")
def reconnect(connection_id: int) -> ResponseReturnValue:
    """Begin a consent that renews this connection."""
    _own(connection_id)
    attempt_id = attempts.start(g.team_member, renews_connection_id=connection_id)
    return redirect(url_for("consent.show", attempt_id=attempt_id))


def _own(connection_id: int) -> ConnectionOverview:
    connection = overview.get(g.team_member, connection_id, with_standing=True)
    if not connection.may_manage:
        raise NotFoundHere
    return connection
