"""Every address of the app, against everybody who may come there."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import requests

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import (
    AccountHolder,
    AccountShare,
    ApiToken,
    ChannelKind,
    Connection,
    ConsentAttempt,
    Factor,
    FactorKind,
    Invitation,
    Login,
    MemberNotice,
    MonetaryAccount,
    NoticeChannel,
    NoticeItem,
    NoticeKind,
    TeamMember,
    TeamRole,
    TokenScope,
)
from bunqflask.models import Browser as BrowserRow
from bunqflask.models.payments import ACCOUNT_BITS
from bunqflask.services.instructions import preparing
from bunqflask.services.notices import inbox, outgoing
from bunqflask.services.principal import OPERATOR
from bunqflask.services.sync import connection_sync
from bunqflask.services.team import invitations, members
from bunqflask.services.tokens import tokens
from bunqflask.services.tokens.tokens import TokenTerms
from bunqflask.web import marks
from tests.protocol.sandbox.client import JODI, session_of
from tests.protocol.sandbox.test_attachment import upload
from tests.protocol.sandbox.test_cards import ordered
from tests.support import asked, instructions, rows
from tests.support.apps import ThreadSite, add_member, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser, Page
from tests.support.consents import connect, share, start
from tests.support.routes import is_for_programs

PUBLIC = {
    "api_documentation.docs",
    "api_documentation.file",
    "api_documentation.openapi",
    "assets.htmx",
    "login.log_in",
    "login.factor",
    "login.log_out",
    "passkeys.log_in",
    "passkeys.login_options",
    "consent.callback",
    "consent.finish",
    "consent.link",
    "invitations.welcome",
    "invitations.accept",
    "invitations.ask_for_password",
    "invitations.set_password",
    "health.alive",
    "health.ready",
    "ping.answer",
    "webhooks.receive",
    "static",
    *(
        "assistant_metadata.resource",
        "assistant_metadata.server",
        "assistant_programs.register",
        "assistant_programs.revoke",
        "assistant_programs.token",
        "consent.reminder",
        "consent.result",
        "llms.llms",
        "reports.receive",
        "well_known.change_password",
        "well_known.robots",
        "well_known.security_txt",
    ),
}
# Ending what is gone, or another's, is no error and ends nothing.
OF_SETTINGS = {"settings.end_login", "settings.forget_browser", "factors.remove", "notices.dismiss", "notices.not_me"}
MAIN = 2083712
NOT_HERE = "Not found, or not shared with you"


@dataclass(frozen=True)
class Rule:
    """One route and method."""

    endpoint: str
    method: str
    path: str
    is_about_a_row: bool


def rules(site: ThreadSite, ids: dict[str, object]) -> list[Rule]:
    """Return every route of the pages with these ids in it; a new kind of id fails here until it is thought of.

    Those of programs, which need a token, are in tests/protocol/api.
    """
    adapter = site.app.url_map.bind("localhost")
    found = []
    for rule in site.app.url_map.iter_rules():
        if is_for_programs(rule.endpoint):
            continue
        arguments = {name: ids[name] for name in rule.arguments}
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            path = adapter.build(rule.endpoint, arguments, method=method)
            found.append(Rule(rule.endpoint, method, path, bool(rule.arguments)))
    return found


@pytest.fixture
def robin(site: ThreadSite) -> Browser:
    return sign_in(site, "robin@example.com")


@pytest.fixture
def sam(site: ThreadSite) -> Browser:
    return sign_in(site, "sam@example.com")


@pytest.fixture
def ids(site: ThreadSite, bank: Bank, robin: Browser) -> dict[str, object]:
    """Ids of what belongs to Robin: a connection, an attempt under way, a login, an invitation, and Robin's own."""
    connect(robin, bank)
    start(robin)
    connection_id = rows.connection(site.app).id
    with rows.behind(site.app):
        login_id, member_id = rows.logins()[0].id, rows.logins()[0].member_id
        invitations.invite(members.require("robin@example.com"), "Kim", members.Terms(role=TeamRole.MEMBER))
        [invitation] = invitations.list_open(OPERATOR)
        browser_id, factor_id, notice_id = add_of_settings(member_id)
        terms = TokenTerms(name="a program", scopes=(TokenScope.BALANCES_READ,))
        tokens.add(members.require("robin@example.com"), terms)
        token_id = db.session.scalars(db.select(ApiToken.id)).one()
        connection_sync.run(connection_id, patience_s=30)
        payment_id = rows.payment_ids()[0]
        account_id = rows.monetary_accounts()[0].id
        asks = asked.Asked(account_id, connection_id, "Dinner")
        asked.switch_on(connection_id)
        asked.add(asks, member_id)
        db.session.commit()
        draft_id = preparing.prepare(members.require("robin@example.com"), account_id, instructions.draft())
    jodi = session_of(bank, JODI)
    file_id, noted = upload(jodi), f"/user/{JODI}/monetary-account/{MAIN}/payment/{payment_id >> ACCOUNT_BITS}"
    card_id = ordered(jodi)["id"]
    jodi.ok("PUT", f"/user/{JODI}/card/{card_id}", {"status": "ACTIVE"})
    note_id = jodi.create(f"{noted}/note-attachment", {"attachment_id": file_id})
    assert f"/attachments/{file_id}" in robin.get(f"/payments/{payment_id}/notes", {"HX-Request": "true"}).html
    return {
        "connection_id": connection_id,
        "attempt_id": rows.attempts(site.app)[-1].id,
        "login_id": login_id,
        "browser_id": browser_id,
        "factor_id": factor_id,
        "notice_id": notice_id,
        "member_id": member_id,
        "invitation_id": invitation.id,
        "share_id": 1,
        "monetary_account_id": MAIN,
        "payment_row_id": payment_id,
        "attachment_id": file_id,
        "token": "no-such-token",
        "token_id": token_id,
        "name": "swagger-ui.css",
        "filename": "ui.css",
        "channel_id": 1,
        "delivery_id": 1,
        "instruction_id": draft_id,
        "request_id": asks.request_id,
        "link_id": asks.link_id,
        "collection_id": asks.collection_id,
        "item_id": asks.item_id,
        "transfer_id": asks.transfer_id,
        "card_change_id": asks.card_change_id,
        "card_id": card_id,
        "act": "freeze",
        "note_change_id": asks.note_change_id,
        "kind": "attachment",
        "note_id": note_id,
    }


