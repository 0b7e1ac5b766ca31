"""`session-server` and `session`: opening and closing bunq's sessions.

https://doc.bunq.com/api-reference/session
"""

from __future__ import annotations

import secrets

from bunqflask.sandbox.bank import credentials, people, wire
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer
from bunqflask.sandbox.protocol.call import Call, Resource

resource = Resource()


@resource.post("/session-server", auth="installation", signed=True)
def create(call: Call) -> Answer:
    """Open a session with an API key, a PSD2 credential or an OAuth access token."""
    assert call.installation is not None
    secret = call.text("secret")
    assert secret is not None
    store = call.store
    credential = credentials.usable(store, secret)
    _check_device(call, credential)
    credentials.check_address(call.bank, credential, call.address)
    grant = store.get("grant", credential.body["grant_id"]) if credential.body["grant_id"] else None
    # One report says that an access token is bound to the address of its first session.
    credentials.activate(store, credential, _addresses_of_device(call), None)
    first = credential.body["sessions"] == 0
    credential.body["sessions"] += 1
    store.save(credential, touch=False)
    user = people.by_id(store, credential.owner or 0)
    timeout_s = people.session_timeout(user, call.bank.seconds("session_timeout_s"), first_session=first)
    token = secrets.token_hex(32)
    session = store.insert(
        "session",
        {
            "user_id": user.id,
            "credential_id": credential.id,
            "grant_id": credential.body["grant_id"],
            "expires": store.clock.timestamp() + timeout_s,
            "timeout_s": timeout_s,
            "closed": None,
        },
        parent=call.installation.id,
        owner=user.id,
        name=token,
    )
    # Id and Token carry the same number in recordings.
    shown = {"id": session.id, "created": session.created, "updated": session.updated, "token": token}
    who = user_api_key(call, grant, timeout_s) if grant is not None else people.wire(user, timeout_s)
    return Answer([{"Id": {"id": session.id}}, {"Token": shown}, who])


def _device(call: Call) -> Item:
    assert call.installation is not None
    found = call.store.select("device", parent=call.installation.id, limit=1)
    if not found:
        raise wire.credentials_incorrect()
    return found[0]


def _addresses_of_device(call: Call) -> list[str]:
    """Return where an access token may be used from after its first session."""
    registered = call.store.get("credential", _device(call).body["credential_id"])
    anywhere = registered is not None and credentials.is_permitted(call.store, registered, credentials.ANYWHERE)
    return [credentials.ANYWHERE if anywhere else call.address]


def _check_device(call: Call, credential: Item) -> None:
    """Refuse a secret that does not belong on this installation.

    An API key or PSD2 credential must be the registered one. For an access token sources disagree, and the switch
    `oauth_variant` decides: A, the installation belongs to the app (registered by a key of the OAuth client's
    owner); B, the access token itself was registered on an installation of its own.

    :raises Refusal: 400 with the same text as for a wrong key.
    """
    registered = call.store.get("credential", _device(call).body["credential_id"])
    if registered is None or registered.body["status"] == "REVOKED":
        raise wire.credentials_incorrect()
    if registered.id == credential.id:
        return
    if credential.body["type"] != "OAUTH" or call.bank.word("oauth_variant") == "B":
        raise wire.credentials_incorrect()
    grant = call.store.get("grant", credential.body["grant_id"])
    client = None if grant is None else call.store.get("oauth_client", grant.parent or 0)
    if client is None or registered.owner != client.owner:
        raise wire.credentials_incorrect()
    credentials.check_address(call.bank, registered, call.address)


def user_api_key(call: Call, grant: Item, timeout_s: int) -> Json:
    """Write who asked for a grant and who gave it."""
    client = call.store.get("oauth_client", grant.parent or 0)
    assert client is not None
    asking, granting = people.by_id(call.store, client.owner or 0), people.by_id(call.store, grant.owner or 0)
    return {
        "UserApiKey": {
            "id": grant.body["user_api_key_id"],
            "created": grant.created,
            "updated": grant.updated,
            "requested_by_user": people.summary(asking, timeout_s),
            "granted_by_user": people.summary(granting, timeout_s),
        }
    }


@resource.delete("/session/<any:session_id>")
def delete(call: Call, session_id: str) -> Answer:
    """Close the session this call is made in, the id in the path is ignored; bunq's SDKs send 0."""
    assert call.session is not None
    credentials.close_session(call.store, call.session, "deleted")
    return Answer([])
