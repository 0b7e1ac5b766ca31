"""Cards: those that pay from accounts which the member holds, freezing them, using them again, and their limits.

Each change is asked about first. bunq is asked for the cards when they are shown; a change is noted here, and a worker
makes it at bunq. Freezing asks for no password, so that nothing keeps somebody from it who has lost a card.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from flask import Blueprint, Response, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.bunq.errors import BunqError
from bunqflask.i18n import gettext as _
from bunqflask.models import CardBody, InstructionKind
from bunqflask.services.gateway import retry_policy
from bunqflask.services.gateway.sessions import SessionGone
from bunqflask.services.instructions import cards, once, preparing, reading
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.instructions.preparing import ChangedMeanwhile
from bunqflask.services.policy import NotFoundHere
from bunqflask.web.guards import recently_authenticated
from bunqflask.web.instructions import card_presenters, pay, presenters, typed
from bunqflask.web.marks import polled
from bunqflask.web.ui.htmx import follow, render

bp = Blueprint("cards", __name__, url_prefix="/pay/cards")
bp.before_request(pay.check_is_no_guest)

_CARD = "/connections/<int:connection_id>/<long:card_id>"
_ACTS = ("freeze", "unfreeze", "limits")
# A person waits; with less, a page that was just opened would often have to be opened again.
_PATIENCE_S = 4.0


@bp.get("")
def index() -> ResponseReturnValue:
    """Show the connections whose accounts the member holds, and the changes of cards that were made here."""
    found = reading.list_all(g.team_member, [InstructionKind.CARD], limit=50)
    places = cards.list_places(g.team_member)
    return render_template("instructions/cards.html", places=places, rows=[presenters.row(each) for each in found])


@bp.get("/connections/<int:connection_id>")
def of_connection(connection_id: int) -> ResponseReturnValue:
    """Show the cards of one connection, as bunq has them now; htmx gets the list alone."""
    place = next((each for each in cards.list_places(g.team_member) if each.connection_id == connection_id), None)
    if place is None:
        raise NotFoundHere
    shown, error = [], ""
    # To ask whether there is a page must not cost a call, here and below.
    if place.is_on and request.method != "HEAD":
        try:
            found = cards.list_all(g.team_member, connection_id, patience_s=_PATIENCE_S)
            shown = [card_presenters.present(each) for each in found]
        except (SessionGone, BunqError) as problem:
            error = _why(problem)
    return render(
        "instructions/cards_of_connection.html", "instructions/_cards.html", place=place, cards=shown, error=error
    )


@bp.get(f"{_CARD}/<act>")
def ask(connection_id: int, card_id: int, act: str) -> ResponseReturnValue:
    """Ask whether a card is to be changed, and how."""
    if act not in _ACTS:
        raise NotFoundHere
    cards.check_holds(g.team_member, connection_id)
    if request.method == "HEAD":
        return Response(status=200)
    try:
        found = cards.get(g.team_member, connection_id, card_id, patience_s=_PATIENCE_S)
    except (SessionGone, BunqError) as problem:
        flash(_why(problem), "error")
        return redirect(url_for("cards.of_connection", connection_id=connection_id))
    card = card_presenters.present(found)
    if not {"freeze": card.can_freeze, "unfreeze": card.can_unfreeze, "limits": card.can_limit}[act]:
        flash(_("bunq does not let this be done with the card now."), "error")
        return redirect(url_for("cards.of_connection", connection_id=connection_id))
    return _question(connection_id, card_id, act, card=card)


@bp.post(f"{_CARD}/freeze")
def freeze(connection_id: int, card_id: int) -> ResponseReturnValue:
    """Let a card be frozen."""
    return _set_status(connection_id, card_id, "DEACTIVATED")


@bp.post(f"{_CARD}/unfreeze")
@recently_authenticated
def unfreeze(connection_id: int, card_id: int) -> ResponseReturnValue:
    """Let a frozen card be used again."""
    return _set_status(connection_id, card_id, "ACTIVE")


@bp.post(f"{_CARD}/limits")
@recently_authenticated
def limits(connection_id: int, card_id: int) -> ResponseReturnValue:
    """Echo which limits were understood; once they are confirmed, let them be set."""
    currency = cards.currency_of(g.team_member, connection_id, typed.account_id())
    try:
        body = CardBody(card_id, limit=_limit("limit"), limit_atm=_limit("limit_atm"))
        if body.limit is None and body.limit_atm is None:
            raise InstructionRefused(_("Name at least one limit."))
        if request.form.get("confirmed") == "1":
            return _change(connection_id, body)
    except (InstructionRefused, ValueError) as refused:
        return make_response(_question(connection_id, card_id, "limits", currency=currency, error=str(refused)), 422)
    return _question(connection_id, card_id, "limits", currency=currency, body=body)


@bp.get("/changes/<int:card_change_id>")
@polled
def show(card_change_id: int) -> ResponseReturnValue:
    """Show a change of a card, and how far it is; its page asks again while bunq is still to be asked."""
    change = card_presenters.change(_find(card_change_id))
    return follow("instructions/card_change.html", "instructions/_card_change.html", change, change=change)


@bp.post("/changes/<int:card_change_id>/cancel")
def cancel(card_change_id: int) -> ResponseReturnValue:
    """Take a change back that was not sent yet."""
    _find(card_change_id)
    try:
        preparing.cancel(g.team_member, card_change_id)
    except ChangedMeanwhile:
        flash(_("It has ended already, and cannot be taken back."), "error")
    return redirect(url_for("cards.show", card_change_id=card_change_id))


def _set_status(connection_id: int, card_id: int, status: Literal["ACTIVE", "DEACTIVATED"]) -> ResponseReturnValue:
    try:
        return _change(connection_id, CardBody(card_id, status=status))
    except InstructionRefused as refused:
        flash(str(refused), "error")
        return redirect(url_for("cards.of_connection", connection_id=connection_id))


def _change(connection_id: int, body: CardBody) -> ResponseReturnValue:
    """Let a card be changed as the form says.

    :raises InstructionRefused: another change of it is on its way, or the form has no token.
    """
    account_id, label = typed.account_id(), typed.value("label")
    cards.currency_of(g.team_member, connection_id, account_id)
    made = once.do(
        g.team_member,
        typed.value("token"),
        (account_id, body),
        lambda: cards.change_within(g.team_member, account_id, body, label=label),
    )
    return redirect(url_for("cards.show", card_change_id=made))


def _question(
    connection_id: int,
    card_id: int,
    act: str,
    *,
    card: card_presenters.ShownCard | None = None,
    currency: str = "",
    body: CardBody | None = None,
    error: str = "",
) -> str:
    """Return the page that asks; without the card, it is as the form before named it.

    :param currency: that of limits.
    :param body: limits that were understood, to be confirmed.
    """
    return render_template(
        "instructions/card_question.html",
        connection_id=connection_id,
        card_id=card_id,
        act=act,
        card=card,
        body=body,
        error=error,
        label=card.label if card else typed.value("label"),
        account_id=card.account_id if card else typed.account_id(),
        currency=card.currency if card else currency,
        values={each: typed.value(each) for each in ("limit", "limit_atm")},
        token=typed.value("token") or once.new_token(),
    )


def _limit(name: str) -> Decimal | None:
    return typed.amount(typed.value(name)) if typed.value(name) else None


def _find(card_change_id: int) -> reading.InstructionView:
    found = reading.get(g.team_member, card_change_id)
    if found.kind is not InstructionKind.CARD:
        raise NotFoundHere
    return found


def _why(problem: SessionGone | BunqError) -> str:
    """Return why bunq did not say which cards there are, in whole sentences."""
    if isinstance(problem, SessionGone):
        return _("No consent that works covers these accounts: the holder has to approve again, under Connections.")
    policy = retry_policy.policy_for(retry_policy.kind_of(problem))
    return " ".join([f"{policy.title}.", *policy.todo])
