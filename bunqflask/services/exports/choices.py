"""What a member exported last, so that the next month needs no choosing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy.exc import IntegrityError

from bunqflask.database.transactions import release, transaction
from bunqflask.database.upsert import insert_into
from bunqflask.exports.formats import FORMATS
from bunqflask.extensions import db
from bunqflask.models import ExportChoice
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Accounts that were left out (so that a new one is not), formats, and the last day of the period."""

    left_out: frozenset[int] = frozenset()
    formats: tuple[str, ...] = ("csv",)
    only_files: bool = False
    last_day: date | None = None


def last_of(principal: Principal) -> Choice:
    """Return what the member chose last; before the first export, everything as CSV."""
    stored = db.session.get(ExportChoice, principal.id)
    if stored is None:
        return Choice()
    return Choice(
        left_out=frozenset(stored.left_out),
        formats=tuple(name for name in stored.formats if name in FORMATS),
        only_files=stored.only_files,
        last_day=stored.last_day,
    )


def remember(principal: Principal, choice: Choice) -> None:
    """Store what the member chose.

    :raises NotFoundHere: the member was removed meanwhile.
    """
    values = {
        "left_out": sorted(choice.left_out),
        "formats": list(choice.formats),
        "only_files": choice.only_files,
        "last_day": choice.last_day,
    }
    release()
    try:
        with transaction():
            keep = insert_into(ExportChoice).values(member_id=principal.id, **values)
            db.session.execute(keep.on_conflict_do_update(index_elements=["member_id"], set_=values))
    except IntegrityError as error:
        raise NotFoundHere from error
