"""Secrets that open a session: API keys, PSD2 credentials and OAuth access tokens, and where they may be used from."""

from __future__ import annotations

from bunqflask.sandbox.bank import wire
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.store import Item, Json, Store

ANYWHERE = "*"


def usable(store: Store, secret: str) -> Item:
    """Return the credential with this secret.

    :raises Refusal: 400, unknown, withdrawn, or not used within an hour of its making.
    """
    credential = store.named("credential", secret)
    if credential is None or credential.body["status"] == "REVOKED":
        raise wire.credentials_incorrect()
    if credential.body["status"] == "PENDING_FIRST_USE" and credential.body["expiry"] < store.clock.timestamp():
        raise wire.credentials_incorrect()
    return credential


def activate(store: Store, credential: Item, addresses: list[str], device: Json | None) -> None:
    """Use a credential for the first time, which binds it to addresses; later calls change nothing."""
    if credential.body["status"] != "PENDING_FIRST_USE":
        return
    credential.body |= {"status": "ACTIVE", "expiry": None, "permitted_device": device}
    store.save(credential)
    for address in addresses:
        permit(store, credential, address)


def permit(store: Store, credential: Item, address: str, status: str = "ACTIVE") -> Item:
    """Add an address from which a credential may be used."""
    return store.insert("permitted_ip", {"ip": address, "status": status}, owner=credential.owner, parent=credential.id)


def is_permitted(store: Store, credential: Item, address: str) -> bool:
    """Tell whether a credential may be used from an address."""
    allowed = {
        each.body["ip"]
        for each in store.select("permitted_ip", parent=credential.id)
        if each.body["status"] == "ACTIVE"
    }
    return address in allowed or ANYWHERE in allowed


def check_address(bank: Bank, credential: Item, address: str) -> None:
    """Refuse a foreign address, where the switch `permitted_ips_enforced` is on.

    :raises Refusal: 400 with the same text as for a wrong key.
    """
    if not bank.is_on("permitted_ips_enforced") or credential.body["status"] == "PENDING_FIRST_USE":
        return
    if not is_permitted(bank.store, credential, address):
        raise wire.credentials_incorrect()


def shape(credential: Item) -> Json:
    """Write a credential; its secret and expiry show only until the first use."""
    pending = credential.body["status"] == "PENDING_FIRST_USE"
    return {
        "CredentialPasswordIp": {
            "id": credential.id,
            "created": credential.created,
            "updated": credential.updated,
            "status": credential.body["status"],
            "expiry_time": wire.time_text(credential.body["expiry"]) if pending else None,
            "token_value": credential.name if pending else None,
            "permitted_device": credential.body["permitted_device"],
        }
    }


def revoke(store: Store, credential: Item) -> None:
    """Withdraw a credential and close every session that stands on it.

    A session opened by a granted app on a device of this credential dies with it.
    """
    credential.body["status"] = "REVOKED"
    store.save(credential)
    devices = [each for each in store.select("device") if each.body["credential_id"] == credential.id]
    for session in store.select("session"):
        on_device = any(session.parent == device.parent for device in devices)
        if session.body["credential_id"] == credential.id or on_device:
            close_session(store, session, "revoked")


def close_session(store: Store, session: Item, why: str) -> None:
    """Close a session: "deleted" by its client, or "revoked" with its grant or key."""
    if not session.body["closed"]:
        session.body["closed"] = why
        store.save(session)
