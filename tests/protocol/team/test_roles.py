"""Roles as people meet them: who may change whom, and that an owner always remains, also when two act at once."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import Connection, ConsentAttempt, Login, TeamMember, TeamRole
from bunqflask.services.policy import NotFoundHere, NotPermitted
from bunqflask.services.principal import OPERATOR
from bunqflask.services.team import members, offboarding, passwords, presence, roles
from bunqflask.services.team.members import Member, TeamRefused, Terms
from bunqflask.services.team.throttle import LoginRefused
from tests.support import rows
from tests.support.apps import PASSWORD, ThreadSite, add_member, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ask, connect, share
from tests.support.logins import log_in

OWNER, ADMIN, MEMBER, GUEST = TeamRole.OWNER, TeamRole.ADMIN, TeamRole.MEMBER, TeamRole.GUEST
ROBIN, SAM, KIM, GAST = "robin@example.org", "sam@example.org", "kim@example.org", "gast@example.org"


@pytest.fixture
def robin(live_app: ThreadSite) -> Browser:
    """The owner's browser."""
    return sign_in(live_app, ROBIN)


def member_of(app: Flask, email: str) -> Member:
    with rows.behind(app):
        return members.require(email)


def csrf_of(browser: Browser) -> str:
    """Return the token that a form of this browser would send along."""
    return dict(browser.get("/settings").form(action="/settings/look")[0].fields)["csrf_token"]


def roles_of(app: Flask) -> dict[str, TeamRole]:
    with rows.behind(app):
        return {each.email: each.role for each in members.list_all()}


# Stories


def test_the_first_is_an_owner_and_all_others_are_members(live_app: ThreadSite, robin: Browser) -> None:
    add_member(live_app.app, SAM)
    assert roles_of(live_app.app) == {ROBIN: OWNER, SAM: MEMBER}
    page = robin.get("/team")
    assert "1 owner · 1 member" in page.text
    assert "Last owner: cannot be removed" in page.text


def test_an_owner_makes_a_member_an_admin_who_then_manages_all_but_owners(live_app: ThreadSite, robin: Browser) -> None:
    sam = sign_in(live_app, SAM)
    add_member(live_app.app, KIM)
    sam_id, kim_id = member_of(live_app.app, SAM).id, member_of(live_app.app, KIM).id
    assert sam.get(f"/team/members/{kim_id}").status == 403
    robin.get(f"/team/members/{sam_id}")
    assert "sam: Admin." in robin.submit(button="Change the role", role="admin").text
    assert "Your role here was changed to Admin. Invites and manages everybody but owners." in sam.get("/").text
    sam.get(f"/team/members/{kim_id}")
    assert "kim: Admin." in sam.submit(button="Change the role", role="admin").text
    assert "Robin" not in [text for text, _address in sam.get("/team").links]
    assert [text for text, _address in sam.page.links if text.startswith("Change")] == ["Change sam", "Change kim"]


def test_a_guest_is_made_with_a_last_day_and_loses_what_guests_may_not(live_app: ThreadSite, robin: Browser) -> None:
    sam = sign_in(live_app, SAM)
    last_day = clock.now().date() + timedelta(days=30)
    robin.get(f"/team/members/{member_of(live_app.app, SAM).id}")
    assert "A guest needs a last day." in robin.submit(button="Change the role", role="guest").text
    assert robin.page.status == 422
    assert "sam: Guest until" in robin.submit(button="Change the role", role="guest", until=str(last_day)).text
    found = member_of(live_app.app, SAM)
    assert (found.role, found.may_export) == (GUEST, False)
    assert found.ends_at is not None
    with live_app.app.app_context():
        assert roles.last_day_of(found.ends_at) == last_day
    page = sam.get("/")
    assert f"Your role here was changed to Guest, until {last_day.day} {last_day:%b}" in page.text
    assert "may not export" in page.text
    assert "Connect bunq" not in page.text
    assert sam.get("/payments/export").status == 403


