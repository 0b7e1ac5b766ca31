"""`notification-filter-url`, its siblings for push and e-mail, and `notification-filter-failure`.

https://doc.bunq.com/basics/callbacks-webhooks
"""

from __future__ import annotations

from collections import Counter

from bunqflask.sandbox.bank import wire
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import NO_PAGES, Answer
from bunqflask.sandbox.protocol.call import A, Call, Resource, U

resource = Resource()

PER_CATEGORY = 2

CATEGORIES = frozenset(
    (
        *("BILLING", "BUNQME_TAB", "CARD", "CARD_TOKENIZATION", "CARD_TRANSACTION_FAILED", "CARD_TRANSACTION_REFUND"),
        *("CARD_TRANSACTION_SUCCESSFUL", "CARD_TRANSACTION_UPDATED", "CHAT", "DRAFT_PAYMENT", "IDEAL"),
        *("MONETARY_ACCOUNT_PROFILE", "MUTATION", "OAUTH", "PAYMENT", "PROMOTION", "REQUEST", "SCHEDULE_RESULT"),
        *("SCHEDULE_STATUS", "SHARE", "SOFORT", "SUPPORT", "TAB_RESULT", "USER_APPROVAL"),
    )
)


def _read(call: Call, *, target: bool) -> list[Json]:
    wanted = call.json.get("notification_filters")
    if not isinstance(wanted, list) or not all(isinstance(each, dict) for each in wanted):
        raise wire.invalid("The field notification_filters must be a list.")
    kept = []
    for each in wanted:
        if each.get("category") not in CATEGORIES:
            raise wire.invalid(f'The notification category "{each.get("category")}" is not known.')
        if target:
            _check_target(each.get("notification_target"))
        kept.append(
            {
                "category": each["category"],
                "notification_target": each.get("notification_target") if target else None,
                "all_verification_type": each.get("all_verification_type", []),
            }
        )
    for category, count in Counter(each["category"] for each in kept).items():
        if target and count > PER_CATEGORY:
            raise wire.invalid(f"At most {PER_CATEGORY} URLs are allowed for the category {category}.")
    return kept


def _check_target(target: object) -> None:
    """Insist on https, as bunq does; only this machine may be reached without.

    :raises Refusal: 400 (invented text).
    """
    parts = wire.read_url(target, "notification_target")
    if parts.scheme != "https" and not wire.is_loopback(parts.hostname or ""):
        raise wire.invalid("The notification_target must be an https address.")


def _shape(item: Item, wrapper: str, *, target: bool) -> Json:
    members = {
        "id": item.id,
        "created": item.created,
        "updated": item.updated,
        "category": item.body["category"],
        "notification_target": item.body["notification_target"],
    }
    if not target:
        del members["notification_target"]
    if item.body["all_verification_type"]:
        members["all_verification_type"] = item.body["all_verification_type"]
    return {wrapper: members}


def _add(word: str, wrapper: str, *, target: bool, account_level: bool) -> None:
    """Add the calls of one kind of filter: each level has its set, which a POST replaces as a whole."""
    kind = "notification_filter_" + word

    def level(call: Call, account_id: int | None) -> list[Item]:
        return [each for each in call.store.select(kind, owner=call.user.id)[::-1] if each.account == account_id]

    def listed(call: Call, account_id: int | None) -> Answer:
        return Answer([_shape(each, wrapper, target=target) for each in level(call, account_id)], NO_PAGES)

    def replace(call: Call, account_id: int | None) -> Answer:
        wanted = _read(call, target=target)
        for each in level(call, account_id):
            call.store.delete(each)
        grant = call.grant
        for body in wanted:
            body["grant_id"] = None if grant is None else grant.id
            call.store.insert(kind, body, owner=call.user.id, account=account_id)
        return listed(call, account_id)

    path = f"/notification-filter-{word}"
    resource.get(U + path)(lambda call: listed(call, None))
    resource.post(U + path)(lambda call: replace(call, None))
    if account_level:
        resource.get(A + path)(lambda call: listed(call, call.account.id))
        resource.post(A + path)(lambda call: replace(call, call.account.id))


_add("url", "NotificationFilterUrl", target=True, account_level=True)
_add("push", "NotificationFilterPush", target=False, account_level=False)
_add("email", "NotificationFilterEmail", target=False, account_level=False)


@resource.get(U + "/notification-filter-failure")
def failures(call: Call) -> Answer:
    """List deliveries that failed six times."""

    def shape(item: Item) -> Json:
        note = item.body["payload"]["NotificationUrl"]
        ((_wrapper, thing),) = note["object"].items()
        filters = [{"category": note["category"], "notification_target": note["target_url"]}]
        return {
            "NotificationFilterFailure": {
                "id": item.id,
                "created": item.created,
                "updated": item.updated,
                "notification_filters": filters,
                "category": note["category"],
                "event_type": note["event_type"],
                "object_id": thing.get("id"),
                "exception_message": item.body["exception_message"],
                "response_code": item.body["response_code"],
            }
        }

    found = [each for each in call.store.select("notification_failure", owner=call.user.id) if _is_visible(call, each)]
    page, pagination = wire.paged(call.window, wire.among(found), lambda item: item.id)
    return Answer([shape(each) for each in page], pagination)


def _is_visible(call: Call, failure: Item) -> bool:
    """Tell whether an app may know of the account that a delivery was about."""
    visible = call.visible_accounts(call.user)
    return visible is None or failure.account is None or failure.account in visible


@resource.post(U + "/notification-filter-failure")
def resend(call: Call) -> Answer:
    """Send failed deliveries once more: ids with commas between them."""
    text = call.text("notification_filter_failed_ids")
    ids = [number for each in (text or "").split(",") if (number := wire.read_number(each.strip())) is not None]
    if not ids:
        raise wire.invalid("The field notification_filter_failed_ids must name at least one id.")
    for id in ids:
        item = call.load("notification_failure", id, "Notification filter failure", owner=call.user.id)
        if not _is_visible(call, item):
            raise wire.not_found("Notification filter failure", id)
        again = {"owner": item.owner, "account": item.account, "payload": item.body["payload"], "tries": 0}
        call.bank.later("webhook", 0, again)
        call.store.delete(item)
    return Answer([{"Id": {"id": ids[0]}}])
