"""What people type into the forms that ask others for money: amounts, payers, and the account."""

from __future__ import annotations

import re
from decimal import Decimal

from flask import request

from bunqflask.i18n import gettext as _
from bunqflask.models import InstructionKind
from bunqflask.services.instructions.abilities import AbilityOff
from bunqflask.web.instructions import pay
from bunqflask.web.payments import amount_input
from bunqflask.web.payments.amount_input import Ambiguous, NotAnAmount

_ID = re.compile(r"[0-9]{1,9}", re.ASCII)


def amount(text: str) -> Decimal:
    """Read an amount, written in the Dutch or in the English way.

    :raises ValueError: it is none, or can be read in two ways; the error's own text says so, for a person.
    """
    try:
        found = amount_input.parse(text)
    except Ambiguous as two:
        message = _("This amount could mean two things. Type %(thousands)s or %(decimals)s.")
        raise ValueError(message % {"thousands": two.thousands, "decimals": two.decimals}) from None
    except NotAnAmount:
        raise ValueError(_("Enter an amount like 12.50.")) from None
    if found <= 0 or found != found.quantize(Decimal("0.01")):
        raise ValueError(_("The amount is above zero and has at most two decimals."))
    return found


def value(name: str) -> str:
    """Return what was typed into a field, without the spaces around it."""
    return request.form.get(name, "").strip()


def account_id() -> int:
    """Return our id of the account that was chosen; 0, which no account has, where none was."""
    return id_of(request.form.get("account", ""))


def id_of(text: str) -> int:
    """Return an id that a form carries; 0, which no row has, where it is none."""
    return int(text) if _ID.fullmatch(text) else 0


def older_than() -> int | None:
    """Return the id in the address from which on a list goes back in time; None for its first page."""
    asked = request.args.get("older", "")
    return int(asked) if _ID.fullmatch(asked) else None


def accounts(*kinds: InstructionKind) -> dict[InstructionKind, list[pay.Account]]:
    """Return the accounts that a form for these kinds offers, by kind; kinds without any are left out.

    :raises AbilityOff: there are none at all.
    """
    found = {each: pay.accounts_for(each) for each in kinds}
    if not any(found.values()):
        raise AbilityOff(
            _(
                "There is no account on which you can do this. Holders of an account can, and owners and admins who "
                "see it in full, once an owner has switched it on under Connections."
            )
        )
    return {kind: each for kind, each in found.items() if each}