def add_of_settings(member_id: int) -> tuple[int, int, int]:
    """Give a member a factor and a notice; return the ids of their browser and of these."""
    factor = Factor(
        member_id=member_id, kind=FactorKind.PASSKEY, name="Key", created_at=clock.now(), activated_at=clock.now()
    )
    db.session.add(factor)
    notice = inbox.add_within(member_id, NoticeKind.RECOVERY_CODE_USED, browser="", address="", left=3)
    channel = NoticeChannel(member_id=member_id, kind=ChannelKind.MAIL, topics=(), created_at=clock.now())
    db.session.add(channel)
    db.session.flush()
    outgoing.add(channel.id, [NoticeItem(NoticeKind.TEST, {}, clock.now())], due_at=clock.now())
    db.session.commit()
    return db.session.scalars(db.select(BrowserRow.id)).one(), factor.id, notice.id


def visit(browser: Browser, rule: Rule) -> Page:
    """Go there as a person whose form is in order: with the token of a page of ours."""
    if rule.method == "GET":
        return browser.get(rule.path)
    browser.get("/settings")
    forms = browser.page.forms
    token = next((value for form in forms for name, value in form.fields if name == "csrf_token"), "")
    return browser.post(rule.path, {"csrf_token": token, "data": "erase", "answer": "yes"}, {"Origin": browser.home})


def snapshot(site: ThreadSite) -> list[object]:
    stored = rows.connection(site.app)
    attempt = rows.attempts(site.app)[-1]
    return [
        (stored.id, stored.state, [each.access_token_sealed for each in rows.consents(site.app)]),
        (attempt.id, attempt.step, attempt.link_browser_hash),
        [
            rows.count(site.app, model)
            for model in (Connection, ConsentAttempt, Invitation, MonetaryAccount, AccountHolder, AccountShare)
        ],
        rows.count(site.app, TeamMember, role=TeamRole.OWNER, locked_at=None),
    ]


