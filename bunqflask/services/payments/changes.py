"""What changed in the payments that a principal may see, since they asked last: for programs that keep a copy.

A cursor says what a program has: of each account, up to which revision and since which time. What differs from what
may be seen now follows from these two, so nothing is stored for it, and a cursor can be used again and again. A payment
goes with its account or with the right on it, and leaves no trace then; one that bunq does not list any more is kept as
a withdrawn one, which tells that it went.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import BigInteger, false, select, true, tuple_, union
from sqlalchemy.orm import aliased

from bunqflask.extensions import db
from bunqflask.models import Payment, PaymentChange, WithdrawnPayment
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.payments import local_days, notes, ranges, visibility
from bunqflask.services.payments.lines import PaymentLine, line_columns, line_of
from bunqflask.services.payments.notes import StoredNote
from bunqflask.services.payments.ranges import Rows, TimeRange
from bunqflask.services.payments.repository import Scope

# Accounts that are looked through for one page: their rows are gathered before they are sorted.
_MOST_ACCOUNTS = 20
_LARGEST = 2**63 - 1
_Number = Annotated[int, Meta(ge=0, le=_LARGEST)]


class CursorRefused(Exception):
    """A text is no cursor that this server has made."""


class _Known(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a program has of an account: the payments since a time (0: all), as of a revision."""

    account_id: _Number
    since: _Number
    revision: _Number


class _Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How far an account was sent on the way to a newer revision: its last payment, in the order of revisions.

    `as_of` is the revision that the account had then.
    """

    account_id: _Number
    revision: _Number
    row_id: _Number
    as_of: _Number


class _Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`shown_by` stands for what payments are shown by beside themselves: with another one all are sent again."""

    shown_by: bytes = b""
    known: tuple[_Known, ...] = ()
    places: tuple[_Place, ...] = ()

    @classmethod
    def from_text(cls, text: str) -> _Cursor:
        """Read a cursor; an empty text is that of the beginning.

        :raises CursorRefused: the text is none.
        """
        if not text:
            return cls()
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            return msgspec.msgpack.decode(data, type=cls)
        except (ValueError, binascii.Error) as error:
            raise CursorRefused from error

    @property
    def text(self) -> str:
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")


@dataclass(frozen=True)
class Change:
    """A payment that was stored since the last time (`is_new`), or that changed since then; notes if asked for."""

    line: PaymentLine
    is_new: bool
    notes: Sequence[StoredNote]


@dataclass(frozen=True, kw_only=True)
class Changes:
    """A page of changes.

    `removed_accounts` are our ids of the accounts all of whose payments a program has to forget before it applies the
    rest, and `removed` the rows of withdrawn payments. `cursor` says what it has then; `has_more`: it is not up to date
    even so.
    """

    removed_accounts: Sequence[int]
    removed: Sequence[int]
    payments: Sequence[Change]
    cursor: str
    has_more: bool


def since(scope: Scope, cursor: str, *, limit: int, with_notes: bool) -> Changes:
    """Return what changed since a cursor, at most so many payments at once, withdrawn ones among them.

    A program that has applied all pages up to one without more has exactly the payments in scope as of that answer.

    :raises CursorRefused: the cursor is none.
    """
    given, accounts = _Cursor.from_text(cursor), [scope.accounts[each] for each in scope.ids]
    known = _still_right(given, accounts)
    places = {each.account_id: each for each in given.places if each.account_id in known}
    shown_by = _shown_by(scope, with_notes=with_notes)
    if given.shown_by != shown_by:
        places = {each: _Place(each, 0, 0, known[each].revision) for each in known}
    pending = [each for each in accounts if each.id in places or each.revision > _revision_of(each, known)]
    asked = pending[:_MOST_ACCOUNTS]
    found = _rows(asked, [_place_of(each, known, places) for each in asked], limit + 1)
    page, is_cut = found[:limit], len(found) > limit
    return Changes(
        removed_accounts=sorted({each.account_id for each in given.known} - known.keys()),
        removed=[row.id for row in page if row.is_withdrawn],
        payments=_changes(scope, [row for row in page if not row.is_withdrawn], known, with_notes=with_notes),
        cursor=_after(shown_by, known, places, asked, page[-1] if is_cut else None).text,
        has_more=is_cut or len(pending) > len(asked),
    )


def _still_right(given: _Cursor, accounts: Sequence[AccountBalance]) -> dict[int, _Known]:
    """Return what a program knows of the accounts that are visible as they were then, by our ids of these.

    A revision that an account has not reached is of a database that was replaced by a backup of it.
    """
    visible = {each.id: each for each in accounts}
    as_of = {each.account_id: each.revision for each in given.known}
    as_of |= {each.account_id: each.as_of for each in given.places if each.account_id in as_of}
    found = {
        each.account_id: each
        for each in given.known
        if (account := visible.get(each.account_id)) is not None
        and each.since == _since(account)
        and max(each.revision, as_of[each.account_id]) <= account.revision
    }
    limited = [each for each in accounts if each.id in found and each.first_day is not None]
    for account_id in _with_payments_gone(limited, as_of):
        del found[account_id]
    return found


