"""`flask export`: the same files as the page, in a folder, for cron."""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from bunqflask.extensions import db
from bunqflask.models import AccountSync, Connection
from bunqflask.services.exports import presets
from bunqflask.services.team import members
from tests.support import consents, rows, stored_payments

YEAR = ("--from", "2025-01-01", "--to", "2025-12-31")


@pytest.fixture
def app_with_payments(connected_app: Flask) -> Iterator[Flask]:
    for account in rows.monetary_accounts():
        stored_payments.store(account, 5, text=lambda number: f"bread {number}")
    db.session.remove()
    yield connected_app
    db.session.remove()


def export(app: Flask, folder: Path, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["export", "--output", str(folder), *arguments])


def test_the_export_of_all_accounts_is_one_file_only_for_its_owner(app_with_payments: Flask, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    for _again in range(2):
        told = export(app_with_payments, folder, *YEAR, "--format", "csv")
        assert (told.exit_code, told.stdout) == (0, f"{folder}/payments-20250101-20251231.csv\n")
        assert told.stderr == "", "cron would send it"
    (made,) = folder.iterdir()
    assert made.stat().st_mode & 0o777 == 0o600
    found = list(csv.DictReader(io.StringIO(made.read_bytes().decode("utf-8-sig"))))
    assert len(found) == 5 * len(rows.monetary_accounts())


def test_accounts_are_chosen_by_iban_and_bank_files_come_alone(app_with_payments: Flask, tmp_path: Path) -> None:
    first, second, *_ = [account.iban for account in rows.monetary_accounts() if account.iban]
    db.session.remove()
    spaced = re.sub("(.{4})", r"\1 ", first).strip()
    chosen = ("--account", spaced, "--account", second, "--format", "camt053", "--format", "mt940", "--only-files")
    told = export(app_with_payments, tmp_path, *YEAR, *chosen)
    assert told.exit_code == 0
    names = zipfile.ZipFile(told.stdout.strip()).namelist()
    assert {re.sub("/.*", "", name) for name in names} == {"camt053", "mt940"}
    assert len(names) == 4
    assert all(first in name or second in name for name in names)


def test_a_pack_that_is_not_verified_is_made_and_told(app_with_payments: Flask, tmp_path: Path) -> None:
    state = db.session.get_one(AccountSync, 1)
    state.covered = tuple(type(each)(each.newest, each.oldest, False) for each in state.covered)
    db.session.commit()
    told = export(app_with_payments, tmp_path, *YEAR, "--format", "csv", "--format", "qif")
    assert told.exit_code == 0
    assert told.stderr == "The period is not verified complete; the file says why.\n"
    (made,) = tmp_path.iterdir()
    assert "NOT-VERIFIED.txt" in zipfile.ZipFile(made).namelist()


@pytest.mark.sqlite_only
@pytest.mark.parametrize("name", presets.OF_A_DAY)
def test_a_period_may_be_named(app_with_payments: Flask, tmp_path: Path, name: str) -> None:
    told = export(app_with_payments, tmp_path, "--period", name, "--format", "jsonl")
    assert told.exit_code == 0
    found = re.search(r"payments-(\d{8})-(\d{8})\.jsonl", told.output)
    assert found is not None
    assert date.fromisoformat(found[1]) <= date.fromisoformat(found[2])


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--from", "2025-01-01"], 2, "Give --from and --to, or --period."),
        ([*YEAR, "--period", "last-year"], 2, "Give --from and --to, or --period."),
        ([], 2, "Give --from and --to, or --period."),
        (["--from", "2025-12-31", "--to", "2025-01-01"], 1, "The period ends before it begins."),
        ([*YEAR, "--account", "NL00NONE0000000000"], 1, "There is no account NL00NONE0000000000."),
        ([*YEAR, "--member", "nobody@example.org"], 1, "There is no team member nobody@example.org."),
        (["--from", "31-12-2025", "--to", "2025-01-01"], 2, "does not match the format"),
    ],
)
def test_what_cannot_be_exported_is_told_in_a_line(
    app_with_payments: Flask, tmp_path: Path, arguments: list[str], status: int, words: str
) -> None:
    told = export(app_with_payments, tmp_path, *arguments, "--format", "csv")
    assert (told.exit_code, words in told.output) == (status, True), told.output
    assert list(tmp_path.iterdir()) == []


def test_with_several_members_it_has_to_be_said_whose_accounts(app_with_payments: Flask, tmp_path: Path) -> None:
    members.add("sam@example.org", "Sam", "correct horse battery staple")
    told = export(app_with_payments, tmp_path, *YEAR, "--format", "csv")
    assert (told.exit_code, "--member EMAIL" in told.output) == (1, True)
    assert export(app_with_payments, tmp_path, *YEAR, "--format", "csv", "--member", consents.ROBIN).exit_code == 0
    db.session.scalars(db.select(Connection)).one().shared_at = None
    db.session.commit()
    told = export(app_with_payments, tmp_path, *YEAR, "--format", "csv", "--member", "sam@example.org")
    assert (told.exit_code, "No payments have been imported" in told.output) == (1, True)


@pytest.mark.sqlite_only
def test_a_folder_that_cannot_be_made_is_told_in_a_line(app_with_payments: Flask, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = export(app_with_payments, tmp_path / "file" / "folder", *YEAR, "--format", "csv")
    assert (told.exit_code, "cannot be written: Not a directory." in told.output) == (1, True)
