"""`flask collections`: many people are asked from a file, shown, asked again and taken back."""

from pathlib import Path

import pytest
from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.models import Collection, Instruction, TeamRole
from tests.protocol.instructions.conftest import holder, robin  # noqa: F401 - fixtures
from tests.protocol.instructions.test_collections import at_bunq, pay, work
from tests.protocol.sandbox.client import Client
from tests.support import rows
from tests.support.apps import ThreadSite, add_member
from tests.support.browser import Browser
from tests.support.consents import ROBIN, share
from tests.support.draft_pages import own_iban

pytestmark = pytest.mark.sqlite_only
SANNE = "sanne@example.org"
LIST = "Naam;E-mail;Bedrag\nAnna Visser;anna@example.org;12,50\nBram de Wit;06 12345678;\n"
ABOUT = ("--name", "Contribution 2026", "--description", "Contribution")


def run(site: ThreadSite, *arguments: str, answer: str = "") -> tuple[int, str]:
    """Run one of the commands; returns its exit code and what it printed."""
    result = site.app.test_cli_runner().invoke(args=["collections", *arguments], input=answer)
    return result.exit_code, result.output


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A list of two people."""
    found = tmp_path / "leden.csv"
    found.write_text(LIST, encoding="utf-8")
    return found


def prepared(site: ThreadSite, file: Path, *more: str) -> str:
    """Ask everybody in a file; returns the reference of the collection."""
    to = ("--to", own_iban(site), *ABOUT, "--amount", "20", "--yes")
    code, printed = run(site, "prepare", ROBIN, str(file), *to, *more)
    assert code == 0, printed
    return printed.split("Prepared: ")[1].split()[0]


def test_a_list_is_asked_shown_asked_again_and_taken_back(
    site: ThreadSite,
    robin: Browser,  # noqa: F811
    holder: Client,  # noqa: F811
    file: Path,
    tmp_path: Path,
) -> None:
    code, printed = run(
        site, "prepare", ROBIN, str(file), "--to", own_iban(site), *ABOUT, "--amount", "20", answer="n\n"
    )
    assert (code, "12.50  Anna Visser  anna@example.org" in printed, "32.50  in all" in printed) == (1, True, True)
    assert rows.count(site.app, Instruction) == 0
    reference = prepared(site, file)
    work(site, times=2)
    assert (
        f"{reference}  request  open  0 of 2 paid  0.00 of 32.50 EUR  Contribution 2026" in run(site, "list", ROBIN)[1]
    )
    code, printed = run(site, "show", ROBIN, reference, "--reminders")
    assert (code, printed.count("  open  "), printed.count("You can pay here: http")) == (0, 3, 2), printed
    assert "You can pay" not in run(site, "show", ROBIN, reference)[1]
    pay(site, printed.split("You can pay here: ")[1].split()[0])
    work(site, times=3)
    assert "What is not paid is being taken back" in run(site, "cancel", ROBIN, reference)[1]
    work(site, times=2)
    anna, bram = run(site, "show", ROBIN, reference)[1].splitlines()[1:]
    assert (anna.split()[1], bram.split()[1]) == ("paid", "taken_back")
    code, printed = run(site, "ask-again", ROBIN, reference, anna.split()[0])
    assert (code, printed) == (1, "Error: This person has paid, and cannot be asked again.\n")
    code, printed = run(site, "ask-again", ROBIN, reference, bram.split()[0])
    assert code == 0, printed
    code, printed = run(site, "ask-again", ROBIN, reference, bram.split()[0])
    assert (code, "Nobody of this collection is asked by that now" in printed) == (1, True), "once for each that ended"
    work(site, times=2)
    assert len(at_bunq(holder, "request-inquiry")) == 3
    folder = tmp_path / "files"
    code, printed = run(
        site, "export", ROBIN, reference, "--output", str(folder), "--column", "state", "--column", "name"
    )
    assert (code, printed.splitlines()[-1]) == (0, str(folder / "Contribution-2026.csv"))
    assert (folder / "Contribution-2026.csv").read_text(encoding="utf-8-sig").splitlines() == [
        *("name;state", "Anna Visser;paid", "Bram de Wit;open"),
    ]
    assert (folder / "Contribution-2026.csv").stat().st_mode & 0o777 == 0o600
    run(site, "export", ROBIN, reference, "--output", str(folder), "--column", "amount", "--decimal-sign", ".")
    assert (folder / "Contribution-2026.csv").read_text(encoding="utf-8-sig").split() == ["amount", "12.50", "20.00"]


def test_a_key_asks_once_however_often_the_command_is_run(
    site: ThreadSite,
    robin: Browser,  # noqa: F811
    file: Path,
) -> None:
    first = prepared(site, file, "--key", "club 2026", "--kind", "link")
    assert prepared(site, file, "--key", "club 2026", "--kind", "link") == first
    assert rows.count(site.app, Instruction) == 2
    file.write_text(f"{LIST}Eve;eve@example.org;9\n", encoding="utf-8")
    to = ("--to", own_iban(site), *ABOUT, "--amount", "20", "--yes", "--key", "club 2026", "--kind", "link")
    code, printed = run(site, "prepare", ROBIN, str(file), *to)
    assert (code, "changed since" in printed) == (1, True)
    assert prepared(site, file, "--kind", "link") != first
    with rows.behind(site.app):
        assert sorted(db.session.scalars(select(Collection.id))) == [1, 2]


def test_a_list_with_a_wrong_line_asks_nobody(
    site: ThreadSite,
    robin: Browser,  # noqa: F811
    file: Path,
) -> None:
    file.write_text("Anna;anna@example.org;1.234\nBram;nobody;5\nCas;;5\n", encoding="utf-8")
    code, printed = run(site, "prepare", ROBIN, str(file), "--to", own_iban(site), *ABOUT, "--yes")
    assert code == 1
    assert "Nobody was asked." in printed
    assert "Line 1: The amount can mean 1234 euros or 1.234" in printed
    assert "Line 2: Write an email address" in printed
    assert "Line 3: A request needs an email address" in printed
    code, printed = run(site, "prepare", ROBIN, f"{file}x", "--to", own_iban(site), *ABOUT)
    assert (code, "cannot be read: No such file" in printed) == (1, True)
    assert rows.count(site.app, Instruction) == 0


def test_a_command_can_do_what_its_member_can(
    site: ThreadSite,
    robin: Browser,  # noqa: F811
    file: Path,
    tmp_path: Path,
) -> None:
    reference = prepared(site, file)
    person = run(site, "show", ROBIN, reference)[1].splitlines()[1].split()[0]
    add_member(site.app, SANNE)
    add_member(site.app, "gus@example.org", role=TeamRole.GUEST)
    output = ("--output", str(tmp_path / "files"))
    to = ("--to", own_iban(site), *ABOUT, "--amount", "20", "--yes")

    def codes(email: str) -> list[int]:
        return [
            run(site, "show", email, reference)[0],
            run(site, "export", email, reference, *output)[0],
            run(site, "cancel", email, reference)[0],
            run(site, "ask-again", email, reference, person)[0],
            run(site, "prepare", email, str(file), *to)[0],
        ]

    assert codes(SANNE) == [1] * 5
    assert run(site, "list", SANNE) == (0, "")
    share(robin)
    assert codes("gus@example.org") == [1] * 5
    assert not (tmp_path / "files").exists()
    assert codes(SANNE) == [0, 0, 1, 1, 1], "who reads the account changes nothing"
    assert run(site, "list", SANNE)[1].startswith(reference)
    assert rows.count(site.app, Instruction) == 2
    assert run(site, "list", "nobody@example.org")[0] == 1
