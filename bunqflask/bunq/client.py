"""BunqClient: one method for each bunq call that we use."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric import rsa

from bunqflask.bunq import errors, protocol
from bunqflask.bunq.cards import Card
from bunqflask.bunq.limits import Gate, limit_for
from bunqflask.bunq.notes import Note
from bunqflask.bunq.payment import PaymentPage
from bunqflask.bunq.resources import (
    InstallationAnswer,
    MonetaryAccount,
    OauthClient,
    SessionAnswer,
    callback_url,
    callbacks_in,
    created_id,
    key_of_device,
    one,
    permitted_addresses,
)
from bunqflask.bunq.resources import secret as read_secret
from bunqflask.bunq.transport import Transport
from bunqflask.bunq.writable import Write, card_path
from bunqflask.bunq.written import Written
from bunqflask.bunq.written import read as read_written

PAGE_SIZE = 200
_MAX_PAGES = 1_000
_TRIES = 3
_FIRST_PAUSE_S = 0.5
_IDS = re.compile(r"/(?:[0-9]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![^/])")
_TAKES_SECRETS = ("POST device-server", "POST session-server")
_DEVICE_EXISTS = "a device already exists"
_CLIENT_EXISTS = "you can only have one active oauth client"
_URL_EXISTS = "the callback url has already been registered"

Objects = list[dict[str, Any]]
Result = TypeVar("Result")


class BunqClient:
    """Speaks to one bunq environment with one installation's keys.

    Every call may raise a `BunqError`; a method names only what it adds to that.
    """

    def __init__(
        self,
        base_url: str,
        *,
        gate: Gate,
        transport: Transport,
        key: rsa.RSAPrivateKey | None = None,
        server_key: rsa.RSAPublicKey | None = None,
    ) -> None:
        self._base_url = base_url
        self._gate = gate
        self._transport = transport
        self._key = key
        self._server_key = server_key

    def create_sandbox_user(self, kind: str) -> str:
        """Make an invented person or company in a sandbox; return its API key.

        https://doc.bunq.com/basics/sandbox
        """
        objects, _ = self._call("POST", f"sandbox-user-{kind}", verified=False)
        return read_secret(one(objects, "ApiKey"), "api_key")

    def create_installation(self, client_public_key: str) -> InstallationAnswer:
        """Make a key pair known to bunq. Not idempotent: each call creates another installation.

        https://doc.bunq.com/basics/authentication/installation
        """
        # This answer brings the key that later ones are verified with, so it cannot be verified itself.
        objects, _ = self._call(
            "POST", "installation", payload={"client_public_key": client_public_key}, verified=False
        )
        return InstallationAnswer.from_objects(objects)

    def register_psd2_credential(self, token: str, certificate: str, chain: str, signature: str) -> str:
        """Register a payment service provider's certificate; return the secret for its device.

        https://doc.bunq.com/psd2/register-as-a-tpp
        """
        payload = {
            "client_payment_service_provider_certificate": certificate,
            "client_payment_service_provider_certificate_chain": chain,
            "client_public_key_signature": signature,
        }
        objects, _ = self._call("POST", "payment-service-provider-credential", token=token, payload=payload)
        return read_secret(one(objects, "CredentialPasswordIp"), "token_value")

    def register_device(self, token: str, description: str, secret: str) -> int | None:
        """Bind a secret to the installation; None when its device exists already.

        https://doc.bunq.com/basics/authentication/device-registration
        """
        try:
            objects, _ = self._call(
                "POST", "device-server", token=token, payload={"description": description, "secret": secret}
            )
        except errors.RequestRefused as refused:
            if _says(refused, _DEVICE_EXISTS):
                return None
            raise
        return created_id(objects)

    def open_session(self, token: str, secret: str) -> SessionAnswer:
        """Open a session with an API key, a PSD2 secret or a grant's access token.

        :raises SecretRefused: bunq does not accept the secret, or not from this address.
        :raises CredentialsRejected: the installation itself is not accepted any more.

        https://doc.bunq.com/basics/authentication/session
        """
        objects, _ = self._call("POST", "session-server", token=token, payload={"secret": secret})
        return SessionAnswer.from_objects(objects)

    def close_session(self, token: str) -> None:
        """End the session of this token; the id in the path does not matter.

        https://doc.bunq.com/api-reference/session
        """
        self._call("DELETE", "session/0", token=token)

    def list_oauth_clients(self, token: str, user_id: int) -> list[OauthClient]:
        """List the active OAuth clients of the session's own user.

        https://doc.bunq.com/oauth
        """
        items = self._list(f"user/{user_id}/oauth-client", token=token)
        shown = [data for item in items if isinstance(data := item.get("OauthClient"), dict)]
        # One that was cancelled may have lost what an active one must have.
        return [OauthClient.from_json(data) for data in shown if data.get("status") in ("ACTIVE", "", None)]

    def create_oauth_client(self, token: str, user_id: int) -> bool:
        """Create the OAuth client; False when there is one already. Read it with `list_oauth_clients`.

        https://doc.bunq.com/oauth
        """
        path, payload = f"user/{user_id}/oauth-client", {"status": "ACTIVE"}
        return self._create_unless(_CLIENT_EXISTS, path, token, payload)

    def list_redirect_urls(self, token: str, user_id: int, oauth_client_id: int) -> list[str]:
        """List the addresses to which bunq may send a consenting person back.

        https://doc.bunq.com/api-reference/callback-url-oauth
        """
        items = self._list(f"user/{user_id}/oauth-client/{oauth_client_id}/callback-url", token=token)
        return [url for item in items if (url := callback_url(item))]

    def add_redirect_url(self, token: str, user_id: int, oauth_client_id: int, url: str) -> bool:
        """Register such an address; False when bunq knows it already.

        https://doc.bunq.com/api-reference/callback-url-oauth
        """
        path = f"user/{user_id}/oauth-client/{oauth_client_id}/callback-url"
        return self._create_unless(_URL_EXISTS, path, token, {"url": url})

    def list_monetary_accounts(self, token: str, path_user_id: int) -> list[MonetaryAccount]:
        """List all monetary accounts that the session may see, of every type; those without an id are left out.

        :raises ResponseNotUnderstood: there are accounts, and none has an id: nobody can tell which ones are gone.

        https://doc.bunq.com/api-reference/monetary-account
        """
        items = self._list(f"user/{path_user_id}/monetary-account", token=token)
        accounts = [account for item in items if (account := MonetaryAccount.from_item(item))]
        if not accounts and any(name.startswith("MonetaryAccount") for item in items for name in item):
            raise errors.ResponseNotUnderstood("no monetary account of a list has an id")
        return list({account.monetary_account_id: account for account in accounts}.values())

    def list_callbacks(self, token: str, path_user_id: int) -> Objects:
        """List the callbacks of a user, ours and others', each as it has to be sent to stay as it is.

        https://doc.bunq.com/basics/callbacks-webhooks
        """
        items = self._list(f"user/{path_user_id}/notification-filter-url", token=token)
        own_to_bunq = ("id", "created", "updated", "notification_filters")
        return [
            {name: value for name, value in data.items() if name not in own_to_bunq and value is not None}
            for data in callbacks_in(items)
        ]

    def replace_callbacks(self, token: str, path_user_id: int, callbacks: Objects) -> None:
        """Set all callbacks of a user: bunq replaces the whole set, so it deletes those that are missing here.

        https://doc.bunq.com/basics/callbacks-webhooks
        """
        path = f"user/{path_user_id}/notification-filter-url"
        self._call("POST", path, token=token, payload={"notification_filters": callbacks})

    def list_payments(
        self, token: str, path_user_id: int, monetary_account_id: int, *, older_id: int | None = None
    ) -> PaymentPage:
        """List one page of payments, the newest of all or those older than an id.

        :raises ObjectNotFound: the account is not among those the grant shows.

        https://doc.bunq.com/api-reference/payment
        """
        path = f"user/{path_user_id}/monetary-account/{monetary_account_id}/payment"
        query = {"count": PAGE_SIZE} if older_id is None else {"count": PAGE_SIZE, "older_id": older_id}
        url = protocol.list_url(self._base_url, path, **query)
        server_key = self._known_server_key()
        return self._exchange(
            "GET",
            path,
            token=token,
            url=url,
            read=lambda response: PaymentPage.from_answer(*protocol.read_items(response, server_key=server_key)),
        )

    def list_allowed_addresses(self, token: str, user_id: int, device: str) -> list[list[str]]:
        """List, for each API key that was bound to a device of this description, the addresses bunq allows for it.

        bunq names no secret of a key in use, so which of several keys is ours cannot be told.

        https://doc.bunq.com/basics/whitelisting-and-updating-ip-addresses
        """
        path = f"user/{user_id}/credential-password-ip"
        found = []
        for item in self._list(path, token=token):
            key = item.get("CredentialPasswordIp")
            if isinstance(key, dict) and (key_id := key_of_device(key, device)) is not None:
                found.append(permitted_addresses(self._list(f"{path}/{key_id}/ip", token=token)))
        return found

    def list_notes(self, token: str, path_user_id: int, monetary_account_id: int, payment_id: int) -> list[Note]:
        """List all notes on a payment: the texts, then those that only bring files along.

        :raises ObjectNotFound: the payment is not among those the grant shows.

        https://doc.bunq.com/api-reference/note-text
        """
        path = f"user/{path_user_id}/monetary-account/{monetary_account_id}/payment/{payment_id}"
        items = [*self._list(f"{path}/note-text", token=token), *self._list(f"{path}/note-attachment", token=token)]
        notes = [note for item in items if (note := Note.from_item(item))]
        return list({(note.kind, note.note_id): note for note in notes}.values())

    def read_attachment(self, token: str, path_user_id: int, monetary_account_id: int, attachment_id: int) -> bytes:
        """Read the content of a file: of the account, or, where that has no such file, of its user.

        A note on a payment of one account may bring a file of another account of the same user.

        :raises ObjectNotFound: neither has it, or the grant does not show it.

        https://doc.bunq.com/api-reference/attachment
        """
        user, file = f"user/{path_user_id}", f"attachment/{attachment_id}/content"
        try:
            return self.read(token, f"{user}/monetary-account/{monetary_account_id}/{file}", {})
        except (errors.ObjectNotFound, errors.PermissionRefused):
            return self.read(token, f"{user}/{file}", {})

    def write(self, token: str, path_user_id: int, write: Write) -> Objects:
        """Change something, in one try: whatever bunq says, it may have done it, and once more would be twice.

        https://doc.bunq.com/api-reference/start-here
        """
        path = f"user/{path_user_id}/{write.path}"
        payload = write.content or dict(write.payload) or None
        objects, _ = self._call(write.method, path, token=token, payload=payload, tries=1)
        return objects

    def list_written(self, token: str, path_user_id: int, path: str) -> list[Written]:
        """List all drafts, requests or links of an account, whose path below the user is given.

        https://doc.bunq.com/basics/pagination
        """
        items = self._list(f"user/{path_user_id}/{path}", token=token)
        return [written for item in items if (written := read_written(item))]

    def show_written(self, token: str, path_user_id: int, path: str) -> Written:
        """Show one draft, request or link, whose path below the user is given.

        :raises ObjectNotFound: the grant does not show it.
        """
        objects, _ = self._call("GET", f"user/{path_user_id}/{path}", token=token)
        found = next(filter(None, map(read_written, objects)), None)
        if found is None:
            raise errors.ResponseNotUnderstood("nothing that can be written is in bunq's answer")
        return found

    def list_cards(self, token: str, path_user_id: int) -> list[Card]:
        """List the cards that the grant shows.

        https://doc.bunq.com/api-reference/card
        """
        items = self._list(f"user/{path_user_id}/card", token=token)
        return [card for item in items if (card := Card.from_item(item))]

    def show_card(self, token: str, path_user_id: int, card_id: int) -> Card:
        """Show a card.

        :raises ObjectNotFound: the grant does not show it.

        https://doc.bunq.com/api-reference/card
        """
        objects, _ = self._call("GET", f"user/{path_user_id}/{card_path(card_id)}", token=token)
        found = next(filter(None, map(Card.from_item, objects)), None)
        if found is None:
            raise errors.ResponseNotUnderstood("no card is in bunq's answer")
        return found

    def read(self, token: str, path: str, query: Mapping[str, int | str]) -> bytes:
        """Read anything, as it came: its signature is verified, its content is not looked at.

        :raises ObjectNotFound: the grant does not show it.
        :raises PermissionRefused: the grant does not permit it.

        https://doc.bunq.com/api-reference/start-here
        """
        server_key = self._known_server_key()
        return self._exchange(
            "GET",
            path,
            token=token,
            url=protocol.list_url(self._base_url, path, **query),
            read=lambda response: protocol.read_content(response, server_key=server_key),
        )

    def _create_unless(self, already: str, path: str, token: str, payload: Any) -> bool:
        try:
            self._call("POST", path, token=token, payload=payload)
        except errors.RequestRefused as refused:
            if _says(refused, already):
                return False
            raise
        return True

    def _list(self, path: str, *, token: str) -> Objects:
        """Read a list to both its ends: most begin at the newest item, but not all.

        The last address may lead to an empty page or, in bad answers, in a circle.
        """
        url = protocol.list_url(self._base_url, path, count=PAGE_SIZE)
        first, around_first = self._call("GET", path, token=token, url=url)
        found, seen = list(first), {url}
        for direction in ("older_url", "newer_url"):
            page, around = first, around_first
            while page and len(seen) < _MAX_PAGES:
                query = protocol.page_query(around.get(direction))
                if query is None:
                    break
                url = protocol.list_url(self._base_url, path, **{"count": PAGE_SIZE, **query})
                if url in seen:
                    break
                seen.add(url)
                page, around = self._call("GET", path, token=token, url=url)
                found += page
        return found

    def _call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        payload: Any = None,
        url: str | None = None,
        verified: bool = True,
        tries: int = _TRIES,
    ) -> tuple[Objects, dict[str, Any]]:
        """Make one call that is answered with JSON."""
        server_key = self._known_server_key() if verified else None
        return self._exchange(
            method,
            path,
            token=token,
            payload=payload,
            url=url,
            read=lambda response: protocol.read_response(response, server_key=server_key),
            tries=tries,
        )

    def _known_server_key(self) -> rsa.RSAPublicKey:
        if self._server_key is None:
            raise ValueError("answers cannot be verified without bunq's server key")
        return self._server_key

    def _exchange(
        self,
        method: str,
        path: str,
        *,
        token: str | None,
        read: Callable[[protocol.BunqResponse], Result],
        payload: Any = None,
        url: str | None = None,
        tries: int = _TRIES,
    ) -> Result:
        """Make one call; try again only where that cannot do anything twice."""
        endpoint = f"{method} {_IDS.sub('/#', path)}"
        for tries_left in range(tries - 1, -1, -1):
            self._gate.enter(endpoint)
            request = protocol.build_request(
                method,
                url or self._base_url + path,
                request_id=str(uuid.uuid4()),
                token=token,
                payload=payload,
                key=self._key,
            )
            response: protocol.BunqResponse | None = None
            try:
                try:
                    response = self._transport.send(request)
                finally:
                    self._gate.leave(endpoint, response)
                return read(response)
            except errors.SecretRefused as refused:
                if endpoint in _TAKES_SECRETS:
                    raise
                # The call carried no secret: bunq refuses the session. Opening a new one will show more.
                messages = refused.descriptions
                raise errors.CredentialsRejected(refused.status, messages, refused.response_id) from refused
            except errors.RateLimited as limited:
                # Refused means not done: safe to try again, once the endpoint is open. The rate limiter knows when.
                self._gate.close(endpoint, limited.wait_s or limit_for(endpoint).period_s)
                if not tries_left:
                    raise
            except (errors.BunqUnavailable, errors.TransportFailed) as failed:
                harmless = method == "GET" or isinstance(failed, errors.RequestNotSent)
                pause_s = _FIRST_PAUSE_S * 2 ** (tries - 1 - tries_left)
                jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, protects nothing
                if not tries_left or not harmless or not self._gate.pause(pause_s * jitter):
                    raise
        raise AssertionError("unreachable")


def _says(refused: errors.RequestRefused, text: str) -> bool:
    return any(text in sentence.casefold() for sentence in refused.descriptions)
