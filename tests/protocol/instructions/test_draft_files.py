"""Drafts from payment files: every line is shown, marked and checked before anything is prepared."""

import base64
import time
import zlib
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import DraftBody, Instruction, PaymentFileMapping, TeamRole
from tests.protocol.sandbox.client import SECOND
from tests.support import history, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.browser import Browser
from tests.support.consents import share
from tests.support.draft_pages import account_of, own_iban, upload
from tests.support.history import Paid
from tests.unit.payment_files.files import ING, OWN, RABO, batch, csv_file, iban, pain001, transfer

NOORD = f"Drukkerij Noord;{ING};182,40;Factuur 12;F-12"
OKAFOR = f"S. Okafor;{RABO};1.850,00;Salaris november;S-11"


def drafts(site: ThreadSite) -> list[Instruction]:
    """Return all drafts, the oldest first."""
    with rows.behind(site.app):
        found = list(db.session.scalars(select(Instruction).order_by(Instruction.id)))
        db.session.expunge_all()
    return found


def lines_of(draft: Instruction) -> list[tuple[str, str, Decimal, str, str | None]]:
    """Return the payments of a draft as plain values."""
    assert isinstance(draft.body, DraftBody)
    return [(each.name, each.iban, each.amount, each.description, each.end_to_end_id) for each in draft.body.lines]


def test_a_file_is_shown_line_by_line_and_prepared_as_it_was_shown(site: ThreadSite, robin: Browser) -> None:
    page = upload(robin, csv_file(NOORD, OKAFOR), "facturen-wk47.csv", account=account_of(site))
    assert page.status == 200
    for text in ("facturen-wk47.csv", "€182.40", "in the file: 1.850,00", "€2,032.40", "New receiver", "F-12"):
        assert text in page.text, text
    assert drafts(site) == []
    page = robin.submit(button="Prepare 2 payments")
    assert "1 draft is prepared." in page.text
    (made,) = drafts(site)
    assert made.label == "facturen-wk47.csv"
    assert "All drafts of this file" not in page.text
    assert lines_of(made) == [
        ("Drukkerij Noord", ING, Decimal("182.40"), "Factuur 12", "F-12"),
        ("S. Okafor", RABO, Decimal("1850.00"), "Salaris november", "S-11"),
    ]


def test_the_same_file_twice_is_noticed_and_the_button_pressed_twice_prepares_it_once(
    site: ThreadSite, robin: Browser
) -> None:
    content = csv_file(NOORD)
    other_tab = upload(robin, content, account=account_of(site))
    seen = upload(robin, content, account=account_of(site))
    first = robin.submit(button="Prepare 1 payment")
    robin.page = seen
    assert robin.submit(button="Prepare 1 payment").url == first.url
    assert len(drafts(site)) == 1
    robin.page = other_tab
    again = robin.submit(button="Prepare 1 payment")
    assert again.status == 409
    assert "Nothing was prepared: something has changed since you looked." in again.text
    assert "Paid or drafted before" in again.text
    assert len(drafts(site)) == 1
    assert "A draft of" in upload(robin, content, account=account_of(site)).text
    # Seen and meant: then it is prepared.
    robin.submit(button="Prepare 1 payment")
    assert len(drafts(site)) == 2


@pytest.mark.sqlite_only
def test_marks_come_of_the_payments_of_the_account(site: ThreadSite, robin: Browser) -> None:
    other = iban("NL", "ABNA0987654321")
    with site.app.app_context():
        row = history.account(SECOND)
        day = clock.now() - timedelta(days=3)
        paid = [
            Paid(at=day - timedelta(days=60), amount="-96.20", name="Energie Direct", iban=ING, text="Oktober"),
            Paid(at=day, amount="-50.00", name="P. Jansen", iban=RABO, text="Salaris"),
            Paid(at=day, amount="5000.00", name="Klant", iban=other, text="Factuur"),
        ]
        history.store(row, paid, first_id=900_000)
        row.balance = Decimal("60.00")
        db.session.commit()
        db.session.remove()
    page = upload(
        robin,
        csv_file(
            f"P. Jansen;{RABO};50,00;Salaris;1",  # paid three days ago
            f"Jansen P;{other};10,00;Salaris;2",  # another IBAN; that of a customer is no payee
            f"Energie Direct;{ING};200,00;November;3",  # twice as much as ever
        ),
        account=account_of(site, SECOND),
    )
    for text in ("Paid or drafted before", "Other IBAN than before", "More than usual", "Over the balance"):
        assert text in page.text, text
    assert "had another IBAN before" in page.text
    assert "New receiver" not in page.text


def test_nothing_is_prepared_unless_every_line_is_right(site: ThreadSite, robin: Browser) -> None:
    main = own_iban(site)
    broken = csv_file(NOORD, f"Zonder bedrag;{RABO};;Leeg;2", f"Tikfout;{RABO[:-1]}9;1,00;Fout;3")
    page = upload(robin, broken, account=account_of(site))
    assert page.status == 422
    assert "Line 3: the amount is missing" in page.text
    assert "Line 4: the IBAN" in page.text
    assert "Prepare" not in [button.text for form in page.forms for button in form.buttons]
    # What the file alone does not show is found with the account.
    page = upload(robin, csv_file(NOORD, f"Zelf;{main};1,00;Rondje;2"), account=account_of(site))
    assert page.status == 422
    assert "it goes to the account itself" in page.text
    for content, text in (
        (b"", "The file is empty"),
        (b"PK\x03\x04rest", "workbook of a spreadsheet"),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", "document type"),
        (pain001(count=2), "states “2” payments and has 1"),
    ):
        page = upload(robin, content, account=account_of(site))
        assert page.status == 422, text
        assert text in page.text, (text, page.text)
    assert drafts(site) == []


