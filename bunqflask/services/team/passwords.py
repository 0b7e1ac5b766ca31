"""Passwords: which are good enough, hashed with argon2id, compared in the same time for a member and for nobody."""

from __future__ import annotations

import base64
import re
import secrets
import threading
import unicodedata
from functools import cache
from urllib.parse import urlsplit

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import current_app, has_app_context

from bunqflask.i18n import gettext as _

MIN_LENGTH = 12
MAX_LENGTH = 200
# A password needs so many different characters, and so many beside the words that everybody knows of its member.
_LEAST_DIFFERENT = 4
_LEAST_ELSE = 6
_WORDS = ("bunqflask", "bunq")

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


def hash_new(password: str, *, email: str, name: str) -> str:
    """Hash the new password of a member; the only way to a stored password.

    :raises PasswordRefused: it is too short, too long or easy to guess.
    """
    password = unicodedata.normalize("NFC", password)
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise PasswordRefused(
            _("A password needs %(least)s to %(most)s characters.") % {"least": MIN_LENGTH, "most": MAX_LENGTH}
        )
    if password.casefold() in _common_passwords() or len(set(password.casefold())) < _LEAST_DIFFERENT:
        raise PasswordRefused(_("That password is one of the first that somebody would try. Choose another one."))
    if len(_without(password, {*_WORDS, *_public_host(), *_words(email), *_words(name)})) < _LEAST_ELSE:
        raise PasswordRefused(_("A password needs more than your email, your name or the name of this site."))
    hashed = _hash(password)
    if hashed is None:
        raise PasswordRefused(_("That password has characters that cannot be stored."))
    return hashed


def hash_again(password_hash: str, password: str) -> str | None:
    """Return a new hash of a password that was right, if the old one was made at another cost than is usual now."""
    return _hash(unicodedata.normalize("NFC", password)) if _hasher.check_needs_rehash(password_hash) else None


def matches(password_hash: str | None, password: str) -> bool:
    """Compare a password with a hash; takes as long when there is none."""
    password = unicodedata.normalize("NFC", password[: 4 * MAX_LENGTH])
    if len(password) > MAX_LENGTH:
        return False
    with _few_at_a_time:
        try:
            _hasher.verify(password_hash or _nobody_hash, password)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False
    return password_hash is not None


def _hash(password: str) -> str | None:
    """Hash a text; None for one that no encoding can write, such as half a character from a terminal."""
    with _few_at_a_time:
        try:
            return _hasher.hash(password)
        except UnicodeEncodeError:
            return None


@cache
def _common_passwords() -> frozenset[str]:
    """Return the 30,000 most common passwords that are long enough. Read when one is set: their module is large."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(each.casefold() for each in FREQUENCY_LISTS["passwords"] if len(each) >= MIN_LENGTH)


def _words(text: str) -> list[str]:
    """Split an email or a name: nobody needs to guess its parts."""
    return [word for word in re.split(r"[\W_]+", text.casefold()) if len(word) > 2]


def _public_host() -> list[str]:
    return _words(urlsplit(current_app.config["PUBLIC_URL"]).hostname or "") if has_app_context() else []


def _without(password: str, words: set[str]) -> str:
    """Return the letters and digits of a password without these words, the longest first."""
    rest = "".join(each for each in password.casefold() if each.isalnum())
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    return rest
