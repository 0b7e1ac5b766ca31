"""A draft as its page shows it: steps, payments with what to look at, and what changed since somebody looked."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec

from bunqflask import clock
from bunqflask.i18n import gettext as _
from bunqflask.models import DraftBody, DraftLine, InstructionState
from bunqflask.payment_files.marks import Mark, MarkKind
from bunqflask.services.instructions.matching import Paid
from bunqflask.services.instructions.reading import InstructionView
from bunqflask.web.instructions import presenters
from bunqflask.web.instructions.presenters import Row

_KEY_LENGTH = 12


@dataclass(frozen=True)
class ShownMark:
    """Something to look at in a payment: `title` in two or three words, `text` in whole sentences."""

    title: str
    text: str


@dataclass(frozen=True, kw_only=True)
class ShownLine:
    """A payment of a draft or of a file.

    `has_other_iban` tells that its receiver had another IBAN before, `is_new` that the payment was not there when
    somebody looked last.
    """

    number: int
    name: str
    iban: str
    description: str
    amount: Decimal
    amount_text: str
    reference: str
    marks: tuple[ShownMark, ...]
    has_other_iban: bool
    is_new: bool
    payment_row_id: int | None
    paid_at: datetime | None


@dataclass(frozen=True)
class Step:
    """One of the steps of a draft."""

    name: str
    is_done: bool
    is_current: bool


@dataclass(frozen=True, kw_only=True)
class DraftPage:
    """A draft with all that its page shows. `lines_key` stands for its payments, so that changes to them are found.

    `sent_from` is when it is sent, while that can be waited for. `other_paid` are payments of which bunq does not say
    which of the lines they are. `is_changed` tells that the viewer decided about something else than what there is,
    `has_siblings` that other drafts were made of the same file.
    """

    row: Row
    found: InstructionView
    explanation: str
    steps: tuple[Step, ...]
    lines: tuple[ShownLine, ...]
    lines_key: str
    marked: int
    sent_from: datetime | None
    other_paid: tuple[Paid, ...]
    is_changed: bool
    gone: int
    has_siblings: bool


def body_of(found: InstructionView) -> DraftBody:
    """Return the payments of a draft.

    :raises ValueError: it is none.
    """
    if not isinstance(found.body, DraftBody):
        raise ValueError(f"instruction {found.id} is no draft")
    return found.body


def present(
    found: InstructionView,
    marks: Sequence[Mark],
    paid: Sequence[Paid],
    *,
    has_siblings: bool,
    lines_seen: str | None = None,
) -> DraftPage:
    """Return a draft for its page.

    :param has_siblings: other drafts were made of the same file.
    :param lines_seen: the `lines_key` of what somebody decided about, if that is not what there is now.
    """
    body = body_of(found)
    before = set(filter(None, (lines_seen or "").split(".")))
    keys = [_key(each) for each in body.lines]
    by_line: dict[int, Paid] = (
        {1: paid[0]} if len(body.lines) == len(paid) == 1 else {each.line: each for each in paid if each.line}
    )
    can_be_taken_back = found.state is InstructionState.WAITING and found.error_kind is None
    is_ahead = found.next_try_at is not None and found.next_try_at > clock.now()
    return DraftPage(
        row=presenters.row(found),
        found=found,
        explanation=presenters.explanation(found),
        steps=_steps(found, is_paid=bool(body.lines) and len(paid) >= len(body.lines)),
        lines=_lines(body, keys, before, marks, by_line),
        lines_key=".".join(keys),
        marked=len({each.line for each in marks}),
        sent_from=found.next_try_at if can_be_taken_back and is_ahead else None,
        other_paid=tuple(each for each in paid if each not in by_line.values()),
        is_changed=lines_seen is not None,
        gone=len(before - set(keys)),
        has_siblings=has_siblings,
    )


def _lines(
    body: DraftBody, keys: Sequence[str], before: set[str], marks: Sequence[Mark], paid: dict[int, Paid]
) -> tuple[ShownLine, ...]:
    by_number, others = shown_marks(marks), other_ibans(marks)
    found = []
    for number, (each, key) in enumerate(zip(body.lines, keys, strict=True), start=1):
        payment = paid.get(number)
        found.append(
            ShownLine(
                number=number,
                name=each.name,
                iban=each.iban,
                description=each.description,
                amount=each.amount,
                amount_text="",
                reference=each.end_to_end_id or "",
                marks=by_number.get(number, ()),
                has_other_iban=number in others,
                is_new=bool(before) and key not in before,
                payment_row_id=payment.payment_row_id if payment else None,
                paid_at=payment.created_at if payment else None,
            )
        )
    return tuple(found)


def shown_marks(marks: Iterable[Mark]) -> dict[int, tuple[ShownMark, ...]]:
    """Return what to look at, by the number of the line."""
    found: dict[int, list[ShownMark]] = defaultdict(list)
    for each in marks:
        found[each.line].append(ShownMark(_title(each.kind), each.text))
    return {number: tuple(each) for number, each in found.items()}


def other_ibans(marks: Iterable[Mark]) -> set[int]:
    """Return the numbers of the lines whose receivers had another IBAN before."""
    return {each.line for each in marks if each.kind is MarkKind.CHANGED_IBAN}


def _title(kind: MarkKind) -> str:
    return {
        MarkKind.CHANGED_IBAN: _("Other IBAN than before"),
        MarkKind.UNKNOWN_PAYEE: _("New receiver"),
        MarkKind.TWICE_IN_FILE: _("There twice"),
        MarkKind.PAID_BEFORE: _("Paid or drafted before"),
        MarkKind.UNUSUAL_AMOUNT: _("More than usual"),
        MarkKind.OVER_BALANCE: _("Over the balance"),
        MarkKind.LATER_DAY: _("Meant for later"),
    }[kind]


def _steps(found: InstructionView, *, is_paid: bool) -> tuple[Step, ...]:
    done = [
        (_("Prepared"), True),
        (_("Approved here"), found.approved_at is not None),
        (_("Sent to bunq"), found.opened_at is not None),
        (_("Accepted in the bunq app"), found.state is InstructionState.ACCEPTED),
        (_("Paid"), is_paid),
    ]
    goes_on = found.ended_at is None or found.state is InstructionState.ACCEPTED
    current = next((name for name, is_done in done if not is_done), "") if goes_on else ""
    return tuple(Step(name, is_done, name == current) for name, is_done in done)


def _key(line: DraftLine) -> str:
    return hashlib.sha256(msgspec.json.encode(line)).hexdigest()[:_KEY_LENGTH]
