"""Tokens of assistants that a member let in: a code is exchanged once, a refresh token too, and a second use ends all.

https://www.rfc-editor.org/rfc/rfc9700 · https://www.rfc-editor.org/rfc/rfc7009
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from sqlalchemy import ColumnElement, delete, insert, or_, select, update

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.models import (
    ApiToken,
    Assistant,
    AssistantCode,
    AssistantRefresh,
    AuditKind,
    TeamMember,
    TokenScope,
)
from bunqflask.services import policy
from bunqflask.services.audit import trail
from bunqflask.services.tokens import text

ACCESS_LIFETIME = timedelta(hours=1)
# For so long a second use of a refresh token is noticed; later the token is unknown, and refused too.
_REMEMBERED = timedelta(days=30)
_Once = TypeVar("_Once", AssistantCode, AssistantRefresh)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


class GrantRefused(Exception):
    """A code or a refresh token is not valid: unknown, used, expired, of another assistant, or of an ended access."""


class ScopeRefused(Exception):
    """An assistant asks for more than it was granted."""


@dataclass(frozen=True)
class Issued:
    """New tokens of an assistant; texts that are stored nowhere. `expires_in_s` is the lifetime of the first one."""

    access_token: str
    refresh_token: str
    expires_in_s: int
    scopes: tuple[TokenScope, ...]


def exchange(client_id: str, code: str, redirect_uri: str, verifier: str) -> Issued:
    """Return the first tokens for a code. A code that is used twice, or used wrongly, ends what it was for.

    :raises GrantRefused: the code, its address or its verifier is not right.
    """
    now = clock.now()
    with transaction():
        found = _granted(client_id, AssistantCode, AssistantCode.code_hash == digest(code), now)
        if found is not None:
            row, stored = found
            is_right = stored.redirect_uri == redirect_uri and _fits(verifier, stored.challenge)
            if stored.used_at is None and stored.expires_at > now and is_right:
                stored.used_at = now
                return _issue(row, now)
            _end(row)
    raise GrantRefused


def refresh(client_id: str, token: str, asked: str = "") -> Issued:
    """Return the next tokens for a refresh token; one that was used before ends the access, for somebody stole it.

    :param asked: scopes that the assistant limits itself to from now on; none: as before.
    :raises GrantRefused: the token is not valid.
    :raises ScopeRefused: it asks for more than was granted.
    """
    now = clock.now()
    with transaction():
        found = _granted(client_id, AssistantRefresh, AssistantRefresh.refresh_hash == digest(token), now)
        if found is not None:
            row, stored = found
            if stored.used_at is None:
                row.scopes = _narrowed(row.scopes, asked)
                stored.used_at = now
                return _issue(row, now)
            _end(row)
    raise GrantRefused


def revoke(client_id: str, token: str) -> None:
    """End the access to which an access or refresh token belongs; an unknown one is none already."""
    of_refresh = select(AssistantRefresh.token_id).where(AssistantRefresh.refresh_hash == digest(token))
    is_its = or_(ApiToken.token_hash == digest(token), ApiToken.id.in_(of_refresh))
    with transaction():
        query = select(ApiToken).join(Assistant, Assistant.id == ApiToken.assistant_id)
        row = db.session.scalar(query.where(Assistant.client_id == client_id, is_its))
        if row is not None:
            _end(row)


def delete_old() -> None:
    """Delete what was approved and never fetched, and refresh tokens that were used long ago."""
    now = clock.now()
    never_fetched = select(AssistantCode.token_id).where(
        AssistantCode.used_at.is_(None), AssistantCode.expires_at < now
    )
    with transaction():
        db.session.execute(delete(ApiToken).where(ApiToken.id.in_(never_fetched)))
        db.session.execute(delete(AssistantRefresh).where(AssistantRefresh.used_at < now - _REMEMBERED))
        db.session.execute(delete(AssistantCode).where(AssistantCode.used_at < now - _REMEMBERED))


def _granted(
    client_id: str, model: type[_Once], is_it: ColumnElement[bool], now: datetime
) -> tuple[ApiToken, _Once] | None:
    """Return what can be used once, with the access it is for: of this assistant, and of a member who may come here.

    Until the unit of work ends nobody else gets it.
    """
    query = (
        select(ApiToken, model)
        .join(model, model.token_id == ApiToken.id)
        .join(Assistant, Assistant.id == ApiToken.assistant_id)
        .join(TeamMember, TeamMember.id == ApiToken.member_id)
        .where(Assistant.client_id == client_id, ApiToken.expires_at > now, policy.has_access(now), is_it)
        .with_for_update(of=model)
        .execution_options(populate_existing=True)
    )
    found = db.session.execute(query).one_or_none()
    return None if found is None else (found[0], found[1])


def _fits(verifier: str, challenge: str) -> bool:
    return _VERIFIER.fullmatch(verifier) is not None and create_s256_code_challenge(verifier) == challenge


def _issue(row: ApiToken, now: datetime) -> Issued:
    access_token, refresh_token = text.new(), text.new_refresh()
    row.token_hash, row.prefix = digest(access_token), access_token[: text.SHOWN]
    row.access_until = min(now + ACCESS_LIFETIME, row.expires_at)
    db.session.execute(insert(AssistantRefresh).values(refresh_hash=digest(refresh_token), token_id=row.id))
    db.session.execute(update(Assistant).where(Assistant.id == row.assistant_id).values(approved_at=now))
    return Issued(access_token, refresh_token, int((row.access_until - now).total_seconds()), row.scopes)


def _narrowed(granted: tuple[TokenScope, ...], asked: str) -> tuple[TokenScope, ...]:
    wanted = set(asked.split())
    if not wanted:
        return granted
    if not wanted <= {scope.value for scope in granted}:
        raise ScopeRefused
    return tuple(scope for scope in granted if scope.value in wanted)


def _end(row: ApiToken) -> None:
    trail.record(
        AuditKind.TOKEN_ENDED, actor_id=row.member_id, subject=row.name, token=row.id, assistant=row.assistant_id
    )
    db.session.execute(delete(ApiToken).where(ApiToken.id == row.id))
