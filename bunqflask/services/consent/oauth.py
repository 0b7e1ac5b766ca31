"""Authlib's OAuth2 client, fitted to bunq: where state is kept, and how the token request looks.

The client is built for each use and not registered once, because its id and secret come from setup, which
stores them in the database, and not from the settings that Authlib would read.

https://doc.bunq.com/oauth
"""

from __future__ import annotations

import json
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import FlaskIntegration, FlaskOAuth2App
from authlib.integrations.requests_client import OAuth2Session
from flask import current_app

from bunqflask import clock
from bunqflask.bunq import errors, protocol, transport
from bunqflask.database import transactions
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.models import ConsentState, Installation
from bunqflask.services.gateway import call_log

STATE_LIFE = timedelta(minutes=10)
_QUERY_STYLE = "bunq_query"
_MARKER = "_state_bunq_"
_MOST_MARKERS = 10
BrowserSession = MutableMapping[str, Any]


@dataclass(frozen=True)
class TakenState:
    """A state that came back and is used up: its attempt, and what the exchange needs."""

    attempt_id: str
    state: str = field(repr=False)
    data: dict[str, str] = field(repr=False)
    is_expired: bool = False


class StateStore(FlaskIntegration):  # type: ignore[misc]
    """Keeps state in our database, so that it holds across workers and restarts; the browser has a marker.

    Authlib's own store asks, and deletes, in two steps, and deletes before it looks at the browser: a
    stranger who knows the state could burn it, and two callbacks at once could both pass.
    """

    expires_in = int(STATE_LIFE.total_seconds())

    def __init__(self, attempt_id: str = "") -> None:
        super().__init__("bunq")
        self._attempt_id = attempt_id

    def set_state_data(self, browser_session: BrowserSession, state: str, data: dict[str, Any]) -> None:
        """Store what the exchange will need, under the hash of the state, and mark the browser.

        Takes part in the caller's transaction.
        """
        now = clock.now()
        db.session.execute(db.delete(ConsentState).where(ConsentState.expires_at < now))
        kept = {name: data[name] for name in ("code_verifier", "redirect_uri") if name in data}
        row = ConsentState(state_hash=digest(state), attempt_id=self._attempt_id, expires_at=now + STATE_LIFE)
        row.data = json.dumps(kept)
        db.session.add(row)
        self._clear_session_state(browser_session)
        markers = [name for name in browser_session if name.startswith(_MARKER)]
        # Browsers drop a cookie that has grown too large, and with it everything else in it.
        for oldest in sorted(markers, key=lambda name: browser_session[name]["exp"])[: 1 - _MOST_MARKERS]:
            del browser_session[oldest]
        browser_session[self._marker(state)] = {"exp": now.timestamp() + self.expires_in}

    def take(self, browser_session: BrowserSession, state: str) -> TakenState | None:
        """Use a state up, if this browser carries its marker; None otherwise. Takes part in the caller's transaction.

        The marker stays until the caller has committed and removes it: a database that is away, or has no room, must
        not cost an approval.
        """
        if not state or self._marker(state) not in browser_session:
            return None
        query = db.delete(ConsentState).where(ConsentState.state_hash == digest(state)).returning(ConsentState)
        row = db.session.scalars(query, execution_options={"synchronize_session": False}).one_or_none()
        taken = None
        if row is not None:
            is_expired = row.expires_at <= clock.now()
            taken = TakenState(row.attempt_id, state, json.loads(row.data or "{}"), is_expired)
        return taken

    @staticmethod
    def _marker(state: str) -> str:
        # The signed cookie is readable: it holds the hash, not the state.
        return f"{_MARKER}{digest(state)[:32]}"

    def clear_state_data(self, browser_session: BrowserSession, state: str) -> None:
        """Take the browser's marker away."""
        browser_session.pop(self._marker(state), None)
        self._clear_session_state(browser_session)


