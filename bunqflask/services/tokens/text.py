"""The text of a token: a prefix that scanners for leaked secrets find, random characters, and a checksum of these.

The checksum tells a mistyped token from a wrong one without a question to the database.
"""

from __future__ import annotations

import re
import secrets
import string
import zlib

PREFIX, REFRESH_PREFIX = "bqf_", "bqr_"
SHOWN = 12
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM, _CHECKSUM = 32, 6
_FORM = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{_RANDOM}}})([0-9A-Za-z]{{{_CHECKSUM}}})", re.ASCII)


def new() -> str:
    """Return a new token, of 190 random bits."""
    return complete("".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM)))


def new_refresh() -> str:
    """Return a new refresh token, of as many random bits; no address takes it as a token."""
    return REFRESH_PREFIX + new().removeprefix(PREFIX)


def complete(chosen: str) -> str:
    """Return the token with these characters, of which there have to be 32: with its prefix and its checksum."""
    return f"{PREFIX}{chosen}{_checksum(chosen)}"


def is_well_formed(text: str) -> bool:
    """Tell whether a text has the form of a token, and the checksum that belongs to it."""
    found = _FORM.fullmatch(text)
    return found is not None and found[2] == _checksum(found[1])


def _checksum(chosen: str) -> str:
    number, digits = zlib.crc32(chosen.encode()), ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
