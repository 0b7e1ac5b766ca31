"""What the doctor found last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.leases import Leased
from bunqflask.database.types import TypedJson, UtcTimestamp
from bunqflask.extensions import Base


class CheckName(StrEnum):
    """The checks, in the order in which they are shown."""

    RETURN_ADDRESS = "return_address"
    SERVER_ADDRESS = "server_address"
    CLOCK = "clock"
    KEYS = "keys"
    SESSION = "session"
    CALLBACKS = "callbacks"
    WORKER = "worker"
    QUEUE = "queue"
    STORAGE = "storage"
    BACKUP = "backup"


class Verdict(StrEnum):
    """What a check concludes."""

    GOOD = "good"
    # works now, and a person should see to it
    LOOK = "look"
    BROKEN = "broken"
    # could not be found out
    NOT_KNOWN = "not_known"


class Who(StrEnum):
    """Who can act on a verdict."""

    NOBODY = "nobody"
    # who runs this server
    ADMIN = "admin"
    # the bunq user whose API key setup registered
    KEY_HOLDER = "key_holder"


@dataclass(frozen=True)
class Comparison:
    """Two texts that should be equal, and the first letter (from 0) at which they differ."""

    ours: str
    bunqs: str
    differs_at: int


@dataclass(frozen=True)
class Check:
    """One check: what was found, what it means, who can act, and how.

    `found` names no person and holds no IBAN, amount or secret: it is part of the report for support. `steps` may name
    files and addresses of this server.
    """

    name: CheckName
    verdict: Verdict
    found: str
    who: Who = Who.NOBODY
    steps: tuple[str, ...] = ()
    comparison: Comparison | None = None
    # a word for what is wrong, where a check can be broken in several ways
    reason: str = ""


class DoctorState(Leased, Base):
    """The last examination; one row. Only the holder of its lease examines."""

    __tablename__ = "doctor_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    checked_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    checks: Mapped[tuple[Check, ...]] = mapped_column(TypedJson(tuple[Check, ...]), default=())
    # the checks that were broken last, also where a later examination could not find it out
    faults: Mapped[tuple[CheckName, ...]] = mapped_column(TypedJson(tuple[CheckName, ...]), default=())
    # the one-time value that our own address has to answer to
    ping_hash: Mapped[str | None] = mapped_column(String(64))
    ping_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
