"""What bunq would not take, found before it is asked: amounts, texts, IBANs and accounts."""

from __future__ import annotations

import re
from decimal import Decimal

from bunqflask import ibans
from bunqflask.bunq import writable
from bunqflask.database.types import fits
from bunqflask.i18n import gettext as _
from bunqflask.models import (
    CardBody,
    DraftBody,
    DraftLine,
    InstructionKind,
    LinkBody,
    MonetaryAccount,
    NoteBody,
    NoteChangeBody,
    Party,
    RequestBody,
    TransferBody,
)
from bunqflask.models.instructions import Body
from bunqflask.services.instructions import abilities, rights
from bunqflask.services.policy import NotFoundHere, NotPermitted
from bunqflask.services.principal import Principal

_LARGEST = Decimal("99999999.99")
LONGEST_NAME = 70
# bunq names no limit of its own; what is read back is cut there too.
LONGEST_NOTE = 10_000
_EMAIL = re.compile(r"[^@\s<>\"]{1,64}@[^@\s<>\"]{1,189}")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
# Accounts that bunq only shows.
_AT_ANOTHER_BANK = "MonetaryAccountExternal"
_RETURN_URL = re.compile(r"https://[^\s\"<>\\]{1,490}")


class InstructionRefused(Exception):
    """An instruction cannot be sent to bunq; the text says what is wrong, for a person, and repeats no value."""


def check_line(line: DraftLine) -> str:
    """Return what is wrong with a payment of a draft, as a sentence; empty when nothing is."""
    if fault := ibans.fault_of(line.iban):
        return _("The IBAN %(fault)s.") % {"fault": fault}
    if not line.name.strip() or len(line.name) > LONGEST_NAME:
        return _("The name of the receiver needs 1 to %(n)d characters.") % {"n": LONGEST_NAME}
    if len(line.description) > writable.LONGEST_DESCRIPTION:
        return _("The description has at most %(n)d characters.") % {"n": writable.LONGEST_DESCRIPTION}
    if not _is_plain(line.name) or not _is_plain(line.description):
        return _("Name and description are one line each, without control characters.")
    return _check_amount(line.amount)


def check_payer(payer: Party) -> str:
    """Return what is wrong with whom a request asks, as a sentence; empty when nothing is."""
    value = payer.value
    if payer.type == "EMAIL":
        return "" if _EMAIL.fullmatch(value) else _("The email address of the payer is not one.")
    if payer.type == "PHONE_NUMBER":
        return "" if _PHONE.fullmatch(value) else _("The phone number begins with + and the country, such as +31.")
    if fault := ibans.fault_of(value):
        return _("The IBAN %(fault)s.") % {"fault": fault}
    is_named = payer.name.strip() and _is_plain(payer.name) and len(payer.name) <= LONGEST_NAME
    return "" if is_named else _("With an IBAN, the name of the payer is needed too.")


def check_ready(principal: Principal, account: MonetaryAccount, kind: InstructionKind, body: Body) -> None:
    """Make sure that something can be sent as it is.

    :raises AbilityOff: it is switched off for the connection.
    :raises InstructionRefused: it cannot.
    """
    check_account(account, kind)
    check_body(principal, account, body)


def check_account(account: MonetaryAccount, kind: InstructionKind) -> None:
    """Make sure that a kind of instruction can be sent from an account.

    :raises AbilityOff: it is switched off for the connection.
    :raises NotPermitted: this server can never send it.
    :raises InstructionRefused: bunq does not let the account be used now.
    """
    abilities.check_is_on(account.connection_id, rights.ABILITY_OF[kind])
    if reason := abilities.why_not_here(rights.ABILITY_OF[kind]):
        raise NotPermitted(reason)
    if not is_usable(account):
        raise InstructionRefused(_("bunq does not let this account be used now: connect it again, or take another."))


