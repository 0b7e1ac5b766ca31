"""Nothing is written at bunq until an owner switches it on, and nothing any more once it is off."""

import re

import pytest

from bunqflask.models import Ability, EndReason, InstructionState, Language, TeamRole
from bunqflask.services.consent import links
from bunqflask.services.consent.attempts import Invitation
from bunqflask.services.instructions import abilities
from bunqflask.services.policy import NotPermitted
from bunqflask.services.team import members
from tests.protocol.sandbox.client import MAIN
from tests.support import instructions, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.beginnings import Begin
from tests.support.browser import Browser
from tests.support.consents import ROBIN, connect, share

BUTTON = re.compile(r'<a class="btn[^"]*" href="/connections">Connections</a>')


@pytest.fixture
def connected(site: ThreadSite, begin: Begin) -> Browser:
    """Robin's browser, connected, with nothing switched on."""
    return begin(_connect)


def _connect(site: ThreadSite, bank: Bank) -> Browser:
    browser = sign_in(site, ROBIN)
    connect(browser, bank)
    rows.run_duties(site.app)
    return browser


@pytest.mark.sqlite_only
def test_each_page_that_needs_something_switched_on_leads_to_where_that_is(connected: Browser) -> None:
    lists = ("/pay/drafts", "/pay/requests", "/pay/links", "/pay/collections")
    for path in ("/pay", *lists, "/pay/drafts/new", "/pay/drafts/file", "/pay/transfers"):
        page = connected.get(path)
        assert (page.status, bool(BUTTON.search(page.html))) == (200, True), path
    for path in ("/pay/requests/new", "/pay/links/new", "/pay/collections/new"):
        page = connected.get(path)
        assert (page.status, "This is switched off" in page.text) == (403, True), path
        assert "once an owner has switched it on" in page.text
        assert BUTTON.search(page.html), path


@pytest.mark.sqlite_only
def test_an_owner_switches_drafts_on_with_limits_and_off_again(site: ThreadSite, connected: Browser) -> None:
    assert "Nothing is switched on" in connected.get("/pay").text
    assert "What may be written at bunq" in connected.get("/connections/1").text
    page = connected.get("/connections/1/abilities")
    assert "This site uses none of it until an owner switches it on here." in page.text
    for limit in ("-5", "0", "2500.005", "1.234", "1e3", "NaN"):
        refused = connected.submit(action="/abilities", button=None, ability="drafts", on="1", day_limit=limit)
        assert refused.status == 422, limit
        assert "A limit is an amount in euros above zero" in refused.text
        connected.get("/connections/1/abilities")
    limits = {"day_limit": "2500,00", "approver_limit": ""}
    assert "Saved." in connected.submit(action="/abilities", button=None, ability="drafts", on="1", **limits).text
    with rows.behind(site.app):
        assert abilities.of_connection(1) == {Ability.DRAFTS}
        assert [str(each) for each in abilities.limits_of(1)] == ["2500", "None"]
    assert "Nothing is switched on" not in connected.get("/pay").text
    assert "switched on draft payments for Jodi Walker" in connected.get("/audit").text
    connected.get("/connections/1/abilities")
    connected.submit(action="/abilities", button=None, ability="drafts", on="0")
    with rows.behind(site.app):
        assert abilities.of_connection(1) == frozenset()


@pytest.mark.sqlite_only
def test_others_than_owners_neither_find_the_page_nor_switch(site: ThreadSite, connected: Browser) -> None:
    share(connected)
    for role in (TeamRole.ADMIN, TeamRole.MEMBER, TeamRole.GUEST):
        email = f"{role}@example.org"
        other = sign_in(site, email, role=role)
        assert other.get("/connections/1/abilities").status == 404
        assert "What may be written at bunq" not in other.get("/connections/1").text
        with rows.behind(site.app), pytest.raises(NotPermitted):
            abilities.switch(members.require(email), 1, Ability.DRAFTS, on=True)
        assert other.get("/pay").status == (404 if role is TeamRole.GUEST else 200)
        assert ('href="/pay"' in other.get("/").html) == (role is not TeamRole.GUEST)
    with rows.behind(site.app):
        assert abilities.of_connection(1) == frozenset()


@pytest.mark.sqlite_only
def test_what_is_switched_off_before_it_is_sent_is_not_sent(site: ThreadSite, bank: Bank, connected: Browser) -> None:
    instructions.switch_on(site.app, ROBIN)
    made = instructions.prepare(site.app, ROBIN, MAIN, instructions.link())
    with rows.behind(site.app):
        abilities.switch(members.require(ROBIN), 1, Ability.LINKS, on=False)
    bank.forget_calls()
    row = instructions.work_until(site.app, made, ["failed"])
    assert (row.state, row.end_reason) == (InstructionState.FAILED, EndReason.NOT_PERMITTED)
    assert bank.calls("POST", "bunqme-tab") == []


@pytest.mark.sqlite_only
def test_an_account_holder_reads_what_is_switched_on_before_they_renew(site: ThreadSite, connected: Browser) -> None:
    def page(language: Language) -> str:
        with rows.behind(site.app):
            invitation = Invitation(language=language)
            token = links.make(members.require(ROBIN), invitation, renews_connection_id=1).token
        holder = Browser(site.url)
        text = holder.get(f"/c/{token}").text
        holder.close()
        return text

    before = page(Language.ENGLISH)
    assert "uses none of these until an owner of this site switches it on" in before
    assert "What is switched on here beside reading" not in before
    instructions.switch_on(site.app, ROBIN, Ability.DRAFTS)
    assert "Draft payments, which only you accept in the bunq app" in page(Language.ENGLISH)
    dutch = page(Language.DUTCH)
    assert "Wat hier naast lezen is aangezet Conceptbetalingen, die alleen u in de bunq-app accepteert" in dutch
    assert "Kaarten blokkeren" not in dutch