class _BoundedSession(OAuth2Session):  # type: ignore[misc]
    """Authlib's HTTP session with our limits on time and size; Authlib itself sets none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        transport.bound(self)


class _BunqApp(FlaskOAuth2App):  # type: ignore[misc]
    client_cls = _BoundedSession


def fingerprint(state: str) -> str:
    """Return what tells one state from another and cannot be used in its place."""
    return digest(state)


def authorization_url(installation: Installation, attempt_id: str, browser_session: BrowserSession) -> str:
    """Begin one authorization: store its state, mark the browser, return bunq's address to go to."""
    redirect_uri = current_app.config["REDIRECT_URI"]
    store = StateStore(attempt_id)
    begun: dict[str, str] = _app(installation, store).create_authorization_url(redirect_uri)
    store.set_state_data(browser_session, begun.pop("state"), {"redirect_uri": redirect_uri, **begun})
    return begun["url"]


def exchange(installation: Installation, taken: TakenState, code: str) -> str:
    """Exchange an authorization code for the access token. Tried once: the code works once.

    :raises BunqError: no answer, a refusal (`CodeRefused`), or an answer of another shape.

    https://doc.bunq.com/oauth/handle-the-authorization-code
    """
    app = _app(installation, StateStore())
    answer = _Answer()
    transactions.release()
    app.compliance_fix = lambda session: session.register_compliance_hook("access_token_response", answer.keep)
    started_s = time.monotonic()
    try:
        app.fetch_access_token(code=code, allow_redirects=False, **taken.data)
    except requests.RequestException as error:
        if answer.response is None:
            # Its text would name the address, and that holds the client secret.
            raise transport.failure(error, current_app.config["BUNQ_OAUTH_TOKEN_URL"]) from None
    except (OAuthError, ValueError, RecursionError):
        if answer.response is None:
            raise errors.TransportFailed("the token endpoint gave no answer") from None
    finally:
        call_log.add_uncounted("POST token", answer.response, time.monotonic() - started_s)
    if answer.response is None:
        raise errors.TransportFailed("the token endpoint gave no answer")
    # Authlib reads one shape of error; bunq has two, and pages of HTML. What it means is decided in one place.
    return protocol.read_token(answer.response, state=taken.state)


class _Answer:
    """Keeps the token endpoint's answer as it came."""

    def __init__(self) -> None:
        self.response: protocol.BunqResponse | None = None

    def keep(self, response: requests.Response) -> requests.Response:
        self.response = transport.response_of(response)
        return response


def _app(installation: Installation, store: StateStore) -> FlaskOAuth2App:
    config = current_app.config
    style = config["BUNQ_OAUTH_TOKEN_STYLE"]
    return _BunqApp(
        store,
        name="bunq",
        client_id=installation.client_id,
        client_secret=installation.client_secret,
        authorize_url=config["BUNQ_OAUTH_AUTHORIZE_URL"],
        access_token_url=config["BUNQ_OAUTH_TOKEN_URL"],
        user_agent=protocol.USER_AGENT,
        client_auth_methods=[(_QUERY_STYLE, _all_in_the_query)],
        client_kwargs={
            "token_endpoint_auth_method": _QUERY_STYLE if style == "query" else "client_secret_post",
            "code_challenge_method": "S256",
            "default_timeout": (transport.CONNECT_TIMEOUT_S, transport.READ_TIMEOUT_S),
        },
    )


def _all_in_the_query(
    client: Any, _method: str, url: str, headers: dict[str, str], body: str | bytes
) -> tuple[str, dict[str, str], None]:
    """bunq wants every parameter in the query string and no body at all."""
    text = body.decode() if isinstance(body, bytes) else body
    parameters = dict(parse_qsl(text))
    parameters.update(client_id=client.client_id, client_secret=client.client_secret)
    # With the length of the dropped body left in, the call would wait for ever for it to be sent.
    kept = {name: value for name, value in headers.items() if name.lower() not in ("content-type", "content-length")}
    kept["Content-Length"] = "0"
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}", kept, None
