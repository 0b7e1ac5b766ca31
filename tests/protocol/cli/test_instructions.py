"""`flask instructions`: files become drafts as on the pages, and nobody approves from a shell."""

from pathlib import Path

import pytest
from sqlalchemy import select

from bunqflask.cli.instructions import instructions_cli
from bunqflask.extensions import db
from bunqflask.models import Instruction, InstructionState, MonetaryAccount, Payment, TeamRole
from tests.protocol.instructions.conftest import holder, robin  # noqa: F401 - fixtures
from tests.protocol.sandbox.client import JODI, MAIN, SECOND, Client
from tests.protocol.sandbox.test_attachment import PICTURE
from tests.protocol.sandbox.test_cards import ordered
from tests.support import instructions, rows
from tests.support.apps import ThreadSite, add_member
from tests.support.browser import Browser
from tests.support.consents import ROBIN, share
from tests.support.draft_pages import own_iban
from tests.unit.payment_files.files import ING, OWN, RABO, batch, csv_file, pain001

pytestmark = pytest.mark.sqlite_only
SANNE = "sanne@example.org"


def run(site: ThreadSite, *arguments: str, answer: str = "") -> tuple[int, str]:
    """Run one of the commands; returns its exit code and what it printed."""
    runner = site.app.test_cli_runner()
    result = runner.invoke(args=["instructions", *arguments], input=answer)
    return result.exit_code, result.output


def test_a_file_is_prepared_shown_and_taken_back(site: ThreadSite, robin: Browser, tmp_path: Path) -> None:  # noqa: F811
    file = tmp_path / "leden.xml"
    file.write_bytes(pain001(batch(changes={OWN: own_iban(site)})))
    code, printed = run(site, "prepare", ROBIN, str(file), answer="n\n")
    assert code == 1
    assert "! Nobody was paid at this IBAN before." in printed
    assert rows.count(site.app, Instruction) == 0
    code, printed = run(site, "prepare", ROBIN, str(file), "--yes")
    assert code == 0, printed
    reference = printed.split("Prepared: ")[1].split()[0]
    code, printed = run(site, "show", ROBIN, reference)
    assert "182.40" in printed
    assert "Drukkerij Noord" in printed
    assert reference in run(site, "list", ROBIN, "--state", "prepared")[1]
    assert "It is taken back." in run(site, "cancel", ROBIN, reference)[1]
    assert run(site, "list", ROBIN, "--state", "prepared")[1] == ""
    assert instructions.row(site.app, 1).state is InstructionState.CANCELLED


def test_columns_are_chosen_by_options_and_every_fault_is_printed(
    site: ThreadSite,
    robin: Browser,  # noqa: F811
    tmp_path: Path,
) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(csv_file(f"Noord;{ING};1.234", f"Okafor;{RABO};2,00", heading="Wie;IBAN;Bedrag"))
    source = ("prepare", ROBIN, str(file), "--from", own_iban(site), "--yes")
    code, printed = run(site, *source)
    assert code == 1
    assert "No column is chosen for the names of the receivers." in printed
    code, printed = run(site, *source, "--column", "name=Wie")
    assert code == 1
    assert "Line 2: the amount “1.234” can mean" in printed
    assert run(site, *source, "--column", "who=Wie")[0] == 1
    assert "cannot be read: No such file" in run(site, "prepare", ROBIN, str(tmp_path / "none.csv"))[1]
    code, printed = run(site, *source, "--column", "name=Wie", "--decimal-sign", ",")
    assert code == 0, printed
    assert instructions.row(site.app, 1).amount == 1236


def test_a_command_can_do_what_its_member_can_and_no_command_approves(
    site: ThreadSite,
    robin: Browser,  # noqa: F811
    tmp_path: Path,
) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(csv_file(f"Noord;{ING};1,00;Factuur;1"))
    add_member(site.app, SANNE, role=TeamRole.MEMBER)
    add_member(site.app, "gus@example.org", role=TeamRole.GUEST)
    source = (str(file), "--from", own_iban(site), "--yes")
    assert run(site, "prepare", SANNE, *source) == (
        1,
        "Error: There is no such instruction, account, payment or note for this member.\n",
    )
    share(robin)
    assert run(site, "prepare", "gus@example.org", *source)[0] == 1
    assert run(site, "prepare", SANNE, *source)[0] == 0
    assert run(site, "list", "gus@example.org") == (0, "")
    assert "approve" not in instructions_cli.commands


