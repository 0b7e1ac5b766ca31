"""Connections and their consents through their lives: made, lost when bunq refuses them, ended here.

The state of a connection, and since when an account is covered by no consent, follow from the consents: `settle`
brings them in line. All helpers take part in the caller's transaction, which has locked the connection.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from bunqflask import clock
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db
from bunqflask.models import (
    Connection,
    ConnectionState,
    Consent,
    ConsentAccount,
    ConsentGrantState,
    MonetaryAccount,
)
from bunqflask.services.gateway import abandoned_sessions


def find_or_add(environment: str, granted_user_id: int, granted_user_type: str, name: str) -> Connection:
    """Return the one connection of a bunq user, locked and named as bunq names the user now.

    Two consents of one bunq user at the same time meet at the unique key: there is never a second row.
    """
    values = {
        "environment": environment,
        "granted_user_id": granted_user_id,
        "granted_user_type": granted_user_type,
        "display_name": name,
        "state": ConnectionState.ACTIVE,
        "state_since": clock.now(),
    }
    db.session.execute(insert_into(Connection).values(**values).on_conflict_do_nothing())
    query = select(Connection).filter_by(environment=environment, granted_user_id=granted_user_id)
    found = db.session.scalars(query.with_for_update().execution_options(populate_existing=True)).one()
    found.granted_user_type, found.display_name = granted_user_type, name
    return found


def add_consent(connection: Connection, member_id: int, granted_at: datetime) -> Consent:
    """Add a consent of a member, which covers no account yet."""
    consent = Consent(
        connection_id=connection.id,
        member_id=member_id,
        granted_at=granted_at,
        state=ConsentGrantState.ACTIVE,
        state_since=clock.now(),
    )
    db.session.add(consent)
    db.session.flush()
    # Whether callbacks outlive an older permission is not documented: they are registered anew, and have to come anew.
    connection.callbacks_set_at = connection.callbacks_next_try_at = connection.callback_received_at = None
    return consent


def end(consent: Consent, state: ConsentGrantState) -> None:
    """End a consent: erase its permission, and let the worker close its session. What bunq said last stays on it."""
    abandoned_sessions.abandon(consent.session_id, consent.installation_id)
    consent.access_token = None
    consent.session_id = consent.installation_id = None
    consent.state, consent.state_since = state, clock.now()
    facts = consent.error_facts if state == ConsentGrantState.LOST else None
    consent.clear_error()
    consent.error_facts = facts


def end_superseded(consent: Consent) -> None:
    """End the older consents of the same member whose accounts a new one covers: bunq needs them no longer."""
    covered = set(_accounts_of(consent.id))
    is_older = Consent.id != consent.id
    of_member = select(Consent).filter_by(
        connection_id=consent.connection_id, member_id=consent.member_id, state=ConsentGrantState.ACTIVE
    )
    for older in list(db.session.scalars(of_member.where(is_older))):
        if set(_accounts_of(older.id)) <= covered:
            end(older, ConsentGrantState.ENDED)


def has_other_consent(consent: Consent) -> bool:
    """Tell whether another consent on the same connection is active."""
    query = select(Consent.id).filter_by(connection_id=consent.connection_id, state=ConsentGrantState.ACTIVE)
    return db.session.scalar(query.where(Consent.id != consent.id).limit(1)) is not None


def settle(connection: Connection) -> None:
    """Bring the connection's state, and since when its accounts are uncovered, in line with its consents."""
    db.session.flush()
    now = clock.now()
    active = select(Consent.id).filter_by(connection_id=connection.id, state=ConsentGrantState.ACTIVE)
    covered = set(db.session.scalars(select(ConsentAccount.account_id).where(ConsentAccount.consent_id.in_(active))))
    accounts = select(MonetaryAccount).filter_by(connection_id=connection.id)
    for account in db.session.scalars(accounts):
        account.uncovered_since = None if account.id in covered else account.uncovered_since or now
    state = _state_of(connection.id)
    if state != connection.state:
        connection.state, connection.state_since = state, now


def _accounts_of(consent_id: int) -> list[int]:
    return list(db.session.scalars(select(ConsentAccount.account_id).filter_by(consent_id=consent_id)))


def _state_of(connection_id: int) -> ConnectionState:
    """Active as long as one consent is; else as the consent that ended last."""
    query = select(Consent.state).filter_by(connection_id=connection_id)
    states = list(db.session.scalars(query.order_by(Consent.state_since.desc(), Consent.id.desc())))
    if ConsentGrantState.ACTIVE in states:
        return ConnectionState.ACTIVE
    return ConnectionState.LOST if states[:1] == [ConsentGrantState.LOST] else ConnectionState.DISCONNECTED
