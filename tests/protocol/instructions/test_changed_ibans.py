"""A known receiver with another IBAN: who prepares or approves it says, for each payment, that they compared it."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bunqflask import clock
from bunqflask.models import Instruction, InstructionState, TeamRole, TokenScope
from bunqflask.services.instructions import preparing
from bunqflask.services.instructions.changed_ibans import IbansNotCompared
from bunqflask.services.team import members
from tests.protocol.api.program import program_of
from tests.protocol.sandbox.client import MAIN
from tests.support import history, instructions, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.browser import Browser
from tests.support.consents import ROBIN, share
from tests.support.draft_pages import account_of, own_iban, upload
from tests.support.history import Paid
from tests.unit.payment_files.files import ING, RABO, csv_file, iban

OTHER = iban("NL", "ABNA0987654321")
JANSEN, DEMIR = f"P. Jansen;{OTHER};50,00;Salaris;1", f"M. Demir;{OTHER};60,00;Salaris;3"
KNOWN = f"P. Jansen;{RABO};51,00;Salaris;2"
SANNE = "sanne@example.org"


@pytest.fixture
def known(site: ThreadSite, robin: Browser) -> None:
    """The account has paid P. Jansen and M. Demir at one IBAN each."""
    with site.app.app_context():
        day = clock.now() - timedelta(days=60)
        paid = [
            Paid(at=day, amount="-96.20", name="M. Demir", iban=ING, text="Salaris"),
            Paid(at=day + timedelta(days=1), amount="-50.00", name="Jansen P.", iban=RABO, text="Salaris"),
        ]
        history.store(history.account(MAIN), paid, first_id=900_000)


def drafts(site: ThreadSite) -> int:
    """Return how many there are."""
    return rows.count(site.app, Instruction)


@pytest.mark.usefixtures("known")
def test_the_form_asks_for_each_line_and_a_tick_stands_for_the_iban_that_was_seen(
    site: ThreadSite, robin: Browser
) -> None:
    typed = {
        "name": ["P. Jansen", "M. Demir", "P. Jansen"],
        "iban": [OTHER, OTHER, RABO],
        "amount": ["50,00", "60,00", "51,00"],
        "description": ["Salaris"] * 3,
    }
    robin.get("/pay/drafts/new")
    page = robin.submit(action="/new", button="Prepare", account=account_of(site), **typed)
    assert page.status == 422
    assert "Payments 1, 2 go to other IBANs than their receivers had before." in page.text
    assert f"had another IBAN before: {RABO}" in page.text
    boxes = [value for name, value in page.form(action="/new")[0].boxes if name == "compared"]
    assert [each.partition("-")[0] for each in boxes] == ["1", "2"]
    # One of two is not enough.
    page = robin.submit(action="/new", button="Prepare", compared=boxes[:1])
    assert (page.status, "Payment 2 goes to another IBAN" in page.text) == (422, True), page.text
    # Another IBAN in the line than the one beside which the box was ticked.
    third = iban("NL", "ABNA0000000001")
    page = robin.submit(action="/new", button="Prepare", compared=boxes, iban=[third, OTHER, RABO])
    assert (page.status, "Payment 1 goes to another IBAN" in page.text) == (422, True), page.text
    assert drafts(site) == 0
    page = robin.submit(action="/new", button="Prepare", compared=boxes, iban=[OTHER, OTHER, RABO])
    assert "Prepared. Nothing is sent to bunq" in page.text


@pytest.mark.usefixtures("known")
def test_a_change_that_brings_another_iban_is_asked_about_too(site: ThreadSite, robin: Browser) -> None:
    draft = instructions.prepare(site.app, ROBIN, MAIN, instructions.draft(name="P. Jansen", iban=RABO))
    robin.get(f"/pay/drafts/{draft}/change")
    assert "another one than before" not in robin.page.text
    page = robin.submit(button="Save the changes", iban=OTHER)
    assert (page.status, "Nothing was changed yet." in page.text) == (422, True)
    (box,) = [value for name, value in page.form(action="/change")[0].boxes if name == "compared"]
    assert "Changed." in robin.submit(button="Save the changes", compared=box).text
    # Who changes it next is asked from the beginning.
    assert "another one than before" in robin.get(f"/pay/drafts/{draft}/change").text
    assert robin.submit(button="Save the changes", amount="2,00").status == 422
    assert instructions.row(site.app, draft).amount == Decimal("12.50")


@pytest.mark.usefixtures("known")
def test_a_file_asks_for_each_marked_line(site: ThreadSite, robin: Browser) -> None:
    seen = upload(robin, csv_file(JANSEN, KNOWN, DEMIR), account=account_of(site))
    form = seen.form(button="Prepare 3 payments")[0]
    assert [value for name, value in form.boxes if name == "compared"] == ["2", "4"]
    for ticked, missing in ([], "Payments 2, 4 go"), (["4"], "Payment 2 goes"), (["2", "3"], "Payment 4 goes"):
        robin.page = seen
        page = robin.submit(button="Prepare 3 payments", compared=ticked)
        assert (page.status, missing in page.text) == (422, True), page.text
    assert drafts(site) == 0
    assert "1 draft is prepared." in robin.submit(button="Prepare 3 payments", compared=["2", "4"]).text


@pytest.mark.usefixtures("known")
def test_the_approver_is_asked_again(site: ThreadSite, robin: Browser) -> None:
    share(robin)
    sanne = sign_in(site, SANNE, role=TeamRole.MEMBER)
    upload(sanne, csv_file(JANSEN, KNOWN), account=account_of(site))
    sanne.submit(button="Prepare 2 payments", compared="2")
    page = robin.get("/pay/drafts/1")
    assert [value for name, value in page.form(action="/approve")[0].boxes if name == "compared"] == ["1"]
    for ticked in [], ["2"]:
        robin.get("/pay/drafts/1")
        page = robin.submit(action="/approve", compared=ticked)
        assert (page.status, "Payment 1 goes to another IBAN" in page.text) == (422, True), page.text
        assert instructions.row(site.app, 1).state is InstructionState.PREPARED
    assert "Approved." in robin.submit(action="/approve", compared="1").text


@pytest.mark.sqlite_only
@pytest.mark.usefixtures("known")
def test_what_became_a_changed_iban_since_the_approver_looked_is_asked_about(site: ThreadSite, robin: Browser) -> None:
    draft = instructions.prepare(site.app, ROBIN, MAIN, instructions.draft(name="A. Visser", iban=OTHER))
    sign_in(site, SANNE, role=TeamRole.ADMIN)
    share(robin)
    with site.app.app_context():
        paid = [Paid(at=clock.now(), amount="-1.00", name="A. Visser", iban=ING, text="Salaris")]
        history.store(history.account(MAIN), paid, first_id=910_000)
    shown = instructions.row(site.app, draft).content_hash
    with rows.behind(site.app), pytest.raises(IbansNotCompared):
        preparing.approve(members.require(SANNE), draft, shown)
    with rows.behind(site.app):
        preparing.approve(members.require(SANNE), draft, shown, compared=[1])


@pytest.mark.sqlite_only
@pytest.mark.usefixtures("known")
def test_a_program_says_it_of_each_payment(site: ThreadSite, robin: Browser) -> None:
    program = program_of(site, ROBIN, scopes=[TokenScope.DRAFTS_WRITE])

    def post(key: str, *compared: bool) -> Any:
        payments = [
            {"amount": "50.00", "name": name, "iban": OTHER, "description": "Salaris", "iban_compared": each}
            for name, each in zip(("P. Jansen", "M. Demir"), compared, strict=True)
        ]
        wish = {"account_id": account_of(site), "payments": payments}
        return program.call("/drafts", method="POST", headers={"Idempotency-Key": key}, json=wish)

    refused = post("a", False, True)
    assert refused.status_code == 422
    assert "Payment 1 goes to another IBAN than its receiver had before." in refused.json()["detail"]
    assert "`iban_compared`" in refused.json()["detail"]
    assert drafts(site) == 0
    assert post("a", True, True).status_code == 202


@pytest.mark.sqlite_only
@pytest.mark.usefixtures("known")
def test_a_command_says_it_of_each_line(site: ThreadSite, robin: Browser, tmp_path: Path) -> None:
    file = tmp_path / "salaries.csv"
    file.write_bytes(csv_file(JANSEN, KNOWN, DEMIR))

    def run(*options: str) -> Any:
        arguments = ["instructions", "prepare", ROBIN, str(file), "--from", own_iban(site), "--yes", *options]
        return site.app.test_cli_runner().invoke(args=arguments)

    refused = run("--compared", "4")
    assert (refused.exit_code, "Payment 2 goes to another IBAN" in refused.output) == (1, True), refused.output
    assert "Then call this again with: --compared 2" in refused.output
    assert "say the number of a payment" in run("--compared", "one").output
    assert drafts(site) == 0
    assert run("--compared", "2", "--compared", "4").exit_code == 0
