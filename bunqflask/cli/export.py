"""`flask export`: the files of a period into a folder, for cron."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import click
from flask.cli import with_appcontext

from bunqflask.exports.formats import FORMATS
from bunqflask.exports.statement import ExportError
from bunqflask.services.exports import downloads, presets, statements
from bunqflask.services.exports.downloads import PeriodRefused
from bunqflask.services.exports.receipts import TooManyReceipts
from bunqflask.services.exports.statements import Period
from bunqflask.services.payments import repository
from bunqflask.services.payments.repository import Scope
from bunqflask.services.team import members
from bunqflask.services.team.members import Member

_DAY = click.DateTime(["%Y-%m-%d"])
_READABLE_BY_OWNER = 0o600


@click.command("export")
@click.option("--from", "first_day", type=_DAY, metavar="DAY", help="The first day, as in 2026-01-31.")
@click.option("--to", "last_day", type=_DAY, metavar="DAY", help="The last day; one in the future means today.")
@click.option("--period", type=click.Choice(presets.OF_A_DAY), help="A period instead of two days.")
@click.option("--account", "ibans", multiple=True, metavar="IBAN", help="Only this account; may be repeated.")
@click.option(
    "--format", "formats", multiple=True, required=True, type=click.Choice(list(FORMATS)), help="May be repeated."
)
@click.option("--only-files", is_flag=True, help="A ZIP without balances, manifest and pack diff.")
@click.option("--receipts", is_flag=True, help="A pack that holds the known files of the payments too; at most 40.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder.")
@click.option("--member", "email", metavar="EMAIL", help="Whose accounts; not needed while there is one member.")
@with_appcontext
def export_command(
    first_day: datetime | None,
    last_day: datetime | None,
    period: str | None,
    ibans: tuple[str, ...],
    formats: tuple[str, ...],
    only_files: bool,
    receipts: bool,
    output: Path,
    email: str | None,
) -> None:
    """Write payments of a period to a folder."""
    member = _member(email)
    days = _period(first_day, last_day, period)
    scope = repository.scope_of(member)
    try:
        download = downloads.make(
            member,
            scope,
            account_ids=_account_ids(scope, ibans),
            formats=list(dict.fromkeys(formats)),
            period=days,
            only_files=only_files,
            with_receipts=receipts,
        )
    except (PeriodRefused, TooManyReceipts, ExportError) as refused:
        raise click.ClickException(str(refused)) from refused
    click.echo(keep(download.name, download.file, output))
    if not download.verified:
        click.echo("The period is not verified complete; the file says why.", err=True)


def _member(email: str | None) -> Member:
    if email is not None:
        member = members.find(email)
        if member is None:
            raise click.ClickException(f"There is no team member {email}.")
        return member
    everybody = members.list_all()
    if len(everybody) != 1:
        raise click.ClickException("Say whose accounts to export: --member EMAIL.")
    return everybody[0]


def _period(first_day: datetime | None, last_day: datetime | None, name: str | None) -> Period:
    """Return the period of two days, or of a name."""
    zone = statements.zone()
    if name is not None and first_day is None and last_day is None:
        found = next(each for each in presets.offered(statements.today(), None) if each.name == name)
        return Period(first_day=found.first_day, last_day=found.last_day, zone=zone)
    if name is not None or first_day is None or last_day is None:
        raise click.UsageError("Give --from and --to, or --period.")
    return Period(first_day=first_day.date(), last_day=last_day.date(), zone=zone)


def _account_ids(scope: Scope, ibans: tuple[str, ...]) -> list[int]:
    """Return the accounts with these IBANs, spaces in them or not; none where no IBAN was given: that means all."""
    found = []
    for iban in ibans:
        bare = iban.replace(" ", "").upper()
        ids = [account.id for account in scope.accounts.values() if account.iban == bare]
        if not ids:
            raise click.ClickException(f"There is no account {iban}.")
        found += ids
    return found


def keep(name: str, file: BinaryIO, folder: Path) -> Path:
    """Write a file into a folder whole or not at all, and return its path.

    :raises ClickException: the folder cannot be written.
    """
    path = folder / name
    try:
        with file as content:
            folder.mkdir(parents=True, exist_ok=True)
            _replace(path, content)
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be written: {error.strerror}.") from error
    return path


def _replace(path: Path, content: BinaryIO) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        try:
            shutil.copyfileobj(content, file)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(_READABLE_BY_OWNER)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
