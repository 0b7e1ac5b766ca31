"""`flask collections`: people who are asked for money together, as a member."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path

import click
from flask.cli import AppGroup

from bunqflask.cli.export import keep
from bunqflask.cli.instructions import account_of, member_of, refused_plainly, say_prepared
from bunqflask.cli.requests import amount_of
from bunqflask.digest import digest
from bunqflask.models import InstructionKind
from bunqflask.payment_files import amounts
from bunqflask.payment_files.amounts import NotAnAmount
from bunqflask.services.instructions import collection_files, collection_reading, collections, once, people_list
from bunqflask.services.instructions.collection_reading import CollectionView, ItemView
from bunqflask.services.instructions.collections import Wish
from bunqflask.services.instructions.people_list import PeopleList
from bunqflask.services.team.members import Member

collections_cli = AppGroup("collections", help="People who are asked for money together.")

_KINDS = click.Choice([each.value for each in collection_reading.KINDS])


@collections_cli.command("list")
@click.argument("email")
def list_collections(email: str) -> None:
    """List the newest collections on the accounts that a member sees in full."""
    for each in collection_reading.list_all(member_of(email)):
        click.echo(_in_one_line(each))


@collections_cli.command("show")
@click.argument("email")
@click.argument("reference")
@click.option("--reminders", is_flag=True, help="Print a text to send to each who has not paid.")
def show(email: str, reference: str, reminders: bool) -> None:
    """Show a collection with who has paid. REFERENCE is that of the collection."""
    member = member_of(email)
    with refused_plainly():
        found = collection_reading.get_by_reference(member, reference)
    click.echo(_in_one_line(found))
    for each in collection_reading.items_of(member, found):
        amount = f"{each.instruction.amount or 0:.2f} {found.currency}"
        click.echo(f"{each.instruction.reference}  {each.state}  {amount}  {each.name}")
        if reminders and (text := collection_files.reminder(found, each, member.name)):
            click.echo(f"\n{text}\n")


@collections_cli.command("prepare")
@click.argument("email")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--to", "iban", metavar="IBAN", required=True, help="The account to which the money comes.")
@click.option("--name", required=True, help="What your team calls it.")
@click.option("--description", required=True, help="What payers read, each with their own name behind it.")
@click.option("--kind", type=_KINDS, default="request", help="What each person gets; a request unless it is given.")
@click.option("--amount", help="The amount of lines that have none.")
@click.option("--key", help="A text of your own: the same one again asks nobody again.")
@click.option("--yes", is_flag=True, help="Ask for the money without asking you first.")
def prepare(
    email: str,
    file: Path,
    iban: str,
    name: str,
    description: str,
    kind: str,
    amount: str | None,
    key: str | None,
    yes: bool,
) -> None:
    """Ask everybody in a CSV file for money, as a member: all of them, or nobody.

    Each line of FILE is a name; an email address, a phone number or an IBAN; an amount.
    """
    member = member_of(email)
    for_all = None if amount is None else amount_of(amount)
    read = _taken(people_list.read(_text_of(file), InstructionKind(kind), for_all, _amount))
    for each in read.people:
        click.echo(f"{each.amount:>12.2f}  {each.name}  {each.payer.value if each.payer else ''}".rstrip())
    click.echo(f"{read.total:>12.2f}  in all")
    if not yes:
        click.confirm(f"Ask {len(read.people)} people?", abort=True)
    with refused_plainly():
        wish = Wish(
            account_id=account_of(member, iban),
            kind=InstructionKind(kind),
            name=name,
            description=description,
            people=read.people,
            token=once.new_token() if key is None else f"cli-{digest(key)[:40]}",
        )
        made = collections.prepare(member, wish)
    say_prepared(collection_reading.get(member, made).reference)


@collections_cli.command("cancel")
@click.argument("email")
@click.argument("reference")
def cancel(email: str, reference: str) -> None:
    """Take back what everybody of a collection is asked for who has not paid. `instructions cancel` does it for one."""
    member = member_of(email)
    with refused_plainly():
        collections.take_back(member, collection_reading.get_by_reference(member, reference).id)
    click.echo("What is not paid is being taken back. What was paid by then stays paid.")


@collections_cli.command("ask-again")
@click.argument("email")
@click.argument("reference")
@click.argument("ended")
def ask_again(email: str, reference: str, ended: str) -> None:
    """Ask a person of a collection again. ENDED is the reference of their request or link, which ended unpaid."""
    member = member_of(email)
    with refused_plainly():
        found = collection_reading.get_by_reference(member, reference)
        item = _person(member, found, ended)
        collections.ask_again(member, found.id, item.id, item.instruction.id)
        again = collection_reading.item_of(member, found, item.id)
    say_prepared(again.instruction.reference)


@collections_cli.command("export")
@click.argument("email")
@click.argument("reference")
@click.option(
    "--column",
    "columns",
    type=click.Choice(collection_files.COLUMNS),
    multiple=True,
    help="Only this one; several times for several.",
)
@click.option(
    "--decimal-sign",
    type=click.Choice([",", "."]),
    default=",",
    help="What stands before the cents; with a comma, cells are separated by semicolons.",
)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder.")
def export(email: str, reference: str, columns: tuple[str, ...], decimal_sign: str, output: Path) -> None:
    """Write a collection as CSV to a folder."""
    member = member_of(email)
    with refused_plainly():
        found, items = collection_reading.export(member, collection_reading.get_by_reference(member, reference).id)
    chosen = columns or collection_files.COLUMNS
    content = collection_files.to_csv(found, items, chosen, has_commas=decimal_sign == ",")
    click.echo(keep(collection_files.file_name(found), io.BytesIO(content), output))


def _text_of(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return people_list.decode(stream.read(people_list.LONGEST_LIST * 4 + 1))
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}.") from error


def _amount(text: str) -> Decimal:
    """Return the amount of a line.

    :raises ValueError: it is none; the error's own text says so, for a person.
    """
    try:
        return amounts.read(text).amount
    except NotAnAmount as wrong:
        raise ValueError(f"The amount {wrong}.") from wrong


def _taken(read: PeopleList) -> PeopleList:
    if read.faults:
        lines = [f"Line {each.line}: {each.text}" if each.line else each.text for each in read.faults]
        more = [f"And {read.more_faults} more."] if read.more_faults else []
        raise click.ClickException("\n".join(["Nobody was asked.", *lines, *more]))
    return read


def _person(member: Member, collection: CollectionView, ended: str) -> ItemView:
    """Return the person of a collection who is asked by the request or the link with a reference."""
    for each in collection_reading.items_of(member, collection):
        if each.instruction.reference == ended:
            return each
    raise click.ClickException("Nobody of this collection is asked by that now: `collections show` prints who is.")


def _in_one_line(found: CollectionView) -> str:
    state = "closed" if found.closed_at else "open"
    sums = f"{found.received:.2f} of {found.asked:.2f} {found.currency}"
    return f"{found.reference}  {found.kind}  {state}  {found.paid} of {found.people} paid  {sums}  {found.name}"
