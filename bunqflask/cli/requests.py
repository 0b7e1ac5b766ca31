"""`flask instructions request` and `link`: ask others for money as a member."""

from __future__ import annotations

from decimal import Decimal

import click

from bunqflask.cli.instructions import account_of, instructions_cli, member_of, refused_plainly, say_prepared
from bunqflask.models import LinkBody, RequestBody
from bunqflask.models.instructions import Body
from bunqflask.payment_files import amounts
from bunqflask.payment_files.amounts import NotAnAmount
from bunqflask.services.instructions import payers, preparing, reading
from bunqflask.services.instructions.payers import NoPayer


@instructions_cli.command("request")
@click.argument("email")
@click.argument("payer")
@click.argument("amount")
@click.argument("description")
@click.option("--to", "iban", metavar="IBAN", required=True, help="The account to which the money comes.")
@click.option("--name", default="", help="The payer's name, needed with an IBAN.")
def request(email: str, payer: str, amount: str, description: str, iban: str, name: str) -> None:
    """Ask PAYER (an email address, a phone number or an IBAN) for money, as a member. bunq sends the request."""
    try:
        body = RequestBody(amount_of(amount), payers.read(payer, name), description)
    except NoPayer as wrong:
        raise click.ClickException(str(wrong)) from wrong
    _prepare(email, iban, body)


@instructions_cli.command("link")
@click.argument("email")
@click.argument("amount")
@click.argument("description")
@click.option("--to", "iban", metavar="IBAN", required=True, help="The account to which the money comes.")
@click.option("--return-url", metavar="URL", help="Where payers are led afterwards; it begins with https://.")
def link(email: str, amount: str, description: str, iban: str, return_url: str | None) -> None:
    """Make a bunq.me link as a member. `show` prints its address once bunq has made it."""
    _prepare(email, iban, LinkBody(amount_of(amount), description, return_url))


def amount_of(text: str) -> Decimal:
    """Return the amount that somebody typed."""
    try:
        return amounts.read(text).amount
    except NotAnAmount as wrong:
        raise click.ClickException(f"The amount {wrong}.") from wrong


def _prepare(email: str, iban: str, body: Body) -> None:
    member = member_of(email)
    with refused_plainly():
        made = preparing.prepare(member, account_of(member, iban), body)
    say_prepared(reading.get(member, made).reference)
