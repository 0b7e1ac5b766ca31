"""Drafts from a payment file: upload, choose columns, look at every line, prepare.

Nothing of a file is stored before it is prepared. The page that shows its lines carries the file itself, packed, in a
hidden field; the step after it reads and checks the whole file again. So the field needs no signature: who changes it
sends another file, which they may do anyway. `Look.seen` tells the step whether the member saw what it is about to do.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass, fields

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.i18n import ngettext
from bunqflask.payment_files import csv_columns, csv_payments, csv_table, lines, pain001, xml_tree
from bunqflask.payment_files.csv_columns import ColumnMapping
from bunqflask.payment_files.csv_table import CsvTable
from bunqflask.payment_files.lines import FileRefused, PaymentFile
from bunqflask.services.instructions import draft_files, once
from bunqflask.services.instructions.changed_ibans import IbansNotCompared
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.instructions.preparing import ChangedMeanwhile
from bunqflask.services.policy import NotFoundHere
from bunqflask.web.instructions import draft_file_presenters, pay
from bunqflask.web.instructions.draft_forms import chosen_account
from bunqflask.web.instructions.drafts import accounts, compared_numbers
from bunqflask.web.marks import takes_file

bp = Blueprint("draft_files", __name__, url_prefix="/pay/drafts/file")
bp.before_request(pay.check_is_no_guest)

# What a field of a form may have; the server reads no more of one.
_MOST_PACKED = 450_000
_MAPPED = tuple(each.name for each in fields(ColumnMapping))


@dataclass(frozen=True)
class Upload:
    """A file on its way through the pages; `packed` carries it from one to the next."""

    name: str
    content: bytes
    packed: str
    account_id: int | None


@dataclass(frozen=True)
class _Read:
    """What a file is: its payments, or why there are none; of a CSV its table and which column is what."""

    result: PaymentFile | FileRefused
    table: CsvTable | None = None
    mapping: ColumnMapping | None = None


@bp.get("")
def begin() -> ResponseReturnValue:
    """Show the form for a file."""
    return _begin()


@bp.post("")
@takes_file
def look() -> ResponseReturnValue:
    """Read a file, and show its lines with what to look at, or what is wrong with it."""
    upload = _upload()
    if isinstance(upload, FileRefused):
        return make_response(_begin(upload), 422)
    read = _read(upload)
    if isinstance(read.result, FileRefused):
        return make_response(_begin(read.result, upload, read), 422)
    return _look(upload, read, read.result)


@bp.post("/prepare")
def prepare() -> ResponseReturnValue:
    """Prepare the drafts of a file whose lines the member saw."""
    upload = _upload()
    if isinstance(upload, FileRefused):
        return make_response(_begin(upload), 422)
    read = _read(upload)
    if isinstance(read.result, FileRefused) or upload.account_id is None:
        refused = read.result if isinstance(read.result, FileRefused) else _no_account()
        return make_response(_begin(refused, upload, read), 422)
    try:
        made = draft_files.prepare(
            g.team_member,
            upload.account_id,
            read.result,
            request.form.get("token", ""),
            label=upload.name,
            seen=request.form.get("seen", ""),
            compared=compared_numbers(),
        )
    except ChangedMeanwhile:
        return make_response(_look(upload, read, read.result, is_changed=True), 409)
    except IbansNotCompared as refusal:
        return make_response(_look(upload, read, read.result, error=str(refusal)), 422)
    except InstructionRefused as refusal:
        return make_response(_begin(FileRefused.because(str(refusal)), upload, read), 422)
    if read.table is not None and read.mapping is not None:
        draft_files.remember_mapping(g.team_member, read.table.columns, read.mapping)
    text = ngettext("%(n)d draft is prepared.", "%(n)d drafts are prepared.", len(made)) % {"n": len(made)}
    flash(f"{text} {_('Nothing is sent to bunq before it is approved.')}")
    return redirect(url_for("drafts.show", instruction_id=made[0]) if len(made) == 1 else url_for("drafts.index"))


def _begin(refused: FileRefused | None = None, upload: Upload | None = None, read: _Read | None = None) -> str:
    return render_template(
        "instructions/draft_file.html",
        accounts=accounts(),
        refused=refused,
        upload=upload,
        columns=_columns(read),
        account_id=upload.account_id if upload else None,
    )


def _look(
    upload: Upload, read: _Read, file: PaymentFile, *, is_changed: bool = False, error: str = ""
) -> ResponseReturnValue:
    offered, account_id = accounts(), upload.account_id
    if account_id is None:
        account_id = next((each.id for each in offered if each.iban and each.iban == file.debtor_iban), None)
    if account_id is None:
        return make_response(_begin(_no_account(), upload, read), 422)
    found = draft_files.look_at(g.team_member, account_id, file)
    if isinstance(found, FileRefused):
        return make_response(_begin(found, upload, read), 422)
    account = next((each for each in offered if each.id == account_id), None)
    if account is None:
        raise NotFoundHere
    return make_response(
        render_template(
            "instructions/draft_file_look.html",
            upload=upload,
            account=account,
            look=draft_file_presenters.present(found),
            columns=_columns(read),
            is_changed=is_changed,
            error=error,
            token=once.new_token(),
        )
    )


def _columns(read: _Read | None) -> draft_file_presenters.Columns | None:
    if read is None or read.table is None or read.mapping is None:
        return None
    return draft_file_presenters.columns(read.table, read.mapping)


def _no_account() -> FileRefused:
    return FileRefused.because(_("Choose the account to pay from: the file names none that you can prepare drafts on."))


def _upload() -> Upload | FileRefused:
    """Return the file that was chosen, or the one that the page before carried here."""
    given = request.files.get("file")
    if given is not None and given.filename:
        content, name = given.read(lines.MOST_BYTES + 1), given.filename
    else:
        packed, name = request.form.get("packed", ""), request.form.get("name", "")
        if not packed:
            return FileRefused.because(_("Choose a file."))
        content = _unpack(packed)
    if len(content) > lines.MOST_BYTES:
        return FileRefused.because(lines.too_large())
    packed = base64.b64encode(zlib.compress(content, 9)).decode()
    if len(packed) > _MOST_PACKED:
        return FileRefused.because(_("The file has too much text for one page. Split it into several files."))
    return Upload(lines.one_line(name)[:120], content, packed, chosen_account())


def _unpack(packed: str) -> bytes:
    """Return a file that a page of ours carried, at most one byte more than is allowed.

    :raises NotFoundHere: no page of ours made this.
    """
    try:
        return zlib.decompressobj().decompress(base64.b64decode(packed, validate=True), lines.MOST_BYTES + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise NotFoundHere from error


def _read(upload: Upload) -> _Read:
    if xml_tree.is_xml(upload.content):
        return _Read(pain001.read(upload.content))
    table = csv_table.open_table(upload.content)
    if isinstance(table, FileRefused):
        return _Read(table)
    mapping = _chosen_mapping() or draft_files.remembered_mapping(g.team_member, table.columns)
    mapping = mapping or csv_columns.propose(table.columns)
    return _Read(csv_payments.read(table, mapping), table, mapping)


def _chosen_mapping() -> ColumnMapping | None:
    """Return the columns that the form names, None where it names none."""
    if "map_name" not in request.form:
        return None
    chosen = {name: request.form.get(f"map_{name}", "")[:1000] for name in _MAPPED}
    sign = chosen.pop("decimal_sign")
    return ColumnMapping(**chosen, decimal_sign="," if sign == "," else "." if sign == "." else "")
