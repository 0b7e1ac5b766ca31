"""Notes on payments and their files, as programs read them."""

import pytest

from bunqflask.extensions import db
from bunqflask.models import AuditEvent, AuditKind, Payment, TokenScope
from tests.protocol.api.program import Program, program_of
from tests.protocol.api.test_changes import Follower
from tests.protocol.payments.test_notes import HTMX, PDF, Paid, jodi, let_time_pass, paid, robin
from tests.protocol.sandbox.test_attachment import PICTURE, PNG
from tests.support import rows
from tests.support.apps import ThreadSite
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ROBIN

__all__ = ["jodi", "paid", "robin"]


@pytest.fixture
def program(site: ThreadSite, paid: Paid) -> Program:
    return program_of(site, ROBIN)


def test_a_changed_note_is_a_change_of_its_payment(
    site: ThreadSite, robin: Browser, paid: Paid, program: Program
) -> None:
    follower = Follower(program)
    follower.follow()
    number = paid.write("for the books")
    payment_id = paid.page.rpartition("/")[2]
    robin.get(paid.part, HTMX)
    written = follower.follow()
    texts = [each["text"] for each in follower.payments[payment_id]["notes"]]
    let_time_pass(site)
    robin.get(paid.part, HTMX)
    unchanged = follower.follow()
    paid.jodi.ok("DELETE", f"{paid.notes}/note-text/{number}")
    let_time_pass(site)
    robin.get(paid.part, HTMX)
    deleted = follower.follow()

    assert written == deleted == ([], [], [payment_id])
    assert texts == ["for the books"]
    assert unchanged == ([], [], [])
    assert follower.payments[payment_id]["notes"] == program.get(f"/payments/{payment_id}/notes")["items"] == []


def test_files_of_a_payment_and_of_its_notes_are_listed_and_fetched(
    site: ThreadSite, robin: Browser, paid: Paid, program: Program
) -> None:
    paid.attach(paid.upload(b"%PDF-1.7 invoice", PDF), "the invoice")
    robin.get(paid.part, HTMX)
    listed = program.get(f"{paid.page}/attachments")["items"]
    contents = [program.session.get(each["content_at"], timeout=30) for each in listed]
    with rows.behind(site.app):
        query = db.select(AuditEvent).where(AuditEvent.kind == AuditKind.ATTACHMENT_OPENED)
        opened = [event.facts["attachment"] for event in db.session.scalars(query.order_by(AuditEvent.id))]

    assert [each["of"] for each in listed] == ["payment", "note"]
    assert listed[0]["id"] == str(paid.file_id)
    assert [answer.content for answer in contents] == [PICTURE, b"%PDF-1.7 invoice"]
    assert [answer.headers["Content-Type"] for answer in contents] == ["image/png", "application/pdf"]
    assert all(answer.headers["Content-Disposition"].startswith("attachment; ") for answer in contents)
    assert opened == [int(each["id"]) for each in listed]


def test_a_file_is_for_tokens_that_see_its_payment(
    site: ThreadSite, bank: Bank, robin: Browser, paid: Paid, program: Program
) -> None:
    path = f"{paid.page}/attachments/{paid.file_id}/content"
    with rows.behind(site.app):
        [account_id] = db.session.scalars(db.select(Payment.account_id).where(Payment.payment_id == paid.id))
    only_payments = program_of(site, ROBIN, scopes=(TokenScope.PAYMENTS_READ,))
    elsewhere = program_of(site, ROBIN, account_ids=(account_id % 4 + 1,))
    unnamed = paid.upload(PICTURE, PNG)
    bank.forget_calls()

    assert only_payments.call(path).status_code == 403
    assert elsewhere.call(path).status_code == 404
    assert elsewhere.call(f"{paid.page}/attachments").status_code == 404
    assert program.call(f"{paid.page}/attachments/{unnamed}/content").status_code == 404
    assert program.call(path, method="HEAD").status_code == 200
    assert bank.calls() == []


def test_a_file_that_bunq_does_not_provide_is_a_problem(
    bank: Bank, robin: Browser, paid: Paid, program: Program
) -> None:
    path = f"{paid.page}/attachments/{paid.file_id}/content"
    statuses = {"404": 410, "429": 503, "bad-signature": 502}
    answers = {}
    for fault in statuses:
        bank.fault(call="GET content", fault=fault, times=None)
        answers[fault] = program.call(path)
        bank.no_faults()
    robin.get("/connections/1/disconnect")
    robin.submit(action="/disconnect", data="keep")
    gone = program.call(path)

    assert {fault: answer.status_code for fault, answer in answers.items()} == statuses
    assert (gone.status_code, gone.json()["code"]) == (410, "gone")
    for answer in (*answers.values(), gone):
        assert answer.headers["Content-Type"] == "application/problem+json"
