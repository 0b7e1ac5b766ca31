"""Invitations and links for a new password: used once, by the person they are for, and never by looking at them."""

import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import (
    AccountHolder,
    AccountShare,
    AuditAccount,
    AuditEvent,
    AuditKind,
    Invitation,
    InvitationAccount,
    Login,
    PasswordReset,
    TeamRole,
)
from bunqflask.services.principal import OPERATOR
from bunqflask.services.team import invitations, members, resets, roles
from bunqflask.services.team.invitations import LinkGone
from bunqflask.services.team.members import TeamRefused, Terms
from tests.support import rows
from tests.support.apps import PASSWORD, ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser, Page
from tests.support.consents import connect

OWNER, ADMIN, MEMBER, GUEST = TeamRole.OWNER, TeamRole.ADMIN, TeamRole.MEMBER, TeamRole.GUEST
ROBIN, SAM, KIM = "robin@example.org", "sam@example.org", "kim@example.org"
GONE = "This link no longer works"


@pytest.fixture
def robin(live_app: ThreadSite) -> Browser:
    """The owner's browser."""
    return sign_in(live_app, ROBIN)


def invite(browser: Browser, label: str = "Sam", **fields: str) -> str:
    """Make an invitation in the browser; returns the path of its link."""
    browser.get("/team")
    page = browser.submit(button="Make the invitation", label=label, **({"role": "member"} | fields))
    assert page.status == 200, page.text
    return link_on(page)


def link_on(page: Page) -> str:
    """Return the path of the link that a page shows."""
    found = re.search(r'value="http://localhost:\d+(/welcome/[\w-]{43})"', page.html)
    assert found, page.text
    return found.group(1)


def accept(browser: Browser, path: str, **fields: str) -> None:
    browser.get(path)
    browser.submit(button="Join the team", **({"email": SAM, "name": "Sam Okafor", "new": PASSWORD} | fields))


def token_of(url: str) -> str:
    return url.rpartition("/")[2]


# Stories


def test_an_invited_person_chooses_who_they_are_and_their_password(live_app: ThreadSite, robin: Browser) -> None:
    path = invite(robin, "Sam (bookkeeping)")
    assert "Sam (bookkeeping), Member" in robin.get("/team").text
    assert "not opened yet" in robin.page.text
    sam = live_app.browser()
    page = sam.get(path)
    assert "robin invites you" in page.text
    assert "You can connect your own bunq accounts." in page.text
    assert "opened just now" in robin.get("/team").text
    accept(sam, path)
    assert "Welcome, Sam Okafor. You can log in now." in sam.page.text
    sam.submit(action="/login", email=SAM, password=PASSWORD)
    assert urlsplit(sam.page.url).path == "/"
    # Only what was recorded about it still names it.
    assert "Sam (bookkeeping)" not in robin.get("/team").text.partition("Who saw or did what")[0]
    assert "Sam Okafor" in robin.page.text
    assert GONE in live_app.browser().get(path).text


def test_a_guest_reads_from_the_beginning_what_their_inviter_chose_and_holds(site: ThreadSite, bank: Bank) -> None:
    robin, kim = sign_in(site, ROBIN), sign_in(site, KIM, role=ADMIN)
    connect(robin, bank)
    with rows.behind(site.app):
        first, second, *_rest = [each.id for each in rows.monetary_accounts()]
    assert 'name="account"' not in kim.get("/team").html, "Kim holds none"
    assert "sees 0 of 4 accounts" in kim.page.text
    last_day = str(clock.now().date() + timedelta(days=30))
    wanted: dict[str, Any] = {"role": "guest", "until": last_day, "account": [str(first), str(second)]}
    kim.get("/team")
    assert kim.submit(button="Make the invitation", label="Eve", **wanted).status == 404, "what Kim does not hold"
    robin.get("/team")
    path = link_on(robin.submit(button="Make the invitation", label="Sam", **wanted))
    with rows.behind(site.app):
        # Given up before the guest accepts.
        db.session.execute(db.delete(AccountHolder).where(AccountHolder.account_id == second))
        db.session.commit()
    guest = site.browser()
    assert "Jodi" not in guest.get(path).text, "whoever has the link does not learn of what"
    accept(guest, path)
    guest.submit(action="/login", email=SAM, password=PASSWORD)
    with rows.behind(site.app):
        [share] = db.session.scalars(db.select(AccountShare)).all()
        assert share.account_id == first
        assert db.session.scalars(db.select(InvitationAccount)).all() == []
    assert "Jodi Walker" in guest.get("/").text
    with rows.behind(site.app):
        made = db.session.scalars(db.select(AuditEvent).filter_by(kind=AuditKind.INVITATION_MADE)).one()
        shared = db.session.scalars(db.select(AuditEvent).filter_by(kind=AuditKind.SHARED)).one()
        about = db.select(AuditAccount.account_id).order_by(AuditAccount.account_id)
        assert list(db.session.scalars(about.filter_by(event_id=made.id))) == [first, second], "by whom it was chosen"
        assert list(db.session.scalars(about.filter_by(event_id=shared.id))) == [first]
        assert shared.actor_id is None, "it was not Robin who was at the guest's address"
    assert "may not export · sees 1 of 4 accounts" in robin.get("/team").text
    assert "sees 3 of 4 accounts" in robin.page.text
    assert "of 4 accounts" not in sign_in(site, "mo@example.org").get("/team").text


