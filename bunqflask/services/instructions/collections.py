"""Collections: people who are asked for money together, such as for the contribution of a club.

Each person gets a request or a link of their own. A worker notes who has paid, ends a link that was paid, so that
nobody pays it twice, and closes a collection of which nothing is expected any more. Who has not paid can be asked
again, by a request or a link in the place of the one that ended.

Functions that end in `_within` take part in the caller's transaction, which the API needs for its `Idempotency-Key`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import (
    Collection,
    CollectionItem,
    Instruction,
    InstructionKind,
    InstructionState,
    LinkBody,
    MonetaryAccount,
    Party,
    RequestBody,
)
from bunqflask.models.instructions import Body
from bunqflask.services.instructions import checks, once, preparing, received, rights
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.instructions.preparing import ChangedMeanwhile
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal

MOST_PEOPLE = 350
LONGEST_NAME = 120
LONGEST_PERSON = 70
# A person's name stands behind it, and bunq takes 140 characters.
LONGEST_DESCRIPTION = 100
_LONGEST_AT_BUNQ = 140
_KINDS = (InstructionKind.REQUEST, InstructionKind.LINK)
# For so long after the end of a link its payments may still be imported.
_IMPORTED_WITHIN = timedelta(days=1)


@dataclass(frozen=True)
class Person:
    """Somebody who is asked for an amount; with a link, `payer` may be None."""

    name: str
    payer: Party | None
    amount: Decimal


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A collection to be begun: on an account of ours, for what, from whom.

    `token` is that of the form: the same one again gets the same collection.
    """

    account_id: int
    kind: InstructionKind
    name: str
    description: str
    people: tuple[Person, ...]
    token: str


def prepare(principal: Principal, wish: Wish) -> int:
    """Prepare a collection in a transaction of its own. See `prepare_within`."""
    with transaction():
        return prepare_within(principal, wish)


def take_back(principal: Principal, collection_id: int, item_id: int | None = None) -> None:
    """Take back in a transaction of its own. See `take_back_within`."""
    with transaction():
        take_back_within(principal, collection_id, item_id)


def ask_again(principal: Principal, collection_id: int, item_id: int, instead_of: int) -> None:
    """Ask somebody again in a transaction of its own. See `ask_again_within`."""
    with transaction():
        ask_again_within(principal, collection_id, item_id, instead_of)


def prepare_within(principal: Principal, wish: Wish) -> int:
    """Prepare a request or a link for each person, all of them or none, and return the id of the collection.

    :raises NotFoundHere: the principal does not see the account in full.
    :raises NotPermitted: they may not, or it is switched off (`AbilityOff`).
    :raises InstructionRefused: bunq would not take it, or the form was sent before and changed since; the text names
        the person by their place in the list.
    """
    once.check_token(wish.token)
    once.lock_member(principal)
    found = db.session.scalars(select(Collection).filter_by(member_id=principal.id, token=wish.token)).one_or_none()
    if found is not None:
        once.check_is_same(_wish_of(found), wish)
        return found.id
    account = preparing.ready_account(principal, wish.account_id, wish.kind)
    _check(wish)
    row = Collection(
        reference=preparing.new_reference(),
        token=wish.token,
        kind=wish.kind,
        account_id=wish.account_id,
        member_id=principal.id,
        name=wish.name,
        description=wish.description,
        created_at=clock.now(),
    )
    db.session.add(row)
    db.session.flush()
    for number, person in enumerate(wish.people, start=1):
        _add(principal, account, row, person, number)
    return row.id


def take_back_within(principal: Principal, collection_id: int, item_id: int | None = None) -> None:
    """Take back what one person is asked for, or what everybody is who has not paid.

    :raises NotFoundHere: there is no such collection or item, or the principal does not see its account in full.
    :raises NotPermitted: they did not begin it, and hold no account of it.
    """
    row = _locked(principal, collection_id)
    items = [each for each in _items_of(row) if item_id in (None, each.id)]
    if not items:
        raise NotFoundHere
    for each in items:
        if each.ended_at is None:
            _take_back(principal, each)


