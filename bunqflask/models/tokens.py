"""Tokens of the API: what programs of a team member log in with."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Float, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.types import TypedJson, UtcTimestamp
from bunqflask.extensions import Base


class TokenScope(StrEnum):
    """What a token may do."""

    BALANCES_READ = "balances:read"
    PAYMENTS_READ = "payments:read"
    NOTES_READ = "notes:read"
    EXPORTS_READ = "exports:read"
    # links by which a holder consents at bunq: more can be read afterwards, nothing is changed at bunq
    CONNECTIONS_WRITE = "connections:write"
    # each changes something at bunq, as far as an owner switched it on: drafts, which the holder accepts; requests for
    # money and bunq.me links; transfers between own accounts; notes and files; cards
    DRAFTS_WRITE = "drafts:write"
    REQUESTS_WRITE = "requests:write"
    LINKS_WRITE = "links:write"
    TRANSFERS_WRITE = "transfers:write"
    NOTES_WRITE = "notes:write"
    CARDS_WRITE = "cards:write"
    # payments and balances as tables, by an address with the token in it; a scope for itself
    SPREADSHEET_READ = "spreadsheet:read"
    # the days on which to renew, for a calendar program, by an address with the token in it; a scope for itself
    CALENDAR_READ = "calendar:read"
    # bunq's own API, as far as the grants permit it and the member may see it
    BUNQ_READ = "bunq:read"
    # numbers about the server, for owners and admins
    METRICS_READ = "metrics:read"


# Such a token stands in an address, which is shown and stored in many places: it is valid there alone, for one thing.
LINK_SCOPES = frozenset({TokenScope.SPREADSHEET_READ, TokenScope.CALENDAR_READ})


class ApiToken(Base):
    """A token of a team member, stored as its hash only; it never allows more than its member may do."""

    __tablename__ = "api_token"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    # its first characters, by which a person knows it again
    prefix: Mapped[str] = mapped_column(String(12))
    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)
    # for an assistant that its member let in by a login; it then works with MCP only
    assistant_id: Mapped[int | None] = mapped_column(ForeignKey("assistant.id", ondelete="CASCADE"), index=True)
    # until when the assistant's present access token counts; then it fetches another, up to `expires_at`
    access_until: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    name: Mapped[str] = mapped_column(String(120))
    scopes: Mapped[tuple[TokenScope, ...]] = mapped_column(TypedJson(tuple[TokenScope, ...]))
    # all that its member sees, also later; otherwise the accounts of `ApiTokenAccount`
    all_accounts: Mapped[bool]
    # networks from which it may be used, such as 192.0.2.0/24; empty for all
    networks: Mapped[tuple[str, ...]] = mapped_column(TypedJson(tuple[str, ...]))
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    expires_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    last_address: Mapped[str] = mapped_column(String(64), default="")
    use_count: Mapped[int] = mapped_column(default=0)
    # the rate limit: up to which time, in seconds since 1970, its calls have used what it is allowed
    used_until: Mapped[float] = mapped_column(Float, default=0.0)


class ApiTokenAccount(Base):
    """A monetary account to which a token is narrowed."""

    __tablename__ = "api_token_account"

    token_id: Mapped[int] = mapped_column(ForeignKey("api_token.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("monetary_account.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Assistant(Base):
    """A program that registered itself to ask members for access (an OAuth client); it has no secret."""

    __tablename__ = "assistant"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(String(64), unique=True)
    # what it calls itself: nobody has checked it
    name: Mapped[str] = mapped_column(String(120))
    redirect_uris: Mapped[tuple[str, ...]] = mapped_column(TypedJson(tuple[str, ...]))
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    # when a member last let it in
    approved_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)


class AssistantCode(Base):
    """An authorization code, for which an assistant gets its first tokens once."""

    __tablename__ = "assistant_code"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    token_id: Mapped[int] = mapped_column(ForeignKey("api_token.id", ondelete="CASCADE"), index=True)
    redirect_uri: Mapped[str] = mapped_column(String(500))
    # of PKCE, always by S256
    challenge: Mapped[str] = mapped_column(String(43))
    expires_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    used_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)


class AssistantRefresh(Base):
    """A refresh token, for which an assistant gets its next tokens once; a second use ends the access."""

    __tablename__ = "assistant_refresh"

    refresh_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    token_id: Mapped[int] = mapped_column(ForeignKey("api_token.id", ondelete="CASCADE"), index=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