def test_a_member_who_is_locked_is_out_at_once_and_back_after_the_unlock(site: ThreadSite, bank: Bank) -> None:
    robin, sam = sign_in(site, ROBIN), sign_in(site, SAM)
    ask(sam)
    sam_id = member_of(site.app, SAM).id
    robin.get(f"/team/members/{sam_id}")
    assert "is logged out everywhere and cannot log in" in robin.submit(action="/lock").text
    assert "Log in" in sam.get("/").text
    assert rows.count(site.app, Login, member_id=sam_id) == 0
    assert [attempt.step for attempt in rows.attempts(site.app)] == ["cancelled"]
    with pytest.raises(AssertionError, match="could not log in"):
        sign_in(site, SAM)
    robin.submit(action="/unlock")
    assert "Accounts" in sign_in(site, SAM).get("/").text


def test_an_approval_of_a_locked_member_leaves_no_permission(site: ThreadSite, bank: Bank) -> None:
    sign_in(site, ROBIN)
    sam = sign_in(site, SAM)
    back = bank.approve(ask(sam))
    with rows.behind(site.app):
        roles.lock(OPERATOR, members.require(SAM).id)
    sam.get(back)
    assert rows.permissions(site.app) == 0
    assert rows.count(site.app, ConsentAttempt, step="connected") == 0


def test_owners_see_and_end_everybodys_logins_and_others_only_see_their_own(
    live_app: ThreadSite, robin: Browser
) -> None:
    sam = sign_in(live_app, SAM)
    kim = sign_in(live_app, KIM, role=ADMIN)
    page = robin.get("/team").text
    assert all(name in page.partition("Logged in now")[2] for name in ("robin", "sam", "kim"))
    for other in (sam, kim):
        seen = other.get("/team").text.partition("Logged in now")[2]
        assert "robin" not in seen
    robin.submit(button="Log out sam")
    assert "Log in" in sam.get("/").text
    assert "Accounts" in kim.get("/").text


def test_a_guest_sees_themselves_and_the_people_who_run_the_team(live_app: ThreadSite, robin: Browser) -> None:
    add_member(live_app.app, KIM, role=MEMBER)
    guest = sign_in(live_app, GAST, role=GUEST)
    page = guest.get("/team").text
    assert ROBIN in page
    assert GAST in page
    assert KIM not in page
    assert KIM in robin.get("/team").text


def test_removing_shows_what_is_held_alone_and_hands_it_over(site: ThreadSite, bank: Bank) -> None:
    robin, sam = sign_in(site, ROBIN), sign_in(site, SAM)
    add_member(site.app, KIM)
    guest_id = add_member(site.app, GAST, role=GUEST)
    connect(sam, bank)
    sam_id, kim_id = member_of(site.app, SAM).id, member_of(site.app, KIM).id
    page = robin.get(f"/team/members/{sam_id}/remove")
    assert "Only this person holds" in page.text
    assert "4 accounts that you may not see" in page.text
    assert "Jodi Walker" not in page.text
    assert "gast" not in page.text
    refused = robin.submit(button="Yes, remove", data="hand-over", heir=str(guest_id))
    assert (refused.status, "cannot be handed over to a guest" in refused.text) == (422, True)
    assert robin.submit(button="Yes, remove", data="nothing").status == 422
    done = robin.submit(button="Yes, remove", data="hand-over", heir=str(kim_id))
    assert "4 accounts that you may not see" in done.text.partition("Handed over:")[2]
    assert "Log in" in sam.get("/").text
    assert "Jodi Walker" in sign_in(site, KIM).get("/").text
    assert SAM not in roles_of(site.app)


