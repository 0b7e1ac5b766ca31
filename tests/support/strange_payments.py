"""Payments and callbacks of the second bunq: paged, mixed and wrapped in every way that is legal or was seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from tests.support.strange_bunq import GRANT, MOST_PER_PAGE, ROUTES, Bunq, Incoming, Refused, Route

# The account that has payments; their ids are ten apart.
RICH, PAYMENTS = 1, 25
THEIRS = {"category": "MUTATION", "notification_target": "https://books.example/hook"}


@dataclass
class PayingBunq(Bunq):
    """Lists payments and calls back."""

    pages: Literal["mixed", "hollow", "unpaged", "whole"] = "mixed"
    form: Literal["wrapped", "older", "bare"] = "wrapped"
    tells_of_permissions: bool = True
    callbacks: list[dict[str, Any]] = field(default_factory=lambda: [THEIRS])

    @property
    def routes(self) -> list[Route]:
        """What it answers, besides what every second bunq does."""
        account = rf"/v1/user/{GRANT}/monetary-account/[0-9]+/payment"
        callbacks = rf"/v1/user/{GRANT}/notification-filter-url"
        return [
            *ROUTES,
            ("GET", account, "session", PayingBunq.list_payments),
            ("GET", callbacks, "session", PayingBunq.list_callbacks),
            ("POST", callbacks, "session", PayingBunq.replace_callbacks),
        ]

    def list_payments(self, call: Incoming) -> dict[str, Any]:
        """List newest first, a page at a time that is itself in no order, with other things between."""
        path = urlsplit(call.path).path
        if f"/{RICH}/" not in path:
            return {"Response": []}
        older = int(call.query.get("older_id", 10**9))
        if self.pages == "hollow" and older % 10 == 0:
            things = [None, {"Payment": None}, {"PaymentGhost": {"id": older - 1}}]
            return {"Response": things, "Pagination": {"older_url": f"{path}?count=200&older_id={older - 5}"}}
        size = PAYMENTS if self.pages == "whole" else MOST_PER_PAGE
        ids = [number * 10 for number in range(PAYMENTS, 0, -1) if number * 10 < older or self.pages == "whole"][:size]
        shown = [{"PaymentGhost": {"id": 1}}, None, *({"Payment": _payment(number)} for number in sorted(ids))]
        if not ids:
            return {"Response": []}
        shown.append({"Payment": _payment(ids[-1]) | {"updated": "2026-03-29 00:30:00", "description": "outdated"}})
        if self.pages in ("unpaged", "whole"):
            return {"Response": shown}
        return {"Response": shown, "Pagination": {"older_url": f"{path}?older_id={ids[-1]}", "newer_url": ""}}

    def list_callbacks(self, _call: Incoming) -> list[Any]:
        """Show the callbacks, in one of the forms that bunq has had for them."""
        listed = [{"id": number, "created": None, **each} for number, each in enumerate(self.callbacks)]
        if self.form == "wrapped":
            return [{"NotificationFilterUrl": each} for each in listed]
        older = {"notification_filters": listed}
        return [older if self.form == "bare" else {"NotificationFilterUrl": older}]

    def replace_callbacks(self, call: Incoming) -> list[Any]:
        """Take a whole new set."""
        given = call.json["notification_filters"]
        if not self.tells_of_permissions and any(each["category"] == "OAUTH" for each in given):
            raise Refused(400, "The category is not allowed.")
        assert all(set(each) == {"category", "notification_target"} for each in given)
        self.callbacks = given
        return [{"Id": {"id": 8}}]


def _payment(payment_id: int) -> dict[str, Any]:
    number = payment_id // 10
    return {
        "id": payment_id,
        "monetary_account_id": RICH,
        "created": f"2026-03-29 00:{number:02}:59",
        "updated": "2026-03-30 00:00:00.5",
        "amount": {"value": "1.00", "currency": "EUR"},
        "balance_after_mutation": {"value": f"{number}.00", "currency": "EUR"},
        "counterparty_alias": None,
    }
