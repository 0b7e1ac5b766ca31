"""`credential-password-ip` and its `ip`: a user's keys, and the addresses each may be used from.

https://doc.bunq.com/basics/authentication/whitelisting-ip-addresses
"""

from __future__ import annotations

import ipaddress

from bunqflask.sandbox.bank import credentials, wire
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer, id_answer
from bunqflask.sandbox.protocol.call import Call, Resource, U

resource = Resource()

K = U + "/credential-password-ip/<int:credential_id>"
STATUSES = ("ACTIVE", "INACTIVE")


def _keys(call: Call) -> list[Item]:
    """Return the user's own keys, newest first; access tokens belong to apps and are not listed."""
    return [each for each in call.store.select("credential", owner=call.user.id) if each.body["type"] != "OAUTH"]


def _key(call: Call, credential_id: int) -> Item:
    for each in _keys(call):
        if each.id == credential_id:
            return each
    raise wire.not_found("Credential", credential_id)


def _check_caller(call: Call) -> None:
    """Refuse a change from an address that the session's own key may not be used from.

    :raises Refusal: 400 with the same text as for a wrong key.
    """
    assert call.session is not None
    own = call.store.get("credential", call.session.body["credential_id"])
    if own is not None:
        credentials.check_address(call.bank, own, call.address)


@resource.get(U + "/credential-password-ip", oauth=False)
def index(call: Call) -> Answer:
    """List the user's keys."""
    keys = _keys(call)
    page, pagination = wire.paged(call.window, wire.among(keys), lambda item: item.id)
    return Answer([credentials.shape(each) for each in page], pagination)


@resource.get(K, oauth=False)
def read(call: Call, credential_id: int) -> Answer:
    """Read one key."""
    return Answer([credentials.shape(_key(call, credential_id))])


def _shape(item: Item) -> Json:
    # bunq's OpenAPI leaves out id, created and updated; the SDKs' examples need the id to change an address.
    times = {"id": item.id, "created": item.created, "updated": item.updated}
    return {"PermittedIp": {**times, "ip": item.body["ip"], "status": item.body["status"]}}


def _address(call: Call) -> str:
    address = call.text("ip", longest=45)
    assert address is not None
    if address != credentials.ANYWHERE:
        try:
            ipaddress.ip_address(address)
        except ValueError as error:
            raise wire.invalid(f'The address "{address}" is not valid.') from error
    return address


def _status(call: Call, default: str) -> str:
    status = call.json.get("status", default)
    if status not in STATUSES:
        raise wire.invalid(f"The field status must be one of {', '.join(STATUSES)}.")
    return str(status)


@resource.post(K + "/ip", oauth=False)
def permit(call: Call, credential_id: int) -> Answer:
    """Let a key be used from one more address; "*" stands for any, as bunq's own example sends it."""
    _check_caller(call)
    key = _key(call, credential_id)
    return id_answer(credentials.permit(call.store, key, _address(call), _status(call, "ACTIVE")).id)


@resource.get(K + "/ip", oauth=False)
def list_addresses(call: Call, credential_id: int) -> Answer:
    """List the addresses of a key."""
    return call.page("permitted_ip", _shape, parent=_key(call, credential_id).id)


@resource.get(K + "/ip/<int:ip_id>", oauth=False)
def read_address(call: Call, credential_id: int, ip_id: int) -> Answer:
    """Read one address of a key."""
    key = _key(call, credential_id)
    return Answer([_shape(call.load("permitted_ip", ip_id, "Permitted ip", parent=key.id))])


@resource.put(K + "/ip/<int:ip_id>", oauth=False)
def update_address(call: Call, credential_id: int, ip_id: int) -> Answer:
    """Switch an address on or off, or replace it."""
    _check_caller(call)
    item = call.load("permitted_ip", ip_id, "Permitted ip", parent=_key(call, credential_id).id)
    item.body["status"] = _status(call, item.body["status"])
    if "ip" in call.json:
        item.body["ip"] = _address(call)
    call.store.save(item)
    return id_answer(item.id)
