"""Encryption at rest: AES-256-GCM for each value, bound to its table, its column and the primary key of its row.

A stored value is `length of key id | key id | nonce | ciphertext and tag`. The associated data names the place, so a
value that is copied to another row or column does not open there; ids are never reused, so neither does a value that
outlived its row.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, cast, overload

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import Flask, current_app
from sqlalchemy import Table, inspect

from bunqflask.extensions import Base

_NONCE_BYTES = 12
_SUFFIX = "_sealed"


class SecretUnreadable(Exception):
    """A stored secret cannot be opened: its key is gone from the ring, or the value was moved or changed."""


class KeyRing:
    """The keys that protect secrets: the first encrypts, all of them decrypt."""

    def __init__(self, keys: tuple[tuple[str, bytes], ...]) -> None:
        self._first_id = keys[0][0]
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys}

    def seal(self, text: str, place: str) -> bytes:
        """Encrypt a text for one place in the database, named `table:column:primary key`."""
        key_id, nonce = self._first_id.encode(), os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._first_id].encrypt(nonce, text.encode(), place.encode())
        return bytes([len(key_id)]) + key_id + nonce + sealed

    def open(self, stored: bytes, place: str) -> str:
        """Decrypt what was encrypted for this very place.

        :raises SecretUnreadable: when no key of the ring opens it here.
        """
        start = 1 + (stored[0] if stored else 0)
        key_id = stored[1:start].decode("ascii", "replace")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SecretUnreadable(f"no key {key_id!r} in ENCRYPTION_KEYS for {place.rsplit(':', 1)[0]}")
        nonce, sealed = stored[start : start + _NONCE_BYTES], stored[start + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, sealed, place.encode()).decode()
        except (InvalidTag, ValueError) as error:  # a ValueError when part of it is missing
            raise SecretUnreadable(f"{place.rsplit(':', 1)[0]} does not open with key {key_id!r}") from error


def init_app(app: Flask, keys: tuple[tuple[str, bytes], ...]) -> None:
    """Give the app its ring of keys."""
    app.extensions["bunqflask.keyring"] = KeyRing(keys)


class Encrypted:
    """A mixin for tables with encrypted columns."""

    def encrypt_anew(self) -> int:
        """Encrypt every secret of this row under the first key; return how many there were."""
        count = 0
        for name, attribute in vars(type(self)).items():
            if isinstance(attribute, Secret) and (text := getattr(self, name)) is not None:
                setattr(self, name, text)
                count += 1
        return count


class Secret:
    """A text attribute kept encrypted in the column `<name>_sealed` of the same row.

    Setting it needs the row's primary key: a new row with a generated key is flushed first.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self._column = name + _SUFFIX

    @overload
    def __get__(self, row: None, owner: type) -> Self: ...
    @overload
    def __get__(self, row: Encrypted, owner: type) -> str | None: ...
    def __get__(self, row: Encrypted | None, owner: type) -> Self | str | None:
        if row is None:
            return self
        stored: bytes | None = getattr(row, self._column)
        return None if stored is None else _ring().open(stored, self._place(row))

    def __set__(self, row: Encrypted, text: str | None) -> None:
        setattr(row, self._column, None if text is None else _ring().seal(text, self._place(row)))

    def _place(self, row: Encrypted) -> str:
        mapper = inspect(type(row))
        keys = [getattr(row, mapper.get_property_by_column(column).key) for column in mapper.primary_key]
        if None in keys:
            raise RuntimeError(f"{mapper.local_table.name}.{self.name} is set before the row has its key: flush first")
        return _place(str(mapper.local_table.name), self.name, keys)


@dataclass(frozen=True)
class SealedTable:
    """The names of a table's key columns, and of its columns with encrypted values."""

    keys: tuple[str, ...]
    columns: tuple[str, ...]

    def place(self, table: str, column: str, keys: Sequence[object]) -> str:
        """Return the place for which the value of a column in the row with these keys was encrypted."""
        return _place(table, column.removesuffix(_SUFFIX), keys)


def sealed_tables() -> dict[str, SealedTable]:
    """Return every table with encrypted values, by its name."""
    found = {}
    for mapper in Base.registry.mappers:
        if issubclass(mapper.class_, Encrypted):
            secrets = tuple(name + _SUFFIX for name, kind in vars(mapper.class_).items() if isinstance(kind, Secret))
            keys = tuple(column.name for column in mapper.primary_key)
            found[str(cast(Table, mapper.local_table).name)] = SealedTable(keys, secrets)
    return found


def place_of(secret: Secret, row_type: type[Encrypted], key: object) -> str:
    """Return the place for which a secret of a row with one key column was encrypted."""
    return _place(str(cast(Table, inspect(row_type).local_table).name), secret.name, [key])


def open_sealed(stored: bytes, place: str) -> str:
    """Decrypt a value that was read without its row.

    :raises SecretUnreadable: when no key of the ring opens it for this place.
    """
    return _ring().open(stored, place)


def _place(table: str, name: str, keys: Sequence[object]) -> str:
    return ":".join([table, name, *map(str, keys)])


def _ring() -> KeyRing:
    ring: KeyRing = current_app.extensions["bunqflask.keyring"]
    return ring