def ask_again_within(
    principal: Principal, collection_id: int, item_id: int, instead_of: int | None = None
) -> CollectionItem:
    """Ask somebody again whose request or link has ended without being paid, for the same; it opens the collection.

    :param instead_of: our id of the request or the link that ended. Where another one has taken its place by now, this
        was asked for before, and nobody is asked a second time. None: that of now.
    :raises NotFoundHere: there is no such collection or item, or the principal does not see its account in full.
    :raises NotPermitted: they may not ask on the account, or it is switched off (`AbilityOff`).
    :raises InstructionRefused: the person has paid, or may still pay what they were asked for before.
    """
    row = _locked(principal, collection_id)
    item = next((each for each in _items_of(row) if each.id == item_id), None)
    if item is None:
        raise NotFoundHere
    account = preparing.ready_account(principal, row.account_id, row.kind)
    if instead_of not in (None, item.instruction_id):
        return item
    # What bunq has shown by now counts, also where no worker has noted it yet.
    _settle(row)
    ended = db.session.get_one(Instruction, item.instruction_id, populate_existing=True)
    _check_has_not_paid(item, ended)
    made = preparing.add_within(principal, account, ended.body, item.name, row.reference)
    item.instruction_id, item.ended_at, row.closed_at = made.id, None, None
    db.session.flush()
    return item


def describe(description: str, name: str) -> str:
    """Return what a payer reads: what it is for, and the name of the person, so that the payment can be told by it."""
    return f"{description}: {name}"[:_LONGEST_AT_BUNQ].rstrip()


def settle() -> None:
    """Note who has paid and what has ended, in every collection that is open; a worker calls it."""
    for collection_id in db.session.scalars(select(Collection.id).where(Collection.closed_at.is_(None))).all():
        if _news(collection_id):
            with transaction():
                row = db.session.get(Collection, collection_id, populate_existing=True, with_for_update=True)
                if row is not None:
                    _settle(row)


def _check(wish: Wish) -> None:
    if wish.kind not in _KINDS:
        raise InstructionRefused(_("A collection is sent as requests or as links."))
    if not 1 <= len(wish.people) <= MOST_PEOPLE:
        raise InstructionRefused(_("A collection has 1 to %(n)d people.") % {"n": MOST_PEOPLE})
    if not 1 <= len(wish.name) <= LONGEST_NAME or not wish.name.isprintable():
        raise InstructionRefused(_("The name of the collection needs 1 to %(n)d characters.") % {"n": LONGEST_NAME})
    if not 1 <= len(wish.description) <= LONGEST_DESCRIPTION or not wish.description.isprintable():
        raise InstructionRefused(_("The description needs 1 to %(n)d characters.") % {"n": LONGEST_DESCRIPTION})
    places: dict[Person, int] = {}
    for number, person in enumerate(wish.people, start=1):
        if (first := places.setdefault(person, number)) != number:
            both = {"n": number, "first": first}
            raise InstructionRefused(_("Person %(n)d is the same as person %(first)d. Remove one of them.") % both)


def _wish_of(row: Collection) -> Wish:
    """Return with what wish a collection was begun."""
    query = (
        select(CollectionItem.name, CollectionItem.payer, Instruction.amount)
        .join(Instruction, Instruction.id == CollectionItem.instruction_id)
        .where(CollectionItem.collection_id == row.id)
        .order_by(CollectionItem.id)
    )
    return Wish(
        account_id=row.account_id,
        kind=row.kind,
        name=row.name,
        description=row.description,
        people=tuple(Person(name, payer, amount or Decimal(0)) for name, payer, amount in db.session.execute(query)),
        token=row.token,
    )


def _locked(principal: Principal, collection_id: int) -> Collection:
    """Lock a collection that the principal sees, within the caller's transaction.

    :raises NotFoundHere: they do not.
    """
    row = db.session.get(Collection, collection_id, populate_existing=True, with_for_update=True)
    if row is None:
        raise NotFoundHere
    rights.account_in_full(principal, row.account_id)
    return row


def _items_of(row: Collection) -> Sequence[CollectionItem]:
    query = select(CollectionItem).filter_by(collection_id=row.id).order_by(CollectionItem.id)
    return db.session.scalars(query.execution_options(populate_existing=True)).all()


