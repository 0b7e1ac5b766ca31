"""Checking the chain of events, and the chain against lines of the log, which show also what is missing at its end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import func, select

from bunqflask.extensions import db
from bunqflask.models import AuditAccount, AuditCut, AuditEvent, AuditKind
from bunqflask.services.audit import chain

_BATCH = 1_000


class TrailBroken(Exception):
    """The trail is not as it was written; the text says which event, and why."""

    def __init__(self, event_id: int, why: str) -> None:
        super().__init__(f"event {event_id}: {why}")
        self.event_id = event_id


@dataclass(frozen=True)
class Verified:
    """How many events were checked, and the id and hash of the last one."""

    events: int
    last_id: int
    last_hash: str
    lines: int


def verify(log: Iterable[str] = ()) -> Verified:
    """Check every stored event, and the lines of a log against them.

    :param log: lines of the logger `bunqflask.audit`, with anything between them.
    :raises TrailBroken: at the first event that is missing, added, or not as it was written.
    """
    first_id, last_hash = chain.beginning()
    last_id = first_id
    for event, account_ids in _events():
        if event.id != last_id + 1:
            raise TrailBroken(last_id + 1, f"missing; the next one stored is {event.id}")
        if event.previous_hash != last_hash:
            raise TrailBroken(event.id, "it does not follow the event before it")
        if chain.hash_of({name: getattr(event, name) for name in chain.COLUMNS}, account_ids) != event.hash:
            raise TrailBroken(event.id, "it is not as it was written")
        last_id, last_hash = event.id, event.hash
    _check_strays(first_id, last_id)
    _check_cut()
    return Verified(last_id - first_id, last_id, last_hash, _check_log(log, first_id))


def _events() -> Iterator[tuple[AuditEvent, list[int]]]:
    """Yield each event with its accounts, the oldest first."""
    query = select(AuditEvent).order_by(AuditEvent.id).execution_options(yield_per=_BATCH)
    for events in db.session.scalars(query).partitions():
        between = AuditAccount.event_id.between(events[0].id, events[-1].id)
        accounts: dict[int, list[int]] = {}
        for row in db.session.execute(select(AuditAccount.event_id, AuditAccount.account_id).where(between)):
            accounts.setdefault(row.event_id, []).append(row.account_id)
        for event in events:
            yield event, sorted(accounts.get(event.id, ()))
        db.session.expunge_all()


def _check_strays(first_id: int, last_id: int) -> None:
    """Refuse accounts of events that do not exist."""
    stray = ~AuditAccount.event_id.between(first_id + 1, last_id)
    event_id = db.session.scalar(select(func.min(AuditAccount.event_id)).where(stray))
    if event_id is not None:
        raise TrailBroken(event_id, "it names an account, but is not stored")


def _check_cut() -> None:
    """Refuse a deletion of old events that the chain itself does not tell of."""
    cut = db.session.scalars(select(AuditCut).order_by(AuditCut.event_id.desc()).limit(1)).one_or_none()
    if cut is None:
        return
    told = db.session.scalars(select(AuditEvent.facts).where(AuditEvent.kind == AuditKind.TRAIL_CUT))
    if not any(facts.get("until") == cut.event_id and facts.get("hash") == cut.hash for facts in told):
        raise TrailBroken(cut.event_id, "it was deleted with all before it, and no event tells of that")


def _check_log(log: Iterable[str], first_id: int) -> int:
    """Compare lines of a log with the events that they tell of; returns how many there were."""
    count = 0
    for line in log:
        told = _told(line)
        if told is None or told[0] <= first_id:
            continue
        count += 1
        event_id, event_hash = told
        stored = db.session.scalar(select(AuditEvent.hash).where(AuditEvent.id == event_id))
        if stored is None:
            raise TrailBroken(event_id, "missing; the log has it")
        if stored != event_hash:
            raise TrailBroken(event_id, "another event than the one in the log")
    return count


def _told(line: str) -> tuple[int, str] | None:
    """Return the id and hash of the event that a line tells of; other lines of the log tell of none."""
    start = line.find('{"kind":')
    if start < 0:
        return None
    try:
        event, _end = json.JSONDecoder().raw_decode(line[start:])
        return int(event["id"]), str(event["hash"])
    except (ValueError, KeyError, TypeError):
        return None