def test_columns_are_proposed_corrected_and_remembered_for_the_member(site: ThreadSite, robin: Browser) -> None:
    content = csv_file(f"Noord;{ING};12;Factuur", heading="Wie;Waarheen;Hoeveel;Waarom")
    page = upload(robin, content, account=account_of(site))
    assert page.status == 422
    assert "No column is chosen for the amounts." in page.text
    chosen = {"map_name": "Wie", "map_iban": "Waarheen", "map_amount": "Hoeveel", "map_description": "Waarom"}
    page = robin.submit(button="Read it with these columns", **chosen)
    assert page.status == 200, page.text
    assert "€12.00" in page.text
    robin.submit(button="Prepare 1 payment")
    assert rows.count(site.app, PaymentFileMapping) == 1
    assert upload(robin, content, account=account_of(site)).status == 200
    share(robin)
    other = sign_in(site, "sanne@example.org", role=TeamRole.MEMBER)
    assert upload(other, content, account=account_of(site)).status == 422


def test_a_pain_file_chooses_its_account_and_becomes_as_few_drafts_as_bunq_allows(
    site: ThreadSite, robin: Browser
) -> None:
    main = own_iban(site)
    transfers = [transfer(f"E-{number}", "0.10", name=f"Lid {number}") for number in range(1, 702)]
    day = (clock.now() + timedelta(days=9)).date().isoformat()
    content = pain001(batch(transfers, day=day, changes={OWN: main}), count=701, total="70.10")
    began = time.monotonic()
    page = upload(robin, content, "leden.xml")
    assert page.status == 200, page.text
    assert time.monotonic() - began < 5
    assert "Meant for later" in page.text
    assert "They become 3 drafts, because bunq takes 350 payments in one." in page.text
    assert "3 drafts are prepared." in robin.submit(button="Prepare 701 payments").text
    made = drafts(site)
    assert [len(lines_of(each)) for each in made] == [350, 350, 1]
    assert [each.label for each in made] == [f"leden.xml ({number} of 3)" for number in (1, 2, 3)]
    assert len({each.batch for each in made} - {None}) == 1
    references = [line[4] for each in made for line in lines_of(each)]
    assert references == [f"E-{number}" for number in range(1, 702)]
    page = robin.get(f"/pay/drafts?batch={made[0].batch}")
    assert page.text.count("leden.xml (") == 3
    # Of another account than the one that is chosen: refused.
    page = upload(robin, content, account=account_of(site, SECOND))
    assert page.status == 422
    assert "which is another account. Choose that one." in page.text


@pytest.mark.sqlite_only
def test_a_bent_form_prepares_nothing_else_than_what_it_shows(site: ThreadSite, robin: Browser) -> None:
    """What the hidden fields carry is read and checked like any file; nobody gets past a check by them."""
    upload(robin, csv_file(NOORD), account=account_of(site))
    page = robin.page
    form, _button = page.form(button="Prepare 1 payment")
    fields = dict(form.fields)
    headers = {"Origin": robin.home}

    def packed(content: bytes) -> str:
        return base64.b64encode(zlib.compress(content)).decode()

    def send(**changes: str) -> int:
        return robin.post("/pay/drafts/file/prepare", {**fields, **changes}, headers).status

    assert send(packed=packed(csv_file(OKAFOR))) == 409  # not what was seen
    assert send(packed=packed(csv_file(NOORD.replace(ING, ING[:-1] + "9")))) == 422
    assert send(packed=packed(b"a" * 50_000_000)) == 422  # a bomb
    assert send(packed="no base64") == 404
    assert send(packed=base64.b64encode(b"no zlib").decode()) == 404
    assert send(packed="") == 422
    assert send(account="999999") == 404
    assert send(account="") == 422
    assert send(seen="") == 409
    assert send(map_amount="Naam") == 422
    assert drafts(site) == []
    assert send() == 200
    assert len(drafts(site)) == 1


@pytest.mark.sqlite_only
def test_text_of_a_file_is_text_on_the_page_and_large_files_are_refused(site: ThreadSite, robin: Browser) -> None:
    evil = f'=cmd|calc;{ING};1,00;"<script>alert(1)</script> {{{{7*7}}}}";R-1'
    page = upload(robin, csv_file(evil), '"><img src=x>.csv', account=account_of(site))
    assert page.status == 200
    assert "<script>alert" not in page.html
    assert "<img src=x>" not in page.html
    assert "=cmd|calc" in page.text
    assert "{{7*7}}" in page.text
    page = upload(robin, b"x" * (2 * 1024 * 1024 + 1), account=account_of(site))
    assert page.status == 422
    assert "The file is larger than 2 MB. Split it into several files." in page.text
    assert upload(robin, b"x" * (12 * 1024 * 1024), account=account_of(site)).status == 413
    assert drafts(site) == []
