"""Reading the audit trail: whole for the shell, and for a member what they may know of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select

from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import AuditAccount, AuditEvent, AuditKind, Connection, MonetaryAccount, TeamMember, TeamRole
from bunqflask.services import policy
from bunqflask.services.audit import trail
from bunqflask.services.principal import Principal

PAGE_SIZE = 50
_BATCH = 500
# Facts that count over all accounts of an event, and tell of those that a reader does not hold.
_COUNTS = frozenset({"rows", "new", "gone", "stays"})


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which events are asked for: of a member, of accounts, of some kinds, since a time, before an event."""

    account_ids: tuple[int, ...] = ()
    member_id: int | None = None
    kinds: tuple[AuditKind, ...] = ()
    since: datetime | None = None
    before_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class AccountName:
    """An account that the reader may see, whose it is, and whether the reader holds it, where that is known."""

    id: int
    name: str
    holder: str
    is_held: bool = False


@dataclass(frozen=True, kw_only=True)
class TrailEvent:
    """An event as a principal may know it.

    `accounts` are those that they may see now; `more_accounts` is the number of the others. `address` and `browser` are
    of the actor, and empty where they are none of the reader's business. `is_by_server` tells that nobody asked for it.
    """

    id: int
    at: datetime
    kind: AuditKind
    actor_id: int | None
    actor: str
    address: str
    browser: str
    subject: str
    subject_member_id: int | None
    connection_id: int | None
    accounts: tuple[AccountName, ...]
    more_accounts: int
    facts: dict[str, Any]
    is_by_server: bool


@dataclass(frozen=True)
class TrailPage:
    """Events, newest first, and whether older ones follow."""

    events: list[TrailEvent]
    has_older: bool


@dataclass(frozen=True)
class Actor:
    """Somebody who does what the trail records, by their latest name."""

    id: int
    name: str


