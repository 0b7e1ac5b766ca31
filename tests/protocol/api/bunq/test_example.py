"""What the PSD2 example reads, its equivalents here return too: the addresses are those of the page about it."""

from __future__ import annotations

import re
from typing import Any

from bunqflask.bunq.readable import RESOURCES
from bunqflask.models import TokenScope
from tests.protocol.api.bunq.furnished import Furnished
from tests.protocol.api.bunq.test_resources import BUNQ, is_foreign
from tests.protocol.api.program import Program, program_of
from tests.protocol.payments.test_notes import LOOK
from tests.protocol.sandbox.client import JODI, MAIN
from tests.support import documents
from tests.support.apps import ThreadSite
from tests.support.browser import Browser
from tests.support.consents import ROBIN

PAGE = documents.ROOT / "docs" / "how-to" / "come-from-the-psd2-example.md"
EVERYTHING = (TokenScope.BALANCES_READ, TokenScope.PAYMENTS_READ, TokenScope.NOTES_READ, TokenScope.BUNQ_READ)


def reading_rows() -> list[tuple[str, list[str]]]:
    """Return the number and the addresses of each endpoint that reads, as a path of the table or of ours."""
    found = []
    for number, _theirs, ours in documents.table(PAGE, "#"):
        addresses = [each for each in re.findall(r"`GET ([^`]+)`", ours) if "callback" not in each]
        if addresses:
            found.append((number, addresses))
    return found


def test_reading_equivalents_return_what_bunq_returns(site: ThreadSite, furnished: Furnished, robin: Browser) -> None:
    program = program_of(site, ROBIN, scopes=EVERYTHING)
    by_path = {each.path: each for each in RESOURCES}
    stored: set[str] = set()
    for number, addresses in reading_rows():
        for each in addresses:
            if not each.startswith("B/"):
                stored.add(each)
                continue
            path = each.replace("B/A", "B/user/{userID}/monetary-account/{monetary-accountID}").removeprefix("B/")
            asked = furnished.path(by_path[path])
            theirs = furnished.owner.get(f"/{asked}") if asked != "user" else program.get(f"{BUNQ}user")["Response"]
            assert program.get(BUNQ + asked)["Response"] == [one for one in theirs if is_foreign(one)], number

    assert stored == {
        "/api/v1/accounts",
        "/api/v1/accounts/{account_id}",
        "/api/v1/payments",
        "/api/v1/payments/{payment_id}",
        "/api/v1/payments/{payment_id}/notes",
    }
    check_accounts(program, furnished)
    check_payments(program, furnished, robin)


def check_accounts(program: Program, furnished: Furnished) -> None:
    """Compare stored accounts with bunq's."""
    theirs = [next(iter(each.values())) for each in furnished.owner.get(f"/user/{JODI}/monetary-account")]
    ours = program.get("/accounts")["items"]
    assert [
        (each["monetary_account_id"], each["name"], each["balance"], each["currency"], each["iban"]) for each in ours
    ] == [
        (
            str(each["id"]),
            each["description"],
            each["balance"]["value"],
            each["balance"]["currency"],
            next(alias["value"] for alias in each["alias"] if alias["type"] == "IBAN"),
        )
        for each in theirs
    ]
    assert [program.get(f"/accounts/{each['id']}") for each in ours] == ours


def check_payments(program: Program, furnished: Furnished, robin: Browser) -> None:
    """Compare stored payments, and the notes on one that a person has opened, with bunq's."""
    path = f"/user/{JODI}/monetary-account/{MAIN}/payment"
    theirs = {str(each["Payment"]["id"]): each["Payment"] for each in furnished.owner.get(f"{path}?count=200")}
    found = [program.get(f"/payments/{each['id']}", expand="raw") for each in of_account(program, "1")]
    assert {each["payment_id"]: (each["amount"], each["description"]) for each in found} == {
        number: (each["amount"]["value"], each["description"]) for number, each in theirs.items()
    }
    assert all(each["raw"] == theirs[each["payment_id"]] for each in found)
    noted = next(each for each in found if each["payment_id"] == str(furnished.ids["payment"]))
    robin.get(f"/payments/{noted['id']}")
    robin.submit(button=LOOK)
    ours = program.get(f"/payments/{noted['id']}/notes")["items"]
    said = furnished.owner.get(f"{path}/{noted['payment_id']}/note-text")
    assert said[0]["NoteText"]["content"] in {each["text"] for each in ours}
    files = furnished.owner.get(f"{path}/{noted['payment_id']}/note-attachment")
    attached = str(files[0]["NoteAttachment"]["attachment"][0]["id"])
    assert attached in {number for each in ours for number in each["attachment_ids"]}


def of_account(program: Program, account_id: str) -> list[Any]:
    """Return all payments of an account."""
    found, cursor = [], None
    while True:
        more: dict[str, str] = {} if cursor is None else {"cursor": cursor}
        page = program.get("/payments", account=account_id, limit=100, **more)
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return found
