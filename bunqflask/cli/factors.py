"""`flask team factor` and `flask team second-factor`: the second factors of members, and who must have one."""

from __future__ import annotations

from datetime import datetime

import click

from bunqflask.cli.team import team_cli
from bunqflask.services.principal import OPERATOR
from bunqflask.services.team import factors, members, rules


@team_cli.command("factor")
@click.argument("email")
@click.option("--list", "lists", is_flag=True, help="List the person's second factors with their ids.")
@click.option("--remove", "factor_id", type=int, metavar="ID", help="Remove one of them.")
@click.option("--reset", is_flag=True, help="Remove all of them and the recovery codes.")
def factor(email: str, lists: bool, factor_id: int | None, reset: bool) -> None:
    """List or remove a person's second factors; removing logs them out everywhere."""
    if lists + reset + (factor_id is not None) != 1:
        raise click.UsageError("Say one of --list, --remove ID and --reset.")
    try:
        member = members.require(email)
    except members.TeamRefused as refused:
        raise click.ClickException(str(refused)) from refused
    if lists:
        for each in factors.list_for(member):
            used = f"last used {each.last_used_at:%Y-%m-%d}" if each.last_used_at else "never used"
            click.echo(f"{each.id}  {each.kind}  {each.name}  since {each.created_at:%Y-%m-%d}, {used}")
        click.echo(f"{factors.count_recovery_codes(member)} recovery codes left")
        return
    names = factors.take_away(member.id, factor_id)
    if not names:
        raise click.ClickException(f"{member.email} has no such second factor.")
    click.echo(f"Removed: {', '.join(names)}. {member.email} is logged out everywhere.")


@team_cli.command("second-factor")
@click.option(
    "--from", "first_day", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Require one from then on."
)
@click.option("--optional", is_flag=True, help="Require none.")
def second_factor(first_day: datetime | None, optional: bool) -> None:
    """Tell or set from which day every member needs a second factor."""
    if first_day is not None and optional:
        raise click.UsageError("Say either --from DATE or --optional.")
    if first_day is not None or optional:
        rules.require_second_factor(OPERATOR, first_day.date() if first_day else None)
    day = rules.second_factor_from()
    click.echo(f"Every member needs a second factor from {day}." if day else "A second factor is optional.")
