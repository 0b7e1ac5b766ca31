"""`flask instructions`: what members have this server write at bunq. Approving takes a person in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from flask.cli import AppGroup

from bunqflask import ibans
from bunqflask.models import DraftBody, InstructionKind, InstructionState
from bunqflask.payment_files import csv_columns, csv_payments, csv_table, lines, pain001, xml_tree
from bunqflask.payment_files.csv_columns import ColumnMapping
from bunqflask.payment_files.lines import FileRefused, PaymentFile
from bunqflask.services.instructions import draft_files, once, preparing, reading, rights
from bunqflask.services.instructions.changed_ibans import IbansNotCompared
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.instructions.draft_files import Look
from bunqflask.services.instructions.preparing import ChangedMeanwhile
from bunqflask.services.instructions.reading import InstructionView
from bunqflask.services.policy import NotFoundHere, NotPermitted
from bunqflask.services.team import members
from bunqflask.services.team.members import Member

instructions_cli = AppGroup("instructions", help="What members have this server write at bunq.")

_MOST_OPTIONS = 50
_COLUMNS = ("name", "iban", "amount", "description", "reference", "currency")


@instructions_cli.command("list")
@click.argument("email")
@click.option("--state", type=click.Choice([each.value for each in InstructionState]), help="Only those in this state.")
def list_instructions(email: str, state: str | None) -> None:
    """List the newest instructions on the accounts that a member sees in full."""
    states = [InstructionState(state)] if state else None
    for each in reading.list_all(member_of(email), list(InstructionKind), states=states):
        click.echo(_in_one_line(each))


@instructions_cli.command("show")
@click.argument("email")
@click.argument("reference")
def show(email: str, reference: str) -> None:
    """Show an instruction, with the payments of a draft."""
    with refused_plainly():
        found = reading.get_by_reference(member_of(email), reference)
    click.echo(_in_one_line(found))
    if found.share_url and found.ended_at is None:
        click.echo(f"to be paid at {found.share_url}")
    click.echo(
        f"from {found.account_name} {found.account_iban or ''}, prepared by {found.prepared_by or 'nobody here'}"
    )
    if found.approved_at:
        click.echo(f"approved by {found.approved_by or 'nobody here'} at {found.approved_at:%Y-%m-%d %H:%M} UTC")
    if found.sent_back:
        click.echo(f"sent back: {found.sent_back}")
    if isinstance(found.body, DraftBody):
        for number, line in enumerate(found.body.lines, start=1):
            click.echo(f"{number:4}  {line.amount:>12.2f}  {line.iban}  {line.name}  {line.description}")


@instructions_cli.command("prepare")
@click.argument("email")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--from", "iban", metavar="IBAN", help="Pay from this account; without it the one that the file names.")
@click.option(
    "--column",
    "columns",
    metavar="WHAT=HEADING",
    multiple=True,
    help="Which column of a CSV file is what; several times for several.",
)
@click.option("--decimal-sign", type=click.Choice([",", "."]), help="What stands before the cents in a CSV file.")
@click.option("--yes", is_flag=True, help="Prepare without asking; what there is to look at is printed all the same.")
@click.option(
    "--compared",
    metavar="NUMBER",
    multiple=True,
    help="You compared the IBAN of this payment, which its receiver did not have before; several times for several.",
)
def prepare(
    email: str,
    file: Path,
    iban: str | None,
    columns: tuple[str, ...],
    decimal_sign: str | None,
    yes: bool,
    compared: tuple[str, ...],
) -> None:
    """Prepare drafts of a payment file as a member: all of its payments, or none. Another member approves them."""
    member = member_of(email)
    try:
        with file.open("rb") as stream:
            content = stream.read(lines.MOST_BYTES + 1)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}.") from error
    read = _taken(_read(content, columns, decimal_sign or ""))
    with refused_plainly():
        account_id = account_of(member, iban or read.debtor_iban)
        look = _taken_look(draft_files.look_at(member, account_id, read))
        _print(look)
        if not yes:
            click.confirm(f"Prepare {len(read.lines)} payments as {look.drafts} drafts?", abort=True)
        made = draft_files.prepare(
            member, account_id, read, once.new_token(), label=file.name, seen=look.seen, compared=_numbers(compared)
        )
        for each in made:
            click.echo(f"Prepared: {reading.get(member, each).reference}")
    click.echo("Nothing is sent to bunq before another member approves it in the browser.")


@instructions_cli.command("cancel")
@click.argument("email")
@click.argument("reference")
def cancel(email: str, reference: str) -> None:
    """Take an instruction back as a member, here or at bunq."""
    member = member_of(email)
    with refused_plainly():
        found = reading.get_by_reference(member, reference)
        preparing.cancel(member, found.id)
        state = reading.get(member, found.id).state
    ended = state is InstructionState.CANCELLED
    click.echo(
        "It is taken back." if ended else "It is being taken back at bunq, unless it was accepted there by then."
    )


def _read(content: bytes, columns: tuple[str, ...], decimal_sign: str) -> PaymentFile | FileRefused:
    if xml_tree.is_xml(content):
        return pain001.read(content)
    table = csv_table.open_table(content)
    if isinstance(table, FileRefused):
        return table
    chosen = {**vars(csv_columns.propose(table.columns)), **_chosen(columns), "decimal_sign": decimal_sign}
    return csv_payments.read(table, ColumnMapping(**chosen))


def _numbers(texts: tuple[str, ...]) -> set[int]:
    for each in texts:
        if not (each.isascii() and each.isdigit() and len(each) <= 9):
            raise click.ClickException(f"--compared {each}: say the number of a payment, as it is printed.")
    return set(map(int, texts))


def _chosen(columns: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for each in columns:
        what, _sign, heading = each.partition("=")
        if what not in _COLUMNS:
            raise click.ClickException(f"--column {each}: say one of {', '.join(_COLUMNS)}, then = and the heading.")
        found[what] = heading
    return found


def _taken(read: PaymentFile | FileRefused) -> PaymentFile:
    if isinstance(read, FileRefused):
        raise click.ClickException("\n".join(_faults(read)))
    return read


def _taken_look(look: Look | FileRefused) -> Look:
    if isinstance(look, FileRefused):
        raise click.ClickException("\n".join(_faults(look)))
    return look


def _faults(refused: FileRefused) -> Iterator[str]:
    yield "Nothing was prepared."
    yield from (fault.reason for fault in refused.faults)
    if refused.left_out:
        yield f"And {refused.left_out} more."


def _print(look: Look) -> None:
    for line in look.file.lines:
        click.echo(f"{line.number:4}  {line.amount:>12.2f}  {line.iban}  {line.name}  {line.description}")
        for mark in look.marks:
            if mark.line == line.number:
                click.echo(f"      ! {mark.text}")
    click.echo(f"      {look.file.total:>12.2f}  in all")


def account_of(member: Member, iban: str | None) -> int:
    """Return our id of the account with an IBAN that the member sees in full."""
    if iban is None:
        raise click.ClickException("Say --from IBAN: the file does not name the account to pay from.")
    wanted = ibans.normalise(iban)
    found = [key for key, each in rights.accounts_in_full(member).items() if each.row.iban == wanted]
    if not found:
        raise NotFoundHere
    return found[0]


def say_prepared(reference: str) -> None:
    """Name what was prepared and is sent without a further step."""
    click.echo(f"Prepared: {reference}")
    click.echo("A worker sends it to bunq.")


def _in_one_line(found: InstructionView) -> str:
    amount = f"{found.amount:.2f}" if found.amount is not None else "-"
    return f"{found.reference}  {found.kind}  {found.state}  {amount} {found.currency}  {found.label}".rstrip()


@contextmanager
def refused_plainly() -> Iterator[None]:
    """Say why a member cannot do something, without a traceback."""
    try:
        yield
    except NotFoundHere as refused:
        raise click.ClickException(
            "There is no such instruction, account, payment or note for this member."
        ) from refused
    except ChangedMeanwhile as refused:
        raise click.ClickException("It has gone on meanwhile. Nothing was changed; look at it again.") from refused
    except IbansNotCompared as refused:
        again = " ".join(f"--compared {each.line}" for each in refused.marks[:_MOST_OPTIONS])
        raise click.ClickException(f"{refused} Then call this again with: {again}") from refused
    except (NotPermitted, InstructionRefused) as refused:
        raise click.ClickException(str(refused)) from refused


def member_of(email: str) -> Member:
    """Return the member as whom a command acts."""
    try:
        return members.require(email)
    except members.TeamRefused as refused:
        raise click.ClickException(str(refused)) from refused
