"""OAuth: consent requests, authorization codes, grants and access tokens.

https://doc.bunq.com/oauth
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from urllib.parse import urlencode

from bunqflask.sandbox.bank import credentials, people
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.store import Item, Json, Store

# How long a consent page waits for the phone. Not documented; ten minutes is as for codes.
REQUEST_LIFETIME_S = 600


class NotFound(Exception):
    """The client is unknown or the redirect address is not registered: bunq shows a page and never redirects."""


class TokenRefused(Exception):
    """The token endpoint refuses, with an error code of RFC 6749."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


def find_client(store: Store, client_id: str) -> Item | None:
    """Return the active OAuth client with this 64-hex id, or None."""
    client = store.named("oauth_client", client_id)
    return client if client is not None and client.body["status"] == "ACTIVE" else None


def client_name(store: Store, client: Item) -> str:
    """Return the name a consent page shows: the client's own, or its owner's."""
    return str(client.body["display_name"] or people.by_id(store, client.owner or 0).body["display_name"])


def ask(bank: Bank, client_id: str, redirect_uri: str, response_type: str, state: str | None) -> Item:
    """Begin a consent and return the pending request.

    :raises NotFound: see the class.
    """
    store = bank.store
    client = find_client(store, client_id)
    if client is None or response_type != "code":
        raise NotFound
    if all(each.body["url"] != redirect_uri for each in store.select("callback_url", parent=client.id)):
        raise NotFound
    body = {
        "redirect_uri": redirect_uri,
        "state": state,
        "status": "PENDING",
        "code": None,
        "expires": store.clock.timestamp() + REQUEST_LIFETIME_S,
    }
    return store.insert("oauth_request", body, parent=client.id, name=str(uuid.uuid4()))


def status(store: Store, asked: Item) -> str:
    """Return PENDING, ACCEPTED, DENIED or EXPIRED."""
    if asked.body["status"] == "PENDING" and asked.body["expires"] <= store.clock.timestamp():
        return "EXPIRED"
    return str(asked.body["status"])


def accept(bank: Bank, asked: Item, user: Item, account_ids: list[int]) -> None:
    """Let the person accept; the request then holds an authorization code."""
    store = bank.store
    code = secrets.token_hex(32)
    store.insert(
        "oauth_code",
        {
            "redirect_uri": asked.body["redirect_uri"],
            "state": asked.body["state"],
            "accounts": account_ids,
            "expires": store.clock.timestamp() + bank.seconds("code_lifetime_s"),
            "used": False,
        },
        owner=user.id,
        parent=asked.parent,
        name=code,
    )
    asked.body |= {"status": "ACCEPTED", "code": code}
    store.save(asked)


def deny(bank: Bank, asked: Item) -> None:
    """Let the person refuse."""
    asked.body["status"] = "DENIED"
    bank.store.save(asked)


def redirect_url(bank: Bank, asked: Item) -> str | None:
    """Return where the browser goes after the answer, None while it stays.

    What bunq does on a denial is not documented; the switch `denial` chooses.
    """
    if asked.body["status"] == "ACCEPTED":
        parameters = {"code": asked.body["code"]}
    elif asked.body["status"] == "DENIED" and bank.word("denial") == "redirect":
        parameters = {"error": "access_denied", "error_description": "The user denied the request."}
    else:
        return None
    if asked.body["state"] is not None:
        parameters["state"] = asked.body["state"]
    address: str = asked.body["redirect_uri"]
    return f"{address}{'&' if '?' in address else '?'}{urlencode(parameters)}"


@dataclass(frozen=True)
class TokenRequest:
    """The five parameters of the token call."""

    grant_type: str | None
    code: str | None
    redirect_uri: str | None
    client_id: str | None
    client_secret: str | None


def exchange(bank: Bank, asked: TokenRequest) -> Json:
    """Turn an authorization code into an access token.

    :raises TokenRefused: with bunq's recorded text for a bad code; the other texts are invented.
    """
    store = bank.store
    # RFC 6749: a parameter without a value counts as left out.
    if not all((asked.grant_type, asked.code, asked.redirect_uri, asked.client_id, asked.client_secret)):
        raise TokenRefused("invalid_request", "A required parameter is missing.")
    if asked.grant_type != "authorization_code":
        raise TokenRefused("unsupported_grant_type", "The grant type is not supported.")
    client = find_client(store, asked.client_id or "")
    if client is None or not secrets.compare_digest(
        client.body["secret"].encode(), (asked.client_secret or "").encode()
    ):
        raise TokenRefused("invalid_client", "The client credentials are invalid.")
    code = store.named("oauth_code", asked.code or "")
    if (
        code is None
        or code.parent != client.id
        or code.body["used"]
        or code.body["expires"] <= store.clock.timestamp()
        or code.body["redirect_uri"] != asked.redirect_uri
    ):
        raise TokenRefused("invalid_grant", "The authorization code is invalid or expired.")
    code.body["used"] = True
    store.save(code)
    user = people.by_id(store, code.owner or 0)
    if bank.is_on("reconsent_invalidates"):
        revoke(store, user.id, client_id=client.id)
    grant = store.insert(
        "grant",
        {"user_api_key_id": store.next_id(), "accounts": code.body["accounts"], "status": "ACTIVE"},
        owner=user.id,
        parent=client.id,
    )
    token = people.new_credential(store, user, "OAUTH", grant_id=grant.id)
    return {"access_token": token.name, "token_type": "bearer", "state": code.body["state"]}


def grants(store: Store, user_id: int | None = None) -> list[Item]:
    """Return the active grants of a user, or of all, oldest first."""
    return [each for each in store.select("grant", owner=user_id)[::-1] if each.body["status"] == "ACTIVE"]


def revoke(store: Store, user_id: int, *, client_id: int | None = None, grant_id: int | None = None) -> int:
    """Withdraw a user's grants as the bunq app does, to one client, one grant or all; return how many.

    The access token then opens no session, and live sessions end.
    """
    found = [
        each for each in grants(store, user_id) if client_id in (None, each.parent) and grant_id in (None, each.id)
    ]
    for grant in found:
        grant.body["status"] = "REVOKED"
        store.save(grant)
        for credential in store.select("credential", owner=user_id):
            if credential.body["grant_id"] == grant.id:
                credentials.revoke(store, credential)
    return len(found)
