"""Notes and attachments on the page of a payment: fetched from bunq when somebody looks, stored, and safe to open."""

import csv
import io
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from bunqflask import clock
from bunqflask.bunq import transport
from bunqflask.extensions import db
from bunqflask.models import Note, NoteSync, Payment, RateLimitWindow
from bunqflask.services.sync import connection_sync
from tests.protocol.sandbox.client import JODI, Client, session_of
from tests.protocol.sandbox.test_attachment import PICTURE, PNG
from tests.support import rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.beginnings import Begin
from tests.support.browser import Browser, Page
from tests.support.consents import connect, share

MAIN, CAR = 2083712, 2083719
A = f"/user/{JODI}/monetary-account/{MAIN}"
HTMX = {"HX-Request": "true"}
PDF = {"Content-Type": "application/pdf", "X-Bunq-Attachment-Description": "an invoice"}
LOOK = "Check bunq for notes"
HOSTILE = "<script>alert(1)</script>\u202e\x00\nsecond line"
GONE = "bunq no longer provides this file"


@pytest.fixture
def jodi(bank: Bank) -> Client:
    """Jodi with a key of her own, who writes notes in the bunq app."""
    return session_of(bank, JODI)


@pytest.fixture
def robin(site: ThreadSite, begin: Begin) -> Browser:
    """Robin, to whom Jodi's accounts belong."""
    return begin(_connect)


def _connect(site: ThreadSite, bank: Bank) -> Browser:
    browser = sign_in(site, "robin@example.org")
    connect(browser, bank)
    return browser


class Paid:
    """A payment of Jodi's with a file, at bunq and imported by the app."""

    def __init__(self, jodi: Client, site: ThreadSite) -> None:
        self.jodi = jodi
        self.file_id = self.upload(PICTURE, PNG)
        to = {"type": "IBAN", "value": "NL55BUNQ2090409118", "name": "Jodi Walker"}
        body: dict[str, Any] = {"amount": {"value": "1.00", "currency": "EUR"}, "counterparty_alias": to}
        self.id = jodi.create(f"{A}/payment", {**body, "description": "", "attachment": [{"id": self.file_id}]})
        self.notes = f"{A}/payment/{self.id}"
        with rows.behind(site.app):
            assert connection_sync.run(1, patience_s=10)
            row_id = db.session.scalars(db.select(Payment.id).filter_by(payment_id=self.id)).one()
        self.page = f"/payments/{row_id}"
        self.part = f"{self.page}/notes"

    def upload(self, content: bytes, headers: dict[str, str], account: int = MAIN) -> int:
        path = f"/user/{JODI}/monetary-account/{account}/attachment"
        return self.jodi.create(path, raw=content, headers=headers)

    def write(self, text: str) -> int:
        return self.jodi.create(f"{self.notes}/note-text", {"content": text})

    def attach(self, file_id: int, description: str = "") -> int:
        body = {"attachment_id": file_id, "description": description}
        return self.jodi.create(f"{self.notes}/note-attachment", body)


@pytest.fixture
def paid(robin: Browser, jodi: Client, site: ThreadSite) -> Paid:
    return Paid(jodi, site)


def text_of(site: ThreadSite) -> list[str]:
    with rows.behind(site.app):
        return list(db.session.scalars(db.select(Note.text).order_by(Note.kind, Note.note_id)))


def let_time_pass(site: ThreadSite) -> None:
    """Let the notes have been fetched ten minutes ago, and the next try be now."""
    with rows.behind(site.app):
        for state in db.session.scalars(db.select(NoteSync)):
            state.synced_at = state.synced_at and state.synced_at - timedelta(minutes=10)
            state.next_try_at = state.next_try_at and clock.now()
        db.session.commit()


def note_calls(bank: Bank) -> list[str]:
    return [call["path"].rpartition("/")[2] for call in bank.calls("GET") if "/note-" in call["path"]]


def files_on(page: Page) -> list[str]:
    return [address for _words, address in page.links if "/attachments/" in address]


def trigger(page: Page) -> str | None:
    found = re.search(r'<section class="card" id="notes"[^>]*hx-trigger="([^"]+)"', page.html)
    return found[1] if found else None


