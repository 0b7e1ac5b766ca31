"""Events of the audit trail in numbers, without a person who causes each."""

from datetime import timedelta

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.models import AuditKind
from bunqflask.services.audit import chain, trail


def many_events(count: int, *, actor_id: int | None, account_ids: tuple[int, ...] = ()) -> None:
    """Record so many exports, as of one transaction."""
    with transaction():
        for _ in range(count):
            trail.record(
                AuditKind.EXPORTED,
                actor_id=actor_id,
                account_ids=account_ids,
                first_day="2026-01-01",
                last_day="2026-01-31",
                formats=["csv"],
                rows=3,
            )


def an_event(kind: AuditKind, *, days_ago: int = 0, account_ids: tuple[int, ...] = (), **values: object) -> int:
    """Store an event with any columns, at the end of the chain; returns its id."""
    blank = {"actor_id": None, "actor_text": "", "login_id": None, "address": "", "browser": ""}
    about: dict[str, object] = {"connection_id": None, "subject_member_id": None, "subject": "", "facts": {}}
    with transaction():
        at = clock.now() - timedelta(days=days_ago)
        stored = chain.append({**blank, **about, "at": at, "kind": kind, **values}, account_ids)
    return int(stored["id"])
