"""The beginning of what is written at bunq: what waits for somebody, and the ways to begin something."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flask import Blueprint, g, render_template
from flask.typing import ResponseReturnValue

from bunqflask.models import Ability, InstructionKind, InstructionState
from bunqflask.services.instructions import abilities, checks, collection_reading, reading, rights
from bunqflask.services.policy import NotFoundHere, VisibleAccount
from bunqflask.web.instructions import collection_presenters, presenters

bp = Blueprint("pay", __name__, url_prefix="/pay")

_ABOUT_MONEY = (
    InstructionKind.DRAFT,
    InstructionKind.REQUEST,
    InstructionKind.LINK,
    InstructionKind.TRANSFER,
)
_NOT_ENDED = (
    InstructionState.PREPARED,
    InstructionState.WAITING,
    InstructionState.SENDING,
    InstructionState.UNKNOWN,
    InstructionState.OPEN,
)


@dataclass(frozen=True)
class Account:
    """An account on which somebody may prepare something; `id` is ours."""

    id: int
    name: str
    iban: str | None
    holder: str
    currency: str
    connection_id: int
    is_held: bool


def accounts_for(kind: InstructionKind) -> list[Account]:
    """Return the accounts on which the member may prepare an instruction of a kind, where it is switched on."""
    return _accounts_by_kind([kind])[kind]


def _accounts_by_kind(kinds: Iterable[InstructionKind]) -> dict[InstructionKind, list[Account]]:
    """Return the same for several kinds, with as many statements as for one."""
    found = rights.accounts_in_full(g.team_member)
    on = abilities.of_connections({each.row.connection_id for each in found.values()})
    return {kind: _accounts(found, on, kind) for kind in kinds}


def _accounts(
    found: Mapping[int, VisibleAccount], on: Mapping[int, frozenset[Ability]], kind: InstructionKind
) -> list[Account]:
    return [
        Account(
            id=key,
            name=each.row.description,
            iban=each.row.iban,
            holder=each.holder_name,
            currency=each.row.currency,
            connection_id=each.row.connection_id,
            is_held=each.right.is_held,
        )
        for key, each in found.items()
        if rights.ABILITY_OF[kind] in on[each.row.connection_id]
        and checks.is_usable(each.row)
        and rights.can_prepare(g.team_member, each, kind)
    ]


def check_is_no_guest() -> None:
    """Let a guest find nothing here.

    :raises NotFoundHere: the member is a guest.
    """
    if not rights.may_see_instructions(g.team_member):
        raise NotFoundHere


@bp.get("")
def index() -> ResponseReturnValue:
    """Show what is under way, whatever its kind, and where to begin."""
    check_is_no_guest()
    found = reading.list_all(g.team_member, _ABOUT_MONEY, states=_NOT_ENDED, in_collections=False)
    collections = collection_reading.list_open(g.team_member)
    can = {kind: bool(accounts) for kind, accounts in _accounts_by_kind(rights.ABILITY_OF).items()}
    return render_template(
        "instructions/index.html",
        rows=[presenters.row(each) for each in found],
        collections=[(each, collection_presenters.collection_pill(each)) for each in collections],
        can=can,
    )
