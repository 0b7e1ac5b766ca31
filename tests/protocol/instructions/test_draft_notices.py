"""Who hears of a draft: the ones who can approve it, and then the ones who prepared and approved it."""

import pytest

from bunqflask.extensions import db
from bunqflask.models import MemberNotice, NoticeKind, TeamRole
from bunqflask.services.instructions import preparing
from bunqflask.services.notices import events
from bunqflask.services.team import members
from tests.protocol.sandbox.client import MAIN, Client
from tests.support import instructions, rows
from tests.support.apps import ThreadSite, add_member, sign_in
from tests.support.browser import Browser
from tests.support.consents import ROBIN, share
from tests.support.draft_pages import decide

SANNE, ADA, GUS, TOM = (f"{name}@example.org" for name in ("sanne", "ada", "gus", "tom"))


@pytest.fixture
def team(site: ThreadSite, robin: Browser) -> None:
    """Robin shares everything with a member, an admin, a guest and a second member."""
    for email, role in ((SANNE, TeamRole.MEMBER), (ADA, TeamRole.ADMIN), (GUS, TeamRole.GUEST), (TOM, TeamRole.MEMBER)):
        add_member(site.app, email, role=role)
    share(robin)


def heard(site: ThreadSite, email: str) -> list[tuple[NoticeKind, str]]:
    """Let the worker inform people; returns what it told somebody about drafts."""
    kinds = (NoticeKind.DRAFT_PREPARED, NoticeKind.DRAFT_DECIDED)
    with rows.behind(site.app):
        with rows.read_only():
            events.handle_all()
        query = db.select(MemberNotice).filter_by(member_id=members.require(email).id)
        found = db.session.scalars(query.where(MemberNotice.kind.in_(kinds)).order_by(MemberNotice.id)).all()
        return [(each.kind, each.facts.get("outcome", "")) for each in found]


@pytest.mark.sqlite_only
@pytest.mark.usefixtures("team")
def test_approvers_hear_of_a_draft_and_its_people_of_the_decisions(site: ThreadSite, holder: Client) -> None:
    draft = instructions.prepare(site.app, SANNE, MAIN, instructions.draft())
    prepared = (NoticeKind.DRAFT_PREPARED, "")
    assert [heard(site, each) for each in (ROBIN, ADA)] == [[prepared], [prepared]]
    assert [heard(site, each) for each in (SANNE, GUS, TOM)] == [[], [], []]
    with rows.behind(site.app):
        preparing.send_back(members.require(ADA), draft, "Which invoice?")
    assert heard(site, SANNE) == [(NoticeKind.DRAFT_DECIDED, "sent_back")]
    with rows.behind(site.app):
        shown = instructions.row(site.app, draft).content_hash
        preparing.change(members.require(SANNE), draft, instructions.draft("3.00"), shown)
    instructions.approve(site.app, ADA, draft)
    # By the time when the worker comes round, nobody has to approve it any more.
    assert heard(site, ROBIN) == [prepared]
    instructions.work_until(site.app, draft, ["open"])
    decide(site, holder, draft, "REJECTED")
    rejected = (NoticeKind.DRAFT_DECIDED, "rejected")
    assert heard(site, SANNE)[-1] == rejected
    assert heard(site, ADA)[-1] == rejected
    assert [heard(site, each) for each in (ROBIN, GUS, TOM)] == [[prepared], [], []]


@pytest.mark.sqlite_only
@pytest.mark.usefixtures("team")
def test_the_notice_leads_to_the_draft_and_names_no_amount(site: ThreadSite) -> None:
    draft = instructions.prepare(site.app, SANNE, MAIN, instructions.draft("987.65"))
    assert heard(site, ADA) == [(NoticeKind.DRAFT_PREPARED, "")]
    ada = sign_in(site, ADA)
    page = ada.get("/notices")
    assert "needs your approval" in page.text
    assert "987" not in page.text
    assert f"/pay/drafts/{draft}" in page.html
