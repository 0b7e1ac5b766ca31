"""A member lets an assistant in: what it asks for, checked, and the code by which it fetches its tokens.

https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1 · https://www.rfc-editor.org/rfc/rfc7636
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

from sqlalchemy import delete, update

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import ApiToken, Assistant, AssistantCode, TokenScope
from bunqflask.services.assistants import clients
from bunqflask.services.assistants.clients import Client
from bunqflask.services.principal import Principal
from bunqflask.services.tokens import text, tokens
from bunqflask.services.tokens.tokens import TokenRefused, TokenTerms

SCOPES = (TokenScope.BALANCES_READ, TokenScope.PAYMENTS_READ, TokenScope.NOTES_READ)
RESOURCE_PATH = "/mcp"
_CODE_LIFETIME = timedelta(minutes=2)
_LONGEST_STATE = 2_000
# Base64 of 32 bytes, as S256 makes it.
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class RequestRefused(Exception):
    """An assistant's request for access is not valid; the text says why, for a person.

    It is shown here and sent to nobody: anybody can register an address, and no link to this site may lead there.
    """


@dataclass(frozen=True)
class Request:
    """What an assistant asks a member for."""

    client: Client
    redirect_uri: str
    challenge: str
    state: str
    scopes: tuple[TokenScope, ...]

    @property
    def fields(self) -> dict[str, str]:
        """The request as the parameters of an address or a form, from which it can be read again."""
        return {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": self.redirect_uri,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            "state": self.state,
            "scope": " ".join(self.scopes),
        }

    def answer(self, issuer: str, **facts: str) -> str:
        """Return the address that brings an answer to the assistant.

        https://www.rfc-editor.org/rfc/rfc9207
        """
        given = {**facts, **({"state": self.state} if self.state else {}), "iss": issuer}
        return self.redirect_uri + ("&" if urlsplit(self.redirect_uri).query else "?") + urlencode(given)


def read(given: Mapping[str, str], issuer: str) -> Request:
    """Return a request for access.

    :param issuer: the address of this server.
    :raises RequestRefused: it is not valid.
    """
    client = clients.find(given.get("client_id", ""))
    if client is None:
        raise RequestRefused(_("This server does not know the program. Add the server to it again."))
    redirect_uri = given.get("redirect_uri", "")
    if not client.takes(redirect_uri):
        raise RequestRefused(_("The answer would go to an address that the program did not register."))
    if given.get("response_type") != "code":
        raise RequestRefused(_("The program asks in a way that this server does not know (response_type)."))
    challenge = given.get("code_challenge", "")
    if given.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise RequestRefused(_("The program does not protect its request (PKCE with S256 is needed)."))
    if len(given.get("state", "")) > _LONGEST_STATE:
        raise RequestRefused(_("The program sends too much along (state)."))
    check_resource(given.get("resource"), issuer)
    return Request(client, redirect_uri, challenge, given.get("state", ""), _scopes(given.get("scope", "")))


def check_resource(resource: str | None, issuer: str) -> None:
    """Make sure that an assistant asks for access to this server's MCP and to nothing else; older ones do not say.

    https://www.rfc-editor.org/rfc/rfc8707

    :raises RequestRefused: it asks for another one.
    """
    if resource is not None and resource.rstrip("/") != issuer + RESOURCE_PATH:
        raise RequestRefused(_("The program asks for access to another server (resource)."))


def approve(principal: Principal, request: Request, terms: TokenTerms) -> str:
    """Let an assistant in on these terms; return the code for its tokens. An earlier access of it ends.

    :raises TokenRefused: the terms are not allowed, or go beyond what the assistant asked for.
    :raises NotFoundHere: the principal does not see one of the accounts.
    """
    if not set(terms.scopes) <= set(request.scopes):
        raise TokenRefused(_("The program did not ask for this."))
    code, now = secrets.token_urlsafe(32), clock.now()
    with transaction():
        earlier = (ApiToken.member_id == principal.id, ApiToken.assistant_id == request.client.id)
        db.session.execute(delete(ApiToken).where(*earlier))
        # The row opens nothing until the code is exchanged: nobody has the text of this first token.
        row = tokens.add_row(principal, terms, text.new(), assistant_id=request.client.id)
        db.session.add(
            AssistantCode(
                code_hash=digest(code),
                token_id=row.id,
                redirect_uri=request.redirect_uri,
                challenge=request.challenge,
                expires_at=now + _CODE_LIFETIME,
            )
        )
        db.session.execute(update(Assistant).where(Assistant.id == request.client.id).values(approved_at=now))
    return code


def _scopes(asked: str) -> tuple[TokenScope, ...]:
    """Return the scopes of a request; all where it names none of ours."""
    named = set(asked.split())
    return tuple(scope for scope in SCOPES if scope.value in named) or SCOPES
