"""`flask token`: the tokens of team members for the API."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import AppGroup

from bunqflask.models import TokenScope
from bunqflask.services import policy
from bunqflask.services.policy import NotFoundHere, NotPermitted
from bunqflask.services.team import members
from bunqflask.services.team.members import Member
from bunqflask.services.tokens import tokens
from bunqflask.services.tokens.text import SHOWN
from bunqflask.services.tokens.tokens import TokenRefused, TokenTerms

token_cli = AppGroup("token", help="Tokens of team members for the API.")


@token_cli.command("add")
@click.argument("email")
@click.option("--name", default="", help="What the token is for.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in TokenScope]),
    multiple=True,
    required=True,
    help="What it may do; several times for several.",
)
@click.option("--account", "ibans", metavar="IBAN", multiple=True, help="Narrow it to this account; several times too.")
@click.option("--days", type=int, required=True, help="How long it lasts; at most 365.")
@click.option(
    "--network", "networks", metavar="NETWORK", multiple=True, help="Allow it from here, such as 192.0.2.0/24."
)
def add(
    email: str,
    name: str,
    scopes: tuple[str, ...],
    ibans: tuple[str, ...],
    days: int,
    networks: tuple[str, ...],
) -> None:
    """Make a token of a team member; it is the last line that is printed."""
    member = _member(email)
    try:
        terms = TokenTerms(
            name=name or "made on the command line",
            scopes=tuple(TokenScope(each) for each in dict.fromkeys(scopes)),
            days=days,
            account_ids=_account_ids(member, ibans) if ibans else None,
            networks=networks,
        )
        token = tokens.add(member, terms)
    except (TokenRefused, NotPermitted) as refused:
        raise click.ClickException(str(refused)) from refused
    if TokenScope.SPREADSHEET_READ in terms.scopes:
        for name in ("payments", "balances"):
            click.echo(f"{current_app.config['PUBLIC_URL']}/sheets/{token}/{name}.csv")
    if TokenScope.CALENDAR_READ in terms.scopes:
        click.echo(f"{current_app.config['PUBLIC_URL']}/calendars/{token}/renewals.ics")
    click.echo(f"A token of {member.email}, shown only now:")
    click.echo(token)


@token_cli.command("list")
@click.argument("email")
def list_tokens(email: str) -> None:
    """List the tokens of a team member."""
    for row in tokens.list_for(_member(email)):
        scopes = ",".join(row.scopes)
        used = f"last used {row.last_used_at:%Y-%m-%d}" if row.last_used_at else "never used"
        click.echo(f"{row.id}  {row.prefix}…  {row.name}  {scopes}  until {row.expires_at:%Y-%m-%d}  {used}")


@token_cli.command("end")
@click.argument("email")
@click.argument("token")
def end(email: str, token: str) -> None:
    """End a token of a team member at once, by its first characters or its id; `token list` prints both."""
    member = _member(email)
    found = [row.id for row in tokens.list_for(member) if token == str(row.id) or token[:SHOWN] == row.prefix]
    try:
        tokens.end(member, found[0] if found else 0)
    except NotFoundHere as refused:
        raise click.ClickException(f"{member.email} has no such token.") from refused
    click.echo("The token is ended.")


def _member(email: str) -> Member:
    try:
        return members.require(email)
    except members.TeamRefused as refused:
        raise click.ClickException(str(refused)) from refused


def _account_ids(member: Member, ibans: tuple[str, ...]) -> tuple[int, ...]:
    """Return our ids of the member's accounts with these IBANs.

    :raises TokenRefused: they see no such account.
    """
    wanted = {iban.replace(" ", "").upper() for iban in ibans}
    seen = policy.accounts_seen_by(member)
    if missing := wanted - {each.row.iban for each in seen.values()}:
        raise TokenRefused(f"{member.email} sees no account {', '.join(sorted(missing))}.")
    return tuple(number for number, each in seen.items() if each.row.iban in wanted)