def test_an_invitation_that_is_not_for_a_guest_shares_nothing(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, ROBIN)
    connect(robin, bank)
    robin.get("/team")
    path = link_on(robin.submit(button="Make the invitation", label="Sam", role="member", account="1"))
    accept(site.browser(), path)
    assert rows.count(site.app, AccountShare) == 0


def test_a_guest_is_invited_until_a_day_and_told_so(live_app: ThreadSite, robin: Browser) -> None:
    last_day = clock.now().date() + timedelta(days=30)
    path = invite(robin, "boeken@cijfer.example", role="guest", until=str(last_day), may_export="1")
    page = live_app.browser().get(path)
    assert "Guest until" in page.text
    assert "You can export them." in page.text
    guest = live_app.browser()
    assert dict(guest.get(path).form(button="Join")[0].fields)["email"] == "boeken@cijfer.example"
    accept(guest, path)
    with rows.behind(live_app.app):
        sam = members.require(SAM)
        assert (sam.role, sam.may_export) == (GUEST, True)
        assert sam.ends_at is not None
        assert roles.last_day_of(sam.ends_at) == last_day


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"role": "guest"}, "A guest needs a last day."),
        ({"role": "guest", "until": "2020-01-01"}, "today at the earliest"),
        ({"role": "guest", "until": "2999-12-31"}, "in a year at the latest"),
        ({"role": "guest", "until": "tomorrow"}, "Enter a date"),
        ({"role": "guest", "until": "0000-00-00"}, "Enter a date"),
        ({"label": ""}, "Say who is invited"),
        ({"label": "\u200b\x00\u202e"}, "Say who is invited"),
        ({"role": "chief"}, "Choose a role."),
    ],
    ids=str,
)
def test_what_is_missing_is_said_at_the_form(
    live_app: ThreadSite, robin: Browser, fields: dict[str, str], words: str
) -> None:
    robin.get("/team")
    page = robin.submit(button="Make the invitation", **({"label": "Sam", "role": "member"} | fields))
    assert (page.status, words in page.text) == (422, True)
    assert rows.count(live_app.app, Invitation) == 0


def test_the_link_is_stored_nowhere_and_the_token_has_256_bits(live_app: ThreadSite, robin: Browser) -> None:
    token = token_of(invite(robin))
    assert len(token) == 43
    with rows.behind(live_app.app):
        row = db.session.scalars(db.select(Invitation)).one()
        assert token not in str({column.name: getattr(row, column.name) for column in Invitation.__table__.columns})
        assert len(row.token_hash) == 64
    assert token not in robin.get("/team").html


# Looking at a link


