"""`flask team`: who has a login here."""

from __future__ import annotations

import sys
from getpass import getpass

import click
from flask.cli import AppGroup

from bunqflask.services.team import members, offboarding
from bunqflask.services.team.passwords import PasswordRefused

team_cli = AppGroup("team", help="Who has a login here.")


@team_cli.command("add")
@click.argument("email")
@click.option("--name", default="", help="How pages name the person; the email's first part if left out.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def add(email: str, name: str, password_stdin: bool) -> None:
    """Give a person a login."""
    try:
        member = members.add(email, name, _password(password_stdin))
    except (members.TeamRefused, PasswordRefused) as refused:
        raise click.ClickException(str(refused)) from refused
    click.echo(f"{member.name} can log in with {member.email}.")


@team_cli.command("list")
def list_members() -> None:
    """List the team members."""
    for member in members.list_all():
        click.echo(f"{member.email}  {member.name}  since {member.created_at:%Y-%m-%d}")


@team_cli.command("reset")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def reset(email: str, password_stdin: bool) -> None:
    """Set a new password, and log the person out everywhere."""
    try:
        member = members.reset(email, _password(password_stdin))
    except (members.TeamRefused, PasswordRefused) as refused:
        raise click.ClickException(str(refused)) from refused
    click.echo(f"{member.email} has a new password and is logged out everywhere.")


@team_cli.command("remove")
@click.argument("email")
@click.option("--hand-over-to", metavar="EMAIL", help="Who gets the accounts that this person alone holds.")
@click.option("--disconnect", is_flag=True, help="Erase those accounts instead.")
def remove(email: str, hand_over_to: str | None, disconnect: bool) -> None:
    """Take a person's login away."""
    try:
        names = offboarding.remove(email, hand_over_to=hand_over_to, disconnect=disconnect)
    except members.TeamRefused as refused:
        raise click.ClickException(str(refused)) from refused
    for name in names:
        click.echo(f"{name} now belongs to {hand_over_to}." if hand_over_to else f"{name} is erased.")
    click.echo(f"{email} can no longer log in.")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass("Password (not shown): ")
    if getpass("The same again: ") != password:
        raise click.ClickException("The two passwords differ; nothing was changed.")
    return password
