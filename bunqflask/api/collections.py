"""Collections: people who are asked for money together, each by a request or by a link of their own.

A token needs the scope of what a collection is sent as.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response, g, url_for

from bunqflask import ibans
from bunqflask.api import access, problems
from bunqflask.api.blueprint import File, endpoint
from bunqflask.api.collection_schemas import (
    CollectionDetail,
    CollectionFileQuery,
    CollectionItem,
    CollectionPerson,
    CollectionQuery,
    Collections,
    CollectionWish,
    Payer,
    PersonWish,
)
from bunqflask.api.instruction_schemas import exact
from bunqflask.models import InstructionKind, Party, TokenScope
from bunqflask.services.instructions import collection_files, collection_reading, collections, once
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.instructions.collection_reading import CollectionView, ItemView
from bunqflask.services.instructions.collections import Person, Wish

_TAG = "Collections"
_SCOPE_OF = {InstructionKind.REQUEST: TokenScope.REQUESTS_WRITE, InstructionKind.LINK: TokenScope.LINKS_WRITE}
_reading = partial(endpoint, "GET", scope=tuple(_SCOPE_OF.values()), tag=_TAG)
_writing = partial(endpoint, "POST", scope=tuple(_SCOPE_OF.values()), tag=_TAG, status=202, is_write=True)
Begun = tuple[CollectionItem, int, dict[str, str]]
BegunPerson = tuple[CollectionPerson, int, dict[str, str]]


@_writing("/collections", body=CollectionWish, answer=CollectionItem)
def begin_collection(json: CollectionWish) -> Begun:
    """Ask 1 to 350 people for money together, each by a request or a link of their own: all of them, or none."""
    kind = InstructionKind(json.kind)
    access.check_scope(_SCOPE_OF[kind])
    wish = Wish(
        account_id=int(json.account_id),
        kind=kind,
        name=json.name,
        description=json.description,
        people=tuple(_person(each) for each in json.people),
        # The key of the call tells its repeats.
        token=once.new_token(),
    )
    try:
        made = collections.prepare_within(g.bearer, wish)
    except InstructionRefused as refused:
        problems.refuse(str(refused))
    return _begun(made)


@_reading("/collections", query=CollectionQuery, answer=Collections)
def list_collections(query: CollectionQuery) -> Collections:
    """Collections on the accounts that the token sees in full, the newest first, as far as its scopes go."""
    found = collection_reading.list_all(
        g.bearer,
        kinds=[kind for kind, scope in _SCOPE_OF.items() if scope.value in g.bearer.scopes],
        older_than=None if query.older_than is None else int(query.older_than),
        limit=query.limit,
    )
    return Collections([CollectionItem(**_facts(each)) for each in found])


@_reading("/collections/<int:collection_id>", answer=CollectionDetail)
def show_collection(collection_id: int) -> CollectionDetail:
    """One collection with its people: who has paid, and a reminder to send to who has not."""
    found = _get(collection_id)
    items = collection_reading.items_of(g.bearer, found)
    return CollectionDetail(**_facts(found), people=[_item(found, each) for each in items])


@_reading("/collections/<int:collection_id>/content", query=CollectionFileQuery, answer=File)
def collection_content(collection_id: int, query: CollectionFileQuery) -> Response:
    """A collection as CSV, with the columns that are named; the audit trail records it."""
    columns = collection_files.COLUMNS if query.columns is None else tuple(query.columns.split(","))
    if not set(columns) <= set(collection_files.COLUMNS):
        problems.refuse(f"`columns` are some of {', '.join(collection_files.COLUMNS)}, separated by commas.")
    _get(collection_id)
    found, items = collection_reading.export(g.bearer, collection_id)
    content = collection_files.to_csv(found, items, columns, has_commas=query.decimal == "comma")
    answer = Response(content, content_type="text/csv; charset=utf-8; header=present")
    answer.headers["Content-Disposition"] = f'attachment; filename="{collection_files.file_name(found)}"'
    return answer


@_writing("/collections/<int:collection_id>/take-back", answer=CollectionItem)
def take_back_collection(collection_id: int) -> Begun:
    """Take back what everybody is asked for who has not paid. What was paid by then stays paid."""
    _get(collection_id)
    collections.take_back_within(g.bearer, collection_id)
    return _begun(collection_id)


@_writing("/collections/<int:collection_id>/people/<int:person_id>/take-back", answer=CollectionPerson)
def take_back_person(collection_id: int, person_id: int) -> BegunPerson:
    """Take back what one person is asked for. What was paid by then stays paid."""
    _get(collection_id)
    collections.take_back_within(g.bearer, collection_id, person_id)
    return _begun_person(collection_id, person_id)


@_writing("/collections/<int:collection_id>/people/<int:person_id>/ask-again", answer=CollectionPerson)
def ask_person_again(collection_id: int, person_id: int) -> BegunPerson:
    """Ask one person again, for the same, whose request or link has ended without a payment."""
    _get(collection_id)
    try:
        collections.ask_again_within(g.bearer, collection_id, person_id)
    except InstructionRefused as refused:
        problems.refuse(str(refused))
    return _begun_person(collection_id, person_id)


def _get(collection_id: int) -> CollectionView:
    """Return a collection.

    :raises NotFoundHere: there is none, or the token does not see its account in full.
    :raises ScopeMissing: the token lacks the scope of its kind.
    """
    found = collection_reading.get(g.bearer, collection_id)
    access.check_scope(_SCOPE_OF[found.kind])
    return found


def _begun(collection_id: int) -> Begun:
    return CollectionItem(**_facts(_get(collection_id))), 202, _location(collection_id)


def _begun_person(collection_id: int, person_id: int) -> BegunPerson:
    found = _get(collection_id)
    item = collection_reading.item_of(g.bearer, found, person_id)
    return _item(found, item), 202, _location(collection_id)


def _location(collection_id: int) -> dict[str, str]:
    return {"Location": url_for("api.show_collection", collection_id=collection_id, _external=True)}


def _person(wish: PersonWish) -> Person:
    if wish.payer is None:
        return Person(wish.name, None, exact(wish.amount))
    is_iban = wish.payer.type == "IBAN"
    value = ibans.normalise(wish.payer.value) if is_iban else wish.payer.value.strip()
    name = wish.payer.name or (wish.name if is_iban else "")
    return Person(wish.name, Party(wish.payer.type, value, name), exact(wish.amount))


def _facts(found: CollectionView) -> dict[str, Any]:
    """Return the facts of a collection, but for its people."""
    return {
        "id": str(found.id),
        "kind": found.kind.value,
        "name": found.name,
        "description": found.description,
        "reference": found.reference,
        "account_id": str(found.account_id),
        "currency": found.currency,
        "created_at": found.created_at,
        "closed_at": found.closed_at,
        "prepared_by": found.prepared_by,
        "people_count": found.people,
        "paid_count": found.paid,
        "over_count": found.over,
        "amount_asked": f"{found.asked:.2f}",
        "amount_received": f"{found.received:.2f}",
    }


def _item(collection: CollectionView, found: ItemView) -> CollectionPerson:
    asked_by, payer = found.instruction, found.payer
    return CollectionPerson(
        id=str(found.id),
        name=found.name,
        payer=Payer(type=payer.type, value=payer.value, name=payer.name) if payer else None,
        state=found.state.value,
        amount=f"{asked_by.amount or 0:.2f}",
        received=f"{found.received:.2f}",
        paid_at=found.paid_at,
        reference=asked_by.reference,
        instruction_id=str(asked_by.id),
        share_url=asked_by.share_url if asked_by.ended_at is None else None,
        reminder=collection_files.reminder(collection, found, g.bearer.name),
        can_ask_again=found.can_ask_again,
    )
