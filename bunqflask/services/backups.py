"""Backups: one file for its owner alone, complete or not there at all, read back before it gets its name.

With a recipient's key the file is encrypted by age (https://age-encryption.org), and the copy in plain text never
leaves the folder of the database. To read an encrypted file back without the recipient's private key, it is also
encrypted for a key that lives in this process only, and is forgotten with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyrage
from flask import current_app
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from bunqflask import clock
from bunqflask.database import backup_postgres, backup_sqlite
from bunqflask.database.backup_postgres import ProgramFailed
from bunqflask.database.encryption import SecretUnreadable, open_sealed
from bunqflask.database.transactions import emit, transaction
from bunqflask.extensions import db
from bunqflask.models import AuditKind, BackupOutcome, BackupRecord, EventKind
from bunqflask.services.audit import origin, trail

_AGE = b"age-encryption.org/v1"
_CHUNK = 1024 * 1024


class BackupFailed(Exception):
    """No backup was made, or none was restored; the text says why, for the person who runs the server."""


@dataclass(frozen=True)
class Backup:
    """What was found in a backup by reading it: rows, and encrypted values that the present keys open."""

    payments: int
    rows: int
    secrets: int
    is_encrypted: bool


def write(path: Path, recipients: Sequence[str] = ()) -> Backup:
    """Write a backup of the database to a new file, encrypted where there are recipients; a failure is recorded.

    :param recipients: public keys of age (`age1…`) or SSH (`ssh-ed25519 …`, `ssh-rsa …`).
    :raises BackupFailed: nothing was written.
    """
    try:
        return _write(path, recipients)
    except BackupFailed:
        _record_failure()
        raise


def _write(path: Path, recipients: Sequence[str]) -> Backup:
    keys = [_recipient(text) for text in recipients]
    if path.exists():
        raise BackupFailed(f"{path} exists already: choose another name")
    with _errors_as_failures(), _new_file(path) as part:
        if not keys:
            return _copy(part, is_encrypted=False)
        with _own_folder() as folder:
            plain = folder / "database"
            os.close(os.open(plain, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            found = _copy(plain, is_encrypted=True)
            _encrypt(plain, part, keys)
            return found


def record(backup: Backup, path: Path) -> None:
    """Record that a backup was made, also in the audit trail.

    :raises OperationalError: the database cannot be written.
    """
    with transaction():
        actor_id = origin.current().member_id
        db.session.add(_record_of(BackupOutcome.MADE, path))
        trail.record(AuditKind.BACKUP_MADE, actor_id=actor_id, encrypted=backup.is_encrypted)


def _record_of(outcome: BackupOutcome, path: Path | None) -> BackupRecord:
    return BackupRecord(at=clock.now(), outcome=outcome, size_bytes=path.stat().st_size if path is not None else None)


def _record_failure() -> None:
    """Record that no backup was made, if the database takes it, and let people be informed."""
    with _if_possible(), transaction():
        db.session.add(_record_of(BackupOutcome.FAILED, None))
        emit(EventKind.BACKUP_FAILED, reason="failed")


def record_test(path: Path) -> None:
    """Record that a backup was read as for a restore, if there is a database here that takes it."""
    database = _database_file()
    if database is not None and not database.exists():
        return  # a machine that only tests backups
    with _if_possible(), transaction():
        db.session.add(_record_of(BackupOutcome.TESTED, path))


@contextlib.contextmanager
def _if_possible() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, BackupFailed) as error:
        current_app.logger.warning("what became of a backup is not recorded: %s", getattr(error, "orig", error))


def check(path: Path, identity: Path | None = None) -> Backup:
    """Read a backup from its beginning to its end, and open its encrypted values.

    :param identity: the file with the private key, for a backup that is encrypted.
    :raises BackupFailed: it could not be restored.
    """
    with _errors_as_failures(), _own_folder() as folder, _decrypted(path, identity, folder) as plain:
        return _read(plain, is_encrypted=plain != path)


def restore(path: Path, identity: Path | None = None) -> tuple[Backup, Path | None]:
    """Replace the database by a backup, after checking it; everybody has to log in again.

    Returns what was restored, and where the replaced database is now; None when there was none, or on PostgreSQL.

    :raises BackupFailed: the backup is no good, or the app runs; nothing was changed.
    """
    url = db.engine.url
    with _errors_as_failures(), _own_folder() as folder, _decrypted(path, identity, folder) as plain:
        found = _read(plain, is_encrypted=plain != path)
        if _magic_of(plain) != _magic_for(url):
            raise BackupFailed(f"{path} is not a backup of a {url.get_backend_name()} database")
        if _database_file() is None:
            db.engine.dispose()
            if backup_postgres.is_in_use():
                raise BackupFailed("the database is in use: stop the app and its worker first")
            backup_postgres.restore(plain)
            return found, None
        return found, _replace_file(plain)


def _replace_file(plain: Path) -> Path | None:
    database = _database_file()
    assert database is not None
    database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    db.engine.dispose()
    restored = database.with_name(f".{database.name}.{secrets.token_hex(4)}.restored")
    try:
        with plain.open("rb") as source, _create(restored) as target:
            _copy_bytes(source, target)
        backup_sqlite.log_everybody_out(restored)
        return backup_sqlite.replace(database, restored, clock.now())
    except backup_sqlite.DatabaseInUse:
        raise BackupFailed("the database is in use: stop the app and its worker first") from None
    finally:
        restored.unlink(missing_ok=True)


def _copy(into: Path, *, is_encrypted: bool) -> Backup:
    """Copy the database into an empty file, and read that back."""
    database = _database_file()
    if database is None:
        expected = backup_postgres.dump(into)
    elif database.exists():
        expected = backup_sqlite.copy(database, into)
    else:
        raise BackupFailed(f"there is no database {database}")
    found, rows = _read_rows(into, is_encrypted=is_encrypted)
    if rows != expected:
        wrong = sorted(name for name in {*rows, *expected} if rows.get(name) != expected.get(name))
        raise BackupFailed(f"the copy has not the rows of the database, in {', '.join(wrong)}")
    return found


def _read(path: Path, *, is_encrypted: bool) -> Backup:
    return _read_rows(path, is_encrypted=is_encrypted)[0]


def _read_rows(path: Path, *, is_encrypted: bool) -> tuple[Backup, dict[str, int]]:
    """Read a backup in plain text.

    :raises BackupFailed: it is damaged, of another kind, or its encrypted values do not open.
    """
    kind = backup_sqlite if _magic_of(path) == backup_sqlite.MAGIC else backup_postgres
    try:
        rows = kind.read(path)
    except ValueError as error:
        raise BackupFailed(f"{path} is damaged: {error}") from error
    if "payment" not in rows:
        raise BackupFailed(f"{path} is not a backup of bunqflask")
    count = 0
    for place, stored in kind.sealed_values(path):
        try:
            open_sealed(stored, place)
        except SecretUnreadable as error:
            raise BackupFailed(f"{path} was made with other ENCRYPTION_KEYS: {error}") from error
        count += 1
    return Backup(rows["payment"], sum(rows.values()), count, is_encrypted), rows


def _database_file() -> Path | None:
    """Return SQLite's file, None for PostgreSQL.

    :raises BackupFailed: the database is in memory.
    """
    url = db.engine.url
    if url.get_backend_name() != "sqlite":
        return None
    if url.database in (None, "", ":memory:"):
        raise BackupFailed("a database in memory has no backup")
    return Path(str(url.database)).absolute()


def _magic_of(path: Path) -> bytes:
    with path.open("rb") as stream:
        begin = stream.read(len(_AGE))
    for magic in (backup_sqlite.MAGIC, backup_postgres.MAGIC, _AGE):
        if begin.startswith(magic):
            return magic
    raise BackupFailed(f"{path} is neither a SQLite database, nor a dump of PostgreSQL, nor encrypted by age")


def _magic_for(url: URL) -> bytes:
    return backup_sqlite.MAGIC if url.get_backend_name() == "sqlite" else backup_postgres.MAGIC


def _encrypt(plain: Path, part: Path, keys: list[Any]) -> None:
    """Encrypt a file, and read it back with a key that nobody keeps."""
    ours = pyrage.x25519.Identity.generate()
    with plain.open("rb") as source, part.open("wb") as target:
        pyrage.encrypt_io(source, target, [*keys, ours.to_public()])
    again = _Digest()
    with part.open("rb") as source:
        pyrage.decrypt_io(source, again, [ours])
    with plain.open("rb") as source:
        if hashlib.file_digest(source, "sha256").digest() != again.digest():
            raise BackupFailed("the encrypted file does not hold what was written into it")


class _Digest:
    """A stream that keeps nothing but the digest of what is written to it."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._sha256.update(data)
        return len(data)

    def flush(self) -> None:
        pass

    def digest(self) -> bytes:
        return self._sha256.digest()


