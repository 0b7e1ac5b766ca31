"""How long bunq's own Python SDK takes to list a history into memory. Runs in the SDK's environment, never in ours.

Usage: python sdk_listing.py API_URL API_KEY ACCOUNT ROUNDS; prints the payments listed and the seconds each round took.
"""

# mypy: ignore-errors
from __future__ import annotations

import json
import sys
import time

from bunq import Pagination
from bunq.sdk.context.api_context import ApiContext
from bunq.sdk.context.api_environment_type import ApiEnvironmentType
from bunq.sdk.context.bunq_context import BunqContext
from bunq.sdk.model.generated import endpoint as bunq


def listed(account):
    """Return how many payments there are, all of them listed, newest first."""
    first = Pagination()
    first.count = 200
    page = bunq.PaymentApiObject.list(monetary_account_id=account, params=first.url_params_count_only)
    payments = list(page.value)
    while page.pagination.has_previous_page():
        page = bunq.PaymentApiObject.list(monetary_account_id=account, params=page.pagination.url_params_previous_page)
        payments += page.value
    return len(payments)


def main(api_url, api_key, account, rounds):
    """Open a session, then list the account's payments again and again."""
    ApiEnvironmentType.SANDBOX._uri_base = api_url
    BunqContext.load_api_context(ApiContext.create(ApiEnvironmentType.SANDBOX, api_key, "bench"))
    count, took_s = 0, []
    for _ in range(int(rounds)):
        started = time.monotonic()
        count = listed(int(account))
        took_s.append(time.monotonic() - started)
    print(json.dumps([count, took_s]))


if __name__ == "__main__":
    main(*sys.argv[1:])
