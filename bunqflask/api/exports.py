"""Files for bookkeepers: ordered, and fetched when they are needed."""

from __future__ import annotations

from flask import Response, g, send_file, url_for

from bunqflask.api import access, problems
from bunqflask.api.blueprint import File, endpoint
from bunqflask.api.export_schemas import ExportItem, Exports, ExportWish
from bunqflask.models import TokenScope
from bunqflask.services.exports import orders
from bunqflask.services.exports.downloads import PeriodRefused
from bunqflask.services.exports.orders import Order
from bunqflask.services.exports.receipts import TooManyReceipts

_TAG = "Exports"
_READ = TokenScope.EXPORTS_READ


@endpoint("POST", "/exports", body=ExportWish, answer=ExportItem, scope=_READ, tag=_TAG, status=202)
def order_export(json: ExportWish) -> tuple[ExportItem, int, dict[str, str]]:
    """Order the files of a period, in the formats of the export page. The answer says where their content is.

    Guests need the permission to export.
    """
    if json.with_receipts:
        access.check_scope(TokenScope.NOTES_READ)
    try:
        found = orders.add(
            g.bearer,
            account_ids=[int(each) for each in json.account_ids or ()],
            formats=json.formats,
            first_day=json.first,
            last_day=json.last,
            only_files=json.only_files,
            with_receipts=json.with_receipts,
        )
    except PeriodRefused as refused:
        problems.refuse(str(refused))
    return _item(found), 202, {"Location": url_for("api.export", export_id=found.id, _external=True)}


@endpoint("GET", "/exports", answer=Exports, scope=_READ, tag=_TAG)
def exports() -> Exports:
    """The exports that were ordered within a day, the newest first."""
    return Exports([_item(each) for each in orders.list_for(g.bearer)])


@endpoint("GET", "/exports/<int:export_id>", answer=ExportItem, scope=_READ, tag=_TAG)
def export(export_id: int) -> ExportItem:
    """One export that was ordered."""
    return _item(orders.get(g.bearer, export_id))


@endpoint("GET", "/exports/<int:export_id>/content", answer=File, scope=_READ, tag=_TAG)
def export_content(export_id: int) -> Response:
    """The files of an export, with what is stored now and with the rights of now; the audit trail names it.

    Receipts are fetched from bunq, one call each: that takes up to a minute.
    """
    # Another token of the member may have ordered it.
    if orders.get(g.bearer, export_id).with_receipts:
        access.check_scope(TokenScope.NOTES_READ)
    try:
        download = orders.write(g.bearer, export_id)
    except (PeriodRefused, TooManyReceipts) as refused:
        problems.refuse(str(refused))
    response = send_file(download.file, as_attachment=True, download_name=download.name, max_age=0)
    response.content_type = download.media_type  # as a mimetype, a text would be said to be UTF-8 once more
    return response


def _item(found: Order) -> ExportItem:
    return ExportItem(
        id=str(found.id),
        state="ready",
        formats=list(found.formats),
        account_ids=[str(each) for each in found.account_ids],
        first=found.first_day,
        last=found.last_day,
        only_files=found.only_files,
        with_receipts=found.with_receipts,
        created_at=found.created_at,
        expires_at=found.expires_at,
        content_at=url_for("api.export_content", export_id=found.id, _external=True),
    )
