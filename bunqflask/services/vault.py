"""Every stored secret at once."""

from bunqflask.encrypted import Sealed
from bunqflask.extensions import Base, db


def rotate() -> int:
    """Encrypt every secret anew under the first key, in one transaction; return how many there were.

    :raises SecretUnreadable: one of them opens with no key of the ring; then nothing is changed.
    """
    count = 0
    try:
        for mapper in Base.registry.mappers:
            if issubclass(mapper.class_, Sealed):
                # Locked until the end: a worker that writes a secret meanwhile waits, and none is missed.
                rows = db.session.scalars(db.select(mapper.class_).with_for_update())
                count += sum(row.reseal() for row in rows)
        db.session.commit()
    except Exception:
        db.session.rollback()
        raise
    return count
