"""`flask instructions`, the rest: abilities, transfers between own accounts, notes and files, and cards."""

from __future__ import annotations

from pathlib import Path

import click

from bunqflask.cli.instructions import account_of, instructions_cli, member_of, refused_plainly, say_prepared
from bunqflask.cli.requests import amount_of
from bunqflask.models import Ability, CardBody
from bunqflask.services.instructions import abilities, cards, notes, preparing, reading
from bunqflask.services.payments import details, repository
from bunqflask.services.payments import notes as stored
from bunqflask.services.team.members import Member

_CHOICE = click.Choice([each.value for each in Ability])


@instructions_cli.command("abilities")
@click.argument("email")
@click.argument("connection")
@click.option("--on", "on", type=_CHOICE, multiple=True, help="Switch it on; several times for several.")
@click.option("--off", "off", type=_CHOICE, multiple=True, help="Switch it off; several times for several.")
def switch_abilities(email: str, connection: str, on: tuple[str, ...], off: tuple[str, ...]) -> None:
    """Say what may be written at bunq for a connection, and switch it as an owner. Limits of drafts stay."""
    member, connection_id = member_of(email), _number(connection)
    with refused_plainly():
        day_limit, approver_limit = abilities.limits_of(connection_id)
        for each in on:
            limits = {"day_limit": day_limit, "approver_limit": approver_limit}
            abilities.switch(member, connection_id, Ability(each), on=True, **limits)
        for each in off:
            abilities.switch(member, connection_id, Ability(each), on=False)
        abilities.check_can_see(member, connection_id)
    found = abilities.of_connection(connection_id)
    for ability in Ability:
        click.echo(f"{ability.value}: {'on' if ability in found else 'off'}")


@instructions_cli.command("transfer")
@click.argument("email")
@click.argument("amount")
@click.argument("description")
@click.option("--from", "source", metavar="IBAN", required=True, help="The account from which the money goes.")
@click.option("--to", "target", metavar="IBAN", required=True, help="The account of the same holder to which it goes.")
def transfer(email: str, amount: str, description: str, source: str, target: str) -> None:
    """Move money between two accounts of one holder, as a member who holds both. Nobody has to accept it."""
    member = member_of(email)
    with refused_plainly():
        body = preparing.transfer_to(member, account_of(member, target), amount_of(amount), description)
        made = preparing.prepare(member, account_of(member, source), body)
    _say_prepared(member, made)


@instructions_cli.command("note")
@click.argument("email")
@click.argument("payment")
@click.argument("text")
def note(email: str, payment: str, text: str) -> None:
    """Write a note on PAYMENT, by its id here, as a member."""
    member = member_of(email)
    with refused_plainly():
        made = notes.in_transaction(lambda: notes.write_within(member, _number(payment), text))
    _say_prepared(member, made)


@instructions_cli.command("notes")
@click.argument("email")
@click.argument("payment")
def list_notes(email: str, payment: str) -> None:
    """List the notes on PAYMENT as they were last read from bunq, with bunq's ids of them and of their files."""
    member, row_id = member_of(email), _number(payment)
    with refused_plainly():
        details.get(repository.accounts_of(member), row_id)
    for each in stored.of(row_id).notes:
        files = "".join(f"  file {number}" for number in each.attachment_ids)
        click.echo(f"{each.kind}  {each.note_id}{files}  {' '.join(each.text.split())}".rstrip())


@instructions_cli.command("change-note")
@click.argument("email")
@click.argument("payment")
@click.argument("note")
@click.argument("text")
def change_note(email: str, payment: str, note: str, text: str) -> None:
    """Give a NOTE on PAYMENT, by bunq's id, another text, as a member."""
    member = member_of(email)
    with refused_plainly():
        made = notes.in_transaction(lambda: notes.change_within(member, _number(payment), _number(note), text))
    _say_prepared(member, made)


@instructions_cli.command("delete-note")
@click.argument("email")
@click.argument("payment")
@click.argument("note")
def delete_note(email: str, payment: str, note: str) -> None:
    """Delete a NOTE on PAYMENT, by bunq's id, as a member. It is gone in the bunq app too."""
    member = member_of(email)
    with refused_plainly():
        made = notes.in_transaction(lambda: notes.delete_within(member, _number(payment), "text", _number(note)))
    _say_prepared(member, made)


@instructions_cli.command("detach")
@click.argument("email")
@click.argument("payment")
@click.argument("file")
def detach(email: str, payment: str, file: str) -> None:
    """Take a FILE, by bunq's id, off PAYMENT, as a member."""
    member = member_of(email)
    with refused_plainly():
        made = notes.in_transaction(lambda: notes.detach_within(member, _number(payment), _number(file)))
    _say_prepared(member, made)


@instructions_cli.command("attach")
@click.argument("email")
@click.argument("payment")
@click.argument("file", type=click.Path(path_type=Path))
def attach(email: str, payment: str, file: Path) -> None:
    """Attach a file to PAYMENT, by its id here, as a member."""
    member = member_of(email)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}.") from error
    with refused_plainly():
        made = notes.in_transaction(lambda: notes.attach_within(member, _number(payment), file.name, content))
    _say_prepared(member, made)


@instructions_cli.command("card")
@click.argument("email")
@click.argument("card")
@click.option("--change", type=click.Choice(["freeze", "unfreeze"]), required=True, help="What to do with it.")
@click.option("--account", "iban", metavar="IBAN", required=True, help="The account that the card pays from.")
def card(email: str, card: str, change: str, iban: str) -> None:
    """Freeze a card, by bunq's id, or let it be used again, as a member who holds its account."""
    member = member_of(email)
    body = CardBody(_number(card), status="DEACTIVATED" if change == "freeze" else "ACTIVE")
    with refused_plainly():
        account_id = account_of(member, iban)
        made = notes.in_transaction(lambda: cards.change_within(member, account_id, body))
    _say_prepared(member, made)


@instructions_cli.command("card-limits")
@click.argument("email")
@click.argument("card")
@click.option("--payments", metavar="AMOUNT", help="What it pays in a day; without it, that stays.")
@click.option("--cash", metavar="AMOUNT", help="What it takes from machines in a day; without it, that stays.")
@click.option("--account", "iban", metavar="IBAN", required=True, help="The account that the card pays from.")
def card_limits(email: str, card: str, payments: str | None, cash: str | None, iban: str) -> None:
    """Set limits of a card, by bunq's id, in the currency of its account, as a member who holds that account."""
    member = member_of(email)
    limit, limit_atm = (None if each is None else amount_of(each) for each in (payments, cash))
    body = CardBody(_number(card), limit=limit, limit_atm=limit_atm)
    with refused_plainly():
        account_id = account_of(member, iban)
        made = notes.in_transaction(lambda: cards.change_within(member, account_id, body))
    _say_prepared(member, made)


def _number(text: str) -> int:
    """Return an id that somebody typed."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise click.ClickException(f"{text} is no id: an id is a number, as the API shows it.")
    return int(text)


def _say_prepared(member: Member, instruction_id: int) -> None:
    say_prepared(reading.get(member, instruction_id).reference)
