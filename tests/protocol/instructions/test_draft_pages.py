"""Draft payments on pages: prepared by one member, approved by another, changed, sent back and taken back."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import Ability, Instruction, InstructionState, Login, TeamRole
from bunqflask.services.instructions import abilities, preparing
from bunqflask.services.instructions.preparing import ChangedMeanwhile
from bunqflask.services.principal import OPERATOR
from bunqflask.services.team import members, offboarding
from tests.protocol.sandbox.client import Client
from tests.support import instructions, rows
from tests.support.apps import PASSWORD, ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ROBIN, share
from tests.support.draft_pages import ONE, account_of, approve, decide, prepare

SANNE = "sanne@example.org"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def sanne(site: ThreadSite, robin: Browser) -> Browser:
    """The browser of a second member, with whom all accounts are shared."""
    share(robin)
    return sign_in(site, SANNE, role=TeamRole.MEMBER)


def test_one_prepares_another_approves_the_holder_accepts_and_the_payment_is_linked(
    site: ThreadSite, robin: Browser, sanne: Browser, holder: Client
) -> None:
    draft = prepare(sanne, site, label="Tickets November")
    assert "Waits for an approval" in sanne.page.text
    assert "€182.40" in sanne.page.text
    assert "New receiver" in sanne.page.text
    assert "Approve and send to bunq" not in sanne.page.text
    assert "Needs your approval" in robin.get("/pay").text
    assert "Tickets November" in robin.get("/pay/drafts").text
    assert "not yet paid" in robin.page.text
    assert "Approved. It is sent to bunq now." in approve(robin, draft).text
    [asks_again] = re.findall(r'hx-get="([^"]+)"', robin.page.html)
    assert robin.get(asks_again, HTMX).status == 204, "nothing has changed"
    instructions.work_until(site.app, draft, ["open"])
    assert "In the bunq app" in robin.get(asks_again, HTMX).text
    assert "hx-get" not in robin.page.html, "a holder may take days"
    assert "In the bunq app" in sanne.get("/pay/drafts?tab=bunq").text
    decide(site, holder, draft, "ACCEPTED")
    assert "Tickets November" in sanne.get("/pay/drafts?tab=done").text
    page = sanne.get(f"/pay/drafts/{draft}")
    payment = sanne.get(page.link("on "))
    assert "Tickets November" in payment.text
    assert sanne.get(payment.link("Tickets November")).url.endswith(f"/pay/drafts/{draft}")
    assert "approved the draft" in robin.get("/audit?what=bunq").text


@pytest.mark.sqlite_only
def test_who_is_alone_is_told_that_nobody_else_checks_and_can_take_it_back_for_a_minute(
    site: ThreadSite, bank: Bank, robin: Browser
) -> None:
    draft = prepare(robin, site)
    assert "You are the only one here who can approve" in robin.page.text
    bank.forget_calls()
    page = approve(robin, draft)
    assert "until then you can take it back" in page.text
    assert "Nobody else checks this draft" in page.text
    instructions.work(site.app)
    assert bank.calls("POST", "draft-payment") == []
    assert "Nothing was sent to bunq." in robin.submit(action="/cancel").text
    instructions.time_passes(site.app)
    instructions.work(site.app)
    assert bank.calls("POST", "draft-payment") == []
    assert instructions.row(site.app, draft).state is InstructionState.CANCELLED


@pytest.mark.sqlite_only
def test_the_preparer_cannot_approve_however_they_ask(site: ThreadSite, robin: Browser, sanne: Browser) -> None:
    own, others = prepare(robin, site), prepare(sanne, site)
    # The form of one draft is bent to another one: Robin runs the team, and is still not the second person.
    sight = robin.get(f"/pay/drafts/{others}").form(action="/approve")[0]
    csrf = dict(sight.fields)["csrf_token"]
    shown = instructions.row(site.app, own).content_hash
    sent = {"csrf_token": csrf, "content_hash": shown}
    page = robin.post(f"/pay/drafts/{own}/approve", sent, {"Origin": robin.home})
    assert page.status == 403
    assert "Somebody else has to approve it" in page.text
    assert instructions.row(site.app, own).state is InstructionState.PREPARED


@pytest.mark.sqlite_only
def test_roles_and_rights_decide_who_approves(site: ThreadSite, robin: Browser, sanne: Browser) -> None:
    draft = prepare(sanne, site)
    others = {
        TeamRole.MEMBER: (200, False),
        TeamRole.ADMIN: (200, True),
        TeamRole.OWNER: (200, True),
        TeamRole.GUEST: (404, False),
    }
    for role, (status, approves) in others.items():
        other = sign_in(site, f"{role.value}@example.org", role=role)
        if role is TeamRole.GUEST:
            share(robin, later="1")
        page = other.get(f"/pay/drafts/{draft}")
        assert page.status == status, role
        assert ("Approve and send to bunq" in page.text) is approves, role
        if role is TeamRole.GUEST:
            for path in ("", "?tab=done", "/new", "/file", f"/{draft}/change"):
                assert other.get(f"/pay/drafts{path}").status == 404, path


def test_what_changed_since_it_was_shown_is_not_approved_and_is_pointed_out(
    site: ThreadSite, robin: Browser, sanne: Browser
) -> None:
    draft = prepare(sanne, site, name=["Stadsbus", "Kees"], iban=[ONE["iban"]] * 2, amount=["1,00", "2,00"])
    robin.get(f"/pay/drafts/{draft}")
    sanne.get(f"/pay/drafts/{draft}/change")
    amounts = ["1,00", "900,00"]
    page = sanne.submit(button="Save the changes", name=["Stadsbus", "Kees"], iban=[ONE["iban"]] * 2, amount=amounts)
    assert "Changed. It needs an approval again." in page.text
    page = robin.submit(action="/approve")
    assert page.status == 409
    assert "This draft has changed, or gone on, since you opened it. Nothing was done." in page.text
    assert "1 payment that you saw is gone or was changed." in page.text
    assert page.text.count("Changed") == 1
    assert instructions.row(site.app, draft).state is InstructionState.PREPARED
    # Now they have seen it.
    assert "Approved." in robin.submit(action="/approve").text
    # A change after that drops the approval.
    sanne.get(f"/pay/drafts/{draft}/change")
    assert sanne.submit(button="Save the changes", amount=["1,00", "901,00"]).status == 200
    row = instructions.row(site.app, draft)
    assert (row.state, row.approved_by_id, row.amount) == (InstructionState.PREPARED, None, Decimal("902.00"))


@pytest.mark.sqlite_only
def test_two_who_change_the_same_draft_do_not_undo_each_others_work(
    site: ThreadSite, robin: Browser, sanne: Browser
) -> None:
    draft = prepare(sanne, site)
    robin.get(f"/pay/drafts/{draft}/change")
    sanne.get(f"/pay/drafts/{draft}/change")
    sanne.submit(button="Save the changes", amount="10,00")
    assert robin.submit(button="Save the changes", amount="20,00").status == 409
    assert instructions.row(site.app, draft).amount == Decimal("10.00")


@pytest.mark.sqlite_only
def test_a_draft_is_sent_back_with_a_reason_changed_and_approved(
    site: ThreadSite, robin: Browser, sanne: Browser
) -> None:
    draft = prepare(sanne, site)
    robin.get(f"/pay/drafts/{draft}")
    assert "Sent back." in robin.submit(action="/send-back", reason="The invoice says\n 128.40").text
    page = sanne.get(f"/pay/drafts/{draft}")
    assert "The invoice says 128.40" in page.text
    sanne.get(f"/pay/drafts/{draft}/change")
    sanne.submit(button="Save the changes", amount="128,40")
    assert "The invoice says" not in sanne.page.text
    assert "Approved." in approve(robin, draft).text
    # On its way to bunq nobody sends it back any more.
    instructions.work_until(site.app, draft, ["open"])
    with rows.behind(site.app), pytest.raises(ChangedMeanwhile):
        preparing.send_back(members.require(ROBIN), draft, "late")


@pytest.mark.sqlite_only
def test_limits_of_a_day_and_of_one_person_are_kept_and_shown(site: ThreadSite, robin: Browser, sanne: Browser) -> None:
    with rows.behind(site.app):
        owner = members.require(ROBIN)
        abilities.switch(owner, 1, Ability.DRAFTS, on=True, day_limit=Decimal(300), approver_limit=Decimal(200))
    first, second, third = (prepare(sanne, site, amount=each) for each in ("150,00", "51,00", "120,00"))
    page = robin.get(f"/pay/drafts/{first}")
    assert "Approved today by you: €0.00 of at most €200.00." in page.text
    assert "Approved." in robin.submit(action="/approve").text
    refused = approve(robin, second)
    assert refused.status == 403
    assert "you would approve more today than one person may" in refused.text
    assert "Approved today by you: €150.00 of at most €200.00." in refused.text
    ada = sign_in(site, "ada@example.org", role=TeamRole.ADMIN)
    share(robin)
    assert "Approved." in approve(ada, second).text
    refused = approve(ada, third)
    assert refused.status == 403
    assert "more would be approved today than the limit of this connection allows" in refused.text
    assert instructions.row(site.app, third).state is InstructionState.PREPARED


@pytest.mark.sqlite_only
def test_what_somebody_prepared_who_left_is_not_sent(
    site: ThreadSite, bank: Bank, robin: Browser, sanne: Browser
) -> None:
    sign_in(site, "ada@example.org", role=TeamRole.ADMIN)
    draft = prepare(sanne, site)
    approve(robin, draft)
    with rows.behind(site.app):
        offboarding.remove(OPERATOR, members.require(SANNE).id)
    bank.forget_calls()
    instructions.work_until(site.app, draft, ["failed"])
    assert bank.calls("POST", "draft-payment") == []
    page = robin.get(f"/pay/drafts/{draft}")
    assert "Nothing was done at bunq" in page.text
    assert "somebody who left" in page.text


@pytest.mark.sqlite_only
def test_a_draft_is_taken_back_at_bunq_and_a_refused_one_says_so(
    site: ThreadSite, robin: Browser, sanne: Browser, holder: Client
) -> None:
    taken, refused = prepare(sanne, site), prepare(sanne, site, amount="7")
    for each in (taken, refused):
        approve(robin, each)
        instructions.work_until(site.app, each, ["open"])
    sanne.get(f"/pay/drafts/{taken}")
    assert "It is being taken back at bunq." in sanne.submit(action="/cancel").text
    instructions.work_until(site.app, taken, ["cancelled"])
    decide(site, holder, refused, "REJECTED")
    page = sanne.get("/pay/drafts?tab=refused")
    assert "Taken back" in page.text
    assert "Refused in bunq" in page.text


@pytest.mark.sqlite_only
def test_the_form_says_what_is_wrong_in_which_payment_and_loses_nothing(site: ThreadSite, robin: Browser) -> None:
    robin.get("/pay/drafts/new")
    page = robin.submit(
        button="Prepare",
        account=account_of(site),
        name=["Stadsbus", "", "Kees"],
        iban=["NL91 ABNA 0417 1643 01", "", "NL91ABNA0417164300"],
        amount=["1.234", "", "-5"],
        description=["<b>Ticket</b>", "", "x" * 141],
    )
    assert page.status == 422
    for text in (
        "Payment 1: the amount “1.234” can be read in two ways: write the cents too, such as 1234.00",
        "Payment 1: the IBAN “NL91 ABNA 0417 1643 01” has a typing error",
        "Payment 2: the amount “-5” is negative",
        "Payment 2: the description has 141 characters",
    ):
        assert text in page.text, text
    assert "&lt;b&gt;Ticket" in page.html
    assert rows.count(site.app, Instruction) == 0
    more = robin.submit(button="Add another payment")
    assert "Payment 3" in more.text
    kept = dict(more.form(button="Prepare")[0].fields)
    assert kept["account"] == account_of(site)


@pytest.mark.sqlite_only
def test_nothing_is_prepared_where_drafts_are_off_or_the_account_is_not_seen(
    site: ThreadSite, robin: Browser, sanne: Browser
) -> None:
    sanne.get("/pay/drafts/new")
    form, _button = sanne.page.form(button="Prepare")
    fields = {**dict(form.fields), **ONE, "do": "prepare"}
    for account in ("999", "0", "x", "-1", "9" * 30):
        page = sanne.post("/pay/drafts/new", {**fields, "account": account}, {"Origin": sanne.home})
        assert page.status == 404, account
    with rows.behind(site.app):
        abilities.switch(members.require(ROBIN), 1, Ability.DRAFTS, on=False)
    page = sanne.post("/pay/drafts/new", {**fields, "account": account_of(site)}, {"Origin": sanne.home})
    assert page.status == 403
    assert "An owner can switch it on under Connections" in page.text
    assert "There is no account on which you can prepare drafts" in sanne.get("/pay/drafts/new").text
    assert rows.count(site.app, Instruction) == 0


@pytest.mark.sqlite_only
def test_an_approval_needs_a_recent_proof_of_who_approves(site: ThreadSite, robin: Browser, sanne: Browser) -> None:
    draft = prepare(sanne, site)
    with rows.behind(site.app):
        db.session.execute(update(Login).values(confirmed_at=clock.now() - timedelta(hours=1)))
        db.session.commit()
    assert "Approved" not in approve(robin, draft).text
    assert instructions.row(site.app, draft).state is InstructionState.PREPARED
    assert robin.submit(action="/approve", confirm_password="guessed").status == 403
    # While the password is asked for, the draft changes: what was shown is still what would be approved.
    with rows.behind(site.app):
        shown = db.session.get_one(Instruction, draft).content_hash
        preparing.change(members.require(SANNE), draft, instructions.draft("999.00"), shown)
    page = robin.submit(action="/approve", confirm_password=PASSWORD)
    assert page.status == 409
    assert instructions.row(site.app, draft).state is InstructionState.PREPARED
    assert "Approved." in robin.submit(action="/approve").text
