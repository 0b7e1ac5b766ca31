"""Assistants that registered themselves: their names, and the addresses to which an answer may go.

Anybody may register, so a row proves nothing. It has no secret, holds only what a member is shown, and is deleted soon
unless a member lets the assistant in.

https://www.rfc-editor.org/rfc/rfc7591
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import delete, exists, or_, select

from bunqflask import clock, invisible
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import ApiToken, Assistant

# A member answers within minutes. A program that was let in may come back for months without registering again.
_UNUSED_FOR, _ENDED_FOR = timedelta(days=1), timedelta(days=90)
MOST_UNUSED = 200
_MOST_REDIRECTS, _LONGEST_REDIRECT, _LONGEST_NAME = 10, 500, 60
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class RegistrationRefused(Exception):
    """An assistant cannot be registered as it asks; `code` is the error of RFC 7591."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Client:
    """A registered assistant; the name is its own claim."""

    id: int
    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    created_at: datetime

    def takes(self, redirect_uri: str) -> bool:
        """Tell whether an answer may go to an address: one of its own, letter for letter; on this machine any port."""
        given = _without_port(redirect_uri)
        return redirect_uri in self.redirect_uris or (
            given is not None and given in {_without_port(each) for each in self.redirect_uris}
        )


def register(name: str, redirect_uris: Sequence[str]) -> Client:
    """Register an assistant; of those that no member let in, only the newest are kept.

    :raises RegistrationRefused: its addresses cannot be used.
    """
    uris = tuple(dict.fromkeys(redirect_uris))
    if not 1 <= len(uris) <= _MOST_REDIRECTS:
        raise RegistrationRefused("invalid_redirect_uri", f"Name 1 to {_MOST_REDIRECTS} redirect URIs.")
    if not all(_is_usable(each) for each in uris):
        text = "A redirect URI is https, or http on this machine (127.0.0.1, localhost), without a fragment."
        raise RegistrationRefused("invalid_redirect_uri", text)
    row = Assistant(
        client_id=secrets.token_urlsafe(24),
        name=invisible.remove(name)[:_LONGEST_NAME].strip() or "An assistant without a name",
        redirect_uris=uris,
        created_at=clock.now(),
    )
    with transaction():
        newest = select(Assistant.id).where(Assistant.approved_at.is_(None)).order_by(Assistant.id.desc())
        kept = list(db.session.scalars(newest.limit(MOST_UNUSED - 1)))
        db.session.execute(delete(Assistant).where(Assistant.approved_at.is_(None), Assistant.id.not_in(kept)))
        db.session.add(row)
        db.session.flush()
        return _client(row)


def find(client_id: str) -> Client | None:
    """Return the assistant with this id."""
    row = db.session.scalar(select(Assistant).where(Assistant.client_id == client_id))
    return None if row is None else _client(row)


def delete_unused() -> None:
    """Delete assistants that nobody let in within a day, and those whose last access ended long ago."""
    now = clock.now()
    has_access = exists().where(ApiToken.assistant_id == Assistant.id)
    never = Assistant.approved_at.is_(None) & (Assistant.created_at < now - _UNUSED_FOR)
    with transaction():
        db.session.execute(
            delete(Assistant)
            .where(~has_access, or_(never, Assistant.approved_at < now - _ENDED_FOR))
            .execution_options(synchronize_session=False)
        )


def host_of(redirect_uri: str) -> str | None:
    """Return the site to which an answer would go; None for a program on the person's own machine."""
    parts = urlsplit(redirect_uri)
    return None if parts.hostname in _LOOPBACK else parts.netloc


def _client(row: Assistant) -> Client:
    return Client(row.id, row.client_id, row.name, row.redirect_uris, row.created_at)


def _is_usable(uri: str) -> bool:
    if not (uri.isascii() and uri.isprintable()) or set(uri) & set(' "<>\\^`{|}') or len(uri) > _LONGEST_REDIRECT:
        return False
    try:
        parts = urlsplit(uri)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or "#" in uri:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)


def _without_port(uri: str) -> str | None:
    """Return an address on this machine without its port, which its program chooses anew each time; else None.

    https://www.rfc-editor.org/rfc/rfc8252#section-7.3
    """
    if not _is_usable(uri):
        return None
    parts = urlsplit(uri)
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        return None
    return parts._replace(netloc=parts.hostname).geturl()
