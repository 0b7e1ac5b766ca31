"""Jodi with one of everything that bunq's API can list, made with her own key, as her bunq app would."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import requests

from bunqflask.bunq.readable import Resource
from tests.protocol.sandbox.client import CAR, JODI, MAIN, SECOND, Client, session_of
from tests.protocol.sandbox.test_attachment import upload, upload_public
from tests.protocol.sandbox.test_cards import ordered, shop
from tests.protocol.sandbox.test_customer_statement import EVERYTHING
from tests.protocol.sandbox.test_note import NOTED
from tests.protocol.sandbox.test_payments import order
from tests.support.bank import Bank

U = f"/user/{JODI}"
IBANS = {MAIN: "NL65BUNQ2090411945", SECOND: "NL55BUNQ2090409118", CAR: "NL17BUNQ2090415428"}
CALLBACK = "https://elsewhere.example/hook"


@dataclass
class Furnished:
    """What there is, for paths: by the part of a path that stands before an id."""

    owner: Client
    ids: dict[str, Any] = field(default_factory=dict)

    def path(self, resource: Resource, *, user: int = JODI, account: int = MAIN) -> str:
        """Return a path of a resource to something that Jodi's main account has; with other ids, as an odd client."""
        found: list[str] = []
        for word in resource.words:
            if word in ("{userID}", "{monetary-accountID}"):
                found.append(str(JODI if word == "{userID}" else MAIN))
            else:
                found.append(str(self._id(found)) if word.startswith("{") else word)
        instead = {"{userID}": str(user), "{monetary-accountID}": str(account)}
        return "/".join(instead.get(word, there) for word, there in zip(resource.words, found, strict=True))

    def _id(self, words: list[str]) -> Any:
        """Return an id of the list at a path: one that is known, or that of the first item."""
        kind = "/".join(word for word in words[4:] if not word.isdecimal()) or words[-1]
        known = self.ids.get(kind, self.ids.get(words[-1]))
        if known is not None:
            return known
        item = self.owner.get("/" + "/".join(words))[0]
        return next(iter(item.values()))["id"]


def furnish(bank: Bank) -> Furnished:
    """Make one of everything on Jodi's main account, and some on others."""
    owner = session_of(bank, JODI)
    account = f"{U}/monetary-account/{MAIN}"
    found = Furnished(owner)
    for word, make in NOTED.items():
        thing = make(bank, owner)  # type: ignore[arg-type]  # a bank by its address serves as well
        owner.create(f"{thing}/note-text", {"content": f"a note on a {word} 📚"})
        owner.create(f"{thing}/note-attachment", {"attachment_id": upload(owner), "description": word})
        found.ids[word] = thing.rpartition("/")[2]
    found.ids["schedule"] = _schedule_of(owner, found.ids["schedule-instance"])
    _links(owner, account, found)
    _statements(bank, owner, account, found)
    for of_card in (SECOND, CAR):
        ordered(owner, alias={"type": "IBAN", "value": IBANS[of_card], "name": "Jodi Walker"})
    found.ids |= {"attachment": upload(owner), "attachment-public": upload_public(owner)}
    (avatar,) = owner.ok("POST", "/avatar", {"attachment_public_uuid": found.ids["attachment-public"]})
    found.ids["avatar"] = avatar["Uuid"]["uuid"]
    filters = {"notification_filters": [{"category": "CARD", "notification_target": CALLBACK}]}
    for level in (account, U):
        owner.ok("POST", f"{level}/notification-filter-url", filters)
    for other in (SECOND, CAR):
        owner.create(f"{U}/monetary-account/{other}/payment", order("3.21", description=f"only of {other}"))
    return found


def _schedule_of(owner: Client, instance_id: str) -> int:
    """Return the schedule to which a run belongs."""
    path = f"{U}/monetary-account/{MAIN}/schedule"
    for item in owner.get(path):
        number: int = next(iter(item.values()))["id"]
        runs = owner.get(f"{path}/{number}/schedule-instance")
        if any(str(run["ScheduledInstance"]["id"]) == instance_id for run in runs):
            return number
    raise AssertionError("no schedule has this run")


def _links(owner: Client, account: str, found: Furnished) -> None:
    """Make a link, and let somebody pay it."""
    entry = {"amount_inquired": {"value": "5.00", "currency": "EUR"}, "description": "cake"}
    number = owner.create(f"{account}/bunqme-tab", {"bunqme_tab_entry": entry})
    link = owner.one(f"{account}/bunqme-tab/{number}", "BunqMeTab")["bunqme_tab_share_url"]
    assert requests.post(link, data={"name": "A. Friend"}, timeout=20).status_code == 200
    (result,) = owner.one(f"{account}/bunqme-tab/{number}", "BunqMeTab")["result_inquiries"]
    found.ids["bunqme-tab-result-response"] = result["id"]


def _statements(bank: Bank, owner: Client, account: str, found: Furnished) -> None:
    """Make statements: of the account, of an event, of a card; and a proof of the account."""
    body = {"statement_format": "CSV", "regional_format": "EUROPEAN", **EVERYTHING}
    found.ids["customer-statement"] = owner.create(f"{account}/customer-statement", body)
    owner.create(f"{account}/payment", order("7.00", description="with a statement"))
    event = owner.get(f"{U}/event")[0]["Event"]["id"]
    found.ids["event"] = event
    found.ids["event/statement"] = owner.create(f"{account}/event/{event}/statement")
    owner.create(f"{account}/export-rib")
    card = ordered(owner, order_status="VIRTUAL_DELIVERY", product_type="MASTERCARD_VIRTUAL")["id"]
    shop(bank, card)  # type: ignore[arg-type]
    statements = f"{U}/card/{card}/export-statement-card"
    table = owner.create(f"{statements}-csv", {**EVERYTHING, "regional_format": "UK_US"})
    found.ids |= {"card": card, "export-statement-card": table, "export-statement-card-csv": table}
    found.ids["export-statement-card-pdf"] = owner.create(f"{statements}-pdf", EVERYTHING)
