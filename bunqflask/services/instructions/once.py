"""Forms that are sent twice, by a second press or a reload, do once what they ask for.

Each form carries a token of its own, made when its page was. The instructions that came of it remember the token and
what was in the form, as their `batch`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection, Iterable

import msgspec
from sqlalchemy import select

from bunqflask.database.transactions import transaction
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import Instruction, TeamMember
from bunqflask.models.instructions import Body
from bunqflask.services.instructions import preparing
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.principal import Principal

_TOKEN = re.compile(r"[A-Za-z0-9_-]{4,64}", re.ASCII)


def new_token() -> str:
    """Return the token of a new form."""
    return secrets.token_urlsafe(24)


def check_token(token: str) -> None:
    """Make sure that a form carries a token.

    :raises InstructionRefused: it does not, so nobody could tell whether it is sent twice.
    """
    if not _TOKEN.fullmatch(token):
        raise InstructionRefused(_("This form was not complete. Open its page again, and send it from there."))


def check_is_same(made: object, wanted: object) -> None:
    """Make sure that a form that was sent before asks for what was made of it then.

    :raises InstructionRefused: something in it was changed since, such as after a step back in the browser.
    """
    if made != wanted:
        raise InstructionRefused(
            _("This form was sent before, and changed since. Nothing more was sent: for another one, open a new form.")
        )


def lock_member(principal: Principal) -> None:
    """Let no other form of the same member be handled until the caller's transaction has ended."""
    db.session.execute(select(TeamMember.id).where(TeamMember.id == principal.id).with_for_update())


def prepare(
    principal: Principal,
    account_id: int,
    body: Body,
    token: str,
    *,
    label: str = "",
    compared: Collection[int] = (),
) -> int:
    """Prepare what a form asks for in a transaction of its own, and return its id; the second time it is the same.

    See `do` and `preparing.prepare_within` for what is raised.
    """
    return do(
        principal,
        token,
        (account_id, body, label),
        lambda: preparing.prepare_within(principal, account_id, body, label=label, compared=compared),
    )


def do(principal: Principal, token: str, content: object, work: Callable[[], Instruction]) -> int:
    """Do what a form asks for in a transaction of its own, and return the id of the instruction. See `do_all`."""
    return do_all(principal, token, content, lambda: [work()])[0]


def do_all(principal: Principal, token: str, content: object, work: Callable[[], Iterable[Instruction]]) -> list[int]:
    """Do what a form asks for in a transaction of its own, and return the ids; the second time they are the same.

    :param content: all that the form says, as something that can be written as JSON.
    :param work: prepares the instructions, within the caller's transaction.
    :raises InstructionRefused: see `check_token` and `check_is_same`.
    """
    check_token(token)
    # Not the token itself, which a browser could choose to be the batch of something else.
    of_form = f"BF{digest(token)[:10].upper()}"
    batch = of_form + digest(msgspec.json.encode(content).decode())[:8].upper()
    with transaction():
        lock_member(principal)
        made = select(Instruction.id, Instruction.batch).filter_by(member_id=principal.id)
        found = db.session.execute(made.where(Instruction.batch.startswith(of_form)).order_by(Instruction.id)).all()
        if found:
            check_is_same({each.batch for each in found}, {batch})
            return [each.id for each in found]
        rows = list(work())
        for row in rows:
            row.batch = batch
        return [row.id for row in rows]
