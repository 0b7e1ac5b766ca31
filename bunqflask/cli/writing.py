"""`flask instructions abilities`, `transfer`, `note`, `attach` and `card`: the rest of what is written at bunq."""

from __future__ import annotations

from pathlib import Path

import click

from bunqflask.cli.instructions import account_of, instructions_cli, member_of, refused_plainly
from bunqflask.cli.requests import amount_of
from bunqflask.models import Ability, CardBody
from bunqflask.services.instructions import abilities, cards, notes, preparing, reading
from bunqflask.services.team.members import Member

_CHOICE = click.Choice([each.value for each in Ability])


@instructions_cli.command("abilities")
@click.argument("email")
@click.argument("connection", type=int)
@click.option("--on", "on", type=_CHOICE, multiple=True, help="Switch it on; several times for several.")
@click.option("--off", "off", type=_CHOICE, multiple=True, help="Switch it off; several times for several.")
def switch_abilities(email: str, connection: int, on: tuple[str, ...], off: tuple[str, ...]) -> None:
    """Say what may be written at bunq for a connection, and switch it as an owner. Limits of drafts stay."""
    member = member_of(email)
    with refused_plainly():
        day_limit, approver_limit = abilities.limits_of(connection)
        for each in on:
            limits = {"day_limit": day_limit, "approver_limit": approver_limit}
            abilities.switch(member, connection, Ability(each), on=True, **limits)
        for each in off:
            abilities.switch(member, connection, Ability(each), on=False)
        abilities.check_can_see(member, connection)
    found = abilities.of_connection(connection)
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
@click.argument("payment", type=int)
@click.argument("text")
def note(email: str, payment: int, text: str) -> None:
    """Write a note on PAYMENT, by its id here, as a member."""
    member = member_of(email)
    with refused_plainly():
        made = notes.in_transaction(lambda: notes.write_within(member, payment, text))
    _say_prepared(member, made)


@instructions_cli.command("attach")
@click.argument("email")
@click.argument("payment", type=int)
@click.argument("file", type=click.Path(path_type=Path))
def attach(email: str, payment: int, file: Path) -> None:
    """Attach a file to PAYMENT, by its id here, as a member."""
    member = member_of(email)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}.") from error
    with refused_plainly():
        made = notes.in_transaction(lambda: notes.attach_within(member, payment, file.name, content))
    _say_prepared(member, made)


@instructions_cli.command("card")
@click.argument("email")
@click.argument("card", type=int)
@click.argument("change", type=click.Choice(["freeze", "unfreeze"]))
@click.option("--account", "iban", metavar="IBAN", required=True, help="The account that the card pays from.")
def card(email: str, card: int, change: str, iban: str) -> None:
    """Freeze a card, by bunq's id, or let it be used again, as a member who holds its account."""
    member = member_of(email)
    body = CardBody(card, status="DEACTIVATED" if change == "freeze" else "ACTIVE")
    with refused_plainly():
        account_id = account_of(member, iban)
        made = notes.in_transaction(lambda: cards.change_within(member, account_id, body))
    _say_prepared(member, made)


def _say_prepared(member: Member, instruction_id: int) -> None:
    click.echo(f"Prepared: {reading.get(member, instruction_id).reference}")
    click.echo("A worker sends it to bunq.")
