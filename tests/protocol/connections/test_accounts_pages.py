"""The accounts as they are shown: from what is stored, whatever bunq had put into it."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from bunqflask.bunq import resources
from bunqflask.extensions import db
from bunqflask.models import Connection, Consent, ConsentAttempt, MonetaryAccount
from bunqflask.services.connections import accounts
from tests.support import rows
from tests.support.apps import ThreadSite, add_member, sign_in
from tests.support.bank import Bank
from tests.support.consents import connect, share, start

FRAGMENT = {"HX-Request": "true"}
OVERRIDE, LONG = "\u202e", "n" * 500
SCRIPT = "<script>alert('1')</script>"
HOSTILE = [
    SCRIPT,
    f"{OVERRIDE}gpj.exe\u2066",
    LONG,
    "=1+1",
    '" onmouseover="alert(1)',
    "{{ 7*7 }}",
    "a\r\nSet-Cookie: b=c",
    " ",
]


def item(number: int, wrapper: str = "MonetaryAccountBank", **members: Any) -> dict[str, Any]:
    """Return an account as bunq lists it."""
    usual = {
        "id": number,
        "description": f"Account {number}",
        "status": "ACTIVE",
        "sub_status": "NONE",
        "currency": "EUR",
        "balance": {"currency": "EUR", "value": "10.00"},
        "alias": [{"type": "IBAN", "value": f"NL00BUNQ{number:010d}", "name": "x"}],
        "updated": "2026-01-02 03:04:05.000000",
    }
    return {wrapper: {**usual, **members}}


def show(site: ThreadSite, *items: dict[str, Any]) -> None:
    """Store these accounts for the connection, as one reading from bunq would."""
    with rows.behind(site.app):
        stored = db.session.scalars(db.select(Consent)).one()
        found = [resources.MonetaryAccount.from_item(json.loads(json.dumps(each))) for each in items]
        accounts.store(stored, [each for each in found if each is not None])
        db.session.commit()


def every_page(site: ThreadSite, bank: Bank) -> Iterator[tuple[str, str]]:
    """Go to every page on which a bunq user, an account or a colleague is named."""
    robin, sam = sign_in(site, "robin@example.com"), sign_in(site, "sam@example.com")
    yield "shared", share(robin).html
    for browser in (robin, sam):
        yield "home", browser.get("/").html
        yield "accounts", browser.get("/connections/1/accounts").html
        yield "fragment", browser.get("/connections/1/accounts", FRAGMENT).html
    yield "disconnect", robin.get("/connections/1/disconnect").html
    attempts = [each.id for each in rows.attempts(site.app)]
    for attempt_id in attempts:
        yield "attempt", robin.get(f"/connect/{attempt_id}").html
    yield "link", site.browser().get(link(start(robin).html)).html
    for browser in (robin, sam):
        yield "connections", browser.get("/connections").html
        yield "connection", browser.get("/connections/1").html
    robin.get("/connections/1")
    robin.submit(action="/reconnect")
    yield "renewal", robin.page.html
    yield "settings", robin.get("/settings").html
    robin.get("/connections/1/disconnect")
    yield "gone", robin.submit(action="/disconnect", data="keep").html


def link(html: str) -> str:
    return next(part for part in html.split('"') if "/c/" in part)


def test_no_name_from_outside_does_more_than_name(site: ThreadSite, bank: Bank) -> None:
    add_member(site.app, "robin@example.com", SCRIPT + OVERRIDE + LONG)
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    start(robin)
    show(
        site,
        *[item(100 + number, description=text) for number, text in enumerate(HOSTILE)],
        item(90, wrapper="MonetaryAccount" + SCRIPT),
        item(91, status=SCRIPT, sub_status=OVERRIDE),
        item(92, currency=SCRIPT[:9], balance={"currency": "<b>&", "value": "5.00"}),
        item(93, alias=[{"type": "IBAN", "value": SCRIPT, "name": SCRIPT}]),
        item(94, setting={"color": '#fff"/><script>'}),
        item(95, "MonetaryAccountJoint", all_co_owner=[{"alias": {"display_name": SCRIPT + OVERRIDE}, "status": "X"}]),
    )
    with rows.behind(site.app):
        stored = db.session.scalars(db.select(Connection)).unique().one()
        stored.display_name = (SCRIPT + OVERRIDE + LONG)[:200]
        attempt = db.session.scalars(db.select(ConsentAttempt).order_by(ConsentAttempt.created_at.desc())).first()
        assert attempt is not None
        attempt.step, attempt.granted_user_name, attempt.granted_user_type = "confirm", SCRIPT + OVERRIDE, "UserX"
        attempt.granted_user_id, attempt.accounts = stored.granted_user_id, [item(1, description=SCRIPT)]
        db.session.commit()
    for name, html in every_page(site, bank):
        assert "alert(" in html or name in ("settings",), name
        assert "<script>alert" not in html, name
        assert 'onmouseover="' not in html, name
        assert "<bdi>49<" not in html, name
        for invisible in (OVERRIDE, "\u2066"):
            assert invisible not in html, name
        assert "n" * 150 not in html, name


def test_accounts_of_every_kind_and_condition_are_shown(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    owners = [
        {"alias": {"display_name": "J. Walker"}, "status": "ACCEPTED"},
        {"alias": {"display_name": "S. Okafor"}, "status": "PENDING"},
        None,
        {"alias": None},
    ]
    show(
        site,
        item(1, "MonetaryAccountOfTomorrow", balance=None, alias=None),
        item(2, balance={"currency": "EUR", "value": "-182.40"}),
        item(3, status="BLOCKED", sub_status="ONLY_ACCEPTING_INCOMING"),
        item(4, status="CANCELLED", balance={"currency": "EUR", "value": "0.00"}),
        item(5, "MonetaryAccountJoint", display_name="J. Walker", all_co_owner=owners, status="PENDING_ACCEPTANCE"),
        item(6, balance={"currency": "USD", "value": "7.50"}),
        item(7, balance={"currency": "USD", "value": "0.005"}),
        item(8, "MonetaryAccountSavings", savings_goal={"currency": "EUR", "value": "40.00"}, all_co_owner="nonsense"),
        item(9, balance={"currency": "XXX", "value": "99999999999999999999"}, description=None, display_name=None),
        item(10, balance={"currency": "", "value": "1.00"}, status=None),
        item(11, balance="12.00", setting=7, updated="yesterday"),
    )
    page = robin.get("/")
    for words in (
        "OfTomorrow (account type new to us)",
        "No IBAN",
        "unknown",
        "−€182.40",
        "Overdrawn",
        "Only incoming",
        "1 closed account",
        "Closed 2 January 2026",
        "Joint with S. Okafor",
        "Waiting for co-owner S. Okafor",
        "$7.50",
        "$0.005",
        "$7.505",
        "€10.00 of €40.00",
        "(no name)",
        "Currencies aren’t added together.",
    ):
        assert words in page.text, words
    assert "Joint with J. Walker" not in page.text
    # 2, 5 and 8 are in euro, open and known; the blocked and the closed one are not counted.
    assert "−€162.40" in page.text
    assert "No longer updated" in page.text, "the four that were there before"


@pytest.mark.sqlite_only
def test_pages_ask_bunq_for_nothing_and_the_fragment_brings_a_stale_list_up_to_date(
    site: ThreadSite, bank: Bank
) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank, accounts=[2083712, 2083719])
    path = f"/connections/{rows.connection(site.app).id}/accounts"
    rows.age_accounts(site.app, timedelta(minutes=4))
    assert "hx-trigger" not in robin.get(path).html, "fresh enough: nothing to do"
    rows.age_accounts(site.app, timedelta(minutes=2))
    bank.forget_calls()
    for _ in range(2):
        page = robin.get(path)
        assert 'hx-trigger="load delay:100ms"' in page.html, "a stale list asks for a sync"
        robin.get("/")
    fragment = robin.post(
        path.replace("/accounts", "/sync"), dict(page.form(action="/sync")[0].fields), FRAGMENT | {"Origin": site.url}
    )
    assert 'hx-trigger="every 2s"' in fragment.html
    assert bank.calls() == []
    rows.run_duties(site.app)
    assert bank.calls("GET", "/monetary-account")
    fragment = robin.get(path, FRAGMENT)
    assert "<html" not in fragment.html
    assert "Updated just now" in fragment.text
    assert "hx-trigger" not in fragment.html
    bank.forget_calls()
    rows.run_duties(site.app)
    assert bank.calls() == [], "fresh enough: nothing to do"
    whole = robin.get(path, {**FRAGMENT, "HX-History-Restore-Request": "true"})
    assert "<html" in whole.html


@pytest.mark.sqlite_only
@pytest.mark.parametrize("fault", ["html-503", "reset", "bad-signature", "invalid-json", "429"])
def test_when_bunq_gives_nothing_what_is_stored_stays_and_the_page_says_why(
    site: ThreadSite, bank: Bank, fault: str
) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    path = f"/connections/{rows.connection(site.app).id}/accounts"
    before = rows.connection(site.app).accounts_synced_at
    bank.fault(call="GET monetary-account", fault=fault, times=None)
    robin.get(path)
    assert robin.submit(action="/sync").status == 200
    rows.run_duties(site.app)
    page = robin.get(path)
    assert "€4,118.00" in page.text
    assert rows.connection(site.app).accounts_synced_at == before
    if fault == "429":
        assert "bunq isn’t responding" not in page.text, "waiting for bunq's turn is no error_kind"
    else:
        assert "retry automatically" in page.text
        assert "Next attempt at" in page.text
    asked = len(bank.calls())
    rows.run_duties(site.app)
    assert len(bank.calls()) == asked, "not before the next try"
    bank.no_faults()
    rows.due_now(site.app)
    rows.age_accounts(site.app, timedelta(hours=2))
    rows.run_duties(site.app)
    healed = robin.get(path, FRAGMENT)
    assert "Updated just now" in healed.text
    assert "retry automatically" not in healed.text


@pytest.mark.sqlite_only
def test_a_press_on_refresh_reads_at_once_and_is_not_for_a_guest(site: ThreadSite, bank: Bank) -> None:
    robin, sam = sign_in(site, "robin@example.com"), sign_in(site, "sam@example.com")
    connect(robin, bank)
    path = f"/connections/{rows.connection(site.app).id}/accounts"
    share(robin)
    bank.forget_calls()
    robin.get(path)
    page = robin.submit(action="/sync")
    assert page.url == site.url + path
    assert bank.calls() == [], "the worker asks"
    rows.run_duties(site.app)
    assert len([call for call in bank.calls("GET") if call["path"].endswith("/monetary-account")]) == 1
    assert "Updated just now" in robin.get(path).text
    form = robin.get(path).form(action="/sync")[0]
    fragment = robin.post(form.action, dict(form.fields), {**FRAGMENT, "Origin": site.url})
    assert fragment.html.lstrip().startswith("<section")
    assert "data-focus" in fragment.html
    rows.age_accounts(site.app, timedelta(minutes=10))
    page = sam.get(path)
    assert not [form for form in page.forms if form.action.endswith("/sync")], "who reads a share cannot sync it"
    assert "/sync" not in page.html, "nor does the page ask for it"
    assert rows.count(site.app, MonetaryAccount) == 4
