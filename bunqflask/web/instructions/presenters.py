"""How instructions look on pages: their state in words, who can act, and what happens next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bunqflask.i18n import gettext as _
from bunqflask.i18n import ngettext
from bunqflask.models import (
    CardBody,
    DraftBody,
    EndReason,
    FileBody,
    InstructionKind,
    InstructionState,
    LinkBody,
    NoteBody,
    NoteChangeBody,
    NoteRemovalBody,
    RequestBody,
    TransferBody,
)
from bunqflask.services.gateway import retry_policy
from bunqflask.services.instructions.reading import InstructionView

_ON_ITS_WAY = (InstructionState.WAITING, InstructionState.SENDING, InstructionState.UNKNOWN)


@dataclass(frozen=True)
class Pill:
    """A state as a coloured word: `kind` is a class of the style sheet, `icon` one of `web.ui.icons`."""

    kind: str
    text: str
    icon: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """An instruction in a list."""

    id: int
    kind: InstructionKind
    kind_name: str
    title: str
    about: str
    account_name: str
    prepared_by: str
    is_own: bool
    created_at: datetime
    # None where it is not about money
    amount: Decimal | None
    currency: str
    pill: Pill


def changes_soon(found: InstructionView) -> bool:
    """Tell whether bunq is still to be asked, or to answer: the page asks again."""
    is_being_ended = found.ended_at is None and found.cancel_asked_at is not None
    return found.state in _ON_ITS_WAY or is_being_ended


def row(found: InstructionView) -> Row:
    """Return an instruction as a row of a list."""
    title, about = _words(found)
    return Row(
        id=found.id,
        kind=found.kind,
        kind_name=kind_name(found.kind),
        title=found.label or title,
        about=about,
        account_name=found.account_name,
        prepared_by=found.prepared_by,
        is_own=found.is_own,
        created_at=found.created_at,
        amount=found.amount,
        currency=found.currency,
        pill=pill(found),
    )


def kind_name(kind: InstructionKind) -> str:
    """Return what a kind is called."""
    return {
        InstructionKind.DRAFT: _("Draft"),
        InstructionKind.REQUEST: _("Request"),
        InstructionKind.LINK: _("Link"),
        InstructionKind.TRANSFER: _("Transfer"),
        InstructionKind.NOTE: _("Note"),
        InstructionKind.FILE: _("File"),
        InstructionKind.CARD: _("Card"),
    }[kind]


def _words(found: InstructionView) -> tuple[str, str]:
    """Return what an instruction is called without a label, and what it is about."""
    match found.body:
        case DraftBody(lines=lines):
            about = ngettext("%(n)d payment", "%(n)d payments", len(lines)) % {"n": len(lines)}
            return (lines[0].name if len(lines) == 1 else about), about
        case RequestBody(payer=payer, description=description):
            return payer.name or payer.value, description
        case LinkBody(description=description):
            return description[:80], _("bunq.me link")
        case TransferBody(to_name=to_name, description=description):
            return _("To %(account)s") % {"account": to_name}, description
        case NoteBody(text=text) | NoteChangeBody(text=text):
            return _("Note on a payment"), text[:80]
        case NoteRemovalBody():
            return _("Note on a payment"), _("to be deleted")
        case FileBody(name=name):
            return _("File for a payment"), name
        case CardBody():
            return _("Card"), _card_change(found.body)


def _card_change(body: CardBody) -> str:
    if body.status is None:
        return _("New limits")
    return _("Freeze") if body.status == "DEACTIVATED" else _("Use again")


def pill(found: InstructionView) -> Pill:
    """Return the state of an instruction in words."""
    if found.cancel_asked_at is not None and found.ended_at is None:
        return Pill("warn", _("Being taken back"), "clock")
    if found.kind is InstructionKind.LINK and (count := len(found.payment_ids)):
        # bunq itself calls a link open, however often it was paid.
        return Pill("ok", ngettext("Paid", "Paid %(n)d times", count) % {"n": count}, "tick")
    match found.state:
        case InstructionState.PREPARED:
            return _of_prepared(found)
        case InstructionState.WAITING:
            return Pill("info", _("To be sent"), "clock")
        case InstructionState.SENDING:
            return Pill("info", _("Being sent"), "clock")
        case InstructionState.UNKNOWN:
            return Pill("warn", _("Looked up at bunq"), "clock")
        case InstructionState.OPEN:
            return Pill("info", _("In the bunq app") if found.kind is InstructionKind.DRAFT else _("Open"), "clock")
        case _:
            return _of_ended(found)


def _of_prepared(found: InstructionView) -> Pill:
    if found.sent_back:
        return Pill("bad", _("Sent back"), "cross")
    return Pill("warn", _("Needs your approval") if found.can_approve else _("Waits for an approval"), "clock")


def _of_ended(found: InstructionView) -> Pill:
    if found.state is InstructionState.ACCEPTED:
        return Pill("ok", _("Paid"), "tick")
    if found.state is InstructionState.DONE:
        return Pill("ok", _("Done"), "tick")
    if found.state is InstructionState.REJECTED:
        return Pill("bad", _("Refused in bunq"), "cross")
    if found.state is InstructionState.FAILED:
        return Pill("bad", _("Not sent"), "cross")
    return Pill("", _("Expired") if found.end_reason is EndReason.EXPIRED else _("Taken back"), "cross")


def explanation(found: InstructionView) -> str:
    """Return what the state means, and what anybody can do about it, in a sentence or two."""
    if found.state is InstructionState.UNKNOWN:
        return _("bunq’s answer was lost. We look at bunq before anything is sent again, so nothing is done twice.")
    if found.state is InstructionState.WAITING and found.error_kind is not None:
        policy = retry_policy.policy_for(found.error_kind)
        return _("%(title)s. It will be sent automatically within a day, or not at all.") % {"title": policy.title}
    if found.state is InstructionState.FAILED:
        return _why_failed(found)
    if found.state is InstructionState.CANCELLED and found.end_reason is EndReason.WITHDRAWN_AT_BUNQ:
        return _("It was taken back in the bunq app.")
    return ""


def _why_failed(found: InstructionView) -> str:
    if found.end_reason is EndReason.TOO_LATE:
        return _("bunq could not be asked for a day, so it was given up. Nothing was done. You can prepare it again.")
    if found.end_reason is EndReason.NOT_PERMITTED:
        return _("The right or the switch that it needs was gone before it was sent. Nothing was done at bunq.")
    said = (found.error_facts or {}).get("message", "")
    return _("bunq said no: “%(said)s”. Nothing was done.") % {"said": said}
