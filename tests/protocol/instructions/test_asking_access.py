"""Who may ask others for money, and what an attacker with a login gets who tries ids, odd texts and old forms."""

import re
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import unquote

import pytest
from sqlalchemy import select

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import Ability, AuditEvent, AuditKind, Collection, CollectionItem, Instruction, TeamRole
from bunqflask.services.instructions import abilities, collection_files
from bunqflask.services.team import members
from tests.protocol.instructions.test_asking_pages import choose
from tests.protocol.instructions.test_collections import work
from tests.protocol.sandbox.client import MAIN
from tests.support import documents, instructions, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser, Page
from tests.support.consents import ROBIN, share

pytestmark = pytest.mark.sqlite_only
PEOPLE = "Anna Visser; anna@example.org; 12,50\nBram; 0612345678; 7"


@dataclass(frozen=True)
class Made:
    """A collection, a person of it, and a request and a link without one."""

    collection: int
    item: int
    request: int
    link: int

    @property
    def pages(self) -> list[str]:
        person = f"/pay/collections/{self.collection}/people/{self.item}"
        return [
            *(f"/pay/collections/{self.collection}", person),
            *(f"/pay/requests/{self.request}", f"/pay/links/{self.link}"),
        ]

    @property
    def acts(self) -> list[str]:
        collection, person, request, link = self.pages
        return [
            *(f"{collection}/take-back", f"{person}/take-back", f"{person}/ask-again"),
            *(f"{request}/take-back", f"{link}/end"),
        ]


def begin(browser: Browser, people: str = PEOPLE, **fields: str) -> Page:
    """Fill in the form of a collection on Jodi's main account, look at the list, and send it."""
    page = browser.get("/pay/collections/new")
    typed = {"account": choose(page, "Main"), "kind": "request", "name": "Club", "description": "Contribution"}
    browser.submit(action="/new", people=people, **{"for_all": "", **typed, **fields, "do": "check"})
    return send(browser)


def send(browser: Browser) -> Page:
    """Press the button below the list that was checked."""
    if "Send to bunq" not in browser.page.text:
        return browser.page
    return browser.submit(button="Send to bunq")


@pytest.fixture
def made(site: ThreadSite, robin: Browser) -> Made:
    """One of each, made by Robin."""
    assert begin(robin).status == 200
    request = instructions.prepare(site.app, ROBIN, MAIN, instructions.request())
    link = instructions.prepare(site.app, ROBIN, MAIN, instructions.link())
    with rows.behind(site.app):
        collection = db.session.scalars(select(Collection.id)).one()
        item = db.session.scalars(select(CollectionItem.id).order_by(CollectionItem.id).limit(1)).one()
    return Made(collection, item, request, link)


