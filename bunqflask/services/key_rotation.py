"""Every stored secret at once."""

import time

from sqlalchemy.exc import OperationalError

from bunqflask.database.encryption import Encrypted
from bunqflask.database.transactions import transaction
from bunqflask.extensions import Base, db
from bunqflask.models import AuditKind
from bunqflask.services.audit import origin, trail

_TRIES = 100
_PAUSE_S = 0.1
# PostgreSQL's code for a row that somebody else has locked.
_IS_LOCKED = "55P03"


def rotate() -> int:
    """Encrypt every secret anew under the first key, in one transaction; return how many there were.

    :raises SecretUnreadable: one of them opens with no key of the ring; then nothing is changed.
    """
    for _ in range(_TRIES):
        try:
            return _rotate(waits=False)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _IS_LOCKED:
                raise
            time.sleep(_PAUSE_S)
    return _rotate(waits=True)


def _rotate(*, waits: bool) -> int:
    """Do it, if no other transaction is writing a secret now.

    :param waits: wait for a writer. A writer that holds some rows and waits for others may be waited for in turn, and
        then PostgreSQL ends one of the two: that could be a person's consent.
    """
    count = 0
    with transaction():
        for mapper in Base.registry.mappers:
            if issubclass(mapper.class_, Encrypted):
                # Locked until the end: a worker that writes a secret meanwhile waits, and none is missed.
                rows = db.session.scalars(db.select(mapper.class_).with_for_update(nowait=not waits))
                count += sum(row.encrypt_anew() for row in rows)
        trail.record(AuditKind.KEYS_ROTATED, actor_id=origin.current().member_id, secrets=count)
    return count
