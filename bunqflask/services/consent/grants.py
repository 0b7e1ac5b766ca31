"""Taking a consent up: an approved attempt becomes a consent, its member a holder of exactly the ticked accounts."""

from __future__ import annotations

from sqlalchemy import select

from bunqflask import clock
from bunqflask.bunq import resources
from bunqflask.database.transactions import emit
from bunqflask.extensions import db
from bunqflask.models import AttemptStep, Connection, Consent, ConsentAttempt, EventKind, MonetaryAccount
from bunqflask.services.connections import accounts, lifecycle, rights
from bunqflask.services.consent import attempts, joining, recording
from bunqflask.services.sync import connection_sync


def take_up(attempt: ConsentAttempt, step: AttemptStep) -> bool:
    """Take the consent up, in one transaction with the attempt's move: its member holds exactly the ticked accounts.

    Nothing is taken from anybody: other consents stay, and so does what their members hold.
    """
    rights.lock_members()
    if not attempts.claim(attempt, step, AttemptStep.CONNECTED):
        return False
    connection = lifecycle.find_or_add(
        attempt.environment,
        attempt.granted_user_id or 0,
        attempt.granted_user_type or "",
        attempt.granted_user_name or "",
    )
    held_before = _held(attempt.member_id, connection.id)
    consent = lifecycle.add_consent(connection, attempt.member_id, attempt.approved_at or clock.now())
    _hand_over(attempt, consent)
    listed = _listed(attempt)
    accounts.store(consent, listed)
    connection_sync.retry_refused_within(connection.id)
    lifecycle.end_superseded(consent)
    lifecycle.settle(connection)
    ticked = {account.monetary_account_id for account in listed}
    attempt.connection_id = connection.id
    attempt.account_diff = _difference(held_before, ticked) if held_before else None
    attempt.accounts = None
    joining.inform_holders(consent, ticked - held_before)
    if lifecycle.has_other_consent(consent):
        # bunq may have ended older permissions of the same user with the new one: they are tested at once.
        connection_sync.request_within(connection.id)
    emit(EventKind.CONNECTION_WORKS, connection_id=connection.id, attempt_id=attempt.id)
    recording.connected(attempt, consent, connection.display_name, step)
    return True


def would_change(attempt: ConsentAttempt) -> bool:
    """Tell whether taking the consent up would change which accounts its member has on a connection they have already.

    Then they are shown the difference, and asked, before it is applied.
    """
    query = select(Connection.id).filter_by(environment=attempt.environment, granted_user_id=attempt.granted_user_id)
    connection_id = db.session.scalar(query)
    held = _held(attempt.member_id, connection_id) if connection_id is not None else set()
    return bool(held) and held != {account.monetary_account_id for account in _listed(attempt)}


def _listed(attempt: ConsentAttempt) -> list[resources.MonetaryAccount]:
    return [account for item in attempt.accounts or [] if (account := resources.MonetaryAccount.from_item(item))]


def _held(member_id: int, connection_id: int) -> set[int]:
    """Return bunq's ids of the accounts that a member holds on a connection."""
    held = rights.held_by(member_id, connection_id)
    return set(db.session.scalars(select(MonetaryAccount.monetary_account_id).where(MonetaryAccount.id.in_(held))))


def _difference(before: set[int], ticked: set[int]) -> dict[str, list[int]]:
    """Return what a consent changes for its member: accounts that are new to them, not ticked this time, or stay."""
    return {"new": sorted(ticked - before), "gone": sorted(before - ticked), "stays": sorted(ticked & before)}


def _hand_over(attempt: ConsentAttempt, consent: Consent) -> None:
    """Move the permission from the attempt to the consent: it exists once."""
    consent.access_token, attempt.access_token = attempt.access_token, None
    consent.session_id, attempt.session_id = attempt.session_id, None
    consent.installation_id, attempt.installation_id = attempt.installation_id, None
