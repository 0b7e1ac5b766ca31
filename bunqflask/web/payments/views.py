"""Payments: all that a member sees, those of one account, and a single one. The address holds the whole view."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.services import workers
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.payments import details, repository
from bunqflask.services.payments.filters import Filter
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import Cursor, Page, Search
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.sync import connection_sync, status
from bunqflask.services.sync.status import SyncState
from bunqflask.web.audit.looks import note_look
from bunqflask.web.connections.presenters import account_row
from bunqflask.web.marks import polled
from bunqflask.web.payments import chart_data, filter_form, note_presenters, presenters, sync_status
from bunqflask.web.payments.filter_form import Asked
from bunqflask.web.ui.htmx import wants_fragment

bp = Blueprint("payments", __name__)

# Of a timestamp in microseconds since 1970, and of a row id.
_CURSOR = re.compile(r"(-?\d{1,18})-(\d{1,19})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST = 2**63 - 1
RANGES = (30, 90, 365)
_USUAL_RANGE = 90


@bp.get("/payments")
def home() -> ResponseReturnValue:
    """All payments that this team member sees, newest first."""
    return _list_of(None)


@bp.get("/connections/<int:connection_id>/accounts/<long:monetary_account_id>/payments")
def index(connection_id: int, monetary_account_id: int) -> ResponseReturnValue:
    """Payments of one monetary account, newest first, with its balance over time."""
    return _list_of((connection_id, monetary_account_id))


@bp.get("/payments/<long:payment_row_id>")
def show(payment_row_id: int) -> ResponseReturnValue:
    """One payment with everything that bunq says about it."""
    scope = repository.scope_of(g.team_member)
    payment = details.get(scope, payment_row_id)
    note_look(scope, payment.account.id)
    return render_template(
        "payments/payment.html",
        payment=presenters.detail(payment),
        card=note_presenters.card(payment, scope.by_id[payment.account.connection_id]),
    )


@bp.get("/payments/months")
def months() -> ResponseReturnValue:
    """Money in and out per month, of all that the filters in the address let through."""
    scope = repository.scope_of(g.team_member)
    asked = filter_form.read(request.args, scope)
    note_look(scope, asked.wanted.account_id)
    charts = [] if asked.errors else chart_data.months(Search(scope, asked.wanted))
    body = render_template("payments/months.html", charts=charts, asked=asked)
    return make_response(body, 422 if asked.errors else 200)


@bp.get("/connections/<int:connection_id>/accounts/<long:monetary_account_id>/payments/state")
@polled
def state(connection_id: int, monetary_account_id: int) -> ResponseReturnValue:
    """How far the payments of an account are synced: what its page asks for while they are."""
    scope, account = _scope_and_account(connection_id, monetary_account_id)
    if not wants_fragment():
        return redirect(presenters.account_url(account))
    return render_template("payments/_state.html", account=account, state=_status_of(scope, account), polled=True)


@bp.post("/connections/<int:connection_id>/accounts/<long:monetary_account_id>/payments/sync")
def sync(connection_id: int, monetary_account_id: int) -> ResponseReturnValue:
    """Ask for a sync now; with `full`, of the whole history again, for what is missing."""
    _scope, account = _scope_and_account(connection_id, monetary_account_id)
    full = request.form.get("full") == "1"
    connection_sync.request(g.team_member, connection_id, account_id=account.id, full=full)
    if workers.is_alive():
        flash(_("The payments are being updated."))
    else:
        flash(
            _("No worker is running, so nothing is updated. The person who runs this site can start it: flask worker."),
            "error",
        )
    return redirect(presenters.account_url(account))


def _list_of(place: tuple[int, int] | None) -> ResponseReturnValue:
    """Show a list of payments: of one account, by our connection and bunq's account, or of all."""
    if any(not value for value in request.args.values()):
        # A form sends its empty fields too; the address to keep and share has none.
        known = (*filter_form.NAMES, "range", "older", "sums")
        return redirect(_here({name: request.args[name] for name in known if request.args.get(name)}))
    scope, account = _scope_and_account(*place) if place else (repository.scope_of(g.team_member), None)
    asked = filter_form.read(request.args, scope, account_id=account.id if account else None)
    note_look(scope, asked.wanted.account_id)
    response = make_response(_list_page(scope, account, asked), 422 if asked.errors else 200)
    response.vary.add("HX-Request")
    return response


