"""`oauth-client` and `callback-url`: the app's side of OAuth.

https://doc.bunq.com/oauth/create-your-oauth-client
"""

from __future__ import annotations

import secrets

from bunqflask.sandbox.bank import wire
from bunqflask.sandbox.bank.store import Item, Json, Store
from bunqflask.sandbox.bank.wire import Answer, Refusal, id_answer
from bunqflask.sandbox.protocol.call import Call, Resource, U

resource = Resource()

C = U + "/oauth-client/<int:client_id>"


@resource.post(U + "/oauth-client", oauth=False)
def create(call: Call) -> Answer:
    """Make the user's OAuth client. The answer holds its number only; id and secret come from reading it.

    bunq's pages show a `display_name` in one place only; it is kept where it is sent.
    """
    _check_only_one(call)
    _check_status(call.json.get("status", "ACTIVE"), ("ACTIVE",))
    item = call.store.insert(
        "oauth_client",
        {
            "status": "ACTIVE",
            "display_name": call.text("display_name", required=False, longest=140),
            "secret": secrets.token_hex(32),
        },
        owner=call.user.id,
        name=secrets.token_hex(32),
    )
    return id_answer(item.id)


def _check_only_one(call: Call) -> None:
    if any(each.body["status"] == "ACTIVE" for each in call.store.select("oauth_client", owner=call.user.id)):
        raise Refusal(400, "You can only have one active OAuth Client registered.")


def _check_status(status: object, allowed: tuple[str, ...]) -> None:
    if status not in allowed:
        raise wire.invalid(f"The field status must be one of {', '.join(allowed)}.")


def callback_urls(store: Store, client: Item) -> list[Item]:
    """Return the redirect addresses of a client, oldest first."""
    return store.select("callback_url", parent=client.id)[::-1]


def _callback(item: Item) -> Json:
    # Only `url` is documented; the other members are an inference.
    return {"id": item.id, "created": item.created, "updated": item.updated, "url": item.body["url"]}


def _shape(call: Call, item: Item) -> Json:
    return {
        "OauthClient": {
            "id": item.id,
            "status": item.body["status"],
            "display_name": item.body["display_name"],
            "client_id": item.name,
            "secret": item.body["secret"],
            "callback_url": [_callback(each) for each in callback_urls(call.store, item)],
        }
    }


def _own(call: Call, client_id: int) -> Item:
    item = call.store.get("oauth_client", client_id)
    if item is None or item.owner != call.user.id:
        raise wire.not_found("Oauth client", client_id)
    return item


@resource.get(U + "/oauth-client", oauth=False)
def index(call: Call) -> Answer:
    """List the user's OAuth clients, cancelled ones too."""
    user_id = call.user.id
    page, pagination = wire.paged(
        call.window,
        lambda below, above, limit: call.store.select(
            "oauth_client", owner=user_id, below=below, above=above, limit=limit
        ),
        lambda item: item.id,
    )
    return Answer([_shape(call, item) for item in page], pagination)


@resource.get(C, oauth=False)
def read(call: Call, client_id: int) -> Answer:
    """Read one, with client id and secret."""
    return Answer([_shape(call, _own(call, client_id))])


@resource.put(C, oauth=False)
def update(call: Call, client_id: int) -> Answer:
    """Change the status."""
    item = _own(call, client_id)
    status = call.json.get("status")
    _check_status(status, ("ACTIVE", "CANCELLED", "CANCELLED_PENDING"))
    if status == "ACTIVE" != item.body["status"]:
        _check_only_one(call)
    item.body["status"] = status
    call.store.save(item)
    return id_answer(item.id)


@resource.post(C + "/callback-url", oauth=False)
def add_callback(call: Call, client_id: int) -> Answer:
    """Register a redirect address. Addresses are compared sign by sign."""
    client = _own(call, client_id)
    url = _read_url(call, client)
    return id_answer(call.store.insert("callback_url", {"url": url}, parent=client.id, owner=call.user.id).id)


def _read_url(call: Call, client: Item) -> str:
    url = call.text("url", longest=2000)
    assert url is not None
    if wire.read_url(url, "url").fragment:
        raise wire.invalid("The field url must be an absolute http or https address without a fragment.")
    if any(each.body["url"] == url for each in callback_urls(call.store, client)):
        raise Refusal(400, "The Callback URL has already been registered for this Client.")
    return url


def _own_callback(call: Call, client: Item, callback_id: int) -> Item:
    item = call.store.get("callback_url", callback_id)
    if item is None or item.parent != client.id:
        raise wire.not_found("Callback url", callback_id)
    return item


@resource.get(C + "/callback-url", oauth=False)
def list_callbacks(call: Call, client_id: int) -> Answer:
    """List the redirect addresses."""
    client = _own(call, client_id)
    page, pagination = wire.paged(
        call.window,
        lambda below, above, limit: call.store.select(
            "callback_url", parent=client.id, below=below, above=above, limit=limit
        ),
        lambda item: item.id,
    )
    return Answer([{"OauthCallbackUrl": _callback(item)} for item in page], pagination)


@resource.get(C + "/callback-url/<int:callback_id>", oauth=False)
def read_callback(call: Call, client_id: int, callback_id: int) -> Answer:
    """Read one redirect address."""
    return Answer([{"OauthCallbackUrl": _callback(_own_callback(call, _own(call, client_id), callback_id))}])


@resource.put(C + "/callback-url/<int:callback_id>", oauth=False)
def update_callback(call: Call, client_id: int, callback_id: int) -> Answer:
    """Change a redirect address."""
    client = _own(call, client_id)
    item = _own_callback(call, client, callback_id)
    if call.json.get("url") != item.body["url"]:
        item.body["url"] = _read_url(call, client)
        call.store.save(item)
    return id_answer(item.id)


@resource.delete(C + "/callback-url/<int:callback_id>", oauth=False)
def delete_callback(call: Call, client_id: int, callback_id: int) -> Answer:
    """Remove a redirect address."""
    call.store.delete(_own_callback(call, _own(call, client_id), callback_id))
    return Answer([])
