"""Collections: their list, the form for a new one, the page of one with who has paid, and the page of one person."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from flask import Blueprint, Response, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.digest import digest
from bunqflask.i18n import gettext as _
from bunqflask.models import InstructionKind
from bunqflask.services.instructions import collection_files, collection_reading, collections, once, people_list, rights
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.instructions.collections import Wish
from bunqflask.services.instructions.people_list import PeopleList
from bunqflask.web.instructions import asking, collection_presenters, pay, typed
from bunqflask.web.marks import polled
from bunqflask.web.ui.htmx import follow

bp = Blueprint("collections", __name__, url_prefix="/pay/collections")
bp.before_request(pay.check_is_no_guest)

_FIELDS = ("account", "kind", "name", "description", "for_all")
_PER_PAGE = 50
# The sign between cells, and the one before the cents, by how the form calls them.


@dataclass(frozen=True)
class _Typed:
    """The form as it was read. `text` is the list, also where it came from a file; `faults` are by field."""

    kind: InstructionKind
    text: str
    people: PeopleList
    faults: dict[str, str]


@bp.get("")
def index() -> ResponseReturnValue:
    """Show the collections, the newest first."""
    found = collection_reading.list_all(g.team_member, older_than=typed.older_than(), limit=_PER_PAGE + 1)
    shown = found[:_PER_PAGE]
    return render_template(
        "instructions/collections.html",
        collections=[(each, collection_presenters.collection_pill(each)) for each in shown],
        older=shown[-1].id if len(found) > _PER_PAGE else None,
        can_begin=any(pay.accounts_for(each) for each in collection_reading.KINDS),
    )


@bp.get("/new")
def new() -> ResponseReturnValue:
    """Show the form for a new collection."""
    return _form(None)


@bp.post("/new")
def begin() -> ResponseReturnValue:
    """Show how the list was read, or with `send` let everybody on it be asked."""
    read = _read()
    rights.check_can_prepare(g.team_member, typed.account_id(), read.kind)
    if read.faults or read.people.faults:
        return make_response(_form(read), 422)
    # What is sent is what was seen, whichever button Enter has pressed.
    if request.form.get("do") != "send" or request.form.get("seen") != _seen(read):
        return _form(read)
    wish = Wish(
        account_id=typed.account_id(),
        kind=read.kind,
        name=typed.value("name"),
        description=typed.value("description"),
        people=read.people.people,
        token=typed.value("token"),
    )
    try:
        made = collections.prepare(g.team_member, wish)
    except InstructionRefused as refused:
        read.faults[""] = str(refused)
        return make_response(_form(read), 422)
    return redirect(url_for("collections.show", collection_id=made))


@bp.get("/<int:collection_id>")
@polled
def show(collection_id: int) -> ResponseReturnValue:
    """Show a collection with who has paid; htmx gets the part that changes."""
    found = collection_reading.get(g.team_member, collection_id)
    items = collection_reading.items_of(g.team_member, found)
    return follow(
        "instructions/collection.html",
        "instructions/_people.html",
        found,
        items,
        collection=found,
        pill=collection_presenters.collection_pill(found),
        rows=[collection_presenters.item_row(each) for each in items],
        columns=collection_presenters.columns(),
        changes_soon=any(asking.changes_soon(each.instruction) for each in items),
    )


@bp.post("/<int:collection_id>/take-back")
def take_back_all(collection_id: int) -> ResponseReturnValue:
    """Take back what everybody is asked for who has not paid."""
    collections.take_back(g.team_member, collection_id)
    flash(_("Everything that was not paid is being taken back."))
    return redirect(url_for("collections.show", collection_id=collection_id))


@bp.post("/<int:collection_id>/export")
def export(collection_id: int) -> ResponseReturnValue:
    """Download a collection as CSV, with the columns that were chosen."""
    found = collection_reading.get(g.team_member, collection_id)
    chosen = request.form.getlist("column")
    if not set(chosen) & set(collection_files.COLUMNS):
        flash(_("Choose at least one column."), "error")
        return redirect(url_for("collections.show", collection_id=collection_id))
    found, items = collection_reading.export(g.team_member, collection_id)
    content = collection_files.to_csv(found, items, chosen, has_commas=request.form.get("decimal") != "point")
    answer = Response(content, mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{collection_files.file_name(found)}"'
    return answer


@bp.get("/<int:collection_id>/people/<int:item_id>")
@polled
def person(collection_id: int, item_id: int) -> ResponseReturnValue:
    """Show one person of a collection, with the address to share and a reminder."""
    found = collection_reading.get(g.team_member, collection_id)
    item = collection_reading.item_of(g.team_member, found, item_id)
    return asking.page(
        "instructions/person.html",
        asking.present(item.instruction),
        collection=found,
        item=item,
        reminder=collection_presenters.reminder(found, item, g.team_member.name),
    )


@bp.post("/<int:collection_id>/people/<int:item_id>/take-back")
def take_back(collection_id: int, item_id: int) -> ResponseReturnValue:
    """Take back what one person is asked for."""
    collections.take_back(g.team_member, collection_id, item_id)
    return redirect(url_for("collections.show", collection_id=collection_id))


@bp.post("/<int:collection_id>/people/<int:item_id>/ask-again")
def ask_again(collection_id: int, item_id: int) -> ResponseReturnValue:
    """Ask one person again, once for each request or link that ended: the form names it."""
    ended = request.form.get("instead_of", "")
    try:
        collections.ask_again(g.team_member, collection_id, item_id, typed.id_of(ended))
    except InstructionRefused as refused:
        flash(str(refused), "error")
    return redirect(url_for("collections.show", collection_id=collection_id))


def _read() -> _Typed:
    kind = InstructionKind.LINK if request.form.get("kind") == InstructionKind.LINK else InstructionKind.REQUEST
    faults: dict[str, str] = {}
    for_all: Decimal | None = None
    if given := typed.value("for_all"):
        try:
            for_all = typed.amount(given)
        except ValueError as wrong:
            faults["for_all"] = str(wrong)
    for name, longest in (("name", collections.LONGEST_NAME), ("description", collections.LONGEST_DESCRIPTION)):
        if not 1 <= len(typed.value(name)) <= longest or not typed.value(name).isprintable():
            faults[name] = _("This needs 1 to %(n)d characters, in one line.") % {"n": longest}
    text = request.form.get("people", "")
    if file := request.files.get("file"):
        text = people_list.decode(file.read()) or text
    return _Typed(kind, text, people_list.read(text, kind, for_all, typed.amount), faults)


def _form(read: _Typed | None) -> str:
    accounts = typed.accounts(*collection_reading.KINDS)
    offered = {each.id: each for kind in accounts for each in accounts[kind]}
    chosen = offered.get(typed.account_id())
    return render_template(
        "instructions/collection_form.html",
        accounts=list(offered.values()),
        currency=chosen.currency if chosen else "EUR",
        kinds=[each.value for each in accounts],
        values={each: request.form.get(each, "") for each in _FIELDS},
        text=read.text if read else "",
        faults=read.faults if read else {},
        people=read.people if read else None,
        preview=_preview(read) if read and not read.faults and not read.people.faults else None,
        seen=_seen(read) if read else "",
        token=typed.value("token") or once.new_token(),
    )


def _seen(read: _Typed) -> str:
    """Return a hash of all that the form asks for."""
    return digest(repr([*(typed.value(each) for each in _FIELDS), read.text.split()]))


def _preview(read: _Typed) -> list[tuple[str, str, Decimal, str]]:
    """Return who would be asked: name, payer, amount, and what they would read."""
    description = typed.value("description")
    return [
        (
            each.name,
            collection_presenters.payer_text(each.payer),
            each.amount,
            collections.describe(description, each.name),
        )
        for each in read.people.people
    ]
