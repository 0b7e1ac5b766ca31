"""Notices to a member: shown on every page until dismissed, and not in the browser in which the thing happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import MemberNotice, NoticeKind
from bunqflask.services.principal import Principal

MOST_SHOWN = 4
# Somebody with a stolen password could cause many; what is alike is shown once.
_MOST_READ = 100


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A notice that is not dismissed, the latest of those alike; times are aware UTC."""

    id: int
    kind: NoticeKind
    facts: dict[str, Any]
    created_at: datetime


def add_within(member_id: int, kind: NoticeKind, *, browser_id: int | None = None, **facts: Any) -> MemberNotice:
    """Add a notice within the caller's transaction.

    :param browser_id: where it happened: the notice is for the member's other browsers.
    :param facts: names and places, as JSON; never an amount, a payment's text or a secret.
    """
    notice = MemberNotice(member_id=member_id, kind=kind, facts=facts, browser_id=browser_id, created_at=clock.now())
    db.session.add(notice)
    db.session.flush()
    return notice


def open_in(browser_id: Any) -> ColumnElement[bool]:
    """The condition that a notice is to be shown in this browser: an id, None or a column."""
    elsewhere = MemberNotice.browser_id.is_(None) | MemberNotice.browser_id.is_distinct_from(browser_id)
    return MemberNotice.dismissed_at.is_(None) & elsewhere


def list_open(principal: Principal, browser_id: int | None) -> list[Notice]:
    """Return what a member has not dismissed, latest first, of those alike one; not what happened in this browser."""
    found: list[Notice] = []
    for notice in _open_of(principal, browser_id):
        if len(found) < MOST_SHOWN and not any(_are_alike(notice, each) for each in found):
            found.append(notice)
    return found


def dismiss(principal: Principal, notice_id: int, browser_id: int | None) -> None:
    """Dismiss one of the member's notices and those before it that are alike; one that is gone is no error."""
    with transaction():
        notices = _open_of(principal, browser_id)
        chosen = next((each for each in notices if each.id == notice_id), None)
        if chosen is not None:
            ids = [each.id for each in notices if each.id <= chosen.id and _are_alike(each, chosen)]
            dismissed = update(MemberNotice).where(MemberNotice.id.in_(ids)).values(dismissed_at=clock.now())
            db.session.execute(dismissed)


def _open_of(principal: Principal, browser_id: int | None) -> list[Notice]:
    columns = (MemberNotice.id, MemberNotice.kind, MemberNotice.facts, MemberNotice.created_at)
    query = select(*columns).where(MemberNotice.member_id == principal.id, open_in(browser_id))
    rows = db.session.execute(query.order_by(MemberNotice.id.desc()).limit(_MOST_READ))
    return [Notice(**row._mapping) for row in rows]


def _are_alike(one: Notice, other: Notice) -> bool:
    return (one.kind, one.facts) == (other.kind, other.facts)
