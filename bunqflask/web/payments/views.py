"""Payments: all that a member sees, those of one account, and a single one. The address holds the whole view."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.services import workers
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.instructions import matching
from bunqflask.services.instructions.matching import Origin
from bunqflask.services.payments import details, repository
from bunqflask.services.payments.filters import Filter
from bunqflask.services.payments.lines import PaymentDetail
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import Cursor, Page, Search
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.sync import connection_sync, status
from bunqflask.web.audit.looks import note_look
from bunqflask.web.connections.presenters import account_row
from bunqflask.web.marks import polled
from bunqflask.web.payments import chart_data, filter_form, note_presenters, place, presenters, sync_status, toolbar
from bunqflask.web.payments.place import Place
from bunqflask.web.ui import htmx
from bunqflask.web.ui.htmx import wants_fragment

bp = Blueprint("payments", __name__)
# So many payments above the place in an address are shown again; with more the list begins there.
MOST_AGAIN = 450


@bp.get("/payments")
def home() -> ResponseReturnValue:
    """All payments that this team member sees, newest first."""
    return _list_of(repository.scope_of(g.team_member), None)


@bp.get("/connections/<int:connection_id>/accounts/<long:monetary_account_id>/payments")
def index(connection_id: int, monetary_account_id: int) -> ResponseReturnValue:
    """Payments of one monetary account, newest first, with its balance over time."""
    return _list_of(*_scope_and_account(connection_id, monetary_account_id))


@bp.get("/payments/filter")
def filter_all() -> ResponseReturnValue:
    """The form of all filters of all payments: a page, or a sheet above the list."""
    return _filter_page(repository.scope_of(g.team_member), None)


@bp.get("/connections/<int:connection_id>/accounts/<long:monetary_account_id>/payments/filter")
def filter_account(connection_id: int, monetary_account_id: int) -> ResponseReturnValue:
    """The form of all filters of one account's payments."""
    return _filter_page(*_scope_and_account(connection_id, monetary_account_id))


@bp.get("/payments/<long:payment_row_id>")
def show(payment_row_id: int) -> ResponseReturnValue:
    """One payment with everything that bunq says about it; the address carries the list that one came from."""
    scope = repository.scope_of(g.team_member)
    payment = details.get(scope, payment_row_id)
    note_look(scope, {payment.account.id})
    in_account = request.args.get("view") == place.OF_ACCOUNT
    here = place.read(request.args, scope, payment.account if in_account else None)
    before, after = here.payment_urls()
    beside = Search(here.asked.scope, here.asked.wanted).beside(Cursor(payment.line.created_at, payment.line.id))
    return render_template(
        "payments/payment.html",
        payment=presenters.detail(payment, (before, after)),
        back=(f"{here.url(until=here.until)}#p{payment_row_id}", presenters.place_title(here)),
        beside=[f"{before}{each}{after}" if each is not None else None for each in beside],
        origin=_origin_of(payment),
        card=note_presenters.card(g.team_member, payment, scope.by_id[payment.account.connection_id]),
    )


def _origin_of(payment: PaymentDetail) -> Origin | None:
    """Return the draft of which a payment came. Only money that went out did, and whom drafts concern sees it all."""
    line, account = payment.line, payment.account
    if line.amount >= 0 or account.first_day is not None:
        return None
    return matching.origin_of(g.team_member, account.id, payment.payment_id, line.created_at, payment.raw)


@bp.get("/payments/months")
def months() -> ResponseReturnValue:
    """Money in and out per month, of all that the filters in the address let through."""
    scope = repository.scope_of(g.team_member)
    here = place.read(request.args, scope, None)
    asked = here.asked
    note_look(asked.scope, asked.wanted.account_ids)
    charts = [] if asked.errors else chart_data.months(Search(asked.scope, asked.wanted), here)
    body = render_template("payments/months.html", charts=charts, asked=asked, home_url=here.url())
    return make_response(body, 422 if asked.errors else 200)


@bp.get("/connections/<int:connection_id>/accounts/<long:monetary_account_id>/payments/state")
@polled
def state(connection_id: int, monetary_account_id: int) -> ResponseReturnValue:
    """How far the payments of an account are synced: what its page asks for while they are."""
    scope, account = _scope_and_account(connection_id, monetary_account_id)
    if not wants_fragment():
        return redirect(place.account_url(account))
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
    return redirect(place.account_url(account))


def _list_of(scope: Scope, account: AccountBalance | None) -> ResponseReturnValue:
    """Show a list of payments: of one account, or of all."""
    here = place.read(request.args, scope, account)
    adds_up = request.args.get("sums") == "1"
    if any(not value for values in request.args.listvalues() for value in values):
        # A form sends its empty fields too; the address to keep and share has none.
        return redirect(here.url(until=here.until, adds_up=adds_up))
    note_look(here.asked.scope, here.asked.wanted.account_ids)
    if "q" in here.asked.errors and request.headers.get("HX-Trigger") == "f-q":
        # Somebody is still typing: a minus is no search yet.
        return "", 204
    response = make_response(_list_page(scope, here, adds_up=adds_up), 422 if here.asked.errors else 200)
    response.vary.add("HX-Request")
    return response