def act(browser: Browser, page: str, address: str) -> int:
    """Send a form with a token of a page that the member can see; returns the status."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(page).html)
    assert token is not None
    return browser.post(address, {"csrf_token": token[1]}).status


def states(site: ThreadSite) -> set[str]:
    with rows.behind(site.app):
        found = db.session.scalars(select(Instruction).where(Instruction.cancel_asked_at.is_not(None)))
        return {each.state.value for each in found}


def test_others_find_nothing_of_what_is_asked_on_accounts_they_do_not_see(site: ThreadSite, made: Made) -> None:
    for role in (TeamRole.OWNER, TeamRole.ADMIN, TeamRole.MEMBER):
        other = sign_in(site, f"other-{role}@example.org", role=role)
        for address in made.pages:
            assert other.get(address).status == 404, address
        for address in [*made.acts, f"/pay/collections/{made.collection}/export"]:
            assert act(other, "/settings", address) == 404, address
        for name in ("requests", "links", "collections"):
            page = other.get(f"/pay/{name}")
            assert "Club" not in page.text
            assert "payer@example.org" not in page.text
            assert "New" not in [text for text, _address in page.links]
            assert other.get(f"/pay/{name}/new").status == 403
    assert states(site) == set()


def test_members_with_a_share_read_and_those_who_run_the_team_act(site: ThreadSite, made: Made, robin: Browser) -> None:
    share(robin)
    member = sign_in(site, "member@example.org", role=TeamRole.MEMBER)
    for address in made.pages:
        shown = member.get(address)
        assert shown.status == 200, address
        assert "Take back" not in shown.text
        assert "End the link" not in shown.text
        assert "Ask again" not in shown.text
    for address in made.acts:
        assert act(member, "/settings", address) == 403, address
    for name in ("requests", "links", "collections"):
        assert member.get(f"/pay/{name}/new").status == 403
    assert states(site) == set()
    admin = sign_in(site, "admin@example.org", role=TeamRole.ADMIN)
    assert begin(admin).status == 200
    assert "admin" in robin.get("/pay/collections").text
    for address in made.acts:
        assert act(admin, "/settings", address) == 200, address
    assert states(site) == {"cancelled"}
    guest = sign_in(site, "guest@example.org", role=TeamRole.GUEST)
    for address in [*made.pages, "/pay/requests", "/pay/links/new", "/pay/collections", "/pay/collections/new"]:
        assert guest.get(address).status == 404, address
    for address in [*made.acts, "/pay/requests/new", "/pay/collections/new"]:
        assert act(guest, "/settings", address) == 404, address


def test_ids_of_another_kind_or_collection_find_nothing(site: ThreadSite, made: Made, robin: Browser) -> None:
    begin(robin, "Cas; cas@example.org; 1")
    assert robin.get(f"/pay/requests/{made.link}").status == 404
    assert robin.get(f"/pay/links/{made.request}").status == 404
    assert robin.get(f"/pay/collections/{made.collection + 1}/people/{made.item}").status == 404
    assert act(robin, "/settings", f"/pay/collections/{made.collection + 1}/people/{made.item}/take-back") == 404
    assert act(robin, "/settings", f"/pay/collections/{made.collection + 1}/people/{made.item}/ask-again") == 404
    assert act(robin, "/settings", f"/pay/links/{made.request}/end") == 404
    assert states(site) == set()


def test_what_is_switched_off_cannot_be_asked_by_a_form_that_is_still_open(
    site: ThreadSite, bank: Bank, robin: Browser
) -> None:
    page = robin.get("/pay/collections/new")
    typed = {"account": choose(page, "Main"), "kind": "link", "name": "Club", "description": "Contribution"}
    robin.submit(action="/new", people="Cas; ; 5", for_all="", do="check", **typed)
    with rows.behind(site.app):
        abilities.switch(members.require(ROBIN), 1, Ability.LINKS, on=False)
    refused = robin.submit(button="Send to bunq")
    assert refused.status == 403
    assert "switched off for this connection" in refused.text
    assert robin.get("/pay/links/new").status == 403
    page = robin.get("/pay/collections/new")
    assert 'value="link"' not in page.html
    bank.forget_calls()
    work(site)
    assert bank.calls("POST", "bunqme-tab") == []


def test_a_form_of_a_collection_sent_twice_or_changed_asks_nobody_unseen(site: ThreadSite, robin: Browser) -> None:
    page = robin.get("/pay/collections/new")
    typed = {"account": choose(page, "Main"), "kind": "request", "name": "Club", "description": "Contribution"}
    checked = robin.submit(action="/new", people=PEOPLE, for_all="", do="check", **typed)
    assert "2 people will be asked" in checked.text
    changed = robin.submit(button="Send to bunq", people=PEOPLE + "\nEve; eve@example.org; 9999")
    assert "3 people will be asked" in changed.text, "it is shown first"
    robin.page = checked
    first = robin.submit(button="Send to bunq").url
    robin.page = checked
    assert robin.submit(button="Send to bunq").url == first
    with rows.behind(site.app):
        assert len(db.session.scalars(select(Instruction.id)).all()) == 2


def test_a_form_that_was_changed_after_it_was_sent_says_so_and_sends_nothing_more(
    site: ThreadSite, robin: Browser
) -> None:
    page = robin.get("/pay/requests/new")
    sent = {"account": choose(page, "Main"), "amount": "3", "payer": "a@example.org", "description": "Tea"}
    robin.submit(button="Send to bunq", **sent)
    for changed in ({"amount": "30"}, {"payer": "b@example.org"}, {"account": choose(page, "Car")}):
        robin.page = page
        refused = robin.submit(button="Send to bunq", **{**sent, **changed})
        assert (refused.status, "was sent before, and changed since" in refused.text) == (422, True), changed
    page = robin.get("/pay/collections/new")
    typed = {"account": choose(page, "Main"), "kind": "request", "name": "Club", "description": "Contribution"}
    checked = robin.submit(action="/new", people=PEOPLE, for_all="", do="check", **typed)
    robin.submit(button="Send to bunq")
    robin.page = checked
    robin.submit(action="/new", people=f"{PEOPLE}\nEve; eve@example.org; 9", for_all="", do="check", **typed)
    refused = robin.submit(button="Send to bunq")
    assert (refused.status, "was sent before, and changed since" in refused.text) == (422, True)
    assert rows.count(site.app, Instruction) == 3
    assert rows.count(site.app, Collection) == 1


def test_every_form_can_be_pressed_twice(site: ThreadSite, made: Made, robin: Browser) -> None:
    work(site, times=2)
    for _press in range(2):
        for address in made.acts:
            assert act(robin, "/settings", address) == 200, address
    work(site, times=2)
    with rows.behind(site.app):
        query = select(AuditEvent.subject).filter_by(kind=AuditKind.INSTRUCTION_TAKEN_BACK)
        taken_back = list(db.session.scalars(query))
    assert len(taken_back) == len(set(taken_back)) == 4, "each is taken back once"


def test_a_file_has_the_columns_that_were_chosen(site: ThreadSite, robin: Browser) -> None:
    shown = begin(robin)
    two = robin.submit(button="Download", column=["amount", "name", "nonsense"], decimal="point")
    assert two.html.removeprefix("\ufeff").splitlines() == ["name,amount", "Anna Visser,12.50", "Bram,7.00"]
    robin.get(shown.url)
    dutch = robin.submit(button="Download", column=["name", "amount", "state", "payer"], decimal="comma")
    assert dutch.html.removeprefix("\ufeff").splitlines() == [
        "name;payer;amount;state",
        "Anna Visser;anna@example.org;12,50;being_sent",
        "Bram;'+31612345678;7,00;being_sent",
    ]
    robin.get(shown.url)
    assert "Choose at least one column." in robin.submit(button="Download", column=[]).text


def test_names_and_files_run_nothing(site: ThreadSite, robin: Browser) -> None:
    people = (
        '"=HYPERLINK(""http://evil.example"")"; a?bcc=evil&b@example.org; 1\n'
        "<script>alert(1)</script>; +31612345678; 2\n"
        "@SUM(1); x@example.org; 3"
    )
    shown = begin(robin, people, name="=Club <b>")
    assert shown.status == 200
    assert "<script>alert" not in shown.html
    assert "&lt;script&gt;alert(1)" in shown.html
    work(site, times=2)
    robin.get(shown.url)
    file = robin.submit(button="Download", column=[*collection_files.COLUMNS], decimal="comma")
    assert file.headers["Content-Disposition"] == 'attachment; filename="Club-b.csv"'
    cells = [cell for line in file.html.lstrip("\ufeff").splitlines()[1:] for cell in line.split(";")]
    assert not [each for each in cells if re.match(r"[\s\"']*[=+@-]", each) and "'" not in each], cells
    assert "downloaded the collection" in robin.get("/audit").text
    robin.get(shown.url)
    person = robin.get(robin.page.link("=HYPERLINK"))
    mailto = next(address for _text, address in person.links if address.startswith("mailto:"))
    assert mailto.startswith("mailto:a%3Fbcc%3Devil%26b@example.org?subject=")
    assert mailto.count("?") == 1
    assert "\n" not in mailto


@pytest.mark.parametrize(
    ("people", "said"),
    [
        ("", "Write at least one line."),
        ("Anna; anna@example.org", "Enter an amount like 12.50."),
        ("Anna; anna@example.org; 1.234", "Type 1234 or 1.2340"),
        ("Anna; anna@example.org; -5", "Enter an amount like 12.50."),
        ("Anna; anna@example.org; 0", "above zero"),
        ("Anna; anna@example.org; 1,005", "Type 1005 or 1.0050"),
        ("Anna; anna@; 5", "The email address of the payer is not one."),
        ("Anna; NL91ABNA0417164301; 5", "The IBAN has a typing error: its check digits do not fit"),
        ("Anna; ; 5", "A request needs an email address"),
        ("; anna@example.org; 5", "A name needs 1 to 70 characters."),
        ("Anna; anna@example.org; 5\nAnna; anna@example.org; 5", "Line 2: It is the same as line 1."),
        ("Anna, anna@example.org, 12,50", "more than three parts"),
        ("\n".join(f"P{n}; p{n}@example.org; 1" for n in range(351)), "at most 350 people"),
        ("x" * 100_001, "The list is too long"),
        ("A\u202e; a@example.org; 1", "A name needs"),
        ('"Anna; anna@example.org; 5', "A request needs"),
    ],
)
def test_a_list_with_a_wrong_line_is_refused_with_its_reason(robin: Browser, people: str, said: str) -> None:
    refused = begin(robin, people)
    assert refused.status == 422
    assert said in refused.text
    assert "Nobody was asked." in refused.text


def test_lists_are_read_with_semicolons_tabs_commas_and_a_heading(robin: Browser) -> None:
    for people in (
        "Naam;E-mail;Bedrag\nAnna;anna@example.org;€ 1.234,50\n",
        "Anna\tanna@example.org\t1234.50",
        '"Anna","anna@example.org","1,234.50"\r\n\r\n',
    ):
        page = robin.get("/pay/collections/new")
        typed = {"account": choose(page, "Main"), "kind": "request", "name": "Club", "description": "Fee"}
        checked = robin.submit(action="/new", people=people, for_all="", do="check", **typed)
        assert "1 person will be asked" in checked.text
        assert "€1,234.50" in checked.text
        assert "Fee: Anna" in checked.text


def test_a_reminder_says_for_how_many_days_the_amount_is_open(site: ThreadSite, robin: Browser) -> None:
    shown = begin(robin, "Anna Visser; anna@example.org; 1.234,50")
    work(site, times=2)
    with rows.behind(site.app):
        row = db.session.scalars(select(Instruction)).one()
        row.opened_at = clock.now() - timedelta(days=3)
        address = row.result["share_url"]
        db.session.commit()
    robin.get(shown.url)
    person = robin.get(robin.page.link("Anna Visser"))
    assert "€1,234.50 for Contribution is still open, since 3 days." in person.text
    mailto = next(address for _text, address in person.links if address.startswith("mailto:"))
    assert f"You can pay here: {address}" in unquote(mailto)
    robin.submit(action="/look", theme="system", hide_amounts="1")
    hidden = robin.get(person.url)
    assert "1,234.50" not in hidden.html
    assert "mailto:" not in hidden.html
    assert "hidden along with the amounts" in hidden.text


def test_the_list_of_the_documentation_is_read(robin: Browser) -> None:
    source = (documents.ROOT / "docs" / "how-to" / "ask-for-money.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```text\n(.*?)```", source, re.DOTALL)
    page = robin.get("/pay/collections/new")
    typed = {"account": choose(page, "Main"), "kind": "request", "name": "Club", "description": "Fee", "for_all": ""}
    checked = robin.submit(action="/new", people=block, do="check", **typed)
    assert "3 people will be asked €50.00" in checked.text
