"""What the pages of a request and of a link have in common: a list, and one of them with its address to share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from flask import flash, g, redirect, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from bunqflask.i18n import gettext as _
from bunqflask.models import InstructionKind, InstructionState, LinkBody, RequestBody
from bunqflask.services.instructions import preparing, reading, received
from bunqflask.services.instructions.preparing import ChangedMeanwhile
from bunqflask.services.instructions.reading import InstructionView
from bunqflask.services.policy import NotFoundHere
from bunqflask.web.instructions import presenters, typed
from bunqflask.web.instructions.presenters import Pill, Row
from bunqflask.web.ui import formatting, qr
from bunqflask.web.ui.htmx import follow

_PER_PAGE = 50


@dataclass(frozen=True)
class Came:
    """A payment that came of it, with the address of its page."""

    name: str
    created_at: datetime
    amount: Decimal
    currency: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request or a link as its page shows it; `changes_soon` while bunq is still to be asked, or to answer."""

    id: int
    kind: InstructionKind
    title: str
    pill: Pill
    explanation: str
    amount: Decimal
    currency: str
    payer: str
    is_iban: bool
    description: str
    return_url: str | None
    account_name: str
    holder_name: str
    prepared_by: str
    is_own: bool
    created_at: datetime
    reference: str
    share_url: str | None
    qr: Markup | None
    payments: list[Came]
    not_imported: int
    can_take_back: bool
    changes_soon: bool


def page_of(kind: InstructionKind) -> tuple[list[Row], int | None]:
    """Return a page of a list, and the id of its last row where there are more."""
    found = reading.list_all(
        g.team_member, [kind], in_collections=False, older_than=typed.older_than(), limit=_PER_PAGE + 1
    )
    rows = [presenters.row(each) for each in found[:_PER_PAGE]]
    return rows, rows[-1].id if len(found) > _PER_PAGE else None


def find(kind: InstructionKind, instruction_id: int) -> InstructionView:
    """Return a request or a link that the member sees.

    :raises NotFoundHere: they do not, or it is of another kind.
    """
    found = reading.get(g.team_member, instruction_id)
    if found.kind is not kind:
        raise NotFoundHere
    return found


def show(kind: InstructionKind, instruction_id: int) -> ResponseReturnValue:
    """Show a request or a link; htmx gets the part that changes."""
    return page("instructions/asked.html", present(find(kind, instruction_id)))


def page(template: str, asked: Asked, **context: Any) -> ResponseReturnValue:
    """Return a page that shows a request or a link; htmx gets the part that changes, if that has changed."""
    return follow(template, "instructions/_asked.html", asked, asked=asked, **context)


def take_back(kind: InstructionKind, instruction_id: int, address: str) -> ResponseReturnValue:
    """Take a request or a link back.

    :param address: that of its page, to which the browser is led.
    """
    find(kind, instruction_id)
    try:
        preparing.cancel(g.team_member, instruction_id)
    except ChangedMeanwhile:
        flash(_("It had ended already, so there was nothing to take back."), "error")
    return redirect(address)


def present(found: InstructionView) -> Asked:
    """Return a request or a link as its page shows it."""
    body = found.body
    payments = received.by_payments(found.account_id, found.payment_ids)
    payer = body.payer if isinstance(body, RequestBody) else None
    return Asked(
        id=found.id,
        kind=found.kind,
        title=presenters.row(found).title,
        pill=presenters.pill(found),
        explanation=presenters.explanation(found),
        amount=body.amount if isinstance(body, RequestBody | LinkBody) else Decimal(0),
        currency=found.currency,
        payer=payer.value if payer else "",
        is_iban=payer is not None and payer.type == "IBAN",
        description=body.description if isinstance(body, RequestBody | LinkBody) else "",
        return_url=body.return_url if isinstance(body, LinkBody) else None,
        account_name=found.account_name,
        holder_name=found.holder_name,
        prepared_by=found.prepared_by,
        is_own=found.is_own,
        created_at=found.created_at,
        reference=found.reference,
        share_url=found.share_url if found.ended_at is None else None,
        qr=code_of(found),
        payments=[
            Came(
                formatting.name(each.name),
                each.created_at,
                each.amount,
                each.currency,
                url_for("payments.show", payment_row_id=each.row_id),
            )
            for each in payments
        ],
        not_imported=len(found.payment_ids) - len(payments),
        can_take_back=found.can_cancel,
        changes_soon=changes_soon(found),
    )


def changes_soon(found: InstructionView) -> bool:
    """Tell whether bunq is still to be asked, or to answer, or to name the address to share: the page asks again."""
    is_new = found.state is InstructionState.OPEN and found.share_url is None
    return presenters.changes_soon(found) or is_new


def code_of(found: InstructionView) -> Markup | None:
    """Return the QR code of the address to share, where there is one that still works."""
    if found.share_url is None or found.ended_at is not None:
        return None
    return qr.qr_svg(found.share_url, _("QR code of the address to share"))
