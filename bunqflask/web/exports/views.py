"""The page from which a bookkeeper's files are downloaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from flask import Blueprint, g, make_response, render_template, request, send_file
from flask.typing import ResponseReturnValue

from bunqflask import clock
from bunqflask.exports.formats import FORMATS
from bunqflask.exports.statement import ExportError
from bunqflask.i18n import gettext as _
from bunqflask.services import policy
from bunqflask.services.exports import downloads, statements
from bunqflask.services.exports.downloads import Download, PeriodRefused
from bunqflask.services.exports.statements import Period
from bunqflask.services.payments import repository
from bunqflask.web.guards import ask_to_confirm

_A_YEAR = timedelta(days=366)
bp = Blueprint("exports", __name__, url_prefix="/payments/export")


class Choice(NamedTuple):
    """An account that can be chosen."""

    id: int
    name: str
    iban: str | None


class Group(NamedTuple):
    """The accounts of one connection."""

    name: str
    accounts: list[Choice]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What the form holds."""

    first_day: str
    last_day: str
    account_ids: list[int] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)


@bp.get("")
def index() -> ResponseReturnValue:
    """Offer the accounts, last month, and the formats."""
    policy.check_can_export(g.team_member)
    groups = _groups()
    last = clock.now().astimezone(statements.zone()).date().replace(day=1) - timedelta(days=1)
    first = last.replace(day=1)
    every = [account.id for group in groups for account in group.accounts]
    chosen = Chosen(first_day=str(first), last_day=str(last), account_ids=every, formats=["csv"])
    return _page(groups, chosen)


@bp.post("")
def make() -> ResponseReturnValue:
    """Send the file, or say at the form why there is none."""
    chosen = Chosen(
        first_day=request.form.get("from", ""),
        last_day=request.form.get("to", ""),
        account_ids=request.form.getlist("account", type=int),
        formats=list(dict.fromkeys(request.form.getlist("format"))),
    )
    if _is_large(chosen) and (asked := ask_to_confirm()) is not None:
        return asked
    try:
        download = _make(chosen)
    except PeriodRefused as refused:
        return make_response(_page(_groups(), chosen, str(refused)), 422)
    except ExportError as refused:
        text = _("This cannot be written in the chosen format: %(why)s.") % {"why": str(refused)}
        return make_response(_page(_groups(), chosen, text), 422)
    response = send_file(download.file, as_attachment=True, download_name=download.name, max_age=0)
    response.content_type = download.media_type  # as a mimetype, a text would be said to be UTF-8 once more
    return response


def _is_large(chosen: Chosen) -> bool:
    """Tell whether somebody at another's screen would leave with more than one account or one year."""
    try:
        days = date.fromisoformat(chosen.last_day) - date.fromisoformat(chosen.first_day)
    except ValueError:
        return False
    return len(set(chosen.account_ids)) > 1 or days >= _A_YEAR


def _make(chosen: Chosen) -> Download:
    try:
        first_day, last_day = date.fromisoformat(chosen.first_day), date.fromisoformat(chosen.last_day)
    except ValueError as error:
        raise PeriodRefused(_("Enter both dates, for example 2026-01-31.")) from error
    if not chosen.account_ids:
        raise PeriodRefused(_("Choose at least one account."))
    return downloads.make(
        g.team_member,
        repository.scope_of(g.team_member),
        account_ids=chosen.account_ids,
        formats=chosen.formats,
        period=Period(first_day=first_day, last_day=last_day, zone=statements.zone()),
    )


def _groups() -> list[Group]:
    scope = repository.scope_of(g.team_member)
    offered = {account.id for account in statements.with_history(list(scope.accounts.values()))}
    groups = [
        Group(
            connection.holder_name,
            [Choice(each.id, each.name, each.iban) for each in connection.accounts if each.id in offered],
        )
        for connection in scope.connections
    ]
    return [group for group in groups if group.accounts]


def _page(groups: list[Group], chosen: Chosen, error: str | None = None) -> str:
    return render_template(
        "exports/index.html",
        groups=groups,
        chosen=chosen,
        formats=list(FORMATS.values()),
        zone=str(statements.zone()),
        error=error,
    )
