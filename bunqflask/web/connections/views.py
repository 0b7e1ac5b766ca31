"""Connections and their accounts. Pages are rendered from what is stored; htmx brings them up to date."""

from __future__ import annotations

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.extensions import writable
from bunqflask.models import Connection
from bunqflask.services import accounts, connections, consents
from bunqflask.texts import gettext as _
from bunqflask.web import cards, formats, kept
from bunqflask.web.htmx import wants_fragment
from bunqflask.web.presenters import totals
from bunqflask.web.security import polled

bp = Blueprint("accounts", __name__)

# How long a page may wait for bunq's turn: a poll comes again soon, a person who pressed a button looks on.
_POLL_PATIENCE_S = 0.5
_PRESS_PATIENCE_S = 3.0


@bp.get("/")
def home() -> ResponseReturnValue:
    """All connections that this team member sees."""
    open_attempts = consents.list_open(g.team_member)

    def make() -> str:
        shown = [cards.card(connection, g.team_member) for connection in connections.list_for(g.team_member)]
        return render_template(
            "accounts/index.html",
            cards=shown,
            # What a disconnected connection held is no longer known, so it is not in the sum.
            totals=totals(row for card in shown if card.state != "disconnected" for row in card.open),
            pending=[cards.pending(attempt) for attempt in open_attempts],
        )

    stamp = (connections.stamp(g.team_member), tuple((attempt.id, attempt.step) for attempt in open_attempts))
    return kept.page(stamp, make)


@bp.get("/connections/<int:connection_id>/accounts")
@polled
def index(connection_id: int) -> ResponseReturnValue:
    """One connection. Asked for as a fragment, a stale list is read from bunq first."""
    if not wants_fragment():
        page = kept.page(connections.stamp(g.team_member, connection_id), lambda: _page(connection_id))
        response = make_response(page)
        response.vary.add("HX-Request")
        return response
    connection = connections.get_for(g.team_member, connection_id)
    if accounts.is_stale(connection) and accounts.is_due(connection):
        writable()
        accounts.refresh(connections.get_for(g.team_member, connection_id), patience_s=_POLL_PATIENCE_S)
        connection = connections.get_for(g.team_member, connection_id)
    response = make_response(render_template("accounts/_connection.html", card=cards.card(connection, g.team_member)))
    response.vary.add("HX-Request")
    return response


def _page(connection_id: int) -> str:
    connection = connections.get_for(g.team_member, connection_id)
    return render_template("accounts/connection.html", card=cards.card(connection, g.team_member))


@bp.post("/connections/<int:connection_id>/refresh")
def refresh(connection_id: int) -> ResponseReturnValue:
    """Read the accounts from bunq now."""
    connection = connections.get_for(g.team_member, connection_id)
    accounts.refresh(connection, patience_s=_PRESS_PATIENCE_S)
    if wants_fragment():
        connection = connections.get_for(g.team_member, connection_id)
        return render_template("accounts/_connection.html", card=cards.card(connection, g.team_member, focus=True))
    return redirect(url_for("accounts.index", connection_id=connection_id))


@bp.post("/connections/<int:connection_id>/share")
def share(connection_id: int) -> ResponseReturnValue:
    """Let the whole team read this connection."""
    connection = connections.get_own(g.team_member, connection_id)
    connections.share(connection, g.team_member)
    flash(_("The team can now read the accounts of %(name)s.") % {"name": _ending(connection)})
    return redirect(url_for("accounts.index", connection_id=connection_id))


@bp.post("/connections/<int:connection_id>/unshare")
def unshare(connection_id: int) -> ResponseReturnValue:
    """Keep this connection to the members it belongs to."""
    connection = connections.get_own(g.team_member, connection_id)
    connections.unshare(connection)
    flash(_("The accounts of %(name)s are private again.") % {"name": formats.name(connection.display_name)})
    return redirect(url_for("accounts.index", connection_id=connection_id))


@bp.route("/connections/<int:connection_id>/disconnect", methods=["GET", "POST"])
def disconnect(connection_id: int) -> ResponseReturnValue:
    """Ask first, then end the connection, and keep or erase what was read."""
    connection = connections.get_own(g.team_member, connection_id)
    if request.method != "POST":
        return render_template("accounts/disconnect.html", card=cards.card(connection, g.team_member))
    name = _ending(connection)
    erase = request.form.get("data") == "erase"
    connections.disconnect(connection, erase=erase)
    flash(
        _(
            "Disconnected %(name)s. The permission itself can only be withdrawn in the bunq app: "
            "Profile › Security › App connections."
        )
        % {"name": name}
    )
    return redirect(url_for("accounts.home"))


@bp.post("/connections/<int:connection_id>/reconnect")
def reconnect(connection_id: int) -> ResponseReturnValue:
    """Begin a consent that renews this connection."""
    connection = connections.get_own(g.team_member, connection_id)
    attempt = consents.start(g.team_member, renews=connection)
    return redirect(url_for("consent.show", attempt_id=attempt.id))


def _ending(connection: Connection) -> str:
    """A name at the end of a sentence: "B.V." brings its own full stop."""
    return formats.name(connection.display_name).removesuffix(".")
