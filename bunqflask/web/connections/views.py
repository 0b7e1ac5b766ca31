"""Connections and their accounts. Pages are rendered from what is stored; htmx brings them up to date."""

from __future__ import annotations

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.extensions import writable
from bunqflask.i18n import gettext as _
from bunqflask.models import Connection
from bunqflask.services.connections import access, accounts
from bunqflask.services.consent import attempts
from bunqflask.web import kept
from bunqflask.web.connections import presenters
from bunqflask.web.connections.view_models import totals
from bunqflask.web.guards import polled
from bunqflask.web.ui import formatting
from bunqflask.web.ui.htmx import wants_fragment

bp = Blueprint("connections", __name__)

# How long a page may wait for bunq's turn: a poll comes again soon, a person who pressed a button looks on.
_POLL_PATIENCE_S = 0.5
_PRESS_PATIENCE_S = 3.0


@bp.get("/")
def home() -> ResponseReturnValue:
    """All connections that this team member sees."""
    open_attempts = attempts.list_open(g.team_member)

    def make() -> str:
        shown = [presenters.card(connection, g.team_member) for connection in access.list_for(g.team_member)]
        return render_template(
            "connections/index.html",
            cards=shown,
            # What a disconnected connection held is no longer known, so it is not in the sum.
            totals=totals(row for card in shown if card.state != "disconnected" for row in card.open),
            pending=[presenters.pending(attempt) for attempt in open_attempts],
        )

    stamp = (access.stamp(g.team_member), tuple((attempt.id, attempt.step) for attempt in open_attempts))
    return kept.page(stamp, make)


@bp.get("/connections/<int:connection_id>/accounts")
@polled
def index(connection_id: int) -> ResponseReturnValue:
    """One connection. Asked for as a fragment, a stale list is read from bunq first."""
    if not wants_fragment():
        page = kept.page(access.stamp(g.team_member, connection_id), lambda: _page(connection_id))
        response = make_response(page)
        response.vary.add("HX-Request")
        return response
    connection = access.get_for(g.team_member, connection_id)
    if accounts.is_stale(connection) and accounts.is_due(connection):
        writable()
        accounts.refresh(access.get_for(g.team_member, connection_id), patience_s=_POLL_PATIENCE_S)
        connection = access.get_for(g.team_member, connection_id)
    response = make_response(
        render_template("connections/_connection.html", card=presenters.card(connection, g.team_member))
    )
    response.vary.add("HX-Request")
    return response


def _page(connection_id: int) -> str:
    connection = access.get_for(g.team_member, connection_id)
    return render_template("connections/connection.html", card=presenters.card(connection, g.team_member))


@bp.post("/connections/<int:connection_id>/refresh")
def refresh(connection_id: int) -> ResponseReturnValue:
    """Read the accounts from bunq now."""
    connection = access.get_for(g.team_member, connection_id)
    accounts.refresh(connection, patience_s=_PRESS_PATIENCE_S)
    if wants_fragment():
        connection = access.get_for(g.team_member, connection_id)
        return render_template(
            "connections/_connection.html", card=presenters.card(connection, g.team_member, focus=True)
        )
    return redirect(url_for("connections.index", connection_id=connection_id))


@bp.post("/connections/<int:connection_id>/share")
def share(connection_id: int) -> ResponseReturnValue:
    """Let the whole team read this connection."""
    connection = access.get_own(g.team_member, connection_id)
    access.share(connection, g.team_member)
    flash(_("The team can now read the accounts of %(name)s.") % {"name": _ending(connection)})
    return redirect(url_for("connections.index", connection_id=connection_id))


@bp.post("/connections/<int:connection_id>/unshare")
def unshare(connection_id: int) -> ResponseReturnValue:
    """Keep this connection to the members it belongs to."""
    connection = access.get_own(g.team_member, connection_id)
    access.unshare(connection)
    flash(_("The accounts of %(name)s are private again.") % {"name": formatting.name(connection.display_name)})
    return redirect(url_for("connections.index", connection_id=connection_id))


@bp.route("/connections/<int:connection_id>/disconnect", methods=["GET", "POST"])
def disconnect(connection_id: int) -> ResponseReturnValue:
    """Ask first, then end the connection, and keep or erase what was read."""
    connection = access.get_own(g.team_member, connection_id)
    if request.method != "POST":
        return render_template("connections/disconnect.html", card=presenters.card(connection, g.team_member))
    name = _ending(connection)
    erase = request.form.get("data") == "erase"
    access.disconnect(connection, erase=erase)
    flash(
        _(
            "Disconnected %(name)s. The permission itself can only be withdrawn in the bunq app: "
            "Profile › Security › App connections."
        )
        % {"name": name}
    )
    return redirect(url_for("connections.home"))


@bp.post("/connections/<int:connection_id>/reconnect")
def reconnect(connection_id: int) -> ResponseReturnValue:
    """Begin a consent that renews this connection."""
    connection = access.get_own(g.team_member, connection_id)
    attempt = attempts.start(g.team_member, renews=connection)
    return redirect(url_for("consent.show", attempt_id=attempt.id))


def _ending(connection: Connection) -> str:
    """A name at the end of a sentence: "B.V." brings its own full stop."""
    return formatting.name(connection.display_name).removesuffix(".")
