"""Sharing the accounts that a member holds: who reads them, until when, and from which payments on."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.services.connections import overview, sharing
from bunqflask.services.connections.overview import ConnectionOverview
from bunqflask.services.connections.sharing import ShareRefused, Wish
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.team import members
from bunqflask.web.guards import recently_authenticated

bp = Blueprint("sharing", __name__, url_prefix="/connections/<int:connection_id>/sharing")


@bp.get("")
def index(connection_id: int) -> ResponseReturnValue:
    """Show who reads the member's accounts of a connection, and offer to share them."""
    return _page(_connection(connection_id))


@bp.post("")
@recently_authenticated
def add(connection_id: int) -> ResponseReturnValue:
    """Share accounts, or say at the form why not."""
    connection = _connection(connection_id)
    held = {account.id for account in connection.held}
    try:
        wish = _wish()
        if not held.issuperset(wish.account_ids):
            raise NotFoundHere
        sharing.add(g.team_member, wish)
    except ShareRefused as refused:
        return make_response(_page(connection, str(refused)), 422)
    flash(_("Shared."))
    return redirect(url_for("sharing.index", connection_id=connection_id))


@bp.post("/<int:share_id>/end")
def end(connection_id: int, share_id: int) -> ResponseReturnValue:
    """End one share."""
    if share_id not in {each.id for each in sharing.list_for(g.team_member, connection_id)}:
        raise NotFoundHere
    sharing.end(g.team_member, share_id)
    flash(_("No longer shared."))
    return redirect(url_for("sharing.index", connection_id=connection_id))


def _connection(connection_id: int) -> ConnectionOverview:
    connection = overview.get(g.team_member, connection_id)
    if not connection.held:
        raise NotFoundHere
    return connection


def _wish() -> Wish:
    return Wish(
        account_ids=request.form.getlist("account", type=int),
        member_ids=request.form.getlist("member", type=int),
        with_team=request.form.get("team") == "1",
        with_future_members=request.form.get("later") == "1",
        first_day=_day("since"),
        last_day=_day("until"),
    )


def _day(name: str) -> date | None:
    text = request.form.get(name, "")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise ShareRefused(_("Enter dates like 2026-01-31, or leave them empty.")) from error


def _page(connection: ConnectionOverview, error: str | None = None) -> str:
    only = {account.id for account in connection.held} if len(connection.held) == 1 else set()
    return render_template(
        "connections/sharing.html",
        connection=connection,
        shares=sharing.list_for(g.team_member, connection.id),
        people=[each for each in members.list_all() if each.id != g.team_member.id],
        chosen=set(request.form.getlist("account", type=int)) if error else only,
        error=error,
    )
