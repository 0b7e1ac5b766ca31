"""Changes of cards that do no harm: freezing, using again, limits. `bunq/user/…/card` lists the cards."""

from __future__ import annotations

from decimal import Decimal

from flask import g

from bunqflask.api import problems
from bunqflask.api.blueprint import endpoint
from bunqflask.api.instruction_schemas import (
    CardLimitsWish,
    CardWish,
    InstructionItem,
    InstructionQuery,
    Instructions,
    exact,
)
from bunqflask.api.instructions import Begun, begun, get_of, item_of, list_of, writing
from bunqflask.models import CardBody, InstructionKind, TokenScope
from bunqflask.services.instructions import cards
from bunqflask.services.instructions.checks import InstructionRefused

_TAG = "Cards"
_WRITE = TokenScope.CARDS_WRITE


@writing(
    "POST",
    "/cards/<long:card_id>/freeze",
    body=CardWish,
    scope=_WRITE,
    tag=_TAG,
)
def freeze_card(card_id: int, json: CardWish) -> Begun:
    """Freeze a card: it pays nothing until it is used again."""
    return _prepare(json.account_id, CardBody(card_id, status="DEACTIVATED"))


@writing(
    "POST",
    "/cards/<long:card_id>/unfreeze",
    body=CardWish,
    scope=_WRITE,
    tag=_TAG,
)
def unfreeze_card(card_id: int, json: CardWish) -> Begun:
    """Use a frozen card again. One that is lost, replaced or still on its way stays as it is."""
    return _prepare(json.account_id, CardBody(card_id, status="ACTIVE"))


@writing(
    "POST",
    "/cards/<long:card_id>/limits",
    body=CardLimitsWish,
    scope=_WRITE,
    tag=_TAG,
)
def limit_card(card_id: int, json: CardLimitsWish) -> Begun:
    """Set limits of a card."""
    return _prepare(json.account_id, CardBody(card_id, limit=_exact(json.limit), limit_atm=_exact(json.limit_atm)))


@endpoint("GET", "/card-changes", query=InstructionQuery, answer=Instructions, scope=_WRITE, tag=_TAG)
def card_changes(query: InstructionQuery) -> Instructions:
    """Changes of cards that pay from accounts that the token sees in full, the newest first."""
    return list_of([InstructionKind.CARD], query)


@endpoint("GET", "/card-changes/<int:card_change_id>", answer=InstructionItem, scope=_WRITE, tag=_TAG)
def card_change(card_change_id: int) -> InstructionItem:
    """How far a change of a card is."""
    return item_of(get_of([InstructionKind.CARD], card_change_id))


def _prepare(account_id: str, body: CardBody) -> Begun:
    try:
        row = cards.change_within(g.bearer, int(account_id), body)
    except InstructionRefused as refused:
        problems.refuse(str(refused))
    return begun("card_change", row.id)


def _exact(amount: str | None) -> Decimal | None:
    return None if amount is None else exact(amount)
