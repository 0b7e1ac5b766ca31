"""Logging in with a second factor, and what somebody tries who has the password and not the phone."""

import re
import threading
from datetime import timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import Browser as BrowserRow
from bunqflask.models import (
    Factor,
    Login,
    LoginThrottle,
    MemberNotice,
    NoticeKind,
    PendingLogin,
    RecoveryCode,
    TeamMember,
    TeamRole,
)
from bunqflask.services.principal import OPERATOR
from bunqflask.services.team import login_steps, members, resets, roles
from bunqflask.services.team.factors import FactorRefused
from bunqflask.services.team.login_steps import NewLogin, NewPendingLogin
from bunqflask.services.team.throttle import LoginRefused
from bunqflask.web import marks
from tests.support import rows
from tests.support.apps import PASSWORD, ThreadSite, sign_in
from tests.support.browser import Browser, Page
from tests.support.logins import VISITOR
from tests.support.routes import is_for_programs
from tests.support.second_factor import AuthenticatorApp, set_up

ROBIN = "robin@example.com"
WRONG = "That code doesn’t work"


@pytest.fixture
def robin(live_app: ThreadSite) -> Browser:
    return sign_in(live_app, ROBIN)


@pytest.fixture
def phone(live_app: ThreadSite, robin: Browser) -> AuthenticatorApp:
    return set_up(robin, live_app.app)[0]


def give_password(browser: Browser, next_path: str = "") -> Page:
    browser.get("/login" + next_path)
    return browser.submit(action="/login", email=ROBIN, password=PASSWORD)


def give_code(browser: Browser, code: str, **more: str) -> Page:
    return browser.submit(action="/login/factor", code=code, **more)


def is_in(browser: Browser) -> bool:
    return urlsplit(browser.get("/").url).path == "/"


def test_a_member_adds_an_app_and_logs_in_in_two_steps(live_app: ThreadSite, robin: Browser) -> None:
    phone, codes = set_up(robin, live_app.app)
    assert len(set(codes)) == 10
    assert "10 of 10 left" in robin.get("/settings/factors").text
    assert not any(code in robin.page.html for code in codes), "they are shown once"
    elsewhere = live_app.browser()
    page = give_password(elsewhere, "?next=/settings")
    assert urlsplit(page.url).path == "/login/factor"
    half = elsewhere.session.cookies.get("bunqflask_login")
    assert give_code(elsewhere, "000000").status == 403
    assert WRONG in elsewhere.page.text
    page = give_code(elsewhere, phone.unused_code())
    assert urlsplit(page.url).path == "/settings", "where the person wanted to go"
    assert elsewhere.session.cookies.get("bunqflask_login") != half, "the full login has a token of its own"
    assert rows.count(live_app.app, PendingLogin) == 0
    assert rows.count(live_app.app, MemberNotice, kind=NoticeKind.FACTOR_MISSING) == 0
    with rows.behind(live_app.app):
        stored = db.session.scalars(db.select(RecoveryCode.code_hash)).all()
        [sealed] = db.session.scalars(db.select(Factor.secret_sealed)).all()
    assert not {code.replace("-", "") for code in codes} & set(stored)
    assert sealed is not None
    assert phone._totp.secret.encode() not in sealed