def all_events(wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Yield every event as it is stored, the oldest first, for work that no principal asks for."""
    query = _of(wanted).order_by(AuditEvent.id).execution_options(yield_per=_BATCH)
    names = [column.key for column in AuditEvent.__mapper__.column_attrs]
    for events in db.session.scalars(query).partitions():
        accounts = _account_ids(events)
        for event in events:
            yield {name: getattr(event, name) for name in names} | {"account_ids": accounts.get(event.id, [])}
        db.session.expunge_all()


def page_for(principal: Principal, wanted: Wanted, *, size: int = PAGE_SIZE) -> TrailPage:
    """Return the newest events that the principal may know of."""
    query = _visible_to(principal, wanted).order_by(AuditEvent.id.desc()).limit(size + 1)
    events = list(db.session.scalars(query))
    return TrailPage(_as_known_to(principal, events[:size]), len(events) > size)


def newest_about(principal: Principal, accounts: Mapping[int, AccountName], wanted: Wanted) -> list[TrailEvent]:
    """Return the newest events about accounts that the principal sees; with two statements less than `page_for`.

    :param accounts: the names of all accounts wanted that the principal sees, by our id of each.
    """
    query = _visible_to(principal, wanted).order_by(AuditEvent.id.desc()).limit(PAGE_SIZE)
    events = list(db.session.scalars(query))
    about = _account_ids(events)
    held = {account_id for account_id, account in accounts.items() if account.is_held}
    return [_known(principal, event, about.get(event.id, []), accounts, held) for event in events]


def all_for(principal: Principal, wanted: Wanted) -> Iterator[TrailEvent]:
    """Yield all events that the principal may know of, newest first."""
    while True:
        found = page_for(principal, wanted, size=_BATCH)
        yield from found.events
        if not found.has_older:
            return
        wanted = replace(wanted, before_id=found.events[-1].id)


def actors_for(principal: Principal) -> list[Actor]:
    """Return the members by whom events can be filtered, by name: for owners, the ones who are gone too."""
    if policy.can_see_whole_audit_trail(principal):
        last = select(func.max(AuditEvent.id)).where(AuditEvent.actor_id.is_not(None)).group_by(AuditEvent.actor_id)
        query = select(AuditEvent.actor_id, AuditEvent.actor_text).where(AuditEvent.id.in_(last))
        found = [Actor(row.actor_id, row.actor_text) for row in db.session.execute(query)]
    else:
        # To find out who occurs in the events of one reader would mean to look at all events.
        query = select(TeamMember.id, TeamMember.name)
        if not policy.can_see_team(principal):
            runs_team = TeamMember.role.in_((TeamRole.OWNER, TeamRole.ADMIN))
            query = query.where(or_(TeamMember.id == principal.id, runs_team))
        found = [Actor(row.id, row.name) for row in db.session.execute(query)]
    return sorted(found, key=lambda each: each.name.casefold())


def member_id_of(email: str) -> int | None:
    """Return the id of a member who is gone, by the email that the trail names them with."""
    named = AuditEvent.actor_text.endswith(f"<{email.strip().casefold()}>", autoescape=True)
    return db.session.scalar(select(AuditEvent.actor_id).where(named).order_by(AuditEvent.id.desc()).limit(1))


def record_reading(actor_id: int | None) -> None:
    """Record that the trail itself was read or exported."""
    with transaction():
        trail.record(AuditKind.TRAIL_READ, actor_id=actor_id)


def _of(wanted: Wanted) -> Select[AuditEvent]:
    query = select(AuditEvent)
    if wanted.member_id is not None:
        query = query.where(
            or_(AuditEvent.actor_id == wanted.member_id, AuditEvent.subject_member_id == wanted.member_id)
        )
    if wanted.account_ids:
        about = select(AuditAccount.event_id).where(AuditAccount.account_id.in_(wanted.account_ids))
        query = query.where(AuditEvent.id.in_(about))
    if wanted.kinds:
        query = query.where(AuditEvent.kind.in_(wanted.kinds))
    if wanted.since is not None:
        query = query.where(AuditEvent.at >= wanted.since)
    if wanted.before_id is not None:
        query = query.where(AuditEvent.id < wanted.before_id)
    return query


def _visible_to(principal: Principal, wanted: Wanted) -> Select[AuditEvent]:
    query = _of(wanted)
    return query if policy.can_see_whole_audit_trail(principal) else query.where(policy.is_event_for(principal))


def _as_known_to(principal: Principal, events: Sequence[AuditEvent]) -> list[TrailEvent]:
    accounts = _account_ids(events)
    named = _names(principal, {account_id for ids in accounts.values() for account_id in ids})
    held = set(db.session.scalars(policy.held_accounts(principal))) if accounts else set()
    return [_known(principal, event, accounts.get(event.id, []), named, held) for event in events]


def _known(
    principal: Principal, event: AuditEvent, account_ids: list[int], named: Mapping[int, AccountName], held: set[int]
) -> TrailEvent:
    is_theirs = principal.id in (event.actor_id, event.subject_member_id) or policy.can_see_whole_audit_trail(principal)
    # Who reads it for the sake of their accounts learns nothing about the other ones in it.
    ids = account_ids if is_theirs else [each for each in account_ids if each in held]
    is_whole = len(ids) == len(account_ids)
    accounts = tuple(named[each] for each in ids if each in named)
    return TrailEvent(
        id=event.id,
        at=event.at,
        kind=event.kind,
        actor_id=event.actor_id,
        actor=event.actor_text,
        address=event.address if is_theirs else "",
        browser=event.browser if is_theirs else "",
        subject=event.subject if is_theirs or event.connection_id is not None else "",
        subject_member_id=event.subject_member_id,
        connection_id=event.connection_id,
        accounts=accounts,
        more_accounts=len(ids) - len(accounts),
        facts={name: value for name, value in event.facts.items() if is_whole or name not in _COUNTS},
        is_by_server=not (event.actor_text or event.address or event.browser),
    )


def _account_ids(events: Sequence[AuditEvent]) -> dict[int, list[int]]:
    """Return the accounts of some events, ascending, by the events' ids; events without accounts are left out."""
    query = select(AuditAccount.event_id, AuditAccount.account_id).where(
        AuditAccount.event_id.in_([event.id for event in events])
    )
    found: dict[int, list[int]] = {}
    for row in db.session.execute(query.order_by(AuditAccount.account_id)):
        found.setdefault(row.event_id, []).append(row.account_id)
    return found


def _names(principal: Principal, account_ids: set[int]) -> dict[int, AccountName]:
    """Return the names of those accounts that the principal may see now."""
    if not account_ids:
        return {}
    query = (
        select(MonetaryAccount.id, MonetaryAccount.description, Connection.display_name)
        .join(Connection, Connection.id == MonetaryAccount.connection_id)
        .where(MonetaryAccount.id.in_(account_ids), MonetaryAccount.id.in_(policy.visible_accounts(principal)))
    )
    return {
        row.id: AccountName(id=row.id, name=row.description, holder=row.display_name)
        for row in db.session.execute(query)
    }
