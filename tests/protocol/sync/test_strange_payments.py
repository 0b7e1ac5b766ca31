"""Payments and callbacks of a bunq that this project's own stand-in has nothing in common with."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AccountSync, MonetaryAccount, Payment
from bunqflask.services.connections import access
from bunqflask.services.sync import connection_sync, schedule
from tests.support import history, rows, strange_bunq
from tests.support.apps import ThreadSite, set_up
from tests.support.strange_payments import PAYMENTS, RICH, THEIRS, PayingBunq
from tests.support.strange_site import connect, running

pytestmark = pytest.mark.sqlite_only


@pytest.fixture
def bunq(request: pytest.FixtureRequest) -> Iterator[PayingBunq]:
    marker = request.node.get_closest_marker("bank")
    with strange_bunq.running(PayingBunq(**(marker.kwargs if marker else {}))) as bunq:
        yield bunq


@pytest.fixture
def odd_site(bunq: PayingBunq, database_url: str) -> Iterator[ThreadSite]:
    with running(bunq, database_url) as site:
        set_up(site.app)
        yield site


def sync(site: ThreadSite) -> dict[str, Any]:
    """Bring the one connection up to date; returns what came of it."""
    with site.app.app_context():
        succeeded = connection_sync.run(access.list_active()[0].id, patience_s=5)
        connection = access.list_active()[0]
        query = db.select(AccountSync).join(MonetaryAccount).where(MonetaryAccount.monetary_account_id == RICH)
        state = db.session.scalars(query).one()
        found = {
            "succeeded": succeeded,
            "stored": db.session.scalar(db.select(db.func.count()).select_from(Payment)),
            "outdated": db.session.scalar(db.select(db.func.count()).where(Payment.description == "outdated")),
            "discrepancies": state.discrepancies,
            "reaches the end": [each.reaches_end for each in state.covered],
            "callbacks": connection.callbacks_set_at is not None,
            "due": schedule.is_due(connection),
            "address": f"{site.url}/bunq/hook/{connection.callback_token}",
        }
        db.session.remove()
    return found


COMPLETE = {
    "succeeded": True,
    "stored": PAYMENTS,
    "outdated": 0,
    "discrepancies": (),
    "reaches the end": [True],
    "due": False,
}


@pytest.mark.parametrize(
    "bunq_is",
    [
        pytest.param({}, marks=pytest.mark.bank(pages="mixed")),
        pytest.param({}, marks=pytest.mark.bank(pages="hollow", form="older")),
        pytest.param({}, marks=pytest.mark.bank(pages="unpaged", form="bare")),
        pytest.param({"MUTATION"}, marks=pytest.mark.bank(pages="whole", tells_of_permissions=False)),
    ],
)
def test_a_history_is_imported_to_its_end_and_callbacks_of_others_stay(
    bunq: PayingBunq, odd_site: ThreadSite, bunq_is: set[str]
) -> None:
    browser = connect(odd_site, bunq)
    for _ in range(2):
        found = sync(odd_site)
        assert found.items() >= COMPLETE.items()
        assert found["callbacks"]
    assert bunq.count("POST", "/notification-filter-url", 200) == 1
    ours = [each for each in bunq.callbacks if each != THEIRS]
    assert THEIRS in bunq.callbacks
    assert {each["category"] for each in ours} == (bunq_is or {"MUTATION", "OAUTH"})
    assert {each["notification_target"] for each in ours} == {found["address"]}
    browser.get("/connections/1/disconnect")
    browser.submit(action="/disconnect", data="erase")
    assert bunq.callbacks == [THEIRS]


def test_errors_of_callbacks_stop_no_payment(bunq: PayingBunq, odd_site: ThreadSite) -> None:
    connect(odd_site, bunq)
    unsigned_and_no_json: list[Any] = [{"Response": []}, b"<html>"]
    for body in unsigned_and_no_json:
        bunq.answer_once("POST notification-filter-url", 200, body)
        found = sync(odd_site)
        assert found.items() >= COMPLETE.items()
        assert not found["callbacks"]
    assert sync(odd_site)["callbacks"]


def test_callbacks_that_were_set_although_the_answer_was_lost_are_set_again_and_once(
    bunq: PayingBunq, odd_site: ThreadSite
) -> None:
    connect(odd_site, bunq)
    sync(odd_site)
    with odd_site.app.app_context():
        access.list_active()[0].callbacks_set_at = None
        db.session.commit()
        db.session.remove()
    found = sync(odd_site)
    assert found["callbacks"]
    ours = [each["category"] for each in bunq.callbacks if each["notification_target"] == found["address"]]
    assert sorted(ours) == ["MUTATION", "OAUTH"]


def test_a_callback_for_an_account_that_we_do_not_know_leads_to_the_list_of_accounts(
    bunq: PayingBunq, odd_site: ThreadSite
) -> None:
    connect(odd_site, bunq)
    address = sync(odd_site)["address"]
    note = {"NotificationUrl": {"category": "MUTATION", "object": {"Payment": {"monetary_account_id": "4711"}}}}
    assert requests.post(address, json=note, timeout=10).status_code == 200
    with odd_site.app.app_context():
        assert schedule.is_due(access.list_active()[0])
        db.session.remove()
    before = bunq.count("GET", "/monetary-account")
    assert not sync(odd_site)["due"]
    assert bunq.count("GET", "/monetary-account") > before


def test_a_connection_that_shows_no_account_is_asked_for_some_every_hour(
    bunq: PayingBunq, odd_site: ThreadSite
) -> None:
    connect(odd_site, bunq)
    with odd_site.app.app_context():
        db.session.execute(db.update(MonetaryAccount).values(uncovered_since=clock.now()))
        connection = access.list_active()[0]
        assert not schedule.is_due(connection)
        assert connection.accounts_synced_at is not None
        connection.accounts_synced_at -= 2 * schedule.FRESH
        db.session.commit()
        assert schedule.is_due(connection)
        db.session.remove()
    assert sync(odd_site).items() >= COMPLETE.items()


LEDGERS = ["csv", "mt940", "hledger", "beancount"]


@pytest.mark.parametrize(("account", "balance"), [(2, "2.10"), (RICH, "26.00")])
def test_nothing_is_asserted_where_bunqs_balance_is_not_that_of_the_newest_payment(
    bunq: PayingBunq, odd_site: ThreadSite, account: int, balance: str
) -> None:
    """Account 2 lists no payment and has money; that of the rich one is not what its newest payment says."""
    browser = connect(odd_site, bunq)
    sync(odd_site)
    page = browser.get(f"/connections/1/accounts/{account}/payments")
    assert "Gap found" in page.text
    assert "not imported yet" in page.text
    assert "verified" not in page.text
    with rows.behind(odd_site.app):
        row = history.account(account)
        ours, state = row.id, db.session.get_one(AccountSync, row.id)
        assert row.balance != 0
        assert state.follow_up_at is not None, "a payment may be listed in a moment"
    form = browser.get("/payments/export").form(action="/export")[0]
    fields = [("csrf_token", value) for name, value in form.fields if name == "csrf_token"]
    fields += [("account", str(ours)), ("from", "2026-03-01"), ("to", "2026-10-31")]
    fields += [("format", each) for each in LEDGERS]
    sent = browser.session.post(form.action, data=fields, headers={"Origin": browser.home}, timeout=30)
    pack = zipfile.ZipFile(io.BytesIO(sent.content))
    manifest = json.loads(pack.read("manifest.json"))
    assert [manifest["verified"], *(each["verified"] for each in manifest["accounts"])] == [False, False]
    assert "verified to the cent" not in pack.read("read-me.txt").decode()
    [balances] = csv.DictReader(io.StringIO(pack.read("balances.csv").decode("utf-8-sig")))
    assert balances["verified"] == "no"
    assert balances["closing"] == ("" if account == 2 else "25.00")
    texts = {name: pack.read(name).decode() for name in pack.namelist()}
    assert any("No balance is asserted" in text for name, text in texts.items() if name.endswith(".journal"))
    assert not any("closing balance\n  " in text for name, text in texts.items() if name.endswith(".journal"))
    beancount = "".join(text for name, text in texts.items() if name.endswith(".beancount"))
    assert not [line for line in beancount.splitlines() if line.startswith("2026-11-01 balance")]
    assert all(":20:NOTVERIFIED" in text for name, text in texts.items() if name.endswith(".sta"))
