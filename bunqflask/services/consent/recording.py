"""What a consent writes into the audit trail, step by step, within the caller's transactions."""

from __future__ import annotations

from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.models import AttemptStep, AuditKind, Connection, Consent, ConsentAccount, ConsentAttempt
from bunqflask.services.audit import trail


def begun(attempt: ConsentAttempt) -> None:
    """Record that a member asked for a consent, or to renew one."""
    renewed = db.session.get(Connection, attempt.renews_connection_id) if attempt.renews_connection_id else None
    trail.record(
        AuditKind.CONSENT_BEGUN,
        actor_id=attempt.member_id,
        subject=renewed.display_name if renewed is not None else "",
        connection_id=attempt.renews_connection_id,
        attempt=attempt.id,
    )


def link_opened(attempt: ConsentAttempt) -> None:
    """Record that somebody went on to bunq by the link of an attempt."""
    trail.record(AuditKind.CONSENT_LINK_OPENED, actor_id=None, subject_member_id=attempt.member_id, attempt=attempt.id)


def approved(attempt: ConsentAttempt) -> None:
    """Record that bunq sent an approval, and whether it came back in another browser than the member's.

    Where it came back in the member's own, bunq does not tell whose phone has approved it: who shows bunq's code to
    somebody else gets that person's accounts. The connection that follows says whose they are.
    """
    elsewhere = attempt.came_back_elsewhere
    trail.record(
        AuditKind.CONSENT_APPROVED,
        actor_id=None if elsewhere else attempt.member_id,
        subject_member_id=attempt.member_id,
        attempt=attempt.id,
        elsewhere=elsewhere,
    )


def ended(attempt: ConsentAttempt, *, is_late: bool) -> None:
    """Record how an attempt ended without a connection."""
    trail.record(
        AuditKind.CONSENT_ENDED,
        actor_id=attempt.member_id,
        subject=attempt.granted_user_name or "",
        attempt=attempt.id,
        step=attempt.step,
        failure=attempt.failure,
        late=is_late,
    )


def connected(attempt: ConsentAttempt, consent: Consent, name: str, step: AttemptStep) -> None:
    """Record the accounts that a consent gives its member, and before it the member's answer, if they were asked.

    :param name: whose accounts they are.
    """
    diff = attempt.account_diff
    if step == AttemptStep.CONFIRM:
        trail.record(AuditKind.CONSENT_CONFIRMED, actor_id=attempt.member_id, subject=name, attempt=attempt.id)
    query = select(ConsentAccount.account_id).where(ConsentAccount.consent_id == consent.id)
    trail.record(
        AuditKind.CONNECTED if diff is None else AuditKind.RENEWED,
        actor_id=attempt.member_id,
        subject=name,
        connection_id=consent.connection_id,
        account_ids=db.session.scalars(query),
        attempt=attempt.id,
        elsewhere=attempt.came_back_elsewhere,
        **({change: len(ids) for change, ids in diff.items()} if diff is not None else {}),
    )