def test_removing_can_erase_what_is_held_alone(site: ThreadSite, bank: Bank) -> None:
    robin, sam = sign_in(site, ROBIN), sign_in(site, SAM)
    connect(sam, bank)
    share(sam, accounts=[1], member=str(member_of(site.app, ROBIN).id))
    robin.get(f"/team/members/{member_of(site.app, SAM).id}/remove")
    page = robin.submit(button="Yes, remove", data="erase")
    erased = page.text.partition("Erased:")[2]
    assert "Main of Jodi Walker, 3 accounts that you may not see" in erased, "what Robin may see has its name"
    rows.run_duties(site.app)
    assert rows.count(site.app, Connection) == 0
    assert rows.permissions(site.app) == 0


def test_a_holder_does_not_become_a_guest(site: ThreadSite, bank: Bank) -> None:
    robin, sam = sign_in(site, ROBIN), sign_in(site, SAM)
    connect(sam, bank)
    last_day = str(clock.now().date() + timedelta(days=30))
    robin.get(f"/team/members/{member_of(site.app, SAM).id}")
    refused = robin.submit(button="Change the role", role="guest", until=last_day)
    assert (refused.status, "sam holds: 4 accounts that you may not see." in refused.text) == (422, True)
    assert roles_of(site.app)[SAM] is MEMBER


def test_an_admin_does_not_get_at_the_accounts_of_a_member_by_removing_them(site: ThreadSite, bank: Bank) -> None:
    robin, sam = sign_in(site, ROBIN), sign_in(site, SAM)
    kim = sign_in(site, KIM, role=ADMIN)
    connect(sam, bank)
    sam_id, kim_id = member_of(site.app, SAM).id, member_of(site.app, KIM).id
    page = kim.get(f"/team/members/{sam_id}/remove")
    assert "Jodi Walker" not in page.text
    assert f'value="{kim_id}"' not in page.html
    refused = kim.submit(button="Yes, remove", data="hand-over", heir=str(kim_id))
    assert (refused.status, "Only an owner can hand accounts over to themselves" in refused.text) == (422, True)
    assert "Jodi Walker" not in refused.text + kim.get("/").text
    robin.get(f"/team/members/{sam_id}/remove")
    robin.submit(button="Yes, remove", data="hand-over", heir=str(member_of(site.app, ROBIN).id))
    assert "Jodi Walker" in robin.get("/").text


# Guests and their end


@pytest.mark.parametrize("column", ["ends_at", "locked_at"])
def test_an_ended_guest_and_a_locked_member_are_refused_at_each_request_and_at_login(
    live_app: ThreadSite, robin: Browser, column: str
) -> None:
    guest = sign_in(live_app, GAST, role=GUEST)
    assert "Accounts" in guest.get("/").text
    with rows.behind(live_app.app):
        moment = clock.now() - timedelta(seconds=1)
        db.session.execute(db.update(TeamMember).where(TeamMember.email == GAST).values({column: moment}))
        db.session.commit()
    assert "Log in" in guest.get("/").text
    page = guest.submit(action="/login", email=GAST, password=PASSWORD)
    assert (page.status, "do not match" in page.text) == (403, True)
    assert ("Guest, ended" if column == "ends_at" else "Locked") in robin.get("/team").text


def test_a_guest_connects_refreshes_shares_and_exports_nothing(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, ROBIN)
    connect(robin, bank)
    guest = sign_in(site, GAST, role=GUEST)
    share(robin)
    assert "Jodi Walker" not in guest.get("/").text, "a guest is not of the team"
    share(robin, member=str(member_of(site.app, GAST).id))
    rows.run_duties(site.app)
    account = rows.first_account(site.app)
    payments = f"/connections/1/accounts/{account}/payments"
    token = csrf_of(guest)
    assert "Jodi Walker" in guest.get("/").text
    assert "Sync now" not in guest.page.text + guest.get(payments).text
    requested_at = rows.connection(site.app).sync_requested_at
    export = {"account": "1", "from": "2026-01-01", "to": "2026-01-31", "format": "csv"}
    for path in ("/connect", "/connections/1/sync", f"{payments}/sync", "/payments/export"):
        assert guest.post(path, {"csrf_token": token, **export}, {"Origin": site.url}).status == 403, path
    for path in ("/connections/1/sharing", "/connections/1/reconnect", "/connections/1/disconnect"):
        assert guest.post(path, {"csrf_token": token}, {"Origin": site.url}).status == 404, path
    assert len(rows.attempts(site.app)) == 1
    assert rows.connection(site.app).sync_requested_at == requested_at


