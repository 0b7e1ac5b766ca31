"""One API call: its route, the checks of limits, token, signature and permission, and the data that handlers read.

A resource is a module with a `Resource` object, whose decorators declare the path and the requirements of a call.

https://doc.bunq.com/basics/headers and https://doc.bunq.com/basics/authentication/signing
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from flask import request

from bunqflask.sandbox.bank import accounts, people, wire
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.clock import bunq_time
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer, Refusal, Window
from bunqflask.sandbox.protocol import signing

U = "/user/<int:user_id>"
A = U + "/monetary-account/<int:account_id>"

TokenKind = Literal["none", "installation", "session", "any"]
Handler = Callable[..., Answer]


@dataclass(frozen=True)
class Route:
    """One call that the bank answers.

    `auth` is the kind of token needed; `signed` asks whether the body must be signed; `oauth` whether a session of a
    granted app may make the call.
    """

    method: str
    rule: str
    handler: Handler
    auth: TokenKind = "session"
    signed: bool | Callable[[Json], bool] = False
    oauth: bool = True

    @property
    def pattern(self) -> str:
        """Return the path with its parameters in braces."""
        return "/v1" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", self.rule)


@dataclass
class Resource:
    """The calls of one resource."""

    routes: list[Route] = field(default_factory=list)

    def call(self, method: str, *rules: str, **needs: Any) -> Callable[[Handler], Handler]:
        """Answer `method` on each of these paths with the decorated function."""

        def register(handler: Handler) -> Handler:
            self.routes += [Route(method, rule, handler, **needs) for rule in rules]
            return handler

        return register

    def get(self, *rules: str, **needs: Any) -> Callable[[Handler], Handler]:
        """Answer GET."""
        return self.call("GET", *rules, **needs)

    def post(self, *rules: str, **needs: Any) -> Callable[[Handler], Handler]:
        """Answer POST."""
        return self.call("POST", *rules, **needs)

    def put(self, *rules: str, **needs: Any) -> Callable[[Handler], Handler]:
        """Answer PUT."""
        return self.call("PUT", *rules, **needs)

    def delete(self, *rules: str, **needs: Any) -> Callable[[Handler], Handler]:
        """Answer DELETE."""
        return self.call("DELETE", *rules, **needs)


def _said(members: list[tuple[str, Any]]) -> Json:
    """Return the members of an object but those that are null: bunq's PHP SDK sends null for what it does not say."""
    return {name: value for name, value in members if value is not None}


def _no_number(text: str) -> None:
    """Refuse NaN and Infinity, which Python reads but JSON does not know."""
    raise ValueError(text)


