"""The log of every call to bunq: kept for two weeks, without content, query or secret.

A call is written in the transaction in which the rate limiter counts it, so it costs one more statement.
"""

from __future__ import annotations

import contextlib
import re
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select
from sqlalchemy.exc import DBAPIError

from bunqflask import clock
from bunqflask.bunq.protocol import BunqResponse
from bunqflask.database.transactions import separate_transaction, transaction
from bunqflask.extensions import db, table_of
from bunqflask.models import BunqCall

KEPT = timedelta(days=14)
PAGE_SIZE = 50
_MOST_WAITING = 100
# bunq's response ids are UUIDs; what is none was perhaps written by something between us and bunq.
_RESPONSE_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_calls = table_of(BunqCall)


class Answered(StrEnum):
    """How calls were answered, for those who look for some."""

    WELL = "well"
    REFUSED = "refused"
    LIMITED = "limited"
    # bunq failed, or gave no answer
    FAILED = "failed"


_CONDITIONS: dict[Answered, ColumnElement[bool]] = {
    Answered.WELL: BunqCall.status < 400,
    Answered.REFUSED: BunqCall.status.between(400, 490) & BunqCall.status.not_in((409, 429)),
    Answered.LIMITED: BunqCall.status.in_((409, 429)),
    Answered.FAILED: or_(BunqCall.status.is_(None), BunqCall.status > 490),
}


@dataclass(frozen=True)
class CallPage:
    """Some calls, newest first; and the id below which older ones are, if there are any."""

    calls: list[BunqCall]
    older_below: int | None


def add(
    connection: Connection,
    endpoint: str,
    response: BunqResponse | None,
    took_s: float,
    *,
    calls_left: int | None,
    connection_id: int | None,
) -> None:
    """Write a call into the log, in the transaction of this connection.

    :param endpoint: method and path, with # for every id.
    :param response: bunq's answer; None when there was none.
    :param calls_left: how many more of its kind our own count allows now.
    """
    call = _row(endpoint, response, took_s) | {"calls_left": calls_left, "connection_id": connection_id}
    connection.execute(insert(_calls), [*_waiting_rows(), call])


def add_uncounted(endpoint: str, response: BunqResponse | None, took_s: float) -> None:
    """Write a call into the log that the rate limiter does not count; what bunq answered is not lost by a failure.

    A call that succeeds is followed by another one at once, and is written with that one: it costs no commit.
    """
    if response is not None and response.status == 200:
        _waiting().append(_row(endpoint, response, took_s))
        return
    try:
        with separate_transaction() as connection:
            connection.execute(insert(_calls), _row(endpoint, response, took_s))
    except DBAPIError as error:
        current_app.logger.warning("a call to bunq is not in the log: %s", error.orig)


def _row(endpoint: str, response: BunqResponse | None, took_s: float) -> dict[str, Any]:
    response_id = response.response_id if response is not None else None
    return {
        "at": clock.now(),
        "endpoint": endpoint[:200],
        "duration_ms": round(took_s * 1000),
        "status": response.status if response is not None else None,
        "response_id": response_id if response_id and _RESPONSE_ID.fullmatch(response_id) else None,
        "calls_left": None,
        "connection_id": None,
    }


def _waiting() -> deque[dict[str, Any]]:
    """Return the calls of this process that are written with its next one."""
    waiting: deque[dict[str, Any]] = current_app.extensions.setdefault("bunqflask.calls", deque(maxlen=_MOST_WAITING))
    return waiting


def _waiting_rows() -> list[dict[str, Any]]:
    waiting, found = _waiting(), []
    with contextlib.suppress(IndexError):
        while True:
            found.append(waiting.popleft())
    return found


def date_of(response: BunqResponse) -> datetime | None:
    """Return the time that an answer names in its header Date, in whole seconds."""
    try:
        said = parsedate_to_datetime(response.headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return said if said.tzinfo is not None else said.replace(tzinfo=UTC)


def page(*, answered: Answered | None = None, below: int | None = None) -> CallPage:
    """Return the newest calls, or those older than the one with an id."""
    query = select(BunqCall).order_by(BunqCall.id.desc()).limit(PAGE_SIZE + 1)
    if answered is not None:
        query = query.where(_CONDITIONS[answered])
    if below is not None:
        query = query.where(BunqCall.id < below)
    found = list(db.session.scalars(query))
    shown = found[:PAGE_SIZE]
    return CallPage(shown, shown[-1].id if len(found) > PAGE_SIZE else None)


def delete_old() -> None:
    """Delete the calls that are kept no longer."""
    with transaction():
        db.session.execute(delete(BunqCall).where(BunqCall.at < clock.now() - KEPT))
