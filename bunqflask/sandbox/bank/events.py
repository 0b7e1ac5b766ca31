"""Events of the bank: each is stored for the API and sent to the webhooks that match it.

https://doc.bunq.com/basics/callbacks-webhooks
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import requests

from bunqflask.sandbox.bank import accounts
from bunqflask.sandbox.bank.bank import Bank, job
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import is_loopback, to_bytes

TRIES = 6
BETWEEN_TRIES_S = 60
ANSWER_WITHIN_S = 5


def happened(
    bank: Bank,
    *,
    user_id: int,
    account_id: int | None,
    thing: Json,
    notify: Sequence[tuple[str, str]],
    action: str = "CREATE",
    status: str = "FINALIZED",
    listed: Json | None = None,
) -> Item:
    """Write an event down, send it to every webhook that wants one of the categories, and return it.

    `thing` is the object under its wrapper, and `listed` the one in the list of events, where that is another;
    `notify` pairs a category with an event type.
    """
    store = bank.store
    account = store.get("monetary_account", account_id or 0)
    # Who opened an account first, then who holds it too.
    told = [user_id] if account is None else dict.fromkeys([user_id, *accounts.holders(store, account)])
    written = []
    for each in told:
        body = {"action": action, "status": status, "object": listed or thing}
        written.append(store.insert("event", body, owner=each, account=account_id))
        _notify(bank, each, account_id, thing, notify)
    return written[0]


def _notify(bank: Bank, user_id: int, account_id: int | None, thing: Json, notify: Sequence[tuple[str, str]]) -> None:
    filters = [
        each
        for each in bank.store.select("notification_filter_url", owner=user_id)[::-1]
        if each.account in (None, account_id) and _may_hear(bank, each, account_id)
    ]
    for category, event_type in notify:
        for each in filters:
            if each.body["category"] == category:
                _send(bank, each, category, event_type, thing, account_id)


def _may_hear(bank: Bank, target: Item, account_id: int | None) -> bool:
    """Tell whether a filter may report on an account: one of an app only on the accounts of its active grant."""
    grant_id = target.body.get("grant_id")
    if grant_id is None:
        return True
    grant = bank.store.get("grant", grant_id)
    if grant is None or grant.body["status"] != "ACTIVE":
        return False
    return account_id is None or account_id in grant.body["accounts"]


def _send(bank: Bank, target: Item, category: str, event_type: str, thing: Json, account_id: int | None) -> None:
    payload = {
        "NotificationUrl": {
            "target_url": target.body["notification_target"],
            "category": category,
            "event_type": event_type,
            "object": thing,
        }
    }
    bank.later("webhook", 0, {"owner": target.owner, "account": account_id, "payload": payload, "tries": 0})


@job("webhook")
def deliver(bank: Bank, moment: float, body: Json) -> None:
    """Try to deliver; anything but a 2xx answer is tried again, five times at most."""
    note = body["payload"]["NotificationUrl"]
    code, problem = 0, ""
    try:
        # Unsigned: bunq documents no signature on callbacks.
        with requests.Session() as session:
            # A proxy that this machine's settings name is for other machines.
            session.trust_env = not is_loopback(urlsplit(note["target_url"]).hostname or "")
            answer = session.post(
                note["target_url"],
                data=to_bytes(body["payload"]),
                headers={"Content-Type": "application/json", "User-Agent": "bunq-api-server/1.0"},
                timeout=ANSWER_WITHIN_S,
                allow_redirects=False,
            )
        code = answer.status_code
        if 200 <= code < 300:
            return
        problem = f"answered {code}"
    except requests.RequestException as error:
        problem = type(error).__name__
    body["tries"] += 1
    with bank.store.transaction():
        if body["tries"] < TRIES:
            bank.store.schedule("webhook", moment + BETWEEN_TRIES_S, body)
            return
        bank.store.insert(
            "notification_failure",
            {"payload": body["payload"], "exception_message": problem, "response_code": code},
            owner=body["owner"],
            account=body.get("account"),
        )
