"""Consents, the accounts that each covers, attempts to obtain one, and the OAuth states that tie these to browsers."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bunqflask.database.encryption import Encrypted, Secret
from bunqflask.database.leases import Leased
from bunqflask.database.types import UtcTimestamp, enum_column
from bunqflask.extensions import Base
from bunqflask.models.connections import Connection
from bunqflask.models.gateway import BunqSession, Installation
from bunqflask.models.retry import RefusalState
from bunqflask.models.states import AttemptFailure, AttemptStep, ConsentGrantState, Language
from bunqflask.models.team import TeamMember


class Consent(Encrypted, RefusalState, Base):
    """One completed consent of a bunq user: its permission, and the team member who obtained it."""

    __tablename__ = "consent"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), index=True)
    # a member is deleted only after their consents have ended, so that the sessions are closed at bunq
    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)
    granted_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    state: Mapped[ConsentGrantState] = mapped_column(enum_column(ConsentGrantState), default=ConsentGrantState.ACTIVE)
    state_since: Mapped[datetime] = mapped_column(UtcTimestamp)
    access_token = Secret()
    access_token_sealed: Mapped[bytes | None]
    session_id: Mapped[int | None] = mapped_column(ForeignKey("bunq_session.id", ondelete="SET NULL"))
    # set only where bunq wants an installation for each grant; otherwise sessions are opened on our own
    installation_id: Mapped[int | None] = mapped_column(ForeignKey("installation.id", ondelete="SET NULL"))

    member: Mapped[TeamMember] = relationship(lazy="raise_on_sql")
    accounts: Mapped[list[ConsentAccount]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, lazy="raise_on_sql"
    )

    @property
    def account_ids(self) -> frozenset[int]:
        """Our ids of the accounts that it covers, which have to be loaded."""
        return frozenset(each.account_id for each in self.accounts)


class ConsentAccount(Base):
    """An account that a consent covers: ticked in it, and listed by bunq under it the last time."""

    __tablename__ = "consent_account"

    consent_id: Mapped[int] = mapped_column(ForeignKey("consent.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("monetary_account.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class ConsentAttempt(Encrypted, Leased, RefusalState, Base):
    """One try to obtain a consent, from the press on "Connect bunq" to its end.

    An invitation is one for a holder elsewhere: it differs in how long it waits, and in what the inviter noted on it.
    """

    __tablename__ = "consent_attempt"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    environment: Mapped[str] = mapped_column(String(20))
    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)
    renews_connection_id: Mapped[int | None] = mapped_column(ForeignKey("connection.id", ondelete="SET NULL"))
    step: Mapped[AttemptStep] = mapped_column(enum_column(AttemptStep), default=AttemptStep.WAITING, index=True)
    step_since: Mapped[datetime] = mapped_column(UtcTimestamp)
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    expires_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    is_invitation: Mapped[bool] = mapped_column(default=False)
    # for whom it is, in the inviter's own words; it decides nothing
    label: Mapped[str] = mapped_column(String(120), default="")
    # in which language the holder's pages speak; None: the one that their browser asks for
    language: Mapped[Language | None] = mapped_column(enum_column(Language))
    # the one-time link: found by its hash, shown again from its encrypted text, bound to the first browser
    link_hash: Mapped[str] = mapped_column(String(64), unique=True)
    link_token = Secret()
    link_token_sealed: Mapped[bytes | None]
    link_browser_hash: Mapped[str | None] = mapped_column(String(64))
    # when a browser first showed the page of the link to a person
    seen_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # when somebody last went on to bunq, and in which browser
    opened_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    opened_user_agent: Mapped[str | None] = mapped_column(String(300))

    came_back_elsewhere: Mapped[bool] = mapped_column(default=False)
    approved_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    access_token = Secret()
    access_token_sealed: Mapped[bytes | None]
    session_id: Mapped[int | None] = mapped_column(ForeignKey("bunq_session.id", ondelete="SET NULL"))
    installation_id: Mapped[int | None] = mapped_column(ForeignKey("installation.id", ondelete="SET NULL"))
    granted_user_id: Mapped[int | None] = mapped_column(BigInteger)
    granted_user_type: Mapped[str | None] = mapped_column(String(40))
    granted_user_name: Mapped[str | None] = mapped_column(String(200))
    # the listed accounts as bunq described them, JSON; there until the consent is taken up or discarded
    accounts_text = Secret()
    accounts_text_sealed: Mapped[bytes | None]
    # the last four characters of each IBAN, "" for an account without one: what the holder's page keeps of them
    iban_endings: Mapped[list[str] | None] = mapped_column(JSON)

    failure: Mapped[AttemptFailure | None] = mapped_column(enum_column(AttemptFailure))

    connection_id: Mapped[int | None] = mapped_column(ForeignKey("connection.id", ondelete="SET NULL"))
    # what a renewal changed: monetary account ids under "new", "gone" and "stays"
    account_diff: Mapped[dict[str, list[int]] | None] = mapped_column(JSON)

    member: Mapped[TeamMember] = relationship(lazy="raise_on_sql")
    session: Mapped[BunqSession | None] = relationship(lazy="raise_on_sql")
    installation: Mapped[Installation | None] = relationship(lazy="raise_on_sql")
    renews_connection: Mapped[Connection | None] = relationship(
        foreign_keys=[renews_connection_id], lazy="raise_on_sql"
    )

    @property
    def accounts(self) -> list[Any] | None:
        """The listed accounts, as bunq described each; None before they are listed and once they are stored."""
        return None if (text := self.accounts_text) is None else json.loads(text)

    @accounts.setter
    def accounts(self, items: list[Any] | None) -> None:
        self.accounts_text = None if items is None else json.dumps(items)


class ConsentState(Encrypted, Base):
    """The random value that ties one attempt to one browser: hashed, used once, ten minutes."""

    __tablename__ = "consent_state"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    attempt_id: Mapped[str] = mapped_column(ForeignKey("consent_attempt.id", ondelete="CASCADE"))
    # what Authlib needs again at the exchange, the PKCE verifier among it
    data = Secret()
    data_sealed: Mapped[bytes | None]
    expires_at: Mapped[datetime] = mapped_column(UtcTimestamp)