class Call:
    """One call in progress, as a resource sees it."""

    def __init__(self, bank: Bank, route: Route, body: bytes) -> None:
        self.bank = bank
        self.store = bank.store
        self.route = route
        self.body = body
        self.address = bank.word("caller_address") or request.remote_addr or ""
        self.verdicts: dict[str, str] = {}
        self.installation: Item | None = None
        self.session: Item | None = None
        self._user: Item | None = None
        self._account: Item | None = None
        # The user id as it stands in the path: an OAuth session may use either of two.
        self.path_id = 0

    # Data for handlers.

    @property
    def user(self) -> Item:
        """Return the user whose data the path names; in an OAuth session the granting user."""
        assert self._user is not None
        return self._user

    @property
    def account(self) -> Item:
        """Return the monetary account that the path names."""
        assert self._account is not None
        return self._account

    @property
    def caller(self) -> Item:
        """Return the user whom the session acts for."""
        assert self.session is not None
        return people.by_id(self.store, self.session.body["user_id"])

    @property
    def grant(self) -> Item | None:
        """Return the grant of an OAuth session, None in a session of the user's own key."""
        grant_id = None if self.session is None else self.session.body["grant_id"]
        return None if grant_id is None else self.store.get("grant", grant_id)

    @property
    def is_oauth(self) -> bool:
        """Tell whether an app acts here with a user's permission."""
        return self.session is not None and self.session.body["grant_id"] is not None

    @property
    def header(self) -> Any:
        """Return the request's headers."""
        return request.headers

    @property
    def query(self) -> Any:
        """Return the parameters of the address."""
        return request.args

    @cached_property
    def json(self) -> Json:
        """Return the body as an object without null members; nothing and `[]` count as an empty one.

        :raises Refusal: 400, the body is not a JSON object.
        """
        if not self.body.strip():
            return {}
        try:
            value = json.loads(self.body, parse_constant=_no_number, object_pairs_hook=_said)
        except (ValueError, RecursionError):
            raise wire.invalid("The request body is not valid JSON.") from None
        if value == []:
            return {}
        if not isinstance(value, dict):
            raise wire.invalid("The request body must be a JSON object.")
        return value

    def text(self, name: str, *, required: bool = True, longest: int = 9000) -> str | None:
        """Return a text field of the body.

        :raises Refusal: 400, missing, not a text, or too long.
        """
        value = self.json.get(name)
        if value is None and not required:
            return None
        if not isinstance(value, str):
            raise wire.invalid(f"The field {name} is required and must be a text.")
        if len(value) > longest:
            raise wire.invalid(f"The field {name} must have at most {longest} characters.")
        return value

    @property
    def geolocation(self) -> Json | None:
        """Return where the client says it is, if it says so."""
        return wire.read_geolocation(request.headers.get("X-Bunq-Geolocation"))

    @property
    def window(self) -> Window:
        """Return which page of a list is asked for.

        :raises Refusal: 400, wrong paging parameters.
        """
        return Window.from_query(request.path, request.args.items(multi=True))

    def now(self) -> str:
        """Return the current time as bunq's timestamp."""
        return bunq_time(self.store.clock.now())

    def visible_accounts(self, user: Item) -> set[int] | None:
        """Return the ids of the accounts that the app may see, None for all."""
        grant = self.grant
        if grant is None or grant.owner != user.id:
            return None
        return set(grant.body["accounts"])

    def page(self, kind: str, shape: Callable[[Item], Json], **bounds: int) -> Answer:
        """Answer one page of the items of a kind, newest first; `bounds` as in `Store.select`."""

        def fetch(below: int | None, above: int | None, limit: int) -> list[Item]:
            return self.store.select(kind, below=below, above=above, limit=limit, **bounds)

        items, pagination = wire.paged(self.window, fetch, lambda item: item.id)
        return Answer([shape(item) for item in items], pagination)

    def load(self, kind: str, item_id: int, what: str, **bounds: int) -> Item:
        """Return the item, if it belongs where the path says.

        :raises Refusal: 404.
        """
        item = self.store.get(kind, item_id)
        if item is None or any(getattr(item, name) != value for name, value in bounds.items()):
            raise wire.not_found(what, item_id)
        return item

    def require_role(self, role: str) -> None:
        """Refuse an app of a PSD2 party that lacks the role; other apps and users have no roles to lack.

        :raises Refusal: 403.
        """
        owner = self.app_owner
        if owner is not None and owner.body["type"] == people.PROVIDER and role not in owner.body["roles"]:
            raise wire.not_allowed()

    @property
    def app_owner(self) -> Item | None:
        """Return the user who owns the app that acts here, None in a user's own session."""
        grant = self.grant
        client = None if grant is None else self.store.get("oauth_client", grant.parent or 0)
        return None if client is None else people.by_id(self.store, client.owner or 0)

    # Checks before the handler.

    def admit(self, ids: dict[str, Any]) -> dict[str, Any]:
        """Check everything that does not depend on the resource; return the path's remaining ids.

        :raises Refusal: maintenance, rate limit, headers, token, signature or permission.
        """
        if self.bank.is_on("maintenance"):
            raise wire.in_maintenance()
        token = request.headers.get("X-Bunq-Client-Authentication", "").strip()
        self.bank.limiter.check(
            self.bank.word("rate_limits"),
            address=self.address,
            device=token,
            method=self.route.method,
            pattern=self.route.pattern,
            now=self.store.clock.timestamp(),
        )
        self.verdicts["headers"] = "good"
        self._check_user_agent()
        self._check_token(token)
        self._check_request_id()
        self._check_signature()
        if self.is_oauth and not self.route.oauth:
            raise wire.not_allowed()
        return self._resolve(dict(ids))

    def _check_token(self, token: str) -> None:
        kind = self.route.auth
        if kind == "none":
            self.recognise(token)
            self._saw_token("not needed")
            return
        if not token:
            self._saw_token("missing")
            raise wire.not_authorised()
        installation = self.store.named("installation", token)
        if installation is not None and kind in ("installation", "any"):
            self.installation = installation
            self._saw_token(f"installation {installation.id}")
            return
        session = self.store.named("session", token)
        if session is None or kind == "installation":
            self._saw_token("of the wrong kind" if session or installation else "unknown")
            raise wire.not_authorised()
        if session.body["closed"] == "revoked":
            self._saw_token("session withdrawn")
            raise wire.not_authenticated()
        if session.body["closed"] or session.body["expires"] <= self.store.clock.timestamp():
            self._saw_token("session closed" if session.body["closed"] else "session expired")
            raise wire.not_authorised()
        self.session = session
        self.installation = self.store.get("installation", session.parent or 0)
        user = people.by_id(self.store, session.body["user_id"])
        through = " through an app" if session.body["grant_id"] else ""
        self._saw_token(f"session of {user.body['display_name']}{through}")

    def recognise(self, token: str) -> None:
        """Look up the installation, whose key signs the answer, even if the caller has no permission."""
        if self.installation is None and token:
            session = self.store.named("session", token)
            self.installation = (
                self.store.named("installation", token)
                if session is None
                else self.store.get("installation", session.parent or 0)
            )

    def _saw_token(self, verdict: str) -> None:
        self.verdicts["token"] = verdict

    # Documented as required, and as unique. Published clients live without both, so that bunq seems to enforce neither.

    def _check_user_agent(self) -> None:
        if not request.headers.get("User-Agent"):
            self._saw_header("User-Agent is missing")
            if self.bank.is_on("user_agent_enforced"):
                raise wire.invalid("The header User-Agent is required.")  # invented text

    def _check_request_id(self) -> None:
        request_id = request.headers.get("X-Bunq-Client-Request-Id")
        if request_id and self.installation and self.bank.is_repeated_request(self.installation.id, request_id):
            self._saw_header("X-Bunq-Client-Request-Id was used before")
            if self.bank.is_on("request_ids_enforced"):
                raise wire.invalid("The X-Bunq-Client-Request-Id was used before.")  # invented text

    def _saw_header(self, verdict: str) -> None:
        said = self.verdicts["headers"]
        self.verdicts["headers"] = verdict if said == "good" else f"{said}; {verdict}"

    def _check_signature(self) -> None:
        signature = request.headers.get("X-Bunq-Client-Signature")
        good = None
        if signature is not None and self.installation is not None:
            key = signing.read_public_pem(self.installation.body["client_public_key"])
            good = signing.is_signed(key, self.body, signature)
        self.verdicts["signature"] = {None: "absent", True: "good", False: "wrong"}[good]
        needed = self.route.signed
        if callable(needed):
            needed = needed(self.json)
        if not needed:
            return
        if good is None:
            self.verdicts["signature"] = "absent, but required here"
            raise Refusal(466, "Request signature required.")  # invented text
        if not good:
            raise Refusal(401, "The request signature is invalid.")

    def _resolve(self, ids: dict[str, Any]) -> dict[str, Any]:
        if "user_id" in ids:
            user_id = self.path_id = ids.pop("user_id")
            caller = self.caller
            grant = self.grant
            # bunq's pages and its clients disagree on which id belongs here, so both do.
            if user_id != caller.id and (grant is None or user_id != grant.body["user_api_key_id"]):
                raise wire.not_allowed()
            self._user = caller
        if "account_id" in ids:
            account_id = ids.pop("account_id")
            self._account = self.find_account(account_id)
        return ids

    def find_account(self, account_id: int) -> Item:
        """Return an account of the caller that this session may see.

        :raises Refusal: 404 with bunq's text.
        """
        account = self.store.get("monetary_account", account_id)
        if account is None or not accounts.is_held_by(self.store, account, self.caller.id):
            raise wire.account_not_found(account_id)
        visible = self.visible_accounts(self.caller)
        if visible is not None and account_id not in visible:
            raise wire.account_not_found(account_id)
        return account
