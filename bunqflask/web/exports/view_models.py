"""What the export page shows: periods, accounts with a word about those left out, formats, and what is ticked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

from werkzeug.datastructures import MultiDict

from bunqflask.exports.formats import BANK_FILES, FORMATS
from bunqflask.i18n import gettext as _
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.exports import downloads, presets, statements
from bunqflask.services.exports.choices import Choice
from bunqflask.services.exports.presets import Preset
from bunqflask.services.exports.statements import Period
from bunqflask.services.payments.repository import Scope

_IN_USE = "ACTIVE"


class Account(NamedTuple):
    """An account that can be chosen, with a word where it is closed or has no payments in the period."""

    id: int
    name: str
    iban: str | None
    word: str


class Group(NamedTuple):
    """The accounts of one holder."""

    id: int
    name: str
    accounts: list[Account]


@dataclass(frozen=True, kw_only=True)
class Form:
    """What the form holds; `offered` are the accounts that could be ticked."""

    first_day: str
    last_day: str
    account_ids: frozenset[int] = frozenset()
    offered: frozenset[int] = frozenset()
    formats: tuple[str, ...] = ()
    only_files: bool = False
    with_receipts: bool = False

    @property
    def period(self) -> Period | None:
        """The period, or None while a day is none."""
        try:
            first_day, last_day = date.fromisoformat(self.first_day), date.fromisoformat(self.last_day)
        except ValueError:
            return None
        return Period(first_day=first_day, last_day=last_day, zone=statements.zone())

    @property
    def choice(self) -> Choice:
        """What of it the next export begins with."""
        return Choice(
            left_out=self.offered - self.account_ids,
            formats=self.formats,
            only_files=self.only_files,
            last_day=min(self.period.last_day, statements.today()) if self.period else None,
        )


def posted(values: MultiDict[str, str]) -> Form:
    """Return what was sent."""
    return Form(
        first_day=values.get("from", ""),
        last_day=values.get("to", ""),
        account_ids=frozenset(values.getlist("account", type=int)),
        offered=frozenset(values.getlist("offered", type=int)),
        formats=tuple(dict.fromkeys(values.getlist("format"))),
        only_files="files" in values,
        with_receipts="receipts" in values,
    )


def begun(values: MultiDict[str, str], scope: Scope, last: Choice) -> Form:
    """Return what the page begins with: last month and the last choice, or the filter of the page one came from."""
    month = presets.offered(statements.today(), None)[0]
    form = Form(
        first_day=values.get("from") or str(month.first_day),
        last_day=values.get("to") or str(month.last_day),
        formats=last.formats,
        only_files=last.only_files,
    )
    asked = frozenset(values.getlist("account", type=int)) & scope.accounts.keys()
    if asked:
        return replace(form, account_ids=asked)
    return ticked(form, scope, last.left_out)


def ticked(form: Form, scope: Scope, left_out: frozenset[int]) -> Form:
    """Tick every account that was not left out: one without payments in the period gets no bank file anyway."""
    offered = frozenset(account.id for account in statements.with_history(list(scope.accounts.values())))
    return replace(form, account_ids=offered - left_out)


def changed(form: Form, values: MultiDict[str, str], scope: Scope, last: Choice) -> Form | None:
    """Return the form after one of its small buttons was pressed; None where it was the one that downloads."""
    if name := values.get("preset"):
        for preset in presets.offered(statements.today(), last.last_day):
            if preset.name == name:
                return replace(form, first_day=str(preset.first_day), last_day=str(preset.last_day))
        return form
    if word := values.get("tick"):
        action, _sign, connection_id = word.partition(":")
        connection = scope.by_id.get(int(connection_id)) if connection_id.isdecimal() else None
        ids = {account.id for account in connection.accounts} if connection else set()
        return replace(form, account_ids=form.account_ids | ids if action == "all" else form.account_ids - ids)
    if "bookkeeper" in values:
        return replace(form, formats=BANK_FILES, only_files=True)
    return None


def groups(scope: Scope, form: Form) -> list[Group]:
    """Return the accounts that can be exported, by holder."""
    with_history = statements.with_history(list(scope.accounts.values()))
    offered = {account.id for account in with_history}
    full = _with_payments(with_history, form.period)
    found = [
        Group(
            connection.id,
            connection.holder_name,
            [_account(each, has_payments=each.id in full) for each in connection.accounts if each.id in offered],
        )
        for connection in scope.connections
    ]
    return [group for group in found if group.accounts]


def _with_payments(accounts: list[AccountBalance], period: Period | None) -> set[int]:
    """Return the accounts with payments in a period; all of them where it is none, which the form says elsewhere."""
    if period is None or not downloads.FIRST_YEAR <= period.first_day.year <= period.last_day.year:
        return {account.id for account in accounts}
    return statements.with_payments(accounts, replace(period, last_day=min(period.last_day, statements.today())))


def _account(account: AccountBalance, *, has_payments: bool) -> Account:
    words = [_("closed")] if account.status and account.status != _IN_USE else []
    words += [] if has_payments else [_("no payments in this period")]
    return Account(account.id, account.name, account.iban, ", ".join(words))


def preset_buttons(last: Choice) -> list[Preset]:
    return presets.offered(statements.today(), last.last_day)


def formats() -> list[tuple[str, str, str]]:
    """Return name, label and use of each format."""
    packages, personal, ledgers = (
        _("for bookkeeping packages"),
        _("for personal finance programs"),
        _("for plain-text accounting"),
    )
    uses = {
        "csv": _("for import screens and English spreadsheets"),
        "csv-comma": _("for Dutch spreadsheets"),
        "bunq-csv": _("for programs that read bunq’s own CSV"),
        "bunq-csv-comma": _("the same with semicolons"),
        "xlsx": _("with a summary and all payments on one sheet"),
        "jsonl": _("for programs"),
        "camt053": packages,
        "mt940": _("as bunq writes it, for older bookkeeping packages"),
        "ofx": personal,
        "qif": personal,
        "hledger": ledgers,
        "beancount": ledgers,
        "notes": _("those on payments that were opened here; bunq hands them out for one payment at a time"),
    }
    return [(name, found.label, uses[name]) for name, found in FORMATS.items()]
