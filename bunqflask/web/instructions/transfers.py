"""Moving money between two accounts of one holder, by somebody who holds both here."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.models import Ability, InstructionKind
from bunqflask.services.instructions import abilities, once, preparing, reading
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.instructions.preparing import ChangedMeanwhile
from bunqflask.services.policy import NotFoundHere
from bunqflask.web.guards import recently_authenticated
from bunqflask.web.instructions import pay, presenters
from bunqflask.web.instructions.pay import Account
from bunqflask.web.marks import polled
from bunqflask.web.payments import amount_input
from bunqflask.web.ui.htmx import follow

bp = Blueprint("transfers", __name__, url_prefix="/pay/transfers")


@dataclass(frozen=True)
class Wish:
    """What somebody typed, and what was understood: `amount` is echoed before anything is sent."""

    from_id: int | None
    to_id: int | None
    amount_text: str
    description: str
    amount: Decimal | None = None
    source: Account | None = None
    target: Account | None = None


@bp.get("")
def index() -> ResponseReturnValue:
    """Show the form, and the transfers that were made here."""
    return _page()


@bp.post("")
@recently_authenticated
def move() -> ResponseReturnValue:
    """Echo what was understood; once it is confirmed, let it be sent."""
    pay.check_is_no_guest()
    typed = _typed()
    try:
        wish = _understood(typed)
        if request.form.get("confirmed") != "1":
            return render_template("instructions/transfer_check.html", wish=wish, token=once.new_token())
        transfer_id = _prepare(wish, request.form.get("token", ""))
    except InstructionRefused as refused:
        return make_response(_page(typed, str(refused)), 422)
    return redirect(url_for("transfers.show", transfer_id=transfer_id))


@bp.get("/<int:transfer_id>")
@polled
def show(transfer_id: int) -> ResponseReturnValue:
    """Show one transfer, and how far it is; htmx gets the part that changes."""
    found = reading.get(g.team_member, transfer_id)
    if found.kind is not InstructionKind.TRANSFER:
        raise NotFoundHere
    return follow(
        "instructions/transfer.html",
        "instructions/_transfer.html",
        found,
        found=found,
        row=presenters.row(found),
        explanation=presenters.explanation(found),
        can_cancel=found.can_cancel and found.sent_at is None,
        changes_soon=presenters.changes_soon(found),
    )


@bp.post("/<int:transfer_id>/cancel")
def cancel(transfer_id: int) -> ResponseReturnValue:
    """Take a transfer back that was not sent yet."""
    if reading.get(g.team_member, transfer_id).kind is not InstructionKind.TRANSFER:
        raise NotFoundHere
    try:
        preparing.cancel(g.team_member, transfer_id)
    except ChangedMeanwhile:
        flash(_("It has ended already, and cannot be taken back."), "error")
    return redirect(url_for("transfers.show", transfer_id=transfer_id))


def _page(typed: Wish | None = None, error: str | None = None) -> str:
    pay.check_is_no_guest()
    found = reading.list_all(g.team_member, [InstructionKind.TRANSFER])
    return render_template(
        "instructions/transfers.html",
        accounts=pay.accounts_for(InstructionKind.TRANSFER),
        impossible=abilities.why_not_here(Ability.TRANSFERS),
        rows=[presenters.row(each) for each in found],
        typed=typed or Wish(None, None, "", ""),
        error=error,
    )


def _typed() -> Wish:
    return Wish(
        from_id=request.form.get("from", type=int),
        to_id=request.form.get("to", type=int),
        amount_text=request.form.get("amount", "").strip(),
        description=request.form.get("description", "").strip(),
    )


def _understood(typed: Wish) -> Wish:
    """Return a wish with its amount and its two accounts, which the member holds.

    :raises InstructionRefused: something is missing or cannot be understood.
    """
    try:
        amount = amount_input.parse(typed.amount_text)
    except amount_input.Ambiguous as two:
        both = {"thousands": two.thousands, "decimals": two.decimals}
        raise InstructionRefused(
            _("The amount can be read as %(thousands)s or %(decimals)s. Type one of the two.") % both
        ) from None
    except amount_input.NotAnAmount:
        raise InstructionRefused(_("The amount is not understood. Type one such as 182.40.")) from None
    accounts = {each.id: each for each in pay.accounts_for(InstructionKind.TRANSFER)}
    source, target = accounts.get(typed.from_id or 0), accounts.get(typed.to_id or 0)
    if source is None or target is None or source == target:
        raise InstructionRefused(_("Choose two accounts that you hold here."))
    return Wish(typed.from_id, typed.to_id, typed.amount_text, typed.description, amount, source, target)


def _prepare(wish: Wish, token: str) -> int:
    if wish.amount is None or wish.source is None or wish.target is None:
        raise InstructionRefused(_("Choose two accounts that you hold here."))
    body = preparing.transfer_to(g.team_member, wish.target.id, wish.amount, wish.description)
    return once.prepare(g.team_member, wish.source.id, body, token)
