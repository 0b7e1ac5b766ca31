"""What people do with cards: look at them, freeze them, use them again, set limits. Never a PIN.

Cards are not stored: bunq is asked for them whenever somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import select

from bunqflask.bunq.cards import Card
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import Ability, CardBody, Connection, Instruction, InstructionKind, TeamRole
from bunqflask.services.connections import consents
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.gateway.sessions import SessionGone
from bunqflask.services.instructions import abilities, note_kinds, preparing, rights
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.policy import NotFoundHere, VisibleAccount
from bunqflask.services.principal import Principal


@dataclass(frozen=True, kw_only=True)
class CardOfAccount:
    """A card, with the account that it pays from and that the principal holds; `account_id` is ours, `card_id` bunq's.

    `is_in_use` tells that it can be frozen and used again: it is not lost, replaced, over or still on its way. Where it
    is not, `state_text` is bunq's text for why. Limits are for a day, in `currency`; None: bunq does not say.
    """

    card_id: int
    product: str
    name: str
    second_line: str
    last_four: str
    connection_id: int
    account_id: int
    account_name: str
    currency: str
    is_in_use: bool
    is_frozen: bool
    state_text: str
    limit: Decimal | None
    limit_atm: Decimal | None


@dataclass(frozen=True, kw_only=True)
class CardPlace:
    """A connection of which the principal holds an account, and whether cards are switched on for it."""

    connection_id: int
    holder_name: str
    is_on: bool
    can_switch: bool


def list_places(principal: Principal) -> list[CardPlace]:
    """Return the connections of which the principal holds an account here, in the order of their accounts."""
    held = _held(principal)
    names = {each.row.connection_id: each.holder_name for each in held.values()}
    on = abilities.of_connections(names)
    return [
        CardPlace(
            connection_id=connection_id,
            holder_name=name,
            is_on=Ability.CARDS in on[connection_id],
            # They see an account of it, so the rest of `abilities.can_switch` holds.
            can_switch=principal.role is TeamRole.OWNER,
        )
        for connection_id, name in names.items()
    ]


def check_holds(principal: Principal, connection_id: int) -> None:
    """Make sure that the principal holds an account of a connection.

    :raises NotFoundHere: they do not.
    """
    if not _held(principal, connection_id):
        raise NotFoundHere


def list_all(principal: Principal, connection_id: int, *, patience_s: float) -> list[CardOfAccount]:
    """Ask bunq for the cards that pay from accounts of a connection which the principal holds.

    :param patience_s: how long to wait for bunq's limit, for each call.
    :raises NotFoundHere: they hold none.
    :raises AbilityOff: it is switched off for the connection.
    :raises SessionGone: no working consent covers any of them.
    :raises BunqError: bunq did not answer, or refused.
    """
    # As plain values: the transaction in which they were read ends before bunq is asked.
    held = {
        each.row.monetary_account_id: (key, each.row.description, each.row.currency)
        for key, each in _held(principal, connection_id).items()
    }
    if not held:
        raise NotFoundHere
    abilities.check_is_on(connection_id, Ability.CARDS)
    found: dict[int, CardOfAccount] = {}
    for card in _ask(connection_id, {key for key, _name, _currency in held.values()}, patience_s):
        # The account is that of the smallest id at bunq, so that the same one is named each time.
        for account_id, name, currency in (held[each] for each in sorted(card.account_ids & held.keys())[:1]):
            found[card.card_id] = _of_account(card, connection_id, account_id, name, currency)
    return list(found.values())


def get(principal: Principal, connection_id: int, card_id: int, *, patience_s: float) -> CardOfAccount:
    """Return one of them, by bunq's id; see `list_all` for what else is raised.

    :raises NotFoundHere: there is none.
    """
    for each in list_all(principal, connection_id, patience_s=patience_s):
        if each.card_id == card_id:
            return each
    raise NotFoundHere


def currency_of(principal: Principal, connection_id: int, account_id: int) -> str:
    """Return the currency of an account of a connection, which is that of the limits of its cards.

    :raises NotFoundHere: the principal does not hold such an account.
    """
    found = _held(principal, connection_id).get(account_id)
    if found is None:
        raise NotFoundHere
    return found.row.currency


def change_within(principal: Principal, account_id: int, body: CardBody, *, label: str = "") -> Instruction:
    """Let a card be changed, within the caller's transaction; one change of a card at a time.

    Whether the card pays from the account is known by bunq, and looked at before it is changed.

    :param account_id: our id of the account that it pays from, which the principal holds.
    :param label: what the principal calls the card.
    :raises NotFoundHere: the principal does not see the account in full.
    :raises NotPermitted: they do not hold it, or it is switched off (`AbilityOff`).
    :raises InstructionRefused: a limit is none, or another change is on its way.
    """
    row = preparing.prepare_within(principal, account_id, body, label=label)
    query = select(Instruction).filter_by(connection_id=row.connection_id, kind=InstructionKind.CARD, ended_at=None)
    for other in db.session.scalars(query.where(Instruction.id != row.id)):
        if isinstance(other.body, CardBody) and other.body.card_id == body.card_id:
            raise InstructionRefused(_("This card is being changed just now. Try again in a minute."))
    return row


def _held(principal: Principal, connection_id: int | None = None) -> Mapping[int, VisibleAccount]:
    """Return the accounts that the principal holds here, of one connection or of all; none to a guest."""
    return {
        key: each
        for key, each in rights.accounts_in_full(principal).items()
        if each.right.is_held and connection_id in (None, each.row.connection_id)
    }


def _of_account(card: Card, connection_id: int, account_id: int, name: str, currency: str) -> CardOfAccount:
    return CardOfAccount(
        card_id=card.card_id,
        product=card.product,
        name=card.name,
        second_line=card.second_line,
        last_four=card.last_four,
        connection_id=connection_id,
        account_id=account_id,
        account_name=name,
        currency=currency,
        is_in_use=note_kinds.is_in_use(card),
        is_frozen=card.status == "DEACTIVATED",
        state_text=note_kinds.why_not_in_use(card),
        limit=card.limit.value if card.limit else None,
        limit_atm=card.limit_atm.value if card.limit_atm else None,
    )


def _ask(connection_id: int, account_ids: set[int], patience_s: float) -> Iterator[Card]:
    """Yield the cards that bunq shows with as many consents as it takes to cover the accounts, the newest first."""
    left, is_asked = set(account_ids), False
    holder_user_id = db.session.get_one(Connection, connection_id).granted_user_id
    for consent in consents.covering(connection_id):
        if not (mine := consent.account_ids & left):
            continue
        left, is_asked = left - mine, True
        with consents.session_for(min(mine), RateLimiter(patience_s)) as bunq:
            yield from note_kinds.list_cards(bunq, holder_user_id)
    if not is_asked:
        raise SessionGone