@pytest.mark.sqlite_only
def test_the_views_that_need_no_login_are_exactly_those_that_are_meant(site: ThreadSite) -> None:
    views = site.app.view_functions
    marked = {name for name, view in views.items() if marks.is_public(view)}
    assert marked | {"static"} == PUBLIC
    assert {rule.endpoint for rule in site.app.url_map.iter_rules()} == set(views)


@pytest.mark.sqlite_only
def test_a_stranger_gets_to_the_login_and_to_nothing_else(site: ThreadSite, bank: Bank, ids: dict[str, object]) -> None:
    before = snapshot(site)
    stranger = site.browser()
    bank.forget_calls()
    for rule in rules(site, ids):
        if rule.endpoint in PUBLIC:
            continue
        stranger.get("/login")
        token = dict(stranger.page.form(action="/login")[0].fields)["csrf_token"]
        for page in (
            stranger.get(rule.path) if rule.method == "GET" else stranger.post(rule.path, {"csrf_token": token}),
            stranger.get(rule.path, {"HX-Request": "true"}),
        ):
            went = page.headers.get("HX-Redirect") or page.url
            assert urlsplit(went).path == "/login", rule
            assert "Jodi" not in page.html
    for path in ("/nowhere", "/connections", "/connections/x/accounts", "/connect/", "/.env", "/admin"):
        assert urlsplit(stranger.get(path).url).path == "/login", "nobody learns which addresses exist"
    assert snapshot(site) == before
    assert bank.calls() == []


@pytest.mark.sqlite_only
def test_another_member_finds_nothing_of_what_is_not_theirs_and_changes_nothing(
    site: ThreadSite, bank: Bank, ids: dict[str, object], sam: Browser
) -> None:
    before = snapshot(site)
    bank.forget_calls()
    absent = {**ids, "connection_id": 10**6, "attempt_id": "f" * 32, "payment_row_id": 10**9}
    absent |= {"member_id": 10**6, "invitation_id": 10**6, "login_id": 10**6, "token_id": 10**6}
    absent |= {"channel_id": 10**6, "delivery_id": 10**6, "instruction_id": 10**6, "request_id": 10**6}
    absent |= {"link_id": 10**6, "collection_id": 10**6, "item_id": 10**6, "transfer_id": 10**6}
    absent |= {"card_change_id": 10**6}
    for rule, nothing in zip(rules(site, ids), rules(site, absent), strict=True):
        if not rule.is_about_a_row or rule.endpoint in PUBLIC:
            continue
        page = visit(sam, rule)
        if rule.endpoint in OF_SETTINGS:
            assert page.status == 200
            continue
        if rule.path.startswith("/team/"):
            assert (page.status, "Your role doesn’t allow this" in page.text) == (403, True), rule
        else:
            assert (page.status, NOT_HERE in page.text) == (404, True), rule
        assert "Jodi" not in page.html
        other = visit(sam, nothing)
        assert without_reference(other.html) == without_reference(page.html), "what is not theirs looks like nothing"
        if rule.method == "GET":
            fragment = sam.get(rule.path, {"HX-Request": "true"})
            assert (fragment.status, fragment.html, fragment.headers["HX-Refresh"]) == (204, "", "true")
    assert "Jodi" not in sam.get("/").html
    assert snapshot(site) == before
    assert rows.count(site.app, Login, id=ids["login_id"]) == 1, "nobody ends the login of another"
    assert rows.count(site.app, Factor, id=ids["factor_id"]) == 1
    assert rows.count(site.app, BrowserRow, id=ids["browser_id"]) == 1
    assert rows.count(site.app, MemberNotice, id=ids["notice_id"], dismissed_at=None) == 1
    assert rows.count(site.app, NoticeChannel, id=ids["channel_id"]) == 1
    assert bank.calls() == []


def without_reference(html: str) -> str:
    html = re.sub(r'name="csrf_token" value="[^"]+"', "", html)
    return re.sub(r"BF-\d{8}-\d{6}-[0-9A-F]{4}", "", html)