def test_a_code_counts_once_also_when_it_comes_twice_at_the_same_time(
    live_app: ThreadSite, phone: AuthenticatorApp
) -> None:
    tokens, code, results = [], phone.unused_code(), list[str]()
    with rows.behind(live_app.app):
        for _ in range(4):
            new = login_steps.log_in(ROBIN, PASSWORD, VISITOR)
            assert isinstance(new, NewPendingLogin)
            tokens.append(new.token)
    together = threading.Barrier(len(tokens))

    def give(token: str) -> None:
        with live_app.app.app_context():
            together.wait()
            try:
                login_steps.give_code(token, code, VISITOR, trust=False)
                results.append("in")
            except FactorRefused:
                results.append("refused")

    threads = [threading.Thread(target=give, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["in", "refused", "refused", "refused"]
    browser = live_app.browser()
    give_password(browser)
    assert give_code(browser, code).status == 403, "nor does it later"


def test_codes_around_now_count_and_older_ones_do_not(live_app: ThreadSite, phone: AuthenticatorApp) -> None:
    for steps, works in ((-3, False), (3, False), (-1, True), (0, True), (1, True), (0, False)):
        browser = live_app.browser()
        give_password(browser)
        if steps == -1:
            phone.unused_code()
        give_code(browser, phone.code(steps=steps))
        assert is_in(browser) is works, steps
        with rows.behind(live_app.app):
            db.session.execute(db.delete(LoginThrottle))
            db.session.commit()


def test_a_recovery_code_counts_once_and_the_member_is_informed(live_app: ThreadSite, robin: Browser) -> None:
    _phone, codes = set_up(robin, live_app.app)
    browser = live_app.browser()
    give_password(browser)
    give_code(browser, " " + codes[0].upper().replace("-", " "))
    assert is_in(browser)
    for each in (browser, robin):
        assert "A recovery code was used to log in" in each.get("/payments").text
    assert "9 are left" in robin.page.text
    again = live_app.browser()
    give_password(again)
    assert give_code(again, codes[0]).status == 403
    robin.get("/settings/factors")
    page = robin.submit(button="Make new codes")
    fresh = re.findall(r"<li>([a-z0-9-]{19})</li>", page.html)
    assert len(fresh) == 10
    assert not set(fresh) & set(codes)
    assert "A recovery code was used" not in browser.get("/").text
    assert give_password(again).status == 200
    assert give_code(again, codes[1]).status == 403, "older codes work no more"
    give_code(again, fresh[1])
    assert is_in(again)


@pytest.mark.sqlite_only
def test_a_wrong_password_looks_alike_with_and_without_a_factor(live_app: ThreadSite, phone: AuthenticatorApp) -> None:
    seen = set()
    for email in (ROBIN, "nobody@example.com"):
        browser = live_app.browser()
        browser.get("/login")
        page = browser.submit(action="/login", email=email, password="not the password")
        seen.add((page.status, page.text.replace(email, ""), len(browser.session.cookies)))
    assert len(seen) == 1


@pytest.mark.sqlite_only
def test_a_half_login_opens_the_page_of_the_code_and_nothing_else(
    live_app: ThreadSite, phone: AuthenticatorApp
) -> None:
    browser = live_app.browser()
    give_password(browser)
    fields = dict(browser.page.form(action="/login/factor")[0].fields)
    for rule in live_app.app.url_map.iter_rules():
        arguments = {name: "csv" if name == "form" else 1 for name in rule.arguments}
        path = live_app.app.url_map.bind("localhost").build(
            rule.endpoint, arguments, method=next(iter(rule.methods or {"GET"}))
        )
        if rule.endpoint == "static" or marks.is_public(live_app.app.view_functions[rule.endpoint]):
            continue  # a test of all addresses lists these
        if is_for_programs(rule.endpoint):
            assert browser.get(path).status in (401, 404, 405), "a login is no token"
            continue
        if "GET" in (rule.methods or ()):
            assert urlsplit(browser.get(path).url).path == "/login", path
            assert browser.get(path, {"HX-Request": "true"}).headers.get("HX-Redirect", "").startswith("/login")
        if "POST" in (rule.methods or ()):
            page = browser.post(path, fields, {"Origin": live_app.url})
            assert urlsplit(page.url).path == "/login", path
    assert rows.count(live_app.app, PendingLogin) == 1, "it is still there"
    browser.get("/login/factor")
    browser.submit(button="Log in as somebody else")
    assert rows.count(live_app.app, PendingLogin) == 0
    assert urlsplit(browser.get("/login/factor").url).path == "/login"


def test_a_half_login_ends_after_five_minutes_and_with_a_reset(live_app: ThreadSite, phone: AuthenticatorApp) -> None:
    old, reset = live_app.browser(), live_app.browser()
    give_password(old)
    with rows.behind(live_app.app):
        db.session.execute(db.update(PendingLogin).values(created_at=clock.now() - timedelta(minutes=6)))
        db.session.commit()
    assert urlsplit(old.get("/login/factor").url).path == "/login"
    give_password(reset)
    page = reset.page
    with rows.behind(live_app.app):
        resets.make(ROBIN)
    reset.page = page
    assert urlsplit(give_code(reset, phone.unused_code()).url).path == "/login"
    assert not is_in(reset)
    rows.run_duties(live_app.app)
    assert rows.count(live_app.app, PendingLogin) == 0


def test_five_tries_of_the_factor_and_no_more_however_often_the_password_is_given(
    live_app: ThreadSite, phone: AuthenticatorApp
) -> None:
    statuses = []
    for _ in range(7):
        browser = live_app.browser()
        give_password(browser)
        statuses.append(give_code(browser, "123456").status)
    assert statuses == [403] * 5 + [429] * 2
    assert give_code(browser, phone.unused_code()).status == 429, "not even the right one now"
    with rows.behind(live_app.app):
        assert [key for key in rows.throttled() if key.startswith("account:")], "the password's tries stay counted"


def test_a_right_password_without_the_factor_leaves_a_notice(
    live_app: ThreadSite, robin: Browser, phone: AuthenticatorApp
) -> None:
    thief = live_app.browser("Mozilla/5.0 (Windows NT 10.0) Firefox/150.0")
    give_password(thief)
    page = robin.get("/payments")
    assert (
        "Somebody entered your password, but not your second factor: Firefox on Windows, from 127.0.0.1." in page.text
    )
    robin.submit(button="That was me")
    assert "Somebody entered your password" not in robin.get("/").text


def test_a_trusted_browser_needs_the_password_alone_until_the_member_changes_their_mind(
    live_app: ThreadSite, robin: Browser, phone: AuthenticatorApp
) -> None:
    laptop, token = live_app.browser(), ""
    give_password(laptop)
    give_code(laptop, phone.unused_code(), trust="1")
    assert is_in(laptop)
    laptop.submit(button="Log out")
    token = laptop.session.cookies["bunqflask_known"] or ""
    give_password(laptop)
    assert is_in(laptop), "the password is enough"
    assert laptop.session.cookies["bunqflask_known"] != token, "with a new token"
    copied = live_app.browser()
    copied.session.cookies.set("bunqflask_known", token, domain="localhost.local", path="/")
    assert urlsplit(give_password(copied).url).path == "/login/factor", "the token before is worth nothing"
    assert "Trust no more" in robin.get("/settings").html
    robin.submit(action="/forget")
    assert not is_in(laptop), "it is logged out"
    assert urlsplit(give_password(laptop).url).path == "/login/factor"
    give_code(laptop, phone.unused_code(), trust="1")
    with rows.behind(live_app.app):
        db.session.execute(db.update(BrowserRow).values(trusted_until=clock.now() - timedelta(minutes=1)))
        db.session.commit()
    laptop.get("/")
    laptop.submit(button="Log out")
    assert urlsplit(give_password(laptop).url).path == "/login/factor", "after 30 days"


@pytest.mark.parametrize("ended_by", ["reset", "removal", "change of factor", "change of password"])
def test_trust_ends_with_what_it_rested_on(
    live_app: ThreadSite, robin: Browser, phone: AuthenticatorApp, ended_by: str
) -> None:
    laptop = live_app.browser()
    give_password(laptop)
    give_code(laptop, phone.unused_code(), trust="1")
    password = PASSWORD
    if ended_by == "change of factor":
        robin.get("/settings/factors")
        robin.submit(button="Make new codes")
    elif ended_by == "change of password":
        password = "another long password"
        robin.get("/settings")
        robin.submit(action="/settings/password", current=PASSWORD, new=password)
    else:
        sign_in(live_app, "sam@example.com")
        with rows.behind(live_app.app):
            if ended_by == "reset":
                resets.use(resets.make(ROBIN).url.rpartition("/")[2], PASSWORD)
            else:
                robin_id = members.require(ROBIN).id
                db.session.execute(db.delete(TeamMember).where(TeamMember.id == robin_id))
                db.session.commit()
    if ended_by == "removal":
        assert rows.count(live_app.app, BrowserRow) == 1, "Sam's"
        assert not is_in(laptop)
        return
    laptop.get("/logout")
    laptop.session.cookies.pop("bunqflask_login", None)
    laptop.get("/login")
    page = laptop.submit(action="/login", email=ROBIN, password=password)
    assert urlsplit(page.url).path == "/login/factor"


@pytest.mark.sqlite_only
def test_a_removed_members_browser_is_known_to_nobody(live_app: ThreadSite, robin: Browser) -> None:
    cookie = robin.session.cookies["bunqflask_known"]
    sign_in(live_app, "sam@example.com")
    with rows.behind(live_app.app):
        db.session.execute(db.delete(TeamMember).where(TeamMember.email == ROBIN))
        db.session.commit()
        members.add(ROBIN, "Another Robin", PASSWORD)
    for _ in range(10):
        stranger = live_app.browser()
        stranger.get("/login")
        stranger.submit(action="/login", email=ROBIN, password="x" * 201)
    robin.session.cookies.clear()
    robin.session.cookies.set("bunqflask_known", cookie, domain="localhost.local", path="/")
    robin.get("/login")
    assert robin.submit(action="/login", email=ROBIN, password=PASSWORD).status == 429


def test_own_logins_in_between_give_no_tries_back(live_app: ThreadSite) -> None:
    insider = "sam@example.com"
    with rows.behind(live_app.app):
        members.add(insider, "Sam", PASSWORD)

        def guess(number: int) -> bool:
            try:
                login_steps.log_in(f"guess{number}@example.com", "x" * 201, VISITOR)
            except LoginRefused as refused:
                return not hasattr(refused, "until")
            raise AssertionError("nobody has this email")

        assert all(guess(number) for number in range(20))
        for _ in range(5):
            assert isinstance(login_steps.log_in(insider, PASSWORD, VISITOR), NewLogin)
        assert all(guess(number) for number in range(20, 30)), "nor do they cost any"
        assert not guess(31)


def test_an_app_is_added_only_with_the_password_and_a_right_code(live_app: ThreadSite, robin: Browser) -> None:
    robin.get("/settings/factors")
    page = robin.submit(button="Add an authenticator app")
    secret = re.search(r'id="secret"[^>]* value="([A-Z2-7]{32})"', page.html)
    assert secret is not None
    assert 'aria-label="QR code for your authenticator app"' in page.html
    phone = AuthenticatorApp(live_app.app, secret[1])
    for code, password, words in (
        (phone.code(), "not the password", "That’s not your password."),
        ("000000", PASSWORD, "That code doesn’t match."),
        ("", "", "That’s not your password."),
        (phone.code(steps=5), PASSWORD, "That code doesn’t match."),
    ):
        page = robin.submit(action="/totp/setup", code=code, password=password)
        assert (page.status, words in page.text) == (422, True)
        assert secret[1] in page.html, "the same secret"
    assert is_in_with_password(live_app), "it does not count yet"
    robin.get("/settings/factors/totp/setup")
    robin.submit(action="/totp/setup", code=phone.code(), password=PASSWORD)
    assert not is_in_with_password(live_app)
    robin.get("/settings/factors/totp/setup")
    assert urlsplit(robin.page.url).path == "/settings/factors", "the secret is shown no more"
    assert secret[1] not in robin.page.html


def is_in_with_password(site: ThreadSite) -> bool:
    browser = site.browser()
    give_password(browser)
    return is_in(browser)


def test_who_removes_the_last_factor_logs_in_with_the_password(
    live_app: ThreadSite, robin: Browser, phone: AuthenticatorApp
) -> None:
    sam = sign_in(live_app, "sam@example.com")
    factor_id = 1
    fields = dict(sam.get("/settings").form(action="/settings/look")[0].fields)
    sam.post(f"/settings/factors/{factor_id}/remove", fields, {"Origin": live_app.url})
    assert rows.count(live_app.app, Factor) == 1, "nobody removes another member's factor"
    robin.get("/settings/factors")
    robin.submit(action="/remove")
    assert rows.count(live_app.app, Factor) == 0
    assert rows.count(live_app.app, RecoveryCode) == 0
    assert is_in_with_password(live_app)
    assert rows.count(live_app.app, Login) == 3


def test_the_shell_lists_and_resets_factors(live_app: ThreadSite, robin: Browser, phone: AuthenticatorApp) -> None:
    run = live_app.app.test_cli_runner().invoke
    listed = run(args=["team", "factor", ROBIN, "--list"])
    assert listed.exit_code == 0
    assert "totp  Pixel  since " in listed.output
    assert "10 recovery codes left" in listed.output
    assert phone._totp.secret not in listed.output
    for arguments in ([], ["--list", "--reset"], ["--remove", "1", "--reset"]):
        assert run(args=["team", "factor", ROBIN, *arguments]).exit_code == 2
    assert run(args=["team", "factor", ROBIN, "--remove", "999"]).exit_code == 1
    assert run(args=["team", "factor", "nobody@example.com", "--reset"]).exit_code == 1
    assert is_in(robin), "nothing was changed"
    reset = run(args=["team", "factor", ROBIN, "--reset"])
    assert reset.stdout == f"Removed: Pixel. {ROBIN} is logged out everywhere.\n"
    assert not is_in(robin)
    robin.get("/login")
    robin.submit(action="/login", email=ROBIN, password=PASSWORD)
    assert "The person who runs this site removed your second factors: Pixel." in robin.get("/").text
    assert rows.count(live_app.app, RecoveryCode) == 0
    assert run(args=["team", "factor", ROBIN, "--reset"]).exit_code == 1, "there is none any more"


def test_who_has_no_factor_reaches_from_a_day_on_only_the_page_that_sets_one_up(
    live_app: ThreadSite, robin: Browser
) -> None:
    run = live_app.app.test_cli_runner().invoke
    assert run(args=["team", "second-factor"]).output == "A second factor is optional.\n"
    today = clock.now().astimezone(ZoneInfo("Europe/Amsterdam")).date()
    run(args=["team", "second-factor", "--from", str(today + timedelta(days=1))])
    assert is_in(robin), "not yet"
    assert "Your team requires a second factor from" in robin.get("/settings/factors").text
    said = run(args=["team", "second-factor", "--from", str(today)])
    assert said.stdout == f"Every member needs a second factor from {today}.\n"
    for path in ("/", "/payments", "/settings", "/connections/1/accounts"):
        assert urlsplit(robin.get(path).url).path == "/settings/factors", path
        assert robin.get(path, {"HX-Request": "true"}).headers["HX-Redirect"] == "/settings/factors"
    page = robin.get("/settings/factors")
    fields = dict(page.form(action="/totp")[0].fields)
    assert urlsplit(robin.post("/connect", fields, {"Origin": live_app.url}).url).path == "/settings/factors"
    set_up(robin, live_app.app)
    assert is_in(robin)
    assert "Your team requires" not in robin.get("/settings/factors").text
    robin.submit(action="/remove")
    assert not is_in(robin), "nor without it"
    robin.get("/settings/factors")
    robin.submit(button="Log out")
    assert urlsplit(robin.page.url).path == "/login"
    assert run(args=["team", "second-factor", "--from", "2026-01-01", "--optional"]).exit_code == 2
    assert run(args=["team", "second-factor", "--from", "soon"]).exit_code == 2
    run(args=["team", "second-factor", "--optional"])
    assert is_in_with_password(live_app)


def test_an_owner_sets_the_day_on_the_page_of_the_team(live_app: ThreadSite, robin: Browser) -> None:
    sam = sign_in(live_app, "sam@example.com")
    assert "Required from" not in sam.get("/team").text, "a member sets no rules"
    today = str(clock.now().astimezone(ZoneInfo("Europe/Amsterdam")).date())
    for day, words in (("soon", "Nothing was changed"), (today, "Everybody needs a second factor from")):
        robin.get("/team")
        page = robin.submit(action="/team/second-factor", second_factor_from=day)
        assert words in page.text or urlsplit(page.url).path == "/settings/factors"
    assert not is_in(sam)
    assert not is_in(robin), "an owner is no exception"
    set_up(robin, live_app.app)
    robin.get("/team")
    page = robin.submit(action="/team/second-factor", second_factor_from="")
    assert "A second factor is optional now." in page.text
    fields = dict(sam.get("/settings").form(action="/settings/look")[0].fields)
    forged = sam.post("/team/second-factor", {**fields, "second_factor_from": today}, {"Origin": live_app.url})
    assert forged.status == 403
    assert is_in(sam)


def test_who_is_locked_meanwhile_gets_in_with_no_factor(live_app: ThreadSite, phone: AuthenticatorApp) -> None:
    sign_in(live_app, "sam@example.com")
    browser = live_app.browser()
    give_password(browser)
    page = browser.page
    with rows.behind(live_app.app):
        token = browser.session.cookies["bunqflask_login"] or ""
        roles.change(OPERATOR, members.require("sam@example.com").id, members.Terms(role=TeamRole.OWNER))
        robin_id = members.require(ROBIN).id
        db.session.execute(db.update(TeamMember).where(TeamMember.id == robin_id).values(locked_at=clock.now()))
        db.session.commit()
        assert login_steps.find_pending(token) is None
        with pytest.raises(LoginRefused), transaction():
            login_steps.make_login_within(robin_id, VISITOR)
    browser.page = page
    assert urlsplit(give_code(browser, phone.unused_code()).url).path == "/login"
    assert not is_in(browser)
    with rows.behind(live_app.app):
        roles.unlock(OPERATOR, robin_id)
        roles.lock(OPERATOR, robin_id)
    assert rows.count(live_app.app, PendingLogin, member_id=robin_id) == 0
    assert rows.count(live_app.app, BrowserRow, member_id=robin_id) == 0
