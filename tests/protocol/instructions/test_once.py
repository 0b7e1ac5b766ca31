"""Every form that has something written at bunq does its thing once, however often it is sent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.models import (
    AuditEvent,
    ConnectionAbility,
    Instruction,
    InstructionFile,
    InstructionState,
    MemberNotice,
    Payment,
    TeamRole,
)
from tests.protocol.sandbox.client import JODI, MAIN, SECOND, Client
from tests.protocol.sandbox.test_attachment import PICTURE
from tests.protocol.sandbox.test_cards import ordered
from tests.support import instructions, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.browser import Browser, Page
from tests.support.consents import ROBIN, share
from tests.support.draft_pages import ONE, account_of, prepare, upload
from tests.unit.payment_files.files import ING, csv_file

HTMX = {"HX-Request": "true"}
# Why forms of a whole area, or one of them, are not in the table below.
EXCEPTIONS = {
    "collections": "the token of a collection is in its own row: see test_collections.py",
    "draft_files.look": "nothing is stored",
}


@dataclass
class Scene:
    """A site with a card, a payment and a note, and who is at which browser."""

    site: ThreadSite
    robin: Browser
    sanne: Browser
    holder: Client
    card: int
    payment: str
    note: int

    def drafted(self, amount: str = "1.00") -> int:
        """Have a draft of Sanne's, which Robin can decide about."""
        return instructions.prepare(self.site.app, "sanne@example.org", MAIN, instructions.draft(amount))


@dataclass(frozen=True)
class Press:
    """A page of somebody, and the button that is pressed on it twice. `uploads` is a file that goes along."""

    browser: Browser
    page: Page
    find: dict[str, str]
    fields: dict[str, Any] = field(default_factory=dict)
    uploads: bool = False

    def send(self) -> None:
        """Press once, with the page as it was."""
        self.browser.page = self.page
        if self.uploads:
            self.browser.upload(self.find["action"], "file", "taxi.png", PICTURE, **self.fields)
        else:
            self.browser.submit(**self.find, **self.fields)


def of_robin(scene: Scene, path: str, find: dict[str, str], **fields: Any) -> Press:
    return Press(scene.robin, scene.robin.get(path), find, fields)


def a_file(scene: Scene) -> Press:
    content = csv_file(f"Drukkerij Noord;{ING};182,40;Factuur 12;F-12")
    page = upload(scene.robin, content, account=account_of(scene.site))
    return Press(scene.robin, page, {"button": "Prepare 1 payment"})


def a_transfer(scene: Scene) -> Press:
    scene.robin.get("/pay/transfers")
    both = {"from": account_of(scene.site), "to": account_of(scene.site, SECOND)}
    page = scene.robin.submit(button="Check it", amount="5", description="To the savings", **both)
    return Press(scene.robin, page, {"button": "Send to bunq"})


def limits(scene: Scene) -> Press:
    scene.robin.get(f"/pay/cards/connections/1/{scene.card}/limits")
    page = scene.robin.submit(button="Check it", limit="9")
    return Press(scene.robin, page, {"button": "Yes, set these limits"})


def cancelled(path: str, body: Callable[[Scene], Any]) -> Callable[[Scene], Press]:
    """Return a press that takes something back, which was prepared on the main account."""

    def press(scene: Scene) -> Press:
        number = instructions.prepare(scene.site.app, ROBIN, MAIN, body(scene))
        return of_robin(scene, path.format(number), {"button": "Take back"})

    return press


def a_note_back(scene: Scene) -> Press:
    scene.robin.get(scene.payment)
    page = scene.robin.submit(action="/notes/write", text="to be taken back")
    return Press(scene.robin, page, {"action": "/cancel"})


def card_back(scene: Scene) -> Press:
    return cancelled("/pay/cards/changes/{}", lambda _scene: instructions.limits(scene.card, "3"))(scene)


