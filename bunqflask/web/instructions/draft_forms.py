"""The form for draft payments: one payment, or several of one account, for a new draft or one that is changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.digest import digest
from bunqflask.i18n import gettext as _
from bunqflask.models import DraftBody, InstructionKind
from bunqflask.payment_files import amounts
from bunqflask.payment_files.amounts import DecimalSign, NotAnAmount
from bunqflask.payment_files.lines import MOST_PER_DRAFT, Collector, Field, FileRefused, quoted
from bunqflask.services.instructions import changed_ibans, draft_files, facts, once, preparing, reading, rights
from bunqflask.services.instructions.changed_ibans import IbansNotCompared
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
    """The form as somebody left it. `faults` are by line, from 1, and by column; those with line 0 are of the whole.

    `other_ibans` are the lines whose receivers had another IBAN before, and whether somebody says they compared it.
    """

    token: str
    account_id: int | None = None
    label: str = ""
    lines: Sequence[TypedLine] = (TypedLine(),)
    faults: dict[tuple[int, str], str] = field(default_factory=dict)
    other_ibans: dict[int, bool] = field(default_factory=dict)

    @property
    def compared(self) -> list[int]:
        """The lines of which somebody says that they compared the IBAN."""
        return [number for number, is_compared in self.other_ibans.items() if is_compared]


@bp.get("/new")
def new() -> ResponseReturnValue:
    """Show the form for a new draft."""
    offered = accounts()
    return _form(Typed(token=once.new_token(), account_id=offered[0].id if len(offered) == 1 else None))


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
        made = once.prepare(
            g.team_member, typed.account_id, body, typed.token, label=typed.label, compared=typed.compared
        )
    except InstructionRefused as refused:
        _note(typed, refused)
        return make_response(_form(typed), 422)
    flash(_("Prepared. Nothing is sent to bunq before it is approved."))
    return redirect(url_for("drafts.show", instruction_id=made))


@bp.get("/<int:instruction_id>/change")
def edit(instruction_id: int) -> ResponseReturnValue:
    """Show the form with a draft that was not sent yet."""
    found = _draft(instruction_id)
    if not found.can_change:
        return redirect(url_for("drafts.show", instruction_id=instruction_id))
    return _form(_of_draft(found), found)


@bp.post("/<int:instruction_id>/change")
def change(instruction_id: int) -> ResponseReturnValue:
    """Change a draft that was not sent yet: its approval is gone with that."""
    typed, found = _typed(), _draft(instruction_id)
    seen = request.form.get("content_hash", "")
    if not found.can_change:
        return make_response(changed_page(instruction_id), 409)
    if request.form.get("do") == "add":
        return _form(_with_one_more(typed), found, seen=seen)
    body, typed = _read(typed)
    if body is None:
        return make_response(_form(typed, found, seen=seen), 422)
    try:
        preparing.change(g.team_member, instruction_id, body, seen if seen.isascii() else "", compared=typed.compared)
    except ChangedMeanwhile:
        return make_response(changed_page(instruction_id), 409)
    except InstructionRefused as refused:
        _note(typed, refused)
        return make_response(_form(typed, found, seen=seen), 422)
    flash(_("Changed. It needs an approval again."))
    return redirect(url_for("drafts.show", instruction_id=instruction_id))


def _note(typed: Typed, refused: InstructionRefused) -> None:
    """Note in the form why it was refused; where IBANs were not compared, it asks for that."""
    typed.faults[0, ""] = str(refused)
    if isinstance(refused, IbansNotCompared):
        for each in refused.marks:
            typed.faults[each.line, "iban"] = each.text
            typed.other_ibans[each.line] = False


def _form(typed: Typed, found: InstructionView | None = None, *, seen: str = "") -> str:
    return render_template(
        "instructions/draft_form.html",
        typed=typed,
        found=found,
        seen=seen or (found.content_hash if found else ""),
        accounts=accounts() if found is None else [],
        value_of=_value_of,
        most=MOST_PER_DRAFT,
    )


def _draft(instruction_id: int) -> InstructionView:
    """Return a draft.

    :raises NotFoundHere: there is none, or the member does not see it.
    """
    found = reading.get(g.team_member, instruction_id)
    if found.kind is not InstructionKind.DRAFT:
        raise NotFoundHere
    return found


def _of_draft(found: InstructionView) -> Typed:
    body = draft_presenters.body_of(found)
    lines = [
        TypedLine(each.name, each.iban, f"{each.amount:.2f}", each.description, each.end_to_end_id or "")
        for each in body.lines
    ]
    account = rights.account_in_full(g.team_member, found.account_id).row
    others = {each.line: False for each in changed_ibans.find(account, facts.lines_of(body))}
    return Typed(token="", account_id=found.account_id, label=found.label, lines=lines, other_ibans=others)


def _typed() -> Typed:
    """Return the form as it was sent; lines in which nothing stands are left out."""
    columns = [request.form.getlist(each) for each in _COLUMNS]
    count = min(max(map(len, columns)), MOST_PER_DRAFT + 1)
    rows = [[texts[at][:1000] if at < len(texts) else "" for texts in columns] for at in range(count)]
    lines = [line for row in rows if not (line := TypedLine(*row)).is_empty]
    ticked = set(request.form.getlist("compared"))
    return Typed(
        token=request.form.get("token", ""),
        account_id=chosen_account(),
        label=request.form.get("label", "")[:120],
        lines=lines or [TypedLine()],
        other_ibans={number: True for number, line in enumerate(lines, start=1) if _value_of(number, line) in ticked},
    )


def _value_of(number: int, line: TypedLine) -> str:
    """Return what the check box of a line sends: with another name or IBAN in the line, it stands for nothing."""
    return f"{number}-{digest(f'{line.name}|{line.iban}')[:12]}"


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
    return replace(typed, lines=[*typed.lines, *more])


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