def test_a_guest_of_a_shared_connection_reads_it_and_can_do_nothing_else(
    site: ThreadSite, bank: Bank, ids: dict[str, object], robin: Browser, sam: Browser
) -> None:
    assert "The whole team, also people who join later" in share(robin).text
    before = snapshot(site)
    may_read = {"connections.index", "payments.index", "payments.show", "payments.state", "payments.filter_account"}
    may_read |= {"notes.index", "notes.file", "conditions.show"}
    about_it = ("/connections/", "/payments/")
    for rule in rules(site, ids):
        if not rule.is_about_a_row or not rule.path.startswith(about_it):
            continue
        if rule.endpoint.startswith("note_writing."):
            continue  # a member who sees a payment in full writes notes on it, once an owner has switched that on
        page = visit(sam, rule)
        assert page.status == (200 if rule.endpoint in may_read else 404), rule
        names_jodi = may_read - {"notes.file", "payments.filter_account"}
        assert ("Jodi Walker" in page.text) == (rule.endpoint in names_jodi), rule
    assert snapshot(site) == before
    page = sam.get("/")
    assert "Shared with you (read-only)" in page.text
    offered = [form.action.rpartition("/")[2] for form in page.forms]
    assert not {"sharing", "sync", "disconnect", "reconnect"} & set(offered), offered
    assert "Share accounts" not in page.text
    assert "Disconnect" not in page.text

    robin.get(f"/connections/{ids['connection_id']}/sharing")
    while any(form.action.endswith("/end") for form in robin.page.forms):
        robin.submit(button="Stop sharing")
    assert sam.get(f"/connections/{ids['connection_id']}/accounts").status == 404
    assert "Jodi" not in sam.get("/").html


@pytest.mark.sqlite_only
def test_the_owner_gets_a_page_from_every_address(site: ThreadSite, ids: dict[str, object], robin: Browser) -> None:
    erasing = ("connections.disconnect", "login.log_out", "settings.end_login", "people.end_login")
    # Robin cannot remove themselves.
    ids |= {"member_id": add_member(site.app, "kim@example.com")}
    by_token = (
        "consent.callback",
        "consent.finish",
        "consent.link",
        "invitations.welcome",
        "invitations.ask_for_password",
    )
    # The first two need the session of somebody who has come back from bunq, the third a contact in the settings.
    # The last one asks about a program, and there is none here.
    absent = ("consent.result", "consent.reminder", "well_known.security_txt", "assistants.ask", "ping.answer")
    for rule in rules(site, ids):
        if rule.method == "GET":
            page = robin.get(rule.path)
            assert page.status < 400 or rule.endpoint in by_token + absent, rule
        elif rule.endpoint not in erasing and rule.endpoint not in PUBLIC and rule.endpoint != "people.remove":
            assert visit(robin, rule).status < 423, rule


@pytest.mark.sqlite_only
def test_to_look_is_never_to_act(site: ThreadSite, bank: Bank, ids: dict[str, object], robin: Browser) -> None:
    before, logins = snapshot(site), rows.count(site.app, Login)
    bank.forget_calls()
    cookies = {each.name: each.value or "" for each in robin.session.cookies}
    link = re.search(r'value="(http[^"]+/c/[^"]+)"', robin.get(f"/connect/{ids['attempt_id']}").html)
    assert link is not None
    everywhere = [site.url + rule.path for rule in rules(site, ids)] + [link[1]]
    for address in everywhere:
        for method in ("HEAD", "OPTIONS"):
            answer = requests.request(method, address, cookies=cookies, allow_redirects=False, timeout=10)
            assert answer.status_code < 500, (method, address)
    assert snapshot(site) == before
    assert rows.count(site.app, Login) == logins
    assert bank.calls() == []


def test_ids_that_no_row_can_have_are_not_found(site: ThreadSite, robin: Browser) -> None:
    for path in (
        f"/connections/{2**31}/accounts",
        f"/connections/{10**30}/accounts",
        "/connections/0/accounts",
        "/connections/-1/accounts",
        "/connections/1.0/accounts",
        "/connect/%00",
        "/connect/a%00b/status",
        "/connect/%F0%9F%98%80",
        "/connect/" + "a" * 5000,
        "/connect/%ff%fe",
        "/connect/'%20or%20''='",
    ):
        page = robin.get(path)
        assert (page.status, NOT_HERE in page.text) == (404, True), path