def test_the_page_is_there_at_once_and_its_notes_follow(
    site: ThreadSite, bank: Bank, robin: Browser, paid: Paid
) -> None:
    paid.write("for the books\nline two")
    paid.attach(paid.upload(b"%PDF-1.7 invoice", PDF), "the invoice")
    bank.forget_calls()
    page = robin.get(paid.page)
    assert bank.calls() == []
    assert trigger(page) == "load"
    assert "We haven’t checked bunq for notes yet." in page.text
    assert page.link("File").endswith(f"/{paid.file_id}"), "a file that the payment itself names is known already"

    part = robin.get(paid.part, HTMX)
    assert note_calls(bank) == ["note-text", "note-attachment"]
    assert "<html" not in part.html
    assert "for the books\nline two" in part.html
    assert part.text.count("the invoice") == 1
    assert part.link("the invoice"), "a file is called what describes it"
    assert "Jodi" in part.text
    assert "Checked with bunq just now" in part.text
    assert trigger(part) is None, "what was read is not asked for again"

    bank.forget_calls()
    again = robin.get(paid.page)
    assert "for the books" in again.text
    assert trigger(again) is None
    robin.get(paid.part, HTMX)
    assert bank.calls() == [], "a part that is fresh costs no call"


def test_an_export_has_the_notes_of_the_payments_that_were_opened(robin: Browser, paid: Paid) -> None:
    paid.write("for the books")
    paid.attach(paid.upload(b"%PDF-1.7 invoice", PDF), "the invoice")
    robin.get(paid.part, HTMX)
    robin.get("/payments/export?from=1970-01-01&to=2099-12-31")
    file = robin.submit(button="Download", format="notes")
    found = {row["note"]: row for row in csv.DictReader(io.StringIO(file.html.lstrip("\ufeff"), newline=""))}
    assert sorted(found) == ["for the books", "the invoice"]
    assert [found[text]["files"] for text in sorted(found)] == ["0", "1"]
    assert {row["payment_id"] for row in found.values()} == {str(paid.id)}


def test_what_is_changed_or_deleted_at_bunq_is_so_here_after_the_next_look(
    site: ThreadSite, robin: Browser, paid: Paid
) -> None:
    kept, dropped = paid.write("first"), paid.write("second")
    robin.get(paid.part, HTMX)
    assert text_of(site) == ["first", "second"]
    paid.jodi.ok("PUT", f"{paid.notes}/note-text/{kept}", {"content": "first, corrected"})
    paid.jodi.ok("DELETE", f"{paid.notes}/note-text/{dropped}")
    robin.get(paid.part, HTMX)
    assert text_of(site) == ["first", "second"], "not asked for again so soon"
    let_time_pass(site)
    assert trigger(robin.get(paid.page)) == "load"
    part = robin.get(paid.part, HTMX)
    assert text_of(site) == ["first, corrected"]
    assert "second" not in part.text


@pytest.mark.sqlite_only
def test_without_script_a_button_looks_for_them(robin: Browser, paid: Paid) -> None:
    paid.write("found by pressing")
    assert robin.get(paid.part).url.endswith(f"{paid.page}#notes"), "the part by itself is no page"
    page = robin.submit(button=LOOK)
    assert page.url.endswith(f"{paid.page}#notes")
    assert "found by pressing" in page.text
    paid.write("and again")
    assert "and again" in robin.submit(button="Check again").text