def is_usable(account: MonetaryAccount) -> bool:
    """Tell whether bunq lets an account be used now: a permission covers it, it is open, and it is at bunq itself."""
    return account.is_covered and account.status == "ACTIVE" and not account.wrapper.startswith(_AT_ANOTHER_BANK)


def check_body(principal: Principal, account: MonetaryAccount, body: Body) -> None:
    """Make sure that bunq would take an instruction as it is.

    :raises NotFoundHere: it names another account that the principal does not hold.
    :raises InstructionRefused: bunq would not.
    """
    match body:
        case DraftBody():
            _refuse(_check_draft(account, body))
        case RequestBody():
            _refuse(_check_amount(body.amount) or _check_text(body.description, writable.LONGEST_DESCRIPTION))
            _refuse(check_payer(body.payer))
        case LinkBody():
            _refuse(_check_amount(body.amount) or _check_text(body.description, writable.LONGEST_LINK_DESCRIPTION))
            if body.return_url is not None and not _RETURN_URL.fullmatch(body.return_url):
                raise InstructionRefused(_("The return address begins with https:// and has at most 500 characters."))
        case TransferBody():
            _refuse(_check_amount(body.amount) or _check_text(body.description, writable.LONGEST_DESCRIPTION))
            _check_own_account(principal, account, body)
        case NoteBody() | NoteChangeBody():
            _refuse(_check_note(body.text))
        case CardBody(status=None):
            _refuse(_check_card_limits(body))


def _check_draft(account: MonetaryAccount, body: DraftBody) -> str:
    if account.currency != "EUR":
        return _("Draft payments are in euros; this account is not.")
    if not 1 <= len(body.lines) <= writable.DRAFT_ENTRIES:
        return _("A draft has 1 to %(n)d payments.") % {"n": writable.DRAFT_ENTRIES}
    for number, line in enumerate(body.lines, start=1):
        if fault := check_line(line):
            return _("Payment %(n)d: %(fault)s") % {"n": number, "fault": fault}
        if line.iban in (account.iban, *account.other_ibans):
            return _("Payment %(n)d goes to the account itself.") % {"n": number}
    return ""


def _check_own_account(principal: Principal, account: MonetaryAccount, body: TransferBody) -> None:
    """Make sure that a transfer goes to another account of the same bunq user that the principal holds too.

    :raises NotFoundHere: they do not see the other account.
    :raises InstructionRefused: it is of another holder, or another currency.
    """
    other = rights.account_in_full(principal, body.to_account_id)
    if not other.right.is_held or not other.row.is_covered:
        raise NotFoundHere
    if other.row.connection_id != account.connection_id or other.row.id == account.id:
        raise InstructionRefused(_("Money can be moved between two accounts of one holder only."))
    if other.row.currency != account.currency or other.row.iban is None or other.row.iban != body.to_iban:
        raise InstructionRefused(_("Money can be moved only to an account of the same currency that has an IBAN."))


def _check_note(text: str) -> str:
    is_written = text.strip() and len(text) <= LONGEST_NOTE
    return "" if is_written else _("A note needs 1 to %(n)d characters.") % {"n": LONGEST_NOTE}


def _check_card_limits(body: CardBody) -> str:
    limits = [each for each in (body.limit, body.limit_atm) if each is not None]
    if not limits:
        return _("Name at least one limit.")
    return next(filter(None, map(_check_amount, limits)), "")


def _check_amount(amount: Decimal) -> str:
    is_written = amount.is_finite() and fits(amount) and amount == amount.quantize(Decimal("0.01"))
    return "" if is_written and 0 < amount <= _LARGEST else _("The amount is above zero and has at most two decimals.")


def _check_text(text: str, longest: int) -> str:
    if not text.strip() or len(text) > longest or not _is_plain(text):
        return _("The description needs 1 to %(n)d characters, without control characters.") % {"n": longest}
    return ""


def _is_plain(text: str) -> bool:
    return text.isprintable()


def _refuse(fault: str) -> None:
    if fault:
        raise InstructionRefused(fault)
