"""Payment files that members bring: looked at with the facts of an account, and turned into drafts in one step.

Nothing of a file is stored between the look and the step: both read it whole, and check all of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

import msgspec
from sqlalchemy.exc import IntegrityError

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import (
    DraftBody,
    DraftLine,
    Instruction,
    InstructionKind,
    MonetaryAccount,
    PaymentFileMapping,
)
from bunqflask.payment_files import lines, marks
from bunqflask.payment_files.csv_columns import ColumnMapping
from bunqflask.payment_files.lines import Field, FileRefused, LineFault, PaymentFile, PaymentLine
from bunqflask.payment_files.marks import Mark
from bunqflask.services.instructions import changed_ibans, checks, facts, once, preparing, rights
from bunqflask.services.instructions.preparing import ChangedMeanwhile
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal


@dataclass(frozen=True)
class Look:
    """A file that can be prepared, with what to look at first, and how many drafts it becomes.

    `seen` stands for the account, the lines and the marks: what is prepared is what somebody saw.
    """

    file: PaymentFile
    marks: tuple[Mark, ...]
    drafts: int
    seen: str


def look_at(principal: Principal, account_id: int, file: PaymentFile) -> Look | FileRefused:
    """Return what a file would become on an account, or all that speaks against it.

    :raises NotFoundHere: the principal does not see the account in full.
    :raises NotPermitted: they may not, or it is switched off (`AbilityOff`).
    """
    account = rights.check_can_prepare(principal, account_id, InstructionKind.DRAFT).row
    if faults := _faults_of(account, file):
        return FileRefused(tuple(faults[: lines.MOST_FAULTS]), max(0, len(faults) - lines.MOST_FAULTS))
    try:
        for part in lines.split_into_drafts(file.lines):
            checks.check_ready(principal, account, InstructionKind.DRAFT, body_of(part))
    except checks.InstructionRefused as refused:
        return FileRefused.because(str(refused))
    return _look(account, file)


def prepare(
    principal: Principal,
    account_id: int,
    file: PaymentFile,
    token: str,
    *,
    label: str,
    seen: str,
    compared: Collection[int],
) -> list[int]:
    """Prepare drafts of a file in a transaction of its own: all of them, or none; returns their ids.

    :param token: of the form, or of the command; the second time with the same one the drafts are the same.
    :param label: the name of the file.
    :param seen: of the `Look` that somebody confirms.
    :param compared: the numbers of the lines whose changed IBANs they compared.
    :raises NotFoundHere: the principal does not see the account in full.
    :raises NotPermitted: they may not, or it is switched off (`AbilityOff`).
    :raises ChangedMeanwhile: other payments or drafts came since they looked, perhaps of the same file.
    :raises InstructionRefused: bunq would not take it, or a changed IBAN was not compared (`IbansNotCompared`).
    """

    def work() -> list[Instruction]:
        return _prepare_within(principal, account_id, file, label, seen, compared)

    return once.do_all(principal, token, (account_id, [_line(each) for each in file.lines], label), work)


def _prepare_within(
    principal: Principal, account_id: int, file: PaymentFile, label: str, seen: str, compared: Collection[int]
) -> list[Instruction]:
    account = preparing.ready_account(principal, account_id, InstructionKind.DRAFT)
    # One file after the other: another member may be preparing the same one.
    db.session.get_one(MonetaryAccount, account.id, populate_existing=True, with_for_update=True)
    if _look(account, file).seen != seen:
        raise ChangedMeanwhile
    changed_ibans.check(account, file.lines, compared)
    parts = lines.split_into_drafts(file.lines)
    return [
        preparing.add_within(principal, account, body_of(part), _label(label, number, len(parts)), None)
        for number, part in enumerate(parts, start=1)
    ]


def remembered_mapping(principal: Principal, columns: Sequence[str]) -> ColumnMapping | None:
    """Return which column is what, as the member confirmed it for a file with the same first line."""
    found = db.session.get(PaymentFileMapping, (principal.id, _header_hash(columns)))
    return msgspec.convert(found.mapping, ColumnMapping) if found is not None else None


def remember_mapping(principal: Principal, columns: Sequence[str], mapping: ColumnMapping) -> None:
    """Store which column is what, for the member's next file with the same first line.

    :raises NotFoundHere: the member was removed meanwhile.
    """
    values = {"mapping": asdict(mapping), "used_at": clock.now()}
    try:
        with transaction():
            keep = insert_into(PaymentFileMapping).values(
                member_id=principal.id, header_hash=_header_hash(columns), **values
            )
            db.session.execute(keep.on_conflict_do_update(index_elements=["member_id", "header_hash"], set_=values))
    except IntegrityError as error:
        raise NotFoundHere from error


def body_of(part: Sequence[PaymentLine]) -> DraftBody:
    """Return a draft of some payment lines."""
    return DraftBody(tuple(map(_line, part)))


def _look(account: MonetaryAccount, file: PaymentFile) -> Look:
    found = tuple(marks.marks_of(file.lines, facts.of_account(account)))
    shown = [account.id, [_line(each) for each in file.lines], [[each.line, each.text] for each in found]]
    seen = hashlib.sha256(msgspec.json.encode(shown)).hexdigest()
    return Look(file, found, len(lines.split_into_drafts(file.lines)), seen)


def _faults_of(account: MonetaryAccount, file: PaymentFile) -> list[LineFault]:
    """Return what speaks against paying a file from an account."""
    own = [each for each in (account.iban, *account.other_ibans) if each]
    if file.debtor_iban is not None and file.debtor_iban not in own:
        reason = _("The file is to be paid from %(iban)s, which is another account. Choose that one.")
        return [LineFault(None, Field.IBAN, reason % {"iban": file.debtor_iban})]
    found = []
    for each in file.lines:
        reason = _("it goes to the account itself") if each.iban in own else checks.check_line(_line(each))
        if reason:
            text = _("Payment %(number)d: %(reason)s.")
            found.append(
                LineFault(each.number, Field.IBAN, text % {"number": each.number, "reason": reason.rstrip(".")})
            )
    return found


def _line(line: PaymentLine) -> DraftLine:
    return DraftLine(line.amount, line.name, line.iban, line.description, line.end_to_end_id)


def _label(name: str, number: int, count: int) -> str:
    if count == 1:
        return name
    return _("%(name)s (%(number)d of %(count)d)") % {"name": name[:100], "number": number, "count": count}


def _header_hash(columns: Sequence[str]) -> str:
    return hashlib.sha256(msgspec.json.encode(list(columns))).hexdigest()