def test_opening_a_link_any_number_of_times_uses_nothing_up(live_app: ThreadSite, robin: Browser) -> None:
    path = invite(robin)
    browser = live_app.browser()
    for method in ("GET", "HEAD", "GET"):
        assert browser.session.request(method, live_app.url + path).status_code == 200
    for method in ("PUT", "DELETE", "PATCH"):
        # Like any address that does not exist: it asks for a login.
        answer = browser.session.request(method, live_app.url + path, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/login")
    accept(browser, path)
    assert "Welcome" in browser.page.text


def test_only_a_get_counts_as_opened(live_app: ThreadSite, robin: Browser) -> None:
    path = invite(robin)
    assert live_app.browser().session.head(live_app.url + path).status_code == 200
    assert "not opened yet" in robin.get("/team").text


# Links that no longer work


def test_a_link_withdrawn_while_its_page_is_open_is_refused(live_app: ThreadSite, robin: Browser) -> None:
    path = invite(robin)
    sam = live_app.browser()
    sam.get(path)
    robin.get("/team")
    assert "is withdrawn" in robin.submit(button="Withdraw").text
    page = sam.submit(button="Join the team", email=SAM, name="Sam", new=PASSWORD)
    assert (page.status, GONE in page.text) == (404, True)
    with rows.behind(live_app.app):
        assert members.find(SAM) is None


def test_a_new_link_ends_the_old_one(live_app: ThreadSite, robin: Browser) -> None:
    old = invite(robin)
    robin.get("/team")
    page = robin.submit(button="New link")
    new = link_on(page)
    assert GONE in live_app.browser().get(old).text
    assert "invites you" in live_app.browser().get(new).text


def test_an_expired_link_is_refused_before_and_after_it_is_swept(live_app: ThreadSite, robin: Browser) -> None:
    path = invite(robin)
    sam = live_app.browser()
    sam.get(path)
    with rows.behind(live_app.app):
        over = clock.now() - timedelta(seconds=1)
        db.session.execute(db.update(Invitation).values(expires_at=over))
        db.session.commit()
    assert sam.submit(button="Join the team", email=SAM, name="Sam", new=PASSWORD).status == 404
    assert GONE in sam.get(path).text
    assert "None. An invitation is listed here" in robin.get("/team").text
    rows.run_duties(live_app.app)
    assert rows.count(live_app.app, Invitation) == 0


@pytest.mark.parametrize("change", ["demote", "lock"])
def test_an_invitation_ends_with_the_right_to_make_it(live_app: ThreadSite, robin: Browser, change: str) -> None:
    sam = sign_in(live_app, SAM, role=ADMIN)
    path = invite(sam, "Kim", role="admin")
    with rows.behind(live_app.app):
        sam_id = members.require(SAM).id
        if change == "demote":
            roles.change(OPERATOR, sam_id, Terms(role=MEMBER))
        else:
            roles.lock(OPERATOR, sam_id)
    assert GONE in live_app.browser().get(path).text
    # Only what was recorded about it still names it.
    assert "Kim" not in robin.get("/team").text.partition("Who saw or did what")[0]


@pytest.mark.parametrize("path", ["/welcome/nothing", "/password/nothing", "/welcome/%00", "/password/%F0%9F%92%A9"])
def test_links_that_never_existed_look_like_used_ones(live_app: ThreadSite, path: str) -> None:
    browser = live_app.browser()
    assert (browser.get(path).status, GONE in browser.page.text) == (404, True)


# Attacks


def test_an_admin_invites_no_owner_and_touches_no_owners_invitation(live_app: ThreadSite, robin: Browser) -> None:
    sam = sign_in(live_app, SAM, role=ADMIN)
    sam.get("/team")
    assert 'value="owner"' not in sam.page.html
    assert 'value="owner"' in robin.get("/team").html
    assert sam.submit(button="Make the invitation", label="Eve", role="owner").status == 403
    invite(robin, "Eve", role="owner")
    with rows.behind(live_app.app):
        invitation_id = db.session.scalars(db.select(Invitation.id)).one()
    token = dict(sam.get("/settings").form(action="/settings/look")[0].fields)["csrf_token"]
    for act in ("renew", "withdraw"):
        path = f"/team/invitations/{invitation_id}/{act}"
        assert sam.post(path, {"csrf_token": token}, {"Origin": live_app.url}).status == 403
    assert rows.count(live_app.app, Invitation) == 1


@pytest.mark.parametrize("role", [MEMBER, GUEST])
def test_who_may_not_invite_sees_and_makes_none(live_app: ThreadSite, robin: Browser, role: TeamRole) -> None:
    invite(robin, "Kim")
    sam = sign_in(live_app, SAM, role=role)
    page = sam.get("/team")
    assert "Kim" not in page.text
    assert "Make the invitation" not in page.text
    token = dict(sam.get("/settings").form(action="/settings/look")[0].fields)["csrf_token"]
    for path in ("/team/invitations", "/team/invitations/1/renew", "/team/invitations/1/withdraw"):
        data = {"csrf_token": token, "label": "Eve", "role": "member"}
        assert sam.post(path, data, {"Origin": live_app.url}).status == 403
    assert rows.count(live_app.app, Invitation) == 1


def test_fields_that_the_form_does_not_have_change_nothing(live_app: ThreadSite, robin: Browser) -> None:
    path = invite(robin)
    browser = live_app.browser()
    accept(browser, path, role="owner", ends_at="", may_export="1", id="1", locked_at="")
    with rows.behind(live_app.app):
        assert members.require(SAM).role is MEMBER


def test_a_taken_email_and_a_short_password_leave_the_link_unused(live_app: ThreadSite, robin: Browser) -> None:
    path = invite(robin)
    browser = live_app.browser()
    accept(browser, path, email=ROBIN.upper())
    assert (browser.page.status, "has a login already" in browser.page.text) == (422, True)
    accept(browser, path, new="short")
    assert browser.page.status == 422
    accept(browser, path, email="no email")
    assert "is not an email address" in browser.page.text
    accept(browser, path)
    assert "Welcome" in browser.page.text


@pytest.fixture
def invited(app: Flask) -> Iterator[str]:
    """The token of an invitation."""
    with rows.behind(app):
        members.add(ROBIN, "", PASSWORD)
        yield token_of(invitations.invite(OPERATOR, "Sam", Terms(role=MEMBER)).url)


def test_a_link_used_twice_at_the_same_time_makes_one_member(app: Flask, invited: str) -> None:
    barrier = threading.Barrier(2)
    outcomes: list[str] = []

    def run(email: str) -> None:
        with app.app_context():
            barrier.wait()
            try:
                invitations.accept(invited, email=email, name="", password=PASSWORD)
                outcomes.append("done")
            except LinkGone:
                outcomes.append("gone")
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(email,)) for email in (SAM, KIM)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "gone"]
    db.session.rollback()
    assert len(members.list_all()) == 2