def _list_page(scope: Scope, here: Place, *, adds_up: bool) -> str:
    asked, account = here.asked, here.account
    search = Search(asked.scope, asked.wanted)
    found, after = (Page([], None), None) if asked.errors else _page_of(here, search)
    # The page after the one on screen: to be put right below it.
    goes_on = wants_fragment() and here.until is not None
    context: dict[str, Any] = {
        "asked": asked,
        "account": account,
        "begins_within": after is not None,
        "is_fragment": wants_fragment(),
        "goes_on": goes_on,
        "days": presenters.days(found, search, here.payment_urls(), after=after),
        "older_url": here.url(until=found.older) if found.older else None,
        "newest_url": here.url(),
        "last_id": found.lines[-1].id if found.lines else None,
    }
    if goes_on:
        return render_template("payments/_older.html", **context)
    is_whole = after is None and found.older is None and not asked.errors
    everything = Search(scope, Filter(account_ids=frozenset((account.id,)) if account else None))
    context |= {
        "result": presenters.result(search, everything, found if is_whole else None, waits=adds_up),
        "sums_url": here.url(adds_up=True),
        "chips": [(chip.text, here.url(chip.without)) for chip in asked.chips],
        "clear_url": here.url({}),
        "here": here.base,
        "account_count": 1 if account else len(scope.ids),
        "bar": toolbar.of(here, scope),
        **_ways_on(here),
    }
    if asked.errors:
        context |= _form_of(here, scope)
    if wants_fragment():
        return render_template("payments/_result.html" if adds_up else "payments/_found.html", **context)
    if account is None:
        return render_template("payments/index.html", standing=sync_status.standing(asked.scope), **context)
    return render_template("payments/account.html", **context, **_of_account(account, scope, here))


def _page_of(here: Place, search: Search) -> tuple[Page, Cursor | None]:
    """Return what of a list is shown, and the place after which it begins, if it does not begin with the newest."""
    if here.until is None:
        return search.page(), None
    page = search.page(after=here.until)
    above = None if wants_fragment() else search.down_to(here.until, most=MOST_AGAIN)
    return (page, here.until) if above is None else (Page([*above, *page.lines], page.older), None)


def _ways_on(here: Place) -> dict[str, str]:
    """Where the same payments can be seen otherwise: by month, and as files, which know days and accounts only."""
    values, ids = here.asked.values, here.asked.wanted.account_ids
    if ids is None and here.asked.scope.connections and "holder" in values:
        ids = frozenset(here.asked.scope.ids)
    days = {name: values[name] for name in ("from", "to") if name in values}
    return {
        "months_url": url_for("payments.months", **_of_all(here)),
        "export_url": url_for("exports.index", **days, account=sorted(ids) if ids else None),  # type: ignore[arg-type]
    }


def _of_all(here: Place) -> dict[str, Any]:
    """The filters of a list as they are among all payments."""
    return here.asked.values | ({"account": [str(here.account.id)]} if here.account else {})


def _filter_page(scope: Scope, account: AccountBalance | None) -> ResponseReturnValue:
    here = place.read(request.args, scope, account)
    return htmx.render(
        "payments/filter.html",
        "payments/_filter_form.html",
        asked=here.asked,
        account=account,
        here=here.base,
        back_url=here.url(),
        title=presenters.place_title(replace(here, asked=replace(here.asked, chips=[]))),
        **_form_of(here, scope),
    )


def _form_of(here: Place, scope: Scope) -> dict[str, Any]:
    """What the form of all filters offers."""
    holders = toolbar.holders(scope) if here.account is None else []
    return {
        "kept": here.kept,
        "months": toolbar.month_links(here),
        "holders": holders if len(holders) > 1 else [],
        "accounts": toolbar.accounts(here.asked) if here.account is None else [],
        "types": _types(here.asked),
        "receipts": [*filter_form.receipts().items()],
    }


def _of_account(account: AccountBalance, scope: Scope, here: Place) -> dict[str, Any]:
    """What the page of one account shows beside its payments."""
    connection, span = scope.by_id[account.connection_id], here.span or place.USUAL_RANGE
    return {
        "shown": account_row(account),
        "holder": connection.holder_name,
        "lost": sync_status.lost_connection(connection),
        "balance_at": connection.accounts_synced_at,
        "state": _status_of(scope, account),
        "late": sync_status.late_changes_of(account),
        # A search is for the payments that it finds: the chart would push them out of sight.
        "chart": None if here.asked.values else chart_data.balance(account, scope, span),
        "ranges": [(each, replace(here, span=each).url(), each == span) for each in place.RANGES],
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


def _types(asked: filter_form.Asked) -> list[tuple[str, str]]:
    known = filter_form.types()
    chosen = asked.wanted.type
    more = [(chosen, filter_form.type_label(chosen))] if chosen and chosen not in known else []
    return [*known.items(), *more]