def test_what_people_write_stays_text(robin: Browser, paid: Paid) -> None:
    paid.write(HOSTILE)
    paid.attach(paid.file_id, HOSTILE)
    html = robin.get(paid.part, HTMX).html
    assert "<script>alert" not in html
    assert not re.search("[\u202e\x00]", html)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\nsecond line" in html
    page = robin.get(paid.page).html
    assert not re.findall(r"<[^>]*\s(?:style|on\w+|hx-on[\w:-]*)=|<style|<script(?![^>]*\ssrc=)|javascript:", page)
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_files_come_through_us_as_what_their_bytes_are_and_never_as_a_page(robin: Browser, paid: Paid) -> None:
    other = {b"%PDF-1.7 invoice": "pdf", b"<html><script>alert(1)</script>": "bin", b"GIF89a": "bin"}
    ids = {paid.upload(content, PDF): (content, ending) for content, ending in other.items()}
    ids[paid.upload(b"\xff\xd8\xff\xe0 jpeg", PDF, CAR)] = (b"\xff\xd8\xff\xe0 jpeg", "jpg")
    for file_id in ids:
        paid.attach(file_id)
    ids[paid.file_id] = (PICTURE, "png")
    robin.get(paid.page)
    page = robin.submit(button=LOOK)
    links = {int(address.rpartition("/")[2]): address for address in files_on(page)}
    assert set(links) == set(ids)
    for file_id, (content, ending) in ids.items():
        answer = robin.session.get(links[file_id])
        assert (answer.status_code, answer.content) == (200, content)
        types = {"pdf": "application/pdf", "png": "image/png", "jpg": "image/jpeg", "bin": "application/octet-stream"}
        assert answer.headers["Content-Type"] == types[ending]
        name = f'filename="payment-{paid.id}-file-{file_id}.{ending}"'
        assert answer.headers["Content-Disposition"] == f"attachment; {name}"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_only_what_a_payment_names_is_fetched_and_only_for_who_sees_the_payment(
    site: ThreadSite, bank: Bank, robin: Browser, paid: Paid
) -> None:
    unnamed = paid.upload(PICTURE, PNG)
    noted = paid.attach(paid.upload(PICTURE, PNG))
    robin.get(paid.part, HTMX)
    with rows.behind(site.app):
        (found,) = db.session.scalars(db.select(Note)).one().attachment_ids
    sam = sign_in(site, "sam@example.org")
    bank.forget_calls()
    for file_id in (unnamed, noted, 0, 2**62):
        assert robin.get(f"{paid.page}/attachments/{file_id}").status == 404
    for file_id in (paid.file_id, found):
        assert sam.get(f"{paid.page}/attachments/{file_id}").status == 404
    assert sam.get(paid.part, HTMX).status == 204
    assert bank.calls() == []

    share(robin)
    assert sam.get(f"{paid.page}/attachments/{found}").status == 200
    assert "File" in sam.get(paid.page).text
    while any(form.action.endswith("/end") for form in robin.get("/connections/1/sharing").forms):
        robin.submit(button="Stop sharing")
    assert sam.get(f"{paid.page}/attachments/{found}").status == 404


def test_after_a_connection_has_ended_notes_stay_and_files_do_not(
    site: ThreadSite, bank: Bank, robin: Browser, paid: Paid
) -> None:
    paid.write("kept")
    robin.get(paid.part, HTMX)
    ending = f"/connections/{rows.connection(site.app).id}/disconnect"
    robin.get(ending)
    robin.submit(action="/disconnect", data="keep")
    let_time_pass(site)
    bank.forget_calls()
    page = robin.get(paid.page)
    assert "kept" in page.text
    assert "This connection was disconnected here." in page.text
    assert trigger(page) is None
    assert files_on(page) == []
    assert LOOK not in page.html
    assert "kept" in robin.get(paid.part, HTMX).text
    answer = robin.get(f"{paid.page}/attachments/{paid.file_id}")
    assert (answer.status, GONE in answer.text) == (410, True)
    assert answer.link("Back to the payment").endswith(paid.page)
    assert bank.calls() == []

    robin.get(ending)
    robin.submit(button="Delete")
    assert rows.count(site.app, Note) == rows.count(site.app, NoteSync) == 0
    assert robin.get(paid.part, HTMX).status == 204


def test_what_is_erased_while_bunq_answers_is_not_stored_again(
    site: ThreadSite, bank: Bank, robin: Browser, paid: Paid
) -> None:
    paid.write("too late")
    robin.get(f"/connections/{rows.connection(site.app).id}/disconnect")
    bank.fault(call="GET note-attachment", fault="slow-drip", seconds=1.0)
    looking = sign_in(site, "robin@example.org")
    with ThreadPoolExecutor(1) as pool:
        part = pool.submit(looking.get, paid.part, HTMX)
        while "note-text" not in note_calls(bank):
            assert not part.done()
        robin.submit(action="/disconnect", data="erase")
        assert (part.result().status, part.result().html) == (204, "")
    assert rows.count(site.app, Payment) == rows.count(site.app, NoteSync) == rows.count(site.app, Note) == 0


