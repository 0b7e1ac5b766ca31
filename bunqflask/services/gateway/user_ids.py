"""Which of two user ids goes into the paths of a session.

bunq's pages and its own example differ on that: the id of the session's user, or the holder's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bunqflask.bunq import errors
from bunqflask.services.gateway.sessions import Bunq

Result = TypeVar("Result")


def with_either(bunq: Bunq, holder_user_id: int, call: Callable[[int], Result]) -> Result:
    """Make a call with the session's user id, and with the holder's own where bunq refuses the first.

    A refusal means that bunq has done nothing, so that a call which changes something is done once, too.
    """
    user_id = bunq.path_user_id
    try:
        return call(user_id)
    except (errors.ObjectNotFound, errors.PermissionRefused) as refused:
        if user_id == holder_user_id:
            raise
        try:
            return call(holder_user_id)
        except (errors.ObjectNotFound, errors.PermissionRefused):
            raise refused from None
