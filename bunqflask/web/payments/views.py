"""Payments: all that a member sees, those of one account, and each by itself. The address holds the whole view."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.models import Connection, MonetaryAccount
from bunqflask.services.connections import access
from bunqflask.services.connections.access import NotFoundHere
from bunqflask.services.payments import repository, search
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import Filter, Page
from bunqflask.services.sync import payment_sync
from bunqflask.web import kept
from bunqflask.web.connections import presenters as connection_presenters
from bunqflask.web.guards import polled
from bunqflask.web.payments import chart_data, filter_form, note_presenters, sync_status
from bunqflask.web.payments import presenters as payment_presenters
from bunqflask.web.payments.filter_form import Asked
from bunqflask.web.ui.htmx import wants_fragment

bp = Blueprint("payments", __name__)

_PRESS_PATIENCE_S = 3.0
_LARGEST = 2**63 - 1
RANGES = (30, 90, 365)
_USUAL_RANGE = 90


class _Refused(Exception):
    """A filter was not understood: the page that says so is not one to keep."""

    def __init__(self, page: str) -> None:
        super().__init__("a filter was not understood")
        self.page = page


@bp.get("/payments")
def home() -> ResponseReturnValue:
    """All payments that this team member sees, newest first."""
    return _list_of(None)


@bp.get("/connections/<int:connection_id>/accounts/<int:monetary_account_id>/payments")
def index(connection_id: int, monetary_account_id: int) -> ResponseReturnValue:
    """Payments of one monetary account, newest first, with its balance over time."""
    return _list_of((connection_id, monetary_account_id))


@bp.get("/payments/<int:payment_row_id>")
def show(payment_row_id: int) -> ResponseReturnValue:
    """One payment with everything that bunq told about it."""
    payment, account, raw = repository.get_for(g.team_member, payment_row_id)
    scope = repository.scope_of(g.team_member)
    return render_template(
        "payments/payment.html",
        detail=payment_presenters.detail(payment, account, raw, scope),
        card=note_presenters.card(payment, account, raw),
    )


@bp.get("/payments/months")
def months() -> ResponseReturnValue:
    """Money in and out per month, of all that the filters in the address let through."""
    scope = repository.scope_of(g.team_member)
    asked = filter_form.read(request.args, scope)

    def make() -> str:
        charts = [] if asked.errors else chart_data.months(scope, asked.wanted)
        return render_template("payments/months.html", charts=charts, asked=asked)

    return make_response(make(), 422) if asked.errors else make_response(kept.page(_stamp(), make))


@bp.get("/connections/<int:connection_id>/accounts/<int:monetary_account_id>/payments/state")
@polled
def state(connection_id: int, monetary_account_id: int) -> ResponseReturnValue:
    """How far the payments of an account are read: what its page asks for while they are."""
    _scope, account = _scope_and_account(connection_id, monetary_account_id)
    if not wants_fragment():
        return redirect(payment_presenters.account_url(account))
    return render_template("payments/_state.html", account=account, state=_states([account])[0], polled=True)


@bp.post("/connections/<int:connection_id>/accounts/<int:monetary_account_id>/payments/reread")
def reread(connection_id: int, monetary_account_id: int) -> ResponseReturnValue:
    """Read the payments from bunq now; with `full`, all of them again, for what is missing."""
    _scope, account = _scope_and_account(connection_id, monetary_account_id)
    url = payment_presenters.account_url(account)
    connection = access.get_for(g.team_member, connection_id)
    if payment_sync.run(
        connection, patience_s=_PRESS_PATIENCE_S, full=request.form.get("full") == "1", only=account.id
    ):
        flash(_("The payments were read again."))
    else:
        flash(_("Not everything could be read now. Below it says why, and when we try again."), "error")
    return redirect(url)


def _list_of(place: tuple[int, int] | None) -> ResponseReturnValue:
    """Show a list of payments: of one account, by our connection and bunq's account, or of all."""
    if any(not value for value in request.args.values()):
        # A form sends its empty fields too; the address to keep and share has none.
        known = (*filter_form.NAMES, "range", "older_id", "sums")
        return redirect(_here({name: request.args[name] for name in known if request.args.get(name)}))
    stamp = _stamp(place[0] if place else None)

    def make() -> str:
        scope, account = _scope_and_account(*place) if place else (repository.scope_of(g.team_member), None)
        asked = filter_form.read(request.args, scope, account_id=account.id if account else None)
        page = _list_page(scope, account, asked, stamp)
        if asked.errors:
            raise _Refused(page)
        return page

    try:
        response = make_response(kept.page(stamp, make))
    except _Refused as refused:
        response = make_response(refused.page, 422)
    response.vary.add("HX-Request")
    return response


