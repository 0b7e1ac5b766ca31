"""Files that stand in payments and in the notes on them; bunq keeps them."""

from __future__ import annotations

from flask import Response, g, request, url_for

from bunqflask.api import problems
from bunqflask.api.blueprint import File, endpoint
from bunqflask.api.payments import record_look
from bunqflask.api.schemas import AttachmentItem, Attachments
from bunqflask.models import TokenScope
from bunqflask.services.audit import looks
from bunqflask.services.payments import file_types, notes, repository
from bunqflask.services.payments.notes import FileGone

_TAG = "Payments"
_READ = TokenScope.NOTES_READ
_PATIENCE_S = 3.0


@endpoint("GET", "/payments/<long:payment_id>/attachments", answer=Attachments, scope=_READ, tag=_TAG)
def attachments(payment_id: int) -> Attachments:
    """The files of a payment, and of the stored notes on it."""
    found = notes.list_files(g.bearer, payment_id)
    record_look(g.bearer, repository.accounts_of(g.bearer), {each.account_id for each in found})
    return Attachments(
        [
            AttachmentItem(
                id=str(each.attachment_id),
                of="note" if each.of_note else "payment",
                content_at=url_for(
                    "api.attachment_content",
                    payment_id=payment_id,
                    attachment_id=each.attachment_id,
                    _external=True,
                ),
            )
            for each in found
        ]
    )


@endpoint(
    "GET",
    "/payments/<long:payment_id>/attachments/<long:attachment_id>/content",
    answer=File,
    scope=_READ,
    tag=_TAG,
)
def attachment_content(payment_id: int, attachment_id: int) -> Response:
    """One file, as bunq has it now: each time this costs a call to bunq, and a line in the audit trail."""
    found = notes.find_file(g.bearer, payment_id, attachment_id)
    if request.method == "HEAD":
        return Response(status=200)  # to ask whether there is a file must not cost a call
    try:
        content = notes.read_file(found, patience_s=_PATIENCE_S)
    except FileGone as gone:
        return problems.answer(410, "bunq no longer provides this file", f"{gone}.", code="gone")
    looks.record_attachment(g.bearer, found.account_id, payment=found.payment_id, attachment=attachment_id)
    response = Response(content, mimetype=file_types.of(content).media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{file_types.name_of(found, content)}"'
    return response