def test_others_are_asked_for_money(site: ThreadSite, robin: Browser) -> None:  # noqa: F811
    to = ("--to", own_iban(site))
    code, printed = run(site, "request", ROBIN, "06 12345678", "12,50", "Dinner", *to)
    assert code == 0, printed
    request = printed.split("Prepared: ")[1].split()[0]
    code, printed = run(site, "link", ROBIN, "7", "Cake", *to, "--return-url", "https://example.org/thanks")
    assert code == 0, printed
    link = printed.split("Prepared: ")[1].split()[0]
    for _each in range(2):
        instructions.time_passes(site.app)
        instructions.work(site.app)
    assert f"{request}  request  open  12.50 EUR" in run(site, "list", ROBIN)[1]
    assert "to be paid at http" in run(site, "show", ROBIN, link)[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("request", ROBIN, "nobody", "1", "Tea"), "Write an email address"),
        (("request", ROBIN, "a@example.org", "1.234", "Tea"), "The amount"),
        (("request", ROBIN, ING, "1", "Tea"), "the name of the payer is needed"),
        (("link", ROBIN, "0", "Tea"), "The amount"),
        (("link", ROBIN, "1", "Tea", "--return-url", "javascript:alert(1)"), "begins with https://"),
        (("link", SANNE, "1", "Tea"), "no such instruction, account"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_reason(
    site: ThreadSite,
    robin: Browser,  # noqa: F811
    arguments: tuple[str, ...],
    said: str,
) -> None:
    add_member(site.app, SANNE, role=TeamRole.MEMBER)
    code, printed = run(site, arguments[0], "--to", own_iban(site), *arguments[1:])
    assert (code, said in printed) == (1, True), printed
    assert rows.count(site.app, Instruction) == 0


def test_an_owner_switches_abilities_and_members_write_within_them(
    site: ThreadSite,
    robin: Browser,  # noqa: F811
    holder: Client,  # noqa: F811
    tmp_path: Path,
) -> None:
    add_member(site.app, SANNE)
    share(robin)
    assert "notes: off" in run(site, "abilities", ROBIN, "1", "--off", "notes")[1]
    code, printed = run(site, "abilities", SANNE, "1", "--on", "notes")
    assert (code, "Only owners switch on" in printed) == (1, True)
    assert "notes: off" in run(site, "abilities", SANNE, "1")[1], "who sees an account may know what is switched on"
    file = tmp_path / "receipt.pdf"
    file.write_bytes(b"no document")
    with rows.behind(site.app):
        payment = str(rows.payment_ids()[0])
    assert "switched off" in run(site, "note", SANNE, payment, "for the books")[1]
    assert "notes: on" in run(site, "abilities", ROBIN, "1", "--on", "notes")[1]
    code, printed = run(site, "note", SANNE, payment, "for the books")
    assert code == 0, printed
    assert run(site, "attach", SANNE, payment, str(file))[0] == 1, "it is no document"
    assert "There is no such" in run(site, "note", SANNE, "999999", "for the books")[1]
    assert "is no id" in run(site, "note", SANNE, "1e3", "for the books")[1]
    second = next(each for each in ibans_of(site) if each != own_iban(site))
    moves = ("transfer", ROBIN, "5,00", "Savings", "--from", own_iban(site), "--to", second)
    code, printed = run(site, *moves)
    assert code == 0, printed
    assert run(site, "transfer", SANNE, *moves[2:])[0] == 1, "the account is only shared with her"
    assert run(site, "card", ROBIN, "1", "--change", "freeze", "--account", own_iban(site))[0] == 0
    assert "transfer" in run(site, "show", ROBIN, printed.split("Prepared: ")[1].split()[0])[1]
    instructions.work_until(site.app, 2, ["done"])
    listed = holder.get(f"/user/{JODI}/monetary-account/{SECOND}/payment?count=200")
    assert [each["Payment"]["amount"]["value"] for each in listed if each["Payment"]["description"] == "Savings"] == [
        "5.00"
    ]


def test_notes_are_listed_changed_and_deleted_and_limits_of_a_card_set(
    site: ThreadSite,
    robin: Browser,  # noqa: F811
    holder: Client,  # noqa: F811
    tmp_path: Path,
) -> None:
    def made(*arguments: str) -> None:
        code, printed = run(site, *arguments)
        assert code == 0, printed
        instructions.work_until(site.app, rows.count(site.app, Instruction), ["done"])

    with rows.behind(site.app):
        row_id, number = db.session.execute(
            select(Payment.id, Payment.payment_id).join(MonetaryAccount).filter_by(monetary_account_id=MAIN)
        ).first() or (0, 0)
    payment, at_bunq = str(row_id), f"/user/{JODI}/monetary-account/{MAIN}/payment/{number}"
    picture = tmp_path / "taxi.png"
    picture.write_bytes(PICTURE)
    made("note", ROBIN, payment, "for the books")
    made("attach", ROBIN, payment, str(picture))
    [text], [file] = (
        [each for each in run(site, "notes", ROBIN, payment)[1].splitlines() if each.startswith(kind)]
        for kind in ("text", "attachment")
    )
    assert ("for the books" in text, "taxi.png" in file) == (True, True)
    note, file_id = text.split()[1], file.split("  file ")[1].split()[0]
    made("change-note", ROBIN, payment, note, "for the tax office")
    assert [each["NoteText"]["content"] for each in holder.get(f"{at_bunq}/note-text")] == ["for the tax office"]
    made("delete-note", ROBIN, payment, note)
    made("detach", ROBIN, payment, file_id)
    assert holder.get(f"{at_bunq}/note-text") == holder.get(f"{at_bunq}/note-attachment") == []
    add_member(site.app, SANNE)
    for gone in (
        ("change-note", ROBIN, payment, note, "x"),
        ("delete-note", ROBIN, payment, "1"),
        ("notes", SANNE, payment),
    ):
        code, printed = run(site, *gone)
        assert (code, "There is no such instruction, account, payment or note" in printed) == (1, True), printed

    card = ordered(holder)["id"]
    holder.ok("PUT", f"/user/{JODI}/card/{card}", {"status": "ACTIVE"})
    of_card = ("card-limits", ROBIN, str(card), "--account", own_iban(site))
    made(*of_card, "--payments", "250,00")
    made(*of_card, "--cash", "100")
    [shown] = [next(iter(each.values())) for each in holder.get(f"/user/{JODI}/card/{card}")]
    assert (shown["card_limit"]["value"], shown["card_limit_atm"]["value"]) == ("250.00", "100.00")
    for wrong, said in (((), "Name at least one limit."), (("--cash", "1.234"), "The amount")):
        code, printed = run(site, *of_card, *wrong)
        assert (code, said in printed) == (1, True), printed


def ibans_of(site: ThreadSite) -> list[str]:
    """Return the IBANs of the accounts, in their order at bunq."""
    with rows.behind(site.app):
        return [each.iban or "" for each in rows.monetary_accounts()]
