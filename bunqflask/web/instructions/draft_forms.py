"""The form for draft payments: one payment, or several of one account, for a new draft or one that is changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.models import DraftBody, InstructionKind
from bunqflask.payment_files import amounts
from bunqflask.payment_files.amounts import DecimalSign, NotAnAmount
from bunqflask.payment_files.lines import MOST_PER_DRAFT, Collector, Field, FileRefused, quoted
from bunqflask.services.instructions import draft_files, preparing, reading
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.instructions.preparing import ChangedMeanwhile
from bunqflask.services.instructions.reading import InstructionView
from bunqflask.services.policy import NotFoundHere
from bunqflask.web.instructions import draft_presenters, pay
from bunqflask.web.instructions.drafts import accounts, changed_page

bp = Blueprint("draft_forms", __name__, url_prefix="/pay/drafts")
bp.before_request(pay.check_is_no_guest)

_ID = re.compile(r"[0-9]{1,9}", re.ASCII)
_SIGNS: tuple[DecimalSign, ...] = (",", ".")
_COLUMNS = ("name", "iban", "amount", "description", "reference")


@dataclass(frozen=True)
class TypedLine:
    """A payment as somebody typed it; `reference` is that of the file from which it came."""

    name: str = ""
    iban: str = ""
    amount: str = ""
    description: str = ""
    reference: str = ""

    @property
    def is_empty(self) -> bool:
        return not any(text.strip() for text in (self.name, self.iban, self.amount, self.description))


@dataclass(frozen=True, kw_only=True)
class Typed:
    """The form as somebody left it. `faults` are by line, from 1, and by column; those with line 0 are of the whole."""

    account_id: int | None = None
    label: str = ""
    lines: Sequence[TypedLine] = (TypedLine(),)
    faults: dict[tuple[int, str], str] = field(default_factory=dict)


@bp.get("/new")
def new() -> ResponseReturnValue:
    """Show the form for a new draft."""
    offered = accounts()
    return _form(Typed(account_id=offered[0].id if len(offered) == 1 else None))


@bp.post("/new")
def prepare() -> ResponseReturnValue:
    """Prepare a draft, or show the form again with one more line, or with what is wrong in it."""
    typed = _typed()
    if request.form.get("do") == "add":
        return _form(_with_one_more(typed))
    body, typed = _read(typed)
    if typed.account_id is None:
        typed.faults[0, "account"] = _("Choose the account to pay from.")
    if body is None or typed.account_id is None:
        return make_response(_form(typed), 422)
    try:
        made = preparing.prepare(g.team_member, typed.account_id, body, label=typed.label)
    except InstructionRefused as refused:
        typed.faults[0, ""] = str(refused)
        return make_response(_form(typed), 422)
    flash(_("Prepared. Nothing is sent to bunq before it is approved."))
    return redirect(url_for("drafts.show", instruction_id=made))


@bp.get("/<int:instruction_id>/change")
def edit(instruction_id: int) -> ResponseReturnValue:
    """Show the form with a draft that was not sent yet."""
    found = _changeable(instruction_id)
    return _form(_of_draft(found), found)


@bp.post("/<int:instruction_id>/change")
def change(instruction_id: int) -> ResponseReturnValue:
    """Change a draft that was not sent yet: its approval is gone with that."""
    typed, found = _typed(), reading.get(g.team_member, instruction_id)
    if found.kind is not InstructionKind.DRAFT:
        raise NotFoundHere
    seen = request.form.get("content_hash", "")
    if not found.can_change:
        return make_response(changed_page(instruction_id), 409)
    if request.form.get("do") == "add":
        return _form(_with_one_more(typed), found, seen=seen)
    body, typed = _read(typed)
    if body is None:
        return make_response(_form(typed, found, seen=seen), 422)
    try:
        preparing.change(g.team_member, instruction_id, body, seen if seen.isascii() else "")
    except ChangedMeanwhile:
        return make_response(changed_page(instruction_id), 409)
    except InstructionRefused as refused:
        typed.faults[0, ""] = str(refused)
        return make_response(_form(typed, found, seen=seen), 422)
    flash(_("Changed. It needs an approval again."))
    return redirect(url_for("drafts.show", instruction_id=instruction_id))


def _form(typed: Typed, found: InstructionView | None = None, *, seen: str = "") -> str:
    return render_template(
        "instructions/draft_form.html",
        typed=typed,
        found=found,
        seen=seen or (found.content_hash if found else ""),
        accounts=accounts() if found is None else [],
        most=MOST_PER_DRAFT,
    )


def _changeable(instruction_id: int) -> InstructionView:
    """Return a draft that can be changed.

    :raises NotFoundHere: there is none, the member does not see it, or it is on its way.
    """
    found = reading.get(g.team_member, instruction_id)
    if found.kind is not InstructionKind.DRAFT or not found.can_change:
        raise NotFoundHere
    return found


def _of_draft(found: InstructionView) -> Typed:
    lines = [
        TypedLine(each.name, each.iban, f"{each.amount:.2f}", each.description, each.end_to_end_id or "")
        for each in draft_presenters.body_of(found).lines
    ]
    return Typed(account_id=found.account_id, label=found.label, lines=lines)


def _typed() -> Typed:
    """Return the form as it was sent; lines in which nothing stands are left out."""
    columns = [request.form.getlist(each) for each in _COLUMNS]
    count = min(max(map(len, columns)), MOST_PER_DRAFT + 1)
    rows = [[texts[at][:1000] if at < len(texts) else "" for texts in columns] for at in range(count)]
    lines = [line for row in rows if not (line := TypedLine(*row)).is_empty]
    return Typed(
        account_id=chosen_account(),
        label=request.form.get("label", "")[:120],
        lines=lines or [TypedLine()],
    )


def chosen_account() -> int | None:
    """Return our id of the account that the form names, of any connection; None where it names none.

    :raises NotFoundHere: no account can have this id.
    """
    found = request.form.get("account", "")
    if found and not _ID.fullmatch(found):
        raise NotFoundHere
    return int(found) if found else None


def _with_one_more(typed: Typed) -> Typed:
    more = [TypedLine()] if len(typed.lines) < MOST_PER_DRAFT else []
    return Typed(account_id=typed.account_id, label=typed.label, lines=[*typed.lines, *more])


def _why(text: str, error: NotAnAmount) -> str:
    """Return why a text is no amount, in half a sentence; a file may say which sign it has before cents, a form not."""
    for sign in _SIGNS:
        try:
            amount = amounts.read(text, sign).amount
        except NotAnAmount:
            continue
        return _("can be read in two ways: write the cents too, such as %(example)s") % {"example": f"{amount:.2f}"}
    return str(error)


def _read(typed: Typed) -> tuple[DraftBody | None, Typed]:
    """Return the payments, or None and the form with what is wrong in it."""
    if len(typed.lines) > MOST_PER_DRAFT:
        text = _("A draft has at most %(n)d payments. Prepare a second one, or use a file.") % {"n": MOST_PER_DRAFT}
        typed.faults[0, ""] = text
        return None, typed
    collector = Collector(lambda number: _("Payment %(number)d") % {"number": number})
    for number, line in enumerate(typed.lines, start=1):
        amount = None
        try:
            amount = amounts.read(line.amount).amount
        except NotAnAmount as error:
            shown = f"{quoted(line.amount)} " if line.amount.strip() else ""
            reason = _("the amount %(shown)s%(why)s") % {"shown": shown, "why": _why(line.amount, error)}
            collector.refuse_line(number, Field.AMOUNT, reason)
        collector.take(
            number,
            amount=amount,
            amount_text=line.amount,
            name=line.name,
            iban=line.iban,
            description=line.description,
            reference=line.reference,
        )
    result = collector.result()
    if isinstance(result, FileRefused):
        for fault in result.faults:
            typed.faults.setdefault((fault.line or 0, fault.field.value), fault.reason)
        return None, typed
    return draft_files.body_of(result.lines), typed
