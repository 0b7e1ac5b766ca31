"""Deleting events that are older than `AUDIT_DAYS`: the only ones that the database lets anybody delete."""

from __future__ import annotations

from datetime import timedelta

from flask import current_app
from sqlalchemy import delete, func, select

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import AccountLook, AuditAccount, AuditCut, AuditEvent, AuditKind
from bunqflask.services.audit import chain, trail

# A look is recorded once a day; which days these were, the events say.
_LOOKS = timedelta(days=3)


def delete_old() -> None:
    """Delete the events before the first one that is not old yet, and record that, and where the chain begins now."""
    before = clock.now() - timedelta(days=current_app.config["AUDIT_DAYS"])
    _delete_looks()
    if db.session.scalar(select(AuditEvent.id).where(AuditEvent.at < before).limit(1)) is None:
        return
    with transaction():
        chain.lock()
        [first, _hash] = chain.beginning()
        # One that a clock has dated wrongly into the future does not keep the others for years.
        is_young = AuditEvent.at.between(before, clock.now() + clock.SKEW)
        youngest = db.session.scalar(select(func.min(AuditEvent.id)).where(is_young))
        until = youngest - 1 if youngest is not None else chain.end()[0]
        if until <= first:
            return
        last_hash = db.session.execute(select(AuditEvent.hash).where(AuditEvent.id == until)).scalar_one()
        db.session.add(AuditCut(event_id=until, hash=last_hash, before=before))
        db.session.flush()
        db.session.execute(delete(AuditAccount).where(AuditAccount.event_id <= until))
        db.session.execute(delete(AuditEvent).where(AuditEvent.id <= until))
        trail.record(AuditKind.TRAIL_CUT, actor_id=None, until=until, hash=last_hash, events=until - first)


def _delete_looks() -> None:
    day = str((clock.now() - _LOOKS).date())
    if db.session.scalar(select(AccountLook.day).where(AccountLook.day < day).limit(1)) is not None:
        with transaction():
            db.session.execute(delete(AccountLook).where(AccountLook.day < day))