def _check_has_not_paid(item: CollectionItem, asked_by: Instruction) -> None:
    """Make sure that nothing can come of what a person was asked for, and nothing has.

    :raises InstructionRefused: it is not so.
    """
    if item.paid_at is not None:
        raise InstructionRefused(_("This person has paid, and cannot be asked again."))
    if item.received or asked_by.result.get("payment_ids"):
        raise InstructionRefused(
            _("A payment came in. If it is too little, ask for the rest by a request or a link of its own.")
        )
    if item.ended_at is None:
        raise InstructionRefused(
            _("What this person was asked for has not ended yet. Take it back first, or try again in a minute.")
        )


def _add(principal: Principal, account: MonetaryAccount, collection: Collection, person: Person, number: int) -> None:
    """Prepare what one person is asked for, within the caller's transaction."""
    try:
        if not 1 <= len(person.name) <= LONGEST_PERSON or not person.name.isprintable():
            raise InstructionRefused(_("A name needs 1 to %(n)d characters.") % {"n": LONGEST_PERSON})
        if person.payer is not None and (fault := checks.check_payer(person.payer)):
            raise InstructionRefused(fault)
        body = _body(collection, person)
        made = preparing.add_within(principal, account, body, person.name, collection.reference)
    except InstructionRefused as refused:
        raise InstructionRefused(_("Person %(n)d: %(fault)s") % {"n": number, "fault": refused}) from refused
    db.session.add(
        CollectionItem(
            collection_id=collection.id,
            instruction_id=made.id,
            name=person.name,
            payer=person.payer,
            received=Decimal(0),
        )
    )


def _body(collection: Collection, person: Person) -> Body:
    description = describe(collection.description, person.name)
    if collection.kind is InstructionKind.LINK:
        return LinkBody(person.amount, description)
    if person.payer is None:
        raise InstructionRefused(_("A request needs an email address, a phone number or an IBAN."))
    return RequestBody(person.amount, person.payer, description)


def _take_back(principal: Principal, item: CollectionItem) -> None:
    try:
        preparing.cancel_within(principal, item.instruction_id)
    except ChangedMeanwhile:
        return  # it has ended otherwise, which `settle` notes


# Who has paid


@dataclass(frozen=True)
class _News:
    """What changed of an item since it was noted: the sum that came in, and whether it is paid or ended with that."""

    item_id: int
    received: Decimal
    is_paid: bool
    is_over: bool


def _news(collection_id: int) -> list[_News]:
    columns = (Instruction.kind, Instruction.state, Instruction.ended_at, Instruction.account_id)
    query = (
        select(CollectionItem.id, CollectionItem.received, Instruction.amount, Instruction.result, *columns)
        .join(Instruction, Instruction.id == CollectionItem.instruction_id)
        .where(CollectionItem.collection_id == collection_id, CollectionItem.ended_at.is_(None))
    )
    found = [_news_of(each) for each in db.session.execute(query).all()]
    return [each for each in found if each is not None]


def _news_of(row: Any) -> _News | None:
    if row.kind is InstructionKind.REQUEST:
        is_paid = row.state is InstructionState.ACCEPTED
        amount = row.amount if is_paid else Decimal(0)
        return _News(row.id, amount, is_paid, is_over=True) if row.ended_at is not None else None
    payment_ids = row.result.get("payment_ids", ())
    payments = received.by_payments(row.account_id, payment_ids) if payment_ids else []
    amount = sum((each.amount for each in payments), Decimal(0))
    is_paid = amount >= row.amount
    is_imported = len(payments) == len(payment_ids) or clock.is_over(row.ended_at, after=_IMPORTED_WITHIN)
    is_over = is_paid or (row.ended_at is not None and is_imported)
    return _News(row.id, amount, is_paid, is_over) if is_over or amount != row.received else None


def _settle(row: Collection) -> None:
    """Note what is new of a collection that is locked, within the caller's transaction."""
    for each in _news(row.id):
        item = db.session.get_one(CollectionItem, each.item_id)
        item.received = each.received
        item.paid_at = clock.now() if each.is_paid else None
        item.ended_at = clock.now() if each.is_over else None
        if each.is_paid and row.kind is InstructionKind.LINK:
            preparing.end_paid_within(item.instruction_id)
    db.session.flush()
    still = select(CollectionItem.id).filter_by(collection_id=row.id, ended_at=None).limit(1)
    if db.session.scalar(still) is None:
        row.closed_at = clock.now()
