"""`installation`: a client makes its public key known and gets a token and the bank's key.

https://doc.bunq.com/api-reference/installation
"""

from __future__ import annotations

import secrets

from bunqflask.sandbox.bank import wire
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer
from bunqflask.sandbox.protocol import signing
from bunqflask.sandbox.protocol.call import Call, Resource

resource = Resource()


@resource.post("/installation", auth="none")
def create(call: Call) -> Answer:
    """Make a new installation, also for a key that already has one."""
    pem = call.text("client_public_key")
    assert pem is not None
    try:
        signing.read_public_pem(pem)
    except signing.KeyNotUsable as error:
        raise wire.invalid(f"The client_public_key is not usable: {error}.") from error
    token = secrets.token_hex(32)
    count = len(call.store.select("installation"))
    key = signing.server_key(count % signing.SERVER_KEYS)
    item = call.store.insert(
        "installation",
        {"client_public_key": pem, "server_private_key": key, "token_id": call.store.next_id()},
        name=token,
    )
    # No key is agreed upon yet, so this answer alone is not signed.
    return Answer([{"Id": {"id": item.id}}, _token(item), _server_key(item)], signed=False)


def _token(item: Item) -> Json:
    return {
        "Token": {"id": item.body["token_id"], "created": item.created, "updated": item.updated, "token": item.name}
    }


def _server_key(item: Item) -> Json:
    return {"ServerPublicKey": {"server_public_key": signing.public_pem(item.body["server_private_key"])}}


@resource.get("/installation", auth="any")
def index(call: Call) -> Answer:
    """List the caller's own installation."""
    assert call.installation is not None
    return Answer([{"Id": {"id": call.installation.id}}], wire.NO_PAGES)


@resource.get("/installation/<int:installation_id>", auth="any")
def read(call: Call, installation_id: int) -> Answer:
    """Read the caller's own installation."""
    return Answer([{"Id": {"id": _own(call, installation_id).id}}])


@resource.get("/installation/<int:installation_id>/server-public-key", auth="any")
def server_public_key(call: Call, installation_id: int) -> Answer:
    """Read the bank's public key again."""
    return Answer([_server_key(_own(call, installation_id))])


def _own(call: Call, installation_id: int) -> Item:
    assert call.installation is not None
    if installation_id != call.installation.id:
        raise wire.not_found("Installation", installation_id)
    return call.installation
