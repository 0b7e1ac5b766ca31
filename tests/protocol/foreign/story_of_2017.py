"""What the package `bunq` of 2017 does at the simulated bank. It signs method, path, headers and body, as bunq wanted
until 2020: calls that need no signature work, the others are refused as bunq refuses them since.

Usage: python story_of_2017.py ORIGIN API_KEY; prints one JSON line per step.
"""

# mypy: ignore-errors
from __future__ import annotations

import json
import sys

import bunq
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from frame import run_steps, step

ORIGIN, KEY = sys.argv[1:3]
BRAVO = {"type": "EMAIL", "value": "bravo@bunq.com", "name": "Bravo"}
state = {}


def new_client():
    """Return a client with a key pair of its own."""
    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    client = bunq.API(pem)
    client.uri = ORIGIN
    return client


def objects(answer):
    """Return what an answer holds, by wrapper."""
    assert answer.status_code == 200, answer.text
    return {name: value for item in answer.json()["Response"] for name, value in item.items()}


@step
def an_installation_and_a_device_are_made():
    state["client"] = client = new_client()
    made = objects(client.query("installation", {"client_public_key": client.pubkey().decode()}))
    client.token = made["Token"]["token"]
    assert objects(client.query("device-server", {"description": "2017", "secret": KEY}))["Id"]["id"] > 0


@step
def its_signature_is_refused():
    answer = state["client"].query("session-server", {"secret": KEY})
    assert answer.status_code == 401
    assert answer.json()["Error"][0]["error_description"] == "The request signature is invalid."


@step
def its_key_signs_a_body_as_bunq_wants_it_now():
    client, body = state["client"], json.dumps({"secret": KEY})
    headers = {"X-Bunq-Client-Authentication": client.token, "X-Bunq-Client-Signature": client.sign(body)}
    made = objects(requests.post(f"{ORIGIN}/v1/session-server", data=body, headers=headers, timeout=20))
    client.token = made["Token"]["token"]
    state["user"] = made["UserPerson"]["id"]


@step
def users_accounts_and_payments_are_read():
    client, user = state["client"], state["user"]
    assert objects(client.query("user"))["UserPerson"]["id"] == user
    listed = client.query(f"/user/{user}/monetary-account").json()["Response"]
    state["account"] = listed[0]["MonetaryAccountBank"]["id"]
    path = f"user/{user}/monetary-account/{state['account']}/payment"
    assert objects(client.query(f"{path}?count=1"))["Payment"]["balance_after_mutation"]["currency"] == "EUR"


@step
def a_draft_that_needs_no_signature_is_made_changed_and_read():
    client = state["client"]
    path = f"user/{state['user']}/monetary-account/{state['account']}/draft-payment"
    entry = {"amount": {"value": "1.00", "currency": "EUR"}, "counterparty_alias": BRAVO, "description": "2017"}
    made = objects(client.query(path, {"entries": [entry], "number_of_required_accepts": 1}))["Id"]["id"]
    objects(client.query(f"{path}/{made}", {"status": "CANCELLED"}, method="put"))
    assert objects(client.query(f"{path}/{made}"))["DraftPayment"]["status"] == "CANCELLED"


@step
def a_payment_that_needs_a_signature_is_refused():
    path = f"user/{state['user']}/monetary-account/{state['account']}/payment"
    order = {"amount": {"value": "1.00", "currency": "EUR"}, "counterparty_alias": BRAVO, "description": "2017"}
    assert state["client"].query(path, order).status_code == 401


if __name__ == "__main__":
    run_steps()
