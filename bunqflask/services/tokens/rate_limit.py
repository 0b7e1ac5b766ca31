"""The limit on a token's calls, for all processes: the generic cell rate algorithm, with one number for each token.

The number is the time up to which the token's calls have used what it is allowed. A call moves it on by one interval;
one that would move it further than a minute ahead is refused. So the calls of a minute may come at once or spread, and
one statement decides, also when several processes ask at the same time. It is written with the count of uses.

https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Float, bindparam, case, select, update

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db, table_of
from bunqflask.models import ApiToken

WINDOW_S = 60
# Another writer is rarely at work for longer.
_PATIENCE_S = 2.0


@dataclass(frozen=True)
class Allowance:
    """The rest of a token's calls: `left` of `limit` now, and in `full_in_s` seconds all of them again."""

    limit: int
    left: int
    full_in_s: int


def _count() -> Any:
    token = table_of(ApiToken).c
    now_s, latest_s, interval_s, most_s = (
        bindparam(name, type_=Float) for name in ("now_s", "latest_s", "interval_s", "most_s")
    )
    # Further ahead than a minute it can only be by a clock that was wrong.
    then = case((token.used_until.between(now_s, latest_s), token.used_until), else_=now_s) + interval_s
    return (
        update(table_of(ApiToken))
        .where(token.id == bindparam("token"), then <= most_s)
        .values(
            used_until=then,
            last_used_at=bindparam("at"),
            last_address=bindparam("address"),
            use_count=token.use_count + 1,
        )
        .returning(token.used_until)
    )


# Built once: it is executed with each call.
_COUNT = _count()


class CallLimitReached(Exception):
    """A token has made its calls of this minute; the next one is possible in `wait_s` seconds."""

    def __init__(self, limit: int, wait_s: int) -> None:
        super().__init__(f"{limit} calls a minute")
        self.limit, self.wait_s = limit, wait_s


def count_call(token_id: int, limit: int, address: str) -> Allowance:
    """Count a call of a token, with its time and its address.

    :param limit: how many calls a minute are allowed.
    :raises CallLimitReached: it has made as many; this call is not counted.
    :raises OperationalError: another writer is at work for too long.
    """
    now, interval_s = clock.now(), WINDOW_S / limit
    now_s = now.timestamp()
    given = {
        "token": token_id,
        "at": now,
        "address": address[:64],
        "now_s": now_s,
        "latest_s": now_s + WINDOW_S,
        "interval_s": interval_s,
        "most_s": now_s + WINDOW_S + interval_s / 1000,
    }
    with transaction(wait_s=_PATIENCE_S):
        used_until = db.session.scalar(_COUNT, given)
        if used_until is None:
            used_until = db.session.scalar(select(ApiToken.used_until).where(ApiToken.id == token_id)) or now_s
            raise CallLimitReached(limit, max(1, math.ceil(used_until + interval_s - WINDOW_S - now_s)))
    ahead_s = used_until - now_s
    return Allowance(limit, math.floor((WINDOW_S - ahead_s) / interval_s + 0.001), max(0, math.ceil(ahead_s)))
