"""The page on which an owner switches on what this site may write at bunq, for each connection."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.models import Ability
from bunqflask.services.connections import overview
from bunqflask.services.instructions import abilities
from bunqflask.services.policy import NotFoundHere
from bunqflask.web.guards import recently_authenticated
from bunqflask.web.payments import amount_input

bp = Blueprint("abilities", __name__, url_prefix="/connections/<int:connection_id>/abilities")


@dataclass(frozen=True)
class Choice:
    """An ability as the page offers it; `impossible` says why this server can never have it."""

    value: str
    title: str
    about: str
    is_on: bool
    impossible: str


@bp.get("")
def index(connection_id: int) -> ResponseReturnValue:
    """Show what is switched on, and what each permission allows."""
    return _page(connection_id)


@bp.post("")
@recently_authenticated
def switch(connection_id: int) -> ResponseReturnValue:
    """Switch one ability on or off."""
    try:
        ability = Ability(request.form.get("ability", ""))
    except ValueError:
        raise NotFoundHere from None
    try:
        abilities.switch(
            g.team_member,
            connection_id,
            ability,
            on=request.form.get("on") == "1",
            day_limit=_limit("day_limit"),
            approver_limit=_limit("approver_limit"),
        )
    except ValueError as wrong:
        return make_response(_page(connection_id, error=str(wrong)), 422)
    flash(_("Saved."))
    return redirect(url_for("abilities.index", connection_id=connection_id))


def _page(connection_id: int, *, error: str | None = None) -> str:
    connection = overview.get(g.team_member, connection_id)
    if not abilities.can_switch(g.team_member, connection_id):
        raise NotFoundHere
    on = abilities.of_connection(connection_id)
    choices = [
        Choice(each.value, title, about, each in on, abilities.why_not_here(each))
        for each, (title, about) in _texts().items()
    ]
    day_limit, approver_limit = abilities.limits_of(connection_id)
    return render_template(
        "instructions/abilities.html",
        connection_id=connection_id,
        name=connection.holder_name,
        choices=choices,
        day_limit=day_limit,
        approver_limit=approver_limit,
        error=error,
    )


def _limit(name: str) -> Decimal | None:
    given = request.form.get(name, "").strip()
    if not given:
        return None
    try:
        limit = amount_input.parse(given)
    except amount_input.NotAnAmount:
        limit = Decimal(0)
    if limit <= 0 or limit != limit.quantize(Decimal("0.01")):
        raise ValueError(_("A limit is an amount in euros above zero, such as 2500.00."))
    return limit


def _texts() -> dict[Ability, tuple[str, str]]:
    return {
        Ability.DRAFTS: (
            _("Prepare draft payments"),
            _(
                "Members prepare payments here and another member approves them. The holder then accepts or refuses "
                "each draft in the bunq app: money moves only then."
            ),
        ),
        Ability.REQUESTS: (
            _("Ask others for money"),
            _("Holders of an account, owners and admins send requests in the holder’s name. Money only comes in."),
        ),
        Ability.LINKS: (
            _("Make bunq.me links"),
            _("Holders of an account, owners and admins make links that others pay. Money only comes in."),
        ),
        Ability.TRANSFERS: (
            _("Move money between the holder’s own accounts"),
            _(
                "Who holds both accounts here can move money between them. Nobody has to accept it in the bunq app; "
                "the money stays with the same holder."
            ),
        ),
        Ability.NOTES: (
            _("Write notes and attach files"),
            _(
                "Members who see a payment in full can write, change and delete notes on it, and attach receipts. The "
                "holder sees them in the bunq app."
            ),
        ),
        Ability.CARDS: (
            _("Freeze cards and change their limits"),
            _("Holders can freeze and unfreeze cards and change their limits. PINs are never touched."),
        ),
    }