def _list_page(scope: Scope, account: MonetaryAccount | None, asked: Asked, stamp: tuple[object, ...]) -> str:
    older_id = _older_id()
    everything = Filter(account_id=account.id if account else None)
    found = Page([], None) if asked.errors else search.list_page(scope, asked.wanted, older_id=older_id)
    before = repository.row_in(scope, older_id) if older_id is not None else None
    context: dict[str, Any] = {
        "asked": asked,
        "account": account,
        "is_older": older_id is not None,
        "days": payment_presenters.days(found, scope, asked.wanted, before=before),
        "older_url": _here({**_view(asked), "older_id": str(found.older_id)}) if found.older_id is not None else None,
        "newest_url": _here(_view(asked)),
    }
    if wants_fragment() and older_id is not None:
        return render_template("payments/_older.html", **context)
    adds_up = request.args.get("sums") == "1"
    context |= {
        "result": payment_presenters.result(scope, asked.wanted, everything, stamp[:2], waits=adds_up),
        "sums_url": _here({**_view(asked), "sums": "1"}),
        "chips": [(chip.text, _here({**_kept(), **chip.without})) for chip in asked.chips],
        "clear_url": _here(_kept()),
        "here": _here(),
        "kept": _kept(),
        "accounts": _choices(scope) if account is None else [],
        "types": _types(asked),
    }
    if wants_fragment():
        return render_template("payments/_result.html" if adds_up else "payments/_found.html", **context)
    if account is None:
        return render_template(
            "payments/index.html",
            states=_states([scope.accounts[each] for each in scope.ids]),
            months_url=url_for("payments.months", **asked.values),  # type: ignore[arg-type]
            **context,
        )
    return render_template("payments/account.html", **context, **_of_account(account, scope, asked))


def _of_account(account: MonetaryAccount, scope: Scope, asked: Asked) -> dict[str, Any]:
    """What the page of one account shows beside its payments."""
    connection = access.get_for(g.team_member, account.connection_id)
    span = _span()
    sync_state = next((each for each in payment_sync.states_of(connection) if each.id == account.id), None)
    return {
        "shown": connection_presenters.account_row(account, connection.display_name),
        "holder": connection.display_name,
        "balance_at": connection.accounts_read_at,
        "state": sync_status.state(account, sync_state, connection),
        "late": sync_status.late_changes_of(account),
        "chart": chart_data.balance(account, scope, sync_state, span),
        "ranges": [(each, _here({**asked.values, "range": str(each)}), each == span) for each in RANGES],
    }


def _scope_and_account(connection_id: int, monetary_account_id: int) -> tuple[Scope, MonetaryAccount]:
    connection = access.get_for(g.team_member, connection_id)
    for account in connection.monetary_accounts:
        if account.monetary_account_id == monetary_account_id:
            # Own transfers are known by all accounts that the member sees, not by this connection's alone.
            return repository.scope_of(g.team_member), account
    raise NotFoundHere


def _states(accounts: list[MonetaryAccount]) -> list[sync_status.ReadingState]:
    known: dict[int, Connection] = {each.id: each for each in access.list_for(g.team_member)}
    shown = {account.connection_id for account in accounts}
    synced = {each.id: each for key in shown for each in payment_sync.states_of(known[key])}
    return [sync_status.state(each, synced.get(each.id), known[each.connection_id]) for each in accounts]


def _choices(scope: Scope) -> list[tuple[str, list[tuple[str, str]]]]:
    """The accounts to choose from, under whose they are."""
    found = []
    for connection in access.list_for(g.team_member):
        names = [(str(each), scope.accounts[each]) for each in scope.ids]
        mine = [(key, account.description) for key, account in names if account.connection_id == connection.id]
        if mine:
            found.append((connection.display_name, mine))
    return found


def _types(asked: Asked) -> list[tuple[str, str]]:
    known = filter_form.types()
    chosen = asked.wanted.type
    more = [(chosen, filter_form.type_words(chosen))] if chosen and chosen not in known else []
    return [*known.items(), *more]


def _older_id() -> int | None:
    text = request.args.get("older_id", "")
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        return None
    return min(int(text), _LARGEST)


def _span() -> int:
    """How many days the chart shows."""
    text = request.args.get("range", "")
    return next((each for each in RANGES if str(each) == text), _USUAL_RANGE)


def _kept() -> dict[str, str]:
    """What of the address is no filter, and stays when filters change."""
    return {"range": str(_span())} if "range" in request.args else {}


def _view(asked: Asked) -> dict[str, str]:
    return {**_kept(), **asked.values}


def _here(arguments: dict[str, str] | None = None) -> str:
    """This page's address with other arguments."""
    values: dict[str, Any] = {**(request.view_args or {}), **(arguments or {})}
    return url_for(request.endpoint or "", **values)


def _stamp(connection_id: int | None = None) -> tuple[object, ...]:
    """Return what changes when a page about payments would; the last part is how it was asked for.

    :raises NotFoundHere: the connection asked for is not there for this member.
    """
    member = g.team_member
    asked = (request.query_string, wants_fragment())
    return (access.stamp(member, connection_id), repository.stamp(member), asked)