def unfrozen(scene: Scene) -> Press:
    scene.holder.ok("PUT", f"/user/{JODI}/card/{scene.card}", {"status": "DEACTIVATED"})
    return of_robin(scene, f"/pay/cards/connections/1/{scene.card}/unfreeze", {"button": "Yes, use it again"})


PAYMENT = {"action": "/pay/drafts/new", "button": "Prepare"}
PRESSES: dict[str, Callable[[Scene], Press]] = {
    "abilities.switch": lambda scene: Press(
        scene.robin,
        scene.robin.get("/connections/1/abilities"),
        {"button": "Save limits"},
        {"day_limit": "100", "approver_limit": ""},
    ),
    "cards.cancel": card_back,
    "cards.freeze": lambda scene: of_robin(
        scene, f"/pay/cards/connections/1/{scene.card}/freeze", {"button": "Yes, freeze it"}
    ),
    "cards.limits": limits,
    "cards.unfreeze": unfrozen,
    "draft_files.prepare": a_file,
    "draft_forms.change": lambda scene: of_robin(
        scene, f"/pay/drafts/{scene.drafted()}/change", {"button": "Save the changes"}, amount="7,00"
    ),
    "draft_forms.prepare": lambda scene: of_robin(
        scene, "/pay/drafts/new", PAYMENT, account=account_of(scene.site), **ONE
    ),
    "drafts.approve": lambda scene: of_robin(scene, f"/pay/drafts/{scene.drafted('2.00')}", {"action": "/approve"}),
    "drafts.cancel": lambda scene: of_robin(scene, f"/pay/drafts/{scene.drafted('3.00')}", {"action": "/cancel"}),
    "drafts.send_back": lambda scene: of_robin(
        scene, f"/pay/drafts/{scene.drafted('4.00')}", {"action": "/send-back"}, reason="Why?"
    ),
    "links.end": lambda scene: of_robin(
        scene,
        f"/pay/links/{instructions.prepare(scene.site.app, ROBIN, MAIN, instructions.link())}",
        {"button": "End the link"},
    ),
    "links.prepare": lambda scene: of_robin(
        scene, "/pay/links/new", {"action": "/new"}, account=account_of(scene.site), amount="7", description="Cake"
    ),
    "note_writing.attach": lambda scene: Press(
        scene.robin, scene.robin.get(scene.payment), {"action": "/notes/attach"}, uploads=True
    ),
    "note_writing.cancel": a_note_back,
    "note_writing.change": lambda scene: of_robin(
        scene, f"{scene.payment}/notes/text/{scene.note}", {"button": "Send to bunq"}, text="another text"
    ),
    "note_writing.write": lambda scene: of_robin(
        scene, scene.payment, {"action": "/notes/write"}, text="for the books"
    ),
    "requests.prepare": lambda scene: of_robin(
        scene,
        "/pay/requests/new",
        {"action": "/new"},
        account=account_of(scene.site),
        amount="7",
        payer="a@example.org",
        description="Tea",
    ),
    "requests.take_back": cancelled("/pay/requests/{}", lambda _scene: instructions.request()),
    "transfers.cancel": cancelled("/pay/transfers/{}", lambda scene: instructions.transfer(scene.site.app, SECOND)),
    "transfers.move": a_transfer,
}


def writing_forms(app: Flask) -> set[str]:
    """Return the endpoints of all forms that have something written at bunq, or decide what may be."""
    return {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "POST" in (rule.methods or ())
        and (
            app.view_functions[rule.endpoint].__module__.startswith("bunqflask.web.instructions.")
            or rule.endpoint.startswith("note_writing.")
        )
    }


def stored(site: ThreadSite) -> list[Any]:
    """Return all that such a form can change, and what it has others told of."""
    with rows.behind(site.app):
        made = db.session.scalars(select(Instruction).order_by(Instruction.id))
        on = db.session.scalars(select(ConnectionAbility).order_by(ConnectionAbility.ability))
        return [
            [(each.id, each.state, each.body, each.approved_by_id, each.sent_back, each.ready_at) for each in made],
            [(each.ability, each.since, each.day_limit, each.approver_limit) for each in on],
            *(len(db.session.scalars(select(each)).all()) for each in (InstructionFile, AuditEvent, MemberNotice)),
        ]