@pytest.mark.sqlite_only
def test_where_bunq_wants_the_holders_own_id_it_gets_it(bank: Bank, robin: Browser, paid: Paid) -> None:
    paid.write("only for the holder")
    robin.get(paid.page)
    robin.submit(button=LOOK)
    (grant_id, *_rest) = {call["path"].split("/")[3] for call in bank.calls("GET") if "/note-" in call["path"]}
    assert int(grant_id) != JODI
    for fault in ("403-permission", "404"):
        bank.fault(call=f"GET /v1/user/{grant_id}/*", fault=fault, times=None)
        bank.forget_calls()
        assert "only for the holder" in robin.submit(button="Check again").text
        assert robin.session.get(f"{robin.home}{paid.page}/attachments/{paid.file_id}").content == PICTURE
        assert {call["path"].split("/")[3] for call in bank.calls("GET") if call["status"] == 200} == {str(JODI)}
        bank.no_faults()
        robin.get(paid.page)


FAULTS = ["401", "403-permission", "404", "429", "491", "html-502", "reset", "invalid-json", "bad-signature"]


@pytest.mark.sqlite_only
def test_whatever_bunq_answers_the_page_says_why_and_keeps_what_it_had(
    site: ThreadSite, bank: Bank, robin: Browser, paid: Paid
) -> None:
    paid.write("kept")
    robin.get(paid.part, HTMX)
    for fault in FAULTS:
        let_time_pass(site)
        bank.fault(call="GET note-attachment", fault=fault, times=None)
        part = robin.get(paid.part, HTMX)
        bank.no_faults()
        assert part.status == 200, fault
        assert "kept" in part.text, fault
        assert text_of(site) == ["kept"], fault
        refused = fault in ("403-permission", "404")
        assert ("Next attempt at" in part.text) != refused, fault
        assert ("bunq doesn’t show us the notes" in part.text) == refused, fault
        assert (trigger(part) is None) == refused, "a no is not asked for again by a page that is left open"
        assert "Check again" in part.text
        told = "Technical details" in part.text
        assert told != (refused or fault == "429"), "what bunq said about an error is there, folded"
    let_time_pass(site)
    assert "Next attempt at" not in robin.get(paid.part, HTMX).text
    assert rows.connection(site.app).state == "active"


@pytest.mark.sqlite_only
def test_a_file_that_cannot_be_read_now_has_a_page_with_a_way_on(
    bank: Bank, robin: Browser, paid: Paid, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{paid.page}/attachments/{paid.file_id}"
    statuses = {"404": 410, "403-permission": 410, "429": 503, "491": 503, "empty": 502, "bad-signature": 502}
    for fault, status in {**statuses, "missing-signature": 502, "truncated": 503}.items():
        bank.fault(call="GET content", fault=fault, times=None)
        page = robin.get(address)
        bank.no_faults()
        assert page.status == status, fault
        assert page.link("Back to the payment").endswith(paid.page)
        assert (status == 410) != any(words == "Try again" for words, _address in page.links), fault
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 10)
    bank.forget_calls()
    page = robin.get(address)
    assert (page.status, "too large" in page.text) == (502, True)
    assert len(bank.calls("GET", "/content")) == 1, "what is too large once is so again"
    monkeypatch.undo()
    assert robin.session.get(robin.home + address).content == PICTURE


@pytest.mark.sqlite_only
def test_a_look_keeps_bunqs_limits_and_says_when_it_goes_on(
    site: ThreadSite, bank: Bank, robin: Browser, paid: Paid
) -> None:
    paid.write("later")
    site.app.config["BUNQ_CALL_LIMITS"] = "classic"
    endpoint = "GET user/#/monetary-account/#/payment/#/note-text"
    with rows.behind(site.app):
        db.session.add(RateLimitWindow(endpoint=endpoint, calls=[], blocked_until=clock.now() + timedelta(seconds=30)))
        db.session.commit()
    part = robin.get(paid.part, HTMX)
    assert "bunq has asked us to wait." in part.text
    assert re.fullmatch(r"load delay:(29|30)s", trigger(part) or "")
    assert note_calls(bank) == []
    with rows.behind(site.app):
        db.session.execute(db.update(RateLimitWindow).values(refusals=3, refused_at=clock.now()))
        db.session.commit()
    assert "another program on this server’s address uses bunq" in robin.get(paid.part, HTMX).text
    with rows.behind(site.app):
        db.session.execute(db.delete(RateLimitWindow))
        db.session.commit()
    robin.get(paid.page)
    assert "later" in robin.submit(button=LOOK).text, "a person who presses need not wait for the next try"