def _list_page(scope: Scope, account: AccountBalance | None, asked: Asked) -> str:
    after, search = _cursor(), Search(scope, asked.wanted)
    found = Page([], None) if asked.errors else search.page(after=after)
    context: dict[str, Any] = {
        "asked": asked,
        "account": account,
        "is_older": after is not None,
        "is_fragment": wants_fragment(),
        "days": presenters.days(found, search, after=after),
        "older_url": _here({**_view(asked), "older": _written(found.older)}) if found.older else None,
        "newest_url": _here(_view(asked)),
    }
    if wants_fragment() and after is not None:
        return render_template("payments/_older.html", **context)
    adds_up = request.args.get("sums") == "1"
    context |= {
        "result": presenters.result(search, Filter(account_id=account.id if account else None), waits=adds_up),
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
            **_of_accounts(scope),
            months_url=url_for("payments.months", **asked.values),  # type: ignore[arg-type]
            # An export knows days and accounts, and no other filter.
            export_url=url_for(
                "exports.index",
                **{name: asked.values[name] for name in ("from", "to", "account") if name in asked.values},  # type: ignore[arg-type]
            ),
            **context,
        )
    return render_template("payments/account.html", **context, **_of_account(account, scope, asked))


def _of_account(account: AccountBalance, scope: Scope, asked: Asked) -> dict[str, Any]:
    """What the page of one account shows beside its payments."""
    connection, span = scope.by_id[account.connection_id], _span()
    return {
        "shown": account_row(account),
        "holder": connection.holder_name,
        "balance_at": connection.accounts_synced_at,
        "state": _status_of(scope, account),
        "late": sync_status.late_changes_of(account),
        # A search is for the payments that it finds: the chart would push them out of sight.
        "chart": None if asked.values else chart_data.balance(account, scope, span),
        "ranges": [(each, _here({**asked.values, "range": str(each)}), each == span) for each in RANGES],
    }


def _scope_and_account(connection_id: int, monetary_account_id: int) -> tuple[Scope, AccountBalance]:
    # Own transfers are known by all accounts that the principal may see, not by this connection's alone.
    scope = repository.scope_of(g.team_member)
    connection = scope.by_id.get(connection_id)
    for account in connection.accounts if connection else ():
        if account.monetary_account_id == monetary_account_id:
            return scope, account
    raise NotFoundHere


def _status_of(scope: Scope, account: AccountBalance) -> sync_status.SyncStatus:
    connection = scope.by_id[account.connection_id]
    only = replace(connection, accounts=(account,))
    return sync_status.present_with_gaps(account, connection, status.of_connections([only])[account.id])


def _of_accounts(scope: Scope) -> dict[str, Any]:
    """What the page of all accounts shows beside payments: how many accounts, and those that are not up to date."""
    found = status.of_connections(scope.connections)
    shown = [(scope.accounts[each], found[each]) for each in scope.ids]
    return {
        "account_count": len(shown),
        "troubled": [
            sync_status.present(account, scope.by_id[account.connection_id], state)
            for account, state in shown
            if state.state != SyncState.UP_TO_DATE
        ],
        "data_from": min((state.synced_at for _account, state in shown if state.synced_at), default=None),
    }


def _choices(scope: Scope) -> list[tuple[str, list[tuple[str, str]]]]:
    """The accounts to choose from, under whose they are."""
    ids = set(scope.ids)
    groups = [
        (each.holder_name, [(str(account.id), account.name) for account in each.accounts if account.id in ids])
        for each in scope.connections
    ]
    return [(name, accounts) for name, accounts in groups if accounts]


def _types(asked: Asked) -> list[tuple[str, str]]:
    known = filter_form.types()
    chosen = asked.wanted.type
    more = [(chosen, filter_form.type_label(chosen))] if chosen and chosen not in known else []
    return [*known.items(), *more]


def _cursor() -> Cursor | None:
    """The place in the address after which older payments follow; None for one that no list has written."""
    found = _CURSOR.fullmatch(request.args.get("older", ""))
    if found is None:
        return None
    try:
        return Cursor(_EPOCH + timedelta(microseconds=int(found[1])), min(int(found[2]), _LARGEST))
    except OverflowError:
        return None


def _written(cursor: Cursor) -> str:
    return f"{(cursor.time - _EPOCH) // timedelta(microseconds=1)}-{cursor.row_id}"


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