def test_one_email_taken_through_two_links_is_refused_once(app: Flask, invited: str) -> None:
    other = token_of(invitations.invite(OPERATOR, "Sam", Terms(role=MEMBER)).url)
    invitations.accept(invited, email=SAM, name="", password=PASSWORD)
    with pytest.raises(TeamRefused, match="has a login already"):
        invitations.accept(other, email=SAM, name="", password=PASSWORD)
    assert invitations.get(other).label == "Sam"


# A new password


def test_a_reset_link_ends_the_old_password_and_sets_a_new_one(live_app: ThreadSite, robin: Browser) -> None:
    with rows.behind(live_app.app):
        path = urlsplit(resets.make(ROBIN).url).path
    assert rows.count(live_app.app, Login) == 0
    assert "Log in" in robin.get("/").text
    assert robin.submit(action="/login", email=ROBIN, password=PASSWORD).status == 403
    browser = live_app.browser()
    for _ in range(2):
        assert f"For robin, {ROBIN}" in browser.get(path).text
    assert browser.submit(button="Save the password", new="short").status == 422
    assert "You can log in now" in browser.submit(button="Save the password", new="another " + PASSWORD).text
    browser.submit(action="/login", email=ROBIN, password="another " + PASSWORD)
    assert urlsplit(browser.page.url).path == "/"
    assert GONE in live_app.browser().get(path).text


def test_a_reset_link_ends_after_half_an_hour_with_the_next_one_and_with_a_lock(app: Flask) -> None:
    with rows.behind(app):
        members.add(ROBIN, "", PASSWORD)
        members.add(SAM, "", PASSWORD)
        first, second = (token_of(resets.make(SAM).url) for _ in range(2))
        with pytest.raises(LinkGone):
            resets.use(first, PASSWORD)
        assert resets.get(second).email == SAM
        roles.lock(OPERATOR, members.require(SAM).id)
        with pytest.raises(LinkGone):
            resets.use(second, PASSWORD)
        third = resets.make(ROBIN)
        assert timedelta(minutes=29) < third.expires_at - clock.now() <= timedelta(minutes=30)
        db.session.execute(db.update(PasswordReset).values(expires_at=clock.now()))
        db.session.commit()
        with pytest.raises(LinkGone):
            resets.use(token_of(third.url), PASSWORD)


# Odd inputs

ODD = st.text(max_size=40) | st.sampled_from(
    ["", "\x00", "\ud7ff", "９", "a@b", "x" * 5000, "-1", "2026-02-30", "owner"]
)


@pytest.mark.sqlite_only
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(label=ODD, role=ODD | st.sampled_from([role.value for role in TeamRole]), until=ODD, may_export=ODD)
def test_odd_invitations_are_no_server_error(
    live_app: ThreadSite, robin: Browser, label: str, role: str, until: str, may_export: str
) -> None:
    robin.get("/team")
    page = robin.submit(button="Make the invitation", label=label, role=role, until=until, may_export=may_export)
    assert page.status in (200, 422)


@pytest.mark.sqlite_only
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(email=ODD, name=ODD, new=ODD)
def test_odd_acceptances_are_no_server_error(
    live_app: ThreadSite, robin: Browser, email: str, name: str, new: str
) -> None:
    with rows.behind(live_app.app):
        path = urlsplit(invitations.invite(OPERATOR, "Sam", Terms(role=MEMBER)).url).path
    browser = live_app.browser()
    browser.get(path)
    page = browser.submit(button="Join the team", email=email, name=name, new=new)
    assert page.status in (200, 422)
    browser.close()
