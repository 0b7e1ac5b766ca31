"""Passwords: hashed with argon2id, compared in the same time whether or not the member exists."""

from __future__ import annotations

import base64
import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bunqflask.i18n import gettext as _

MIN_LENGTH = 10
MAX_LENGTH = 200

# Each hash takes 64 MiB for a moment, so only a few are computed at a time.
_hasher = PasswordHasher()
_few_at_a_time = threading.BoundedSemaphore(2)


class PasswordRefused(Exception):
    """A password cannot be taken; the text says why."""


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """Return a hash that no password has; invented, because computing a real one takes long at every start."""
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    salt, digest = (base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, hasher.hash_len))
    return f"$argon2id$v=19${cost}${salt}${digest}"


# An unknown email is checked against this, so that the answer takes as long as for a known one.
_nobody_hash = _hash_of_nothing(_hasher)


def hash_password(password: str) -> str:
    """Hash a password.

    :raises PasswordRefused: it is too short or too long.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise PasswordRefused(
            _("A password needs %(least)s to %(most)s characters.") % {"least": MIN_LENGTH, "most": MAX_LENGTH}
        )
    with _few_at_a_time:
        return _hasher.hash(password)


def matches(password_hash: str | None, password: str) -> bool:
    """Compare a password with a hash; takes as long when there is none."""
    if len(password) > MAX_LENGTH:
        return False
    with _few_at_a_time:
        try:
            _hasher.verify(password_hash or _nobody_hash, password)
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None
