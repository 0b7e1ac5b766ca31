"""The audit trail: who did or saw what, append-only, each event chained to the one before by its hash.

Triggers refuse every change. Only events that a `AuditCut` names may be deleted, and a cut takes only old ones.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.types import UtcTimestamp, enum_column
from bunqflask.extensions import Base


class AuditKind(StrEnum):
    """What happened. The facts of a kind are named beside it; none is ever an amount, a text of bunq or a secret."""

    LOGIN = "login"
    # the password was right, and the second factor is still to be given
    LOGIN_HALF = "login_half"
    # facts of both: how (password, code, passkey), account (the beginning of the hash of the email that was typed)
    LOGIN_REFUSED = "login_refused"
    LOGIN_THROTTLED = "login_throttled"
    # facts: how
    LOGIN_ENDED = "login_ended"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a kind, not a secret
    # facts: change, factor
    FACTOR_CHANGED = "factor_changed"
    RECOVERY_CODE_USED = "recovery_code_used"
    BROWSER_FORGOTTEN = "browser_forgotten"
    # facts: second_factor_from
    RULE_CHANGED = "rule_changed"

    # facts of all consents: attempt
    CONSENT_BEGUN = "consent_begun"
    CONSENT_LINK_OPENED = "consent_link_opened"
    # facts: elsewhere (the approval came back in another browser than the asker's)
    CONSENT_APPROVED = "consent_approved"
    # facts: how (answered by the member)
    CONSENT_CONFIRMED = "consent_confirmed"
    # facts: step (how it ended), failure
    CONSENT_ENDED = "consent_ended"
    CONNECTED = "connected"
    # facts: new, gone, stays (numbers of accounts)
    RENEWED = "renewed"
    DISCONNECTED = "disconnected"
    ERASED = "erased"
    # facts: people (names), team, first_day, last_day
    SHARED = "shared"
    # facts: how
    UNSHARED = "unshared"

    # facts: first_day, last_day, formats, rows
    EXPORTED = "exported"
    # facts: payment, attachment
    ATTACHMENT_OPENED = "attachment_opened"
    # facts: day, token (where a program read them)
    ACCOUNT_VIEWED = "account_viewed"
    RECEIPT_MADE = "receipt_made"
    # facts: token, scopes, days, assistant (where one was let in)
    TOKEN_MADE = "token_made"  # noqa: S105 - a kind, not a secret
    # facts: token, assistant (where it gave its access back, or a code or refresh token of it was used twice)
    TOKEN_ENDED = "token_ended"  # noqa: S105 - a kind, not a secret
    # facts of both: channel; notices leave this server by it
    CHANNEL_ADDED = "channel_added"
    CHANNEL_REMOVED = "channel_removed"

    # facts: ability, on
    ABILITY_SWITCHED = "ability_switched"
    # facts of all: instruction (its kind); their subject is its reference
    INSTRUCTION_PREPARED = "instruction_prepared"
    INSTRUCTION_CHANGED = "instruction_changed"
    INSTRUCTION_APPROVED = "instruction_approved"
    INSTRUCTION_SENT_BACK = "instruction_sent_back"
    INSTRUCTION_TAKEN_BACK = "instruction_taken_back"
    # it exists at bunq
    INSTRUCTION_SENT = "instruction_sent"
    # facts: state, reason
    INSTRUCTION_ENDED = "instruction_ended"
    # their subject is the name of the collection
    COLLECTION_EXPORTED = "collection_exported"

    # facts: role
    INVITATION_MADE = "invitation_made"
    INVITATION_OPENED = "invitation_opened"
    INVITATION_WITHDRAWN = "invitation_withdrawn"
    # facts: role
    INVITATION_ACCEPTED = "invitation_accepted"
    # facts: role
    MEMBER_ADDED = "member_added"
    # facts: handed_over_to
    MEMBER_REMOVED = "member_removed"
    MEMBER_RESET = "member_reset"
    # facts: role, before
    ROLE_CHANGED = "role_changed"
    MEMBER_LOCKED = "member_locked"
    MEMBER_UNLOCKED = "member_unlocked"

    # facts: steps
    SETUP_RUN = "setup_run"
    # facts: encrypted
    BACKUP_MADE = "backup_made"
    # facts: secrets
    KEYS_ROTATED = "keys_rotated"
    TRAIL_READ = "trail_read"
    # facts: until, hash, events
    TRAIL_CUT = "trail_cut"


class AuditEvent(Base):
    """One event. Ids follow each other without a gap; no foreign key, so an event outlives what it is about."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_actor_id_id", "actor_id", "id"),
        Index("ix_audit_event_subject_member_id_id", "subject_member_id", "id"),
        Index("ix_audit_event_kind_id", "kind", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcTimestamp, index=True)
    kind: Mapped[AuditKind] = mapped_column(enum_column(AuditKind))
    # the member who did it, and how they were named then; without a member, the user of the operating system
    actor_id: Mapped[int | None]
    actor_text: Mapped[str] = mapped_column(String(300))
    # where it was done: the login, its address and its browser
    login_id: Mapped[int | None]
    address: Mapped[str] = mapped_column(String(64))
    browser: Mapped[str] = mapped_column(String(300))
    # what it is about, and how that was named then
    connection_id: Mapped[int | None]
    subject_member_id: Mapped[int | None]
    subject: Mapped[str] = mapped_column(String(300))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AuditAccount(Base):
    """A monetary account that an event is about; a part of the event, and of its hash."""

    __tablename__ = "audit_account"

    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, index=True)


class AuditCut(Base):
    """Where the chain begins since old events were deleted: the last one that is gone, and its hash."""

    __tablename__ = "audit_cut"

    event_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[str] = mapped_column(String(64))
    # all deleted events are older than this
    before: Mapped[datetime] = mapped_column(UtcTimestamp)


class AccountLook(Base):
    """A member, or a program with a token of theirs, saw payments of an account that is not their own on this day."""

    __tablename__ = "account_look"

    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # of the site's time zone, such as 2026-01-31
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    # 0: in a browser
    token_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=0)
