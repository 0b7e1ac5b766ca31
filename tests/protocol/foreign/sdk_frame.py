"""What the stories of bunq's Python SDK share. Runs in the SDK's environment, never in ours."""

# mypy: ignore-errors
from __future__ import annotations

import sys
import tempfile
import time

import requests
from bunq.sdk.context.api_context import ApiContext
from bunq.sdk.context.api_environment_type import ApiEnvironmentType
from bunq.sdk.context.bunq_context import BunqContext
from bunq.sdk.model.generated.object_ import AmountObject, PointerObject
from frame import run_steps

ENVIRONMENT = ApiEnvironmentType.SANDBOX
SUGAR_DADDY = PointerObject("EMAIL", "sugardaddy@bunq.com")
BRAVO = PointerObject("EMAIL", "bravo@bunq.com")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4

state = {}


def eur(value):
    """Return an amount in euros."""
    return AmountObject(value, "EUR")


def account():
    """Return the id of the first account."""
    return BunqContext.user_context().primary_monetary_account.id_


def wait_until(check):
    """Wait five seconds at most."""
    deadline = time.monotonic() + 5
    while not check():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.1)


def new_context(kind):
    """Return the context of a new sandbox user, kept in a file and read again."""
    # The SDK itself wants a session before it makes the user that the session is for; its own tests do this too.
    answer = requests.post(f"{ENVIRONMENT.uri_base}sandbox-user-{kind}", timeout=5)
    key = answer.json()["Response"][0]["ApiKey"]["api_key"]
    context = ApiContext.create(ENVIRONMENT, key, "sdk story")
    with tempfile.NamedTemporaryFile("r") as file:
        context.save(file.name)
        return ApiContext.restore(file.name)


def control(path, body):
    """Tell the sandbox something."""
    answer = requests.post(ENVIRONMENT.uri_base.replace("/v1/", f"/__sandbox/{path}"), json=body, timeout=5)
    assert answer.status_code == 200, answer.text
    return answer.json()


def main():
    """Tell the story at the bank whose address is the first argument."""
    ENVIRONMENT._uri_base = sys.argv[1]
    run_steps()