def test_a_guest_who_was_allowed_to_exports(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, ROBIN)
    connect(robin, bank)
    guest = sign_in(site, GAST, role=GUEST)
    share(robin)
    assert "Jodi Walker" not in guest.get("/").text, "a guest is not of the team"
    share(robin, member=str(member_of(site.app, GAST).id))
    rows.run_duties(site.app)
    assert "Export" not in [text for text, _address in guest.get("/payments").links]
    with rows.behind(site.app):
        last_day = clock.now().date() + timedelta(days=3)
        terms = roles.terms_of(GUEST, last_day=last_day, may_export=True)
        roles.change(OPERATOR, members.require(GAST).id, terms)
    guest.get(guest.get("/payments").link("Export"))
    assert guest.submit(action="/payments/export").headers["Content-Type"].startswith(("text/csv", "application/zip"))


# Attacks


def posts(app: Flask) -> list[tuple[str, dict[str, str]]]:
    """Every address that changes people, aimed at the owner, and what it would take."""
    owner_id = member_of(app, ROBIN).id
    with rows.behind(app):
        login_id = db.session.scalar(db.select(Login.id).where(Login.member_id == owner_id))
    return [
        (f"/team/members/{owner_id}", {"role": "member"}),
        (f"/team/members/{owner_id}/lock", {}),
        (f"/team/members/{owner_id}/unlock", {}),
        (f"/team/members/{owner_id}/remove", {"data": "erase"}),
        (f"/team/logins/{login_id}/end", {}),
        ("/team/invitations", {"label": "Eve", "role": "owner"}),
    ]


@pytest.mark.parametrize("role", [ADMIN, MEMBER, GUEST])
def test_nobody_but_an_owner_touches_an_owner_or_makes_one(
    live_app: ThreadSite, robin: Browser, role: TeamRole
) -> None:
    eve = sign_in(live_app, "eve@example.org", role=role)
    token = csrf_of(eve)
    eve_id = member_of(live_app.app, "eve@example.org").id
    own = [(f"/team/members/{eve_id}", {"role": "owner"}), (f"/team/members/{eve_id}/lock", {})]
    for path, data in posts(live_app.app) + own:
        answer = eve.post(path, {"csrf_token": token, **data}, {"Origin": live_app.url})
        assert answer.status == 403, path
    assert roles_of(live_app.app) == {ROBIN: OWNER, "eve@example.org": role}
    assert "Accounts" in robin.get("/").text


@pytest.mark.parametrize("role", [MEMBER, GUEST])
def test_who_manages_nobody_learns_no_ids(live_app: ThreadSite, robin: Browser, role: TeamRole) -> None:
    eve = sign_in(live_app, "eve@example.org", role=role)
    token = csrf_of(eve)
    owner_id = member_of(live_app.app, ROBIN).id
    for path in ("/team/members/{}", "/team/members/{}/remove"):
        assert [eve.get(path.format(each)).status for each in (owner_id, 9999)] == [403, 403]
    for path in ("/team/members/{}/lock", "/team/members/{}/unlock", "/team/logins/{}/end"):
        answers = [
            eve.post(path.format(each), {"csrf_token": token}, {"Origin": live_app.url}).status
            for each in (owner_id, 9999)
        ]
        assert answers == [403, 403], path