def _with_payments_gone(limited: Sequence[AccountBalance], as_of: Mapping[int, int]) -> set[int]:
    """Return those of some accounts of which a payment was moved to a time before the first that may be seen."""
    changed = [each for each in limited if each.revision > as_of[each.id]]
    if not changed:
        return set()
    columns = {"account_id": BigInteger(), "revision": BigInteger()}
    known = Rows(columns, [(each.id, as_of[each.id]) for each in changed], "known")
    start = ranges.of_times(
        TimeRange(each.id, local_days.FIRST_DAY, visibility.since(each), visibility.since(each)) for each in changed
    )
    moved = [
        select(each.account_id)
        .select_from(known.from_clause)
        .join(start.from_clause, start["account_id"] == known["account_id"])
        .join(each, (each.account_id == known["account_id"]) & (each.revision > known["revision"]))
        .join(PaymentChange, PaymentChange.payment_row_id == each.id)
        .where(each.created_at < start["since"], PaymentChange.created_before >= start["since"])
        for each in (Payment, WithdrawnPayment)
    ]
    return set(db.session.scalars(union(*moved)))


def _after(
    shown_by: bytes,
    known: Mapping[int, _Known],
    places: Mapping[int, _Place],
    asked: Sequence[AccountBalance],
    cut_at: Any,
) -> _Cursor:
    """Return the cursor after a page: the accounts that were asked for are up to date, those after a cut are not.

    :param cut_at: the last payment of a page that more of the same accounts follow; else None.
    """
    reached, left = dict(known), dict(places)
    for account in asked:
        if cut_at is not None and account.id >= cut_at.account_id:
            break
        reached[account.id] = _Known(account.id, _since(account), account.revision)
        left.pop(account.id, None)
    if cut_at is not None:
        [account] = (each for each in asked if each.id == cut_at.account_id)
        reached.setdefault(account.id, _Known(account.id, _since(account), 0))
        left[account.id] = _Place(account.id, cut_at.revision, cut_at.id, account.revision)
    return _Cursor(
        shown_by, tuple(reached[each] for each in sorted(reached)), tuple(left[each] for each in sorted(left))
    )


def _rows(accounts: Sequence[AccountBalance], places: Sequence[_Place], limit: int) -> Sequence[Any]:
    """Return the first payments after some places, one for each account, in the order of accounts and revisions."""
    if not accounts:
        return []
    columns = {"account_id": BigInteger(), "revision": BigInteger(), "row_id": BigInteger()}
    place = Rows(columns, [(at.account_id, at.revision, at.row_id) for at in places], "place")
    listed, withdrawn = _listed_after(place, accounts, limit), _withdrawn_after(place, accounts, limit)
    in_order = sorted([*listed, *withdrawn], key=lambda row: (row.account_id, row.revision, row.id))
    return in_order[:limit]


def _withdrawn_after(place: Rows, accounts: Sequence[AccountBalance], limit: int) -> Sequence[Any]:
    gone = WithdrawnPayment
    query = (
        select(gone.id, gone.account_id, gone.revision, true().label("is_withdrawn"))
        .select_from(place.from_clause)
        .join(gone, gone.account_id == place["account_id"])
        .where(tuple_(gone.revision, gone.id) > tuple_(place["revision"], place["row_id"]))
        .where(*visibility.conditions(accounts, gone))
        .order_by(gone.account_id, gone.revision, gone.id)
    )
    return db.session.execute(query.limit(limit)).all()


def _listed_after(place: Rows, accounts: Sequence[AccountBalance], limit: int) -> Sequence[Any]:
    each = aliased(Payment)
    after = (
        select(each.id)
        .where(each.account_id == place["account_id"])
        .where(tuple_(each.revision, each.id) > tuple_(place["revision"], place["row_id"]))
        .where(*visibility.conditions(accounts, each))
        .order_by(each.revision, each.id)
        .limit(limit)
        .correlate(place.from_clause)
    )
    if db.engine.dialect.name == "sqlite":
        # SQLite knows no LATERAL, but a subquery in a condition may depend on the row that it is asked for.
        ids = select(Payment.id).select_from(place.from_clause).join(Payment, Payment.id.in_(after))
    else:
        first = after.lateral("first")
        ids = select(first.c.id).select_from(place.from_clause).join(first, first.c.id.is_not(None))
    columns = (*line_columns(Payment), Payment.revision, Payment.first_revision, false().label("is_withdrawn"))
    query = select(*columns).where(Payment.id.in_(ids))
    return db.session.execute(query.order_by(Payment.account_id, Payment.revision, Payment.id).limit(limit)).all()


def _changes(scope: Scope, page: Sequence[Any], known: Mapping[int, _Known], *, with_notes: bool) -> list[Change]:
    of_rows = notes.of_payments([row.id for row in page]) if with_notes and page else {}
    before = {each.account_id: each.revision for each in known.values()}
    return [
        Change(line_of(row, scope), row.first_revision > before.get(row.account_id, 0), of_rows.get(row.id, ()))
        for row in page
    ]


def _place_of(account: AccountBalance, known: Mapping[int, _Known], places: Mapping[int, _Place]) -> _Place:
    return places.get(account.id) or _Place(account.id, _revision_of(account, known), _LARGEST, account.revision)


def _revision_of(account: AccountBalance, known: Mapping[int, _Known]) -> int:
    return known[account.id].revision if account.id in known else 0


def _since(account: AccountBalance) -> int:
    """Return from which time on payments of an account may be seen, in seconds since 1970; 0 for all of them."""
    return 0 if account.first_day is None else max(1, int(visibility.since(account).timestamp()))


def _shown_by(scope: Scope, *, with_notes: bool) -> bytes:
    """Return a digest of what decides how a payment is shown, apart from itself: which transfers are own ones."""
    text = "\n".join((local_days.zone().key, str(with_notes), *scope.ibans))
    return hashlib.sha256(text.encode()).digest()[:6]