@contextlib.contextmanager
def _decrypted(path: Path, identity: Path | None, folder: Path) -> Iterator[Path]:
    """Yield the backup in plain text: itself, or a file in the folder."""
    if _magic_of(path) != _AGE:
        yield path
        return
    if identity is None:
        raise BackupFailed(f"{path} is encrypted: name the file of the private key with --identity")
    plain = folder / "database"
    try:
        with path.open("rb") as source, _create(plain) as target:
            pyrage.decrypt_io(source, target, _identities(identity))
    except pyrage.DecryptError as error:
        raise BackupFailed(f"{path} cannot be decrypted: {error}") from error
    yield plain


def _recipient(text: str) -> Any:
    kind = pyrage.ssh if text.startswith("ssh-") else pyrage.x25519
    try:
        return kind.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise BackupFailed(f"{text[:20]}… is no public key of age or SSH") from None


def _identities(path: Path) -> list[Any]:
    text = path.read_text(encoding="utf-8")
    try:
        if "PRIVATE KEY" in text:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
        return [pyrage.x25519.Identity.from_str(line.strip()) for line in lines]
    except pyrage.IdentityError:
        raise BackupFailed(f"{path} holds no private key of age or SSH") from None


@contextlib.contextmanager
def _errors_as_failures() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupFailed(f"{error.filename or 'a file'}: {error.strerror or error}") from error
    except ProgramFailed as error:
        raise BackupFailed(str(error)) from error


@contextlib.contextmanager
def _own_folder() -> Iterator[Path]:
    """Yield a temporary folder for this user alone: where the database is, since plain text is there anyway."""
    database = _database_file()
    parent = database.parent if database is not None and database.parent.is_dir() else None
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=parent) as folder:
        yield Path(folder)


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """Yield an empty file beside a path, and give it that path at the end; on an error nothing stays."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    _create(part).close()
    try:
        yield part
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        try:
            # Unlike a rename, this replaces no file that came to be meanwhile.
            os.link(part, path)
        except FileExistsError:
            raise BackupFailed(f"{path} exists already: choose another name") from None
        except OSError:
            part.rename(path)  # a file system without links, such as that of a memory stick
        backup_sqlite.sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _create(path: Path) -> BinaryIO:
    """Create a file for this user alone, whatever the umask."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "wb")


def _copy_bytes(source: BinaryIO, target: BinaryIO) -> None:
    while chunk := source.read(_CHUNK):
        target.write(chunk)
    target.flush()
    os.fsync(target.fileno())
