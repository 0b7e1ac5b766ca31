"""A mixin for rows whose work with bunq is retried: what went wrong last, since when, and when to try again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from bunqflask.database.types import UtcTimestamp, enum_column
from bunqflask.models.states import ErrorKind


class RetryState:
    """The outcome of the last failed try; all empty after a success."""

    @declared_attr
    def error_kind(cls) -> Mapped[ErrorKind | None]:
        return mapped_column(enum_column(ErrorKind))

    # bunq's status, message and response id
    error_facts: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    error_since: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    next_try_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)

    def clear_error(self) -> None:
        """Note a success."""
        self.error_kind = self.error_facts = self.error_since = self.next_try_at = None


class RefusalState(RetryState):
    """The same for a row with a permission, which bunq may refuse; it is lost only after refusals hours apart."""

    # when bunq refused it last; whether it refuses this server is found out after that
    refused_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # the first of the refusals in a row after each of which bunq accepted this server
    refused_since: Mapped[datetime | None] = mapped_column(UtcTimestamp)

    def clear_error(self) -> None:
        """Note a success."""
        super().clear_error()
        self.refused_at = self.refused_since = None
