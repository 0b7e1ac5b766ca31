"""Payments, their notes, and what they add up to."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from flask import current_app, g, request
from msgspec import UNSET

from bunqflask.api import amounts, problems
from bunqflask.api.blueprint import endpoint
from bunqflask.api.queries import PaymentExpansion, PaymentFilter, PaymentQuery
from bunqflask.api.schemas import (
    AllTotals,
    ChangeItem,
    MonthItem,
    Months,
    NoteItem,
    Notes,
    PaymentItem,
    Payments,
    PaymentWhole,
    TotalsItem,
)
from bunqflask.models import TokenScope
from bunqflask.services.audit import looks
from bunqflask.services.payments import details, local_days, notes, repository, totals
from bunqflask.services.payments.filters import Filter
from bunqflask.services.payments.lines import PaymentLine
from bunqflask.services.payments.notes import StoredNote
from bunqflask.services.payments.repository import AccountScope
from bunqflask.services.payments.search import Cursor, Search
from bunqflask.services.payments.tokenizer import search_text
from bunqflask.services.payments.totals import Totals
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal

_TAG = "Payments"
_READ = TokenScope.PAYMENTS_READ
_LOOK_PATIENCE_S = 0.5


@endpoint("GET", "/payments", query=PaymentQuery, answer=Payments, scope=_READ, tag=_TAG)
def payments(query: PaymentQuery) -> Payments | tuple[Payments, int, dict[str, str]]:
    """Payments that the token sees, the newest first, a page at a time; the header `Link` leads to the next page."""
    page = page_of(g.bearer, query)
    if page.next is None:
        return page
    address = f"{current_app.config['PUBLIC_URL']}{request.path}?{_with_cursor(page.next)}"
    return page, 200, {"Link": f'<{address}>; rel="next"'}


@endpoint("GET", "/payments/<long:payment_id>", query=PaymentExpansion, answer=PaymentWhole, scope=_READ, tag=_TAG)
def payment(payment_id: int, query: PaymentExpansion) -> PaymentWhole:
    """One payment, with its late changes; with `expand=raw` as bunq’s JSON too."""
    scope = repository.accounts_of(g.bearer)
    found = details.get(scope, payment_id)
    record_look(g.bearer, scope, [found.account.id])
    return PaymentWhole(
        **facts(found.line),
        payment_id=str(found.payment_id),
        updated_at=found.updated_at,
        balance_after=amounts.text_or_none(found.balance_after),
        sub_type=found.sub_type,
        other_side_id=None if found.other_side_id is None else str(found.other_side_id),
        changes=[
            ChangeItem(
                kind=each.kind.value,
                noticed_at=each.noticed_at,
                amount_before=amounts.text_or_none(each.amount_before),
                balance_before=amounts.text_or_none(each.balance_before),
                booked_before=each.created_before,
            )
            for each in found.changes
        ],
        withdrawn_at=found.withdrawn_at,
        raw=found.raw if query.expand == "raw" else UNSET,
    )


@endpoint("GET", "/payments/<long:payment_id>/notes", answer=Notes, scope=TokenScope.NOTES_READ, tag=_TAG)
def payment_notes(payment_id: int) -> Notes:
    """The notes on a payment, as they were last fetched from bunq."""
    return notes_of(g.bearer, payment_id)


def notes_of(principal: Principal, payment_id: int) -> Notes:
    """Return the stored notes of a payment.

    :raises NotFoundHere: the principal does not see the payment.
    """
    scope = repository.accounts_of(principal)
    found = details.get(scope, payment_id)
    record_look(principal, scope, [found.account.id])
    stored = notes.of(payment_id)
    return Notes(items=[note_item(each) for each in stored.notes], fetched_at=stored.synced_at)


@endpoint("GET", "/totals", query=PaymentFilter, answer=AllTotals, scope=_READ, tag=_TAG)
def payment_totals(query: PaymentFilter) -> AllTotals:
    """What payments add up to, per currency."""
    search = _search(g.bearer, query)
    found = totals.of_all(search) if search.account_ids else []
    record_look(g.bearer, search.scope, search.account_ids)
    return AllTotals([_totals(each) for each in found])


@endpoint("GET", "/months", query=PaymentFilter, answer=Months, scope=_READ, tag=_TAG)
def payment_months(query: PaymentFilter) -> Months:
    """What the payments of each month add up to, per currency, the newest month first."""
    return months_of(g.bearer, query)


def page_of(principal: Principal, query: PaymentQuery) -> Payments:
    """Return a page of the payments that a principal sees.

    :raises NotFoundHere: the principal does not see the account.
    :raises ParameterRefused: a parameter cannot be used.
    """
    search = _search(principal, query)
    after = None if query.cursor is None else _cursor_of(query.cursor)
    page = search.page(after=after, size=query.limit)
    record_look(principal, search.scope, search.account_ids)
    return Payments(items=[_item(line) for line in page.lines], next=page.older.text if page.older else None)


def months_of(principal: Principal, query: PaymentFilter) -> Months:
    """Return what payments of each month add up to; raises what `page_of` does."""
    search = _search(principal, query)
    found = totals.of_months(search) if search.account_ids else {}
    record_look(principal, search.scope, search.account_ids)
    return Months(
        [
            MonthItem(month=f"{month:%Y-%m}", totals=[_totals(each) for each in of_month])
            for month, of_month in sorted(found.items(), reverse=True)
        ]
    )


def _search(principal: Principal, query: PaymentFilter) -> Search:
    scope = repository.accounts_of(principal)
    account_id = None if query.account is None else int(query.account)
    if account_id is not None and account_id not in scope.accounts:
        raise NotFoundHere
    words = query.q.strip()
    if query.q and not search_text(words):
        problems.refuse("`q` needs at least one letter or digit.")
    problems.check_days(query)
    least, most = (None if text is None else Decimal(text) for text in (query.min, query.max))
    wanted = Filter(
        words=words,
        account_ids=None if account_id is None else frozenset([account_id]),
        first_day=query.first,
        last_day=query.last,
        at_least=least,
        at_most=most,
        direction=query.direction or "",
        type=query.type or "",
        receipt=query.receipt or "",
    )
    return Search(scope, wanted)


def facts(line: PaymentLine) -> dict[str, Any]:
    """Return what every answer says of a payment."""
    return {
        "id": str(line.id),
        "account_id": str(line.account_id),
        "booked_at": line.created_at,
        "date": local_days.day_of(line.created_at),
        "amount": amounts.text(line.amount),
        "currency": line.currency,
        "direction": line.direction,
        "type": line.type,
        "description": line.description,
        "counterparty_name": line.counterparty_name,
        "counterparty_iban": line.counterparty_iban,
    }


def _item(line: PaymentLine) -> PaymentItem:
    return PaymentItem(**facts(line))


def note_item(note: StoredNote) -> NoteItem:
    """Return a note as programs read it."""
    return NoteItem(
        id=str(note.note_id),
        kind=note.kind,
        text=note.text or None,
        author=note.author,
        attachment_ids=[str(number) for number in note.attachment_ids],
        created_at=note.created_at,
    )


def _totals(found: Totals) -> TotalsItem:
    return TotalsItem(
        currency=found.currency,
        count=found.count,
        money_in=amounts.text(found.money_in),
        money_out=amounts.text(found.money_out),
        own_transfers=amounts.text(found.own),
        own_count=found.own_count,
    )


def _cursor_of(text: str) -> Cursor:
    place = Cursor.from_text(text)
    if place is None:
        problems.refuse("`cursor` is not one that this server made.")
    return place


def _with_cursor(cursor: str) -> str:
    """Return the query of this request for another page."""
    kept = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
    return urlencode([*kept, ("cursor", cursor)])


def record_look(principal: Principal, scope: AccountScope, account_ids: Iterable[int]) -> None:
    """Let it be recorded that payments of accounts were read that are not the member's own."""
    others = {each for each in account_ids if not scope.accounts[each].is_held}
    if others:
        looks.record_if_possible(principal, others, local_days.zone(), patience_s=_LOOK_PATIENCE_S)