@pytest.mark.parametrize("role", ["root", "Owner", "", "owner\x00", "OWNER"])
def test_a_role_that_does_not_exist_is_refused_at_the_form(live_app: ThreadSite, robin: Browser, role: str) -> None:
    add_member(live_app.app, SAM)
    robin.get(f"/team/members/{member_of(live_app.app, SAM).id}")
    page = robin.submit(button="Change the role", role=role)
    assert (page.status, "Choose a role." in page.text) == (422, True)
    robin.get("/team")
    assert robin.submit(button="Make the invitation", label="Eve", role=role).status == 422
    assert roles_of(live_app.app) == {ROBIN: OWNER, SAM: MEMBER}


def test_the_last_owner_is_neither_demoted_nor_offered_it(live_app: ThreadSite, robin: Browser) -> None:
    robin_id = member_of(live_app.app, ROBIN).id
    page = robin.get(f"/team/members/{robin_id}")
    assert "The last owner stays an owner." in page.text
    token = csrf_of(robin)
    data = {"csrf_token": token, "role": "member"}
    refused = robin.post(f"/team/members/{robin_id}", data, {"Origin": live_app.url})
    assert (refused.status, "is the last owner who can log in" in refused.text) == (422, True)


# Races, on both databases


@pytest.fixture
def two_owners(app: Flask) -> Iterator[tuple[Member, Member]]:
    """Two owners who are about to act on each other."""
    with rows.behind(app):
        yield tuple(members.add(email, "", PASSWORD, Terms(role=OWNER)) for email in (ROBIN, SAM))  # type: ignore[misc]  # two of them, which a generator does not say


ACTS: dict[str, Callable[[Member, int], object]] = {
    "remove": offboarding.remove,
    "lock": roles.lock,
    "demote": lambda by, whom: roles.change(by, whom, Terms(role=MEMBER)),
    "demote oneself": lambda by, _whom: roles.change(by, by.id, Terms(role=MEMBER)),
}


@pytest.mark.parametrize("act", ACTS)
def test_two_owners_who_act_at_the_same_time_leave_one_who_can_log_in(
    app: Flask, two_owners: tuple[Member, Member], act: str
) -> None:
    barrier = threading.Barrier(2)
    outcomes: list[str] = []

    def run(by: Member, whom: Member) -> None:
        with app.app_context():
            barrier.wait()
            try:
                ACTS[act](by, whom.id)
                outcomes.append("done")
            except (TeamRefused, NotPermitted, NotFoundHere) as refused:
                outcomes.append(type(refused).__name__)
            finally:
                db.session.remove()

    first, second = two_owners
    threads = [threading.Thread(target=run, args=pair) for pair in ((first, second), (second, first))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("done") == 1
    db.session.rollback()
    left = [each for each in members.list_all() if each.role is OWNER and each.locked_at is None]
    assert len(left) == 1
    log_in(left[0].email)


def test_an_admin_who_was_demoted_meanwhile_changes_nothing_more(app: Flask) -> None:
    with rows.behind(app):
        members.add(ROBIN, "", PASSWORD)
        sam = members.add(SAM, "", PASSWORD, Terms(role=ADMIN))
        kim = members.add(KIM, "", PASSWORD)
        roles.change(OPERATOR, sam.id, Terms(role=MEMBER))
        for act in ("remove", "lock", "demote"):
            with pytest.raises(NotPermitted):
                ACTS[act](sam, kim.id)
        roles.lock(OPERATOR, sam.id)
        with pytest.raises(NotFoundHere):
            roles.lock(sam, kim.id)
        assert [each.email for each in members.list_all()] == [ROBIN, SAM, KIM]


def test_a_member_locked_while_their_password_is_compared_gets_no_login(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rows.behind(app):
        members.add(ROBIN, "", PASSWORD)
        sam = members.add(SAM, "", PASSWORD)
        compare = passwords.matches

        def lock_meanwhile(password_hash: str | None, password: str) -> bool:
            roles.lock(OPERATOR, sam.id)
            return compare(password_hash, password)

        monkeypatch.setattr(passwords, "matches", lock_meanwhile)
        with pytest.raises(LoginRefused):
            log_in(SAM)
        assert presence.list_for(OPERATOR) == []
