"""The notices of a member in the app: listed, unread until dismissed, not shown in the browser where it happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, and_, bindparam, delete, or_, select, update

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import MemberNotice, NoticeItem, NoticeKind
from bunqflask.services.notices import outgoing, topics
from bunqflask.services.principal import Principal

MOST_SHOWN = 4
MOST_LISTED = 200
KEPT_FOR = timedelta(days=90)
# Somebody with a stolen password could cause many; what is alike is shown once.
_MOST_READ = 100


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A notice; of those alike that are not dismissed the latest. Times are aware UTC."""

    id: int
    kind: NoticeKind
    facts: dict[str, Any]
    created_at: datetime
    is_read: bool = False


def add_within(member_id: int, kind: NoticeKind, *, browser_id: int | None = None, **facts: Any) -> MemberNotice:
    """Add a notice within the caller's transaction, and let it go out by the channels that the member chose for it.

    :param browser_id: where it happened: the notice is for the member's other browsers.
    :param facts: ids, names and places, as JSON; never an amount, a payment's text or a secret.
    """
    notice = MemberNotice(member_id=member_id, kind=kind, facts=facts, browser_id=browser_id, created_at=clock.now())
    db.session.add(notice)
    db.session.flush()
    outgoing.queue_within(member_id, NoticeItem(kind, facts, notice.created_at))
    return notice


def unread_in(browser_id: Any) -> ColumnElement[bool]:
    """The condition that a notice is unread in this browser: an id, None or a column."""
    elsewhere = MemberNotice.browser_id.is_(None) | MemberNotice.browser_id.is_distinct_from(browser_id)
    return MemberNotice.dismissed_at.is_(None) & elsewhere


def open_in(browser_id: Any) -> ColumnElement[bool]:
    """The condition that a notice is to be shown on every page in this browser: an id, None or a column."""
    # Every request asks this, and the text of an `IN` with a list would be written anew each time.
    kinds = or_(*(MemberNotice.kind == kind for kind in topics.ON_EVERY_PAGE))
    return and_(kinds, unread_in(browser_id))


def list_open(principal: Principal, browser_id: int | None) -> list[Notice]:
    """Return what is shown on every page, latest first, of those alike one; not what happened in this browser."""
    found: list[Notice] = []
    asked = {"member_id": principal.id, "browser_id": browser_id}
    for notice in (Notice(**row._mapping) for row in db.session.connection().execute(_OPEN, asked)):
        if len(found) < MOST_SHOWN and not any(_are_alike(notice, each) for each in found):
            found.append(notice)
    return found


def list_all(principal: Principal, browser_id: int | None) -> list[Notice]:
    """Return a member's latest notices, also those that they have dismissed; not what happened in this browser."""
    return _select(principal, or_(MemberNotice.dismissed_at.is_not(None), unread_in(browser_id)), limit=MOST_LISTED)


def dismiss(principal: Principal, notice_id: int, browser_id: int | None) -> None:
    """Dismiss one of the member's notices and those before it that are alike; one that is gone is no error."""
    with transaction():
        notices = _select(principal, unread_in(browser_id))
        chosen = next((each for each in notices if each.id == notice_id), None)
        if chosen is not None:
            ids = [each.id for each in notices if each.id <= chosen.id and _are_alike(each, chosen)]
            dismissed = update(MemberNotice).where(MemberNotice.id.in_(ids)).values(dismissed_at=clock.now())
            db.session.execute(dismissed)


def read_all(principal: Principal, browser_id: int | None, up_to: int) -> None:
    """Mark the member's notices as read that the list showed, but those that stay on every page until dismissed.

    :param up_to: the id of the newest one that was listed.
    """
    with transaction():
        listed = MemberNotice.kind.not_in(topics.ON_EVERY_PAGE) & (MemberNotice.id <= up_to)
        read = update(MemberNotice).where(MemberNotice.member_id == principal.id, listed, unread_in(browser_id))
        db.session.execute(read.values(dismissed_at=clock.now()).execution_options(synchronize_session=False))


def delete_old() -> None:
    """Delete notices of long ago; one on every page stays until it is dismissed."""
    with transaction():
        is_over = MemberNotice.kind.not_in(topics.ON_EVERY_PAGE) | MemberNotice.dismissed_at.is_not(None)
        db.session.execute(delete(MemberNotice).where(MemberNotice.created_at < clock.now() - KEPT_FOR, is_over))


def _select(principal: Principal, condition: ColumnElement[bool], *, limit: int = _MOST_READ) -> list[Notice]:
    rows = db.session.execute(_of_member(principal.id, condition).limit(limit))
    return [Notice(**row._mapping) for row in rows]


def _of_member(member_id: Any, condition: ColumnElement[bool]) -> Select[Any]:
    is_read = MemberNotice.dismissed_at.is_not(None).label("is_read")
    columns = (MemberNotice.id, MemberNotice.kind, MemberNotice.facts, MemberNotice.created_at, is_read)
    query = select(*columns).where(MemberNotice.member_id == member_id, condition)
    return query.order_by(MemberNotice.id.desc())


# Asked for every page of somebody who has such a notice.
_OPEN = _of_member(bindparam("member_id"), open_in(bindparam("browser_id", type_=Integer))).limit(_MOST_READ)


def _are_alike(one: Notice, other: Notice) -> bool:
    return (one.kind, one.facts) == (other.kind, other.facts)