@pytest.fixture
def scene(site: ThreadSite, robin: Browser, holder: Client) -> Scene:
    """Robin and Sanne, with a card that works, and a note on a payment."""
    share(robin)
    sanne = sign_in(site, "sanne@example.org", role=TeamRole.MEMBER)
    card = ordered(holder)["id"]
    holder.ok("PUT", f"/user/{JODI}/card/{card}", {"status": "ACTIVE"})
    paid = holder.get(f"/user/{JODI}/monetary-account/{MAIN}/payment?count=1")[0]["Payment"]["id"]
    note = holder.create(f"/user/{JODI}/monetary-account/{MAIN}/payment/{paid}/note-text", {"content": "a text"})
    with rows.behind(site.app):
        row_id = db.session.scalars(select(Payment.id).filter_by(payment_id=paid)).one()
    payment = f"/payments/{row_id}"
    robin.get(f"{payment}/notes", HTMX)
    return Scene(site, robin, sanne, holder, card, payment, note)


@pytest.mark.sqlite_only
def test_a_form_that_is_sent_twice_does_its_thing_once(scene: Scene) -> None:
    areas = {name for name in EXCEPTIONS if "." not in name}
    forms = {each for each in writing_forms(scene.site.app) if each.partition(".")[0] not in areas}
    assert forms == PRESSES.keys() | {name for name in EXCEPTIONS if "." in name}, "each form is in one of both"
    for name, begin in PRESSES.items():
        press = begin(scene)
        before = stored(scene.site)
        press.send()
        once = stored(scene.site)
        assert once != before, name
        press.send()
        assert stored(scene.site) == once, name
        with rows.behind(scene.site.app):
            # So that the next one is not kept from its card or its note.
            ended = {"state": InstructionState.FAILED, "ended_at": db.func.now()}
            db.session.execute(db.update(Instruction).where(Instruction.ended_at.is_(None)).values(**ended))
            db.session.commit()


def test_two_presses_at_the_same_time_prepare_one_draft(site: ThreadSite, robin: Browser) -> None:
    page = robin.get("/pay/drafts/new")
    form, _button = page.form(action="/new", button="Prepare")
    sent = {**dict(form.fields), **ONE, "account": account_of(site), "do": "prepare"}
    begin, places = threading.Barrier(4), []

    def press() -> None:
        begin.wait()
        answer = robin.session.post(
            form.action, sent, headers={"Origin": site.url, "Referer": page.url}, timeout=60, allow_redirects=False
        )
        places.append((answer.status_code, answer.headers.get("Location")))

    threads = [threading.Thread(target=press) for _each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert places == [(302, "/pay/drafts/1")] * 4
    assert rows.count(site.app, Instruction) == 1


@pytest.mark.sqlite_only
def test_a_form_that_comes_again_with_something_else_in_it_is_refused(site: ThreadSite, robin: Browser) -> None:
    page = robin.get("/pay/drafts/new")
    prepare(robin, site)
    made = rows.count(site.app, Instruction)
    robin.page = page
    robin.submit(action="/new", button="Prepare", account=account_of(site), **ONE)
    robin.page = page
    again = robin.submit(action="/new", button="Prepare", account=account_of(site), **{**ONE, "amount": "9,00"})
    assert (again.status, "was sent before, and changed since" in again.text) == (422, True), again.text
    robin.page = page
    without = robin.submit(action="/new", button="Prepare", account=account_of(site), **{**ONE, "token": ""})
    assert (without.status, "This form was not complete." in without.text) == (422, True), without.text
    assert rows.count(site.app, Instruction) == made + 1
