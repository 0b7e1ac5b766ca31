"""`device-server`: binds a key to an installation and to addresses.

https://doc.bunq.com/api-reference/device-server
"""

from __future__ import annotations

import ipaddress

from bunqflask.sandbox.bank import credentials, wire
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer, Refusal, id_answer
from bunqflask.sandbox.protocol.call import Call, Resource

resource = Resource()


@resource.post("/device-server", auth="installation")
def create(call: Call) -> Answer:
    """Register a key on this installation. Unsigned calls are accepted, as at bunq."""
    assert call.installation is not None
    description, secret = call.text("description"), call.text("secret")
    assert secret is not None
    if call.store.select("device", parent=call.installation.id, limit=1):
        raise Refusal(400, "A device already exists for the current installation.")
    credential = credentials.usable(call.store, secret)
    if credential.body["type"] == "OAUTH" and call.bank.word("oauth_variant") == "A":
        raise wire.credentials_incorrect()
    addresses = _addresses(call)
    if call.bank.is_on("permitted_ips_enforced") and not {call.address, credentials.ANYWHERE} & set(addresses):
        raise wire.credentials_incorrect()
    credentials.check_address(call.bank, credential, call.address)
    device = call.store.insert(
        "device",
        {"description": description, "credential_id": credential.id, "ip": call.address, "status": "ACTIVE"},
        parent=call.installation.id,
        owner=credential.owner,
    )
    credentials.activate(call.store, credential, addresses, {"description": description, "ip": call.address})
    return id_answer(device.id)


def _addresses(call: Call) -> list[str]:
    """Return the addresses asked for; none means the caller's own.

    bunq's newest page takes a lone "*" as the caller's address, older sources as any; the sandbox follows the
    older ones, which bunq's own example relies on.
    """
    given = call.json.get("permitted_ips")
    if given is None or given == []:
        return [call.address]
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise wire.invalid("The field permitted_ips must be a list of addresses.")
    for each in given:
        if each == credentials.ANYWHERE:
            continue
        try:
            ipaddress.ip_address(each)
        except ValueError as error:
            raise wire.invalid(f'The address "{each}" in permitted_ips is not valid.') from error
    return list(dict.fromkeys(given))


def _shape(item: Item) -> Json:
    return {
        "DeviceServer": {
            "id": item.id,
            "created": item.created,
            "updated": item.updated,
            "description": item.body["description"],
            "ip": item.body["ip"],
            "status": item.body["status"],
        }
    }


@resource.get("/device-server", auth="any")
@resource.get("/device", auth="any")
def index(call: Call) -> Answer:
    """List the device of this installation."""
    assert call.installation is not None
    fetch = lambda below, above, limit: call.store.select(  # noqa: E731
        "device", parent=call.installation.id if call.installation else 0, below=below, above=above, limit=limit
    )
    page, pagination = wire.paged(call.window, fetch, lambda item: item.id)
    return Answer([_shape(item) for item in page], pagination)


@resource.get("/device-server/<int:device_id>", auth="any")
@resource.get("/device/<int:device_id>", auth="any")
def read(call: Call, device_id: int) -> Answer:
    """Read the device of this installation."""
    assert call.installation is not None
    item = call.store.get("device", device_id)
    if item is None or item.parent != call.installation.id:
        raise wire.not_found("Device server", device_id)
    return Answer([_shape(item)])
