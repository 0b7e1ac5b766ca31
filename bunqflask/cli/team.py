"""`flask team`: who has a login here, and in which role."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import click
from flask import current_app
from flask.cli import AppGroup

from bunqflask.models import TeamRole
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import OPERATOR, Operator
from bunqflask.services.team import invitations, members, offboarding, resets, roles
from bunqflask.services.team.invitations import NewLink
from bunqflask.services.team.members import Member, Terms
from bunqflask.services.team.offboarding import HeldAlone
from bunqflask.services.team.passwords import PasswordRefused

team_cli = AppGroup("team", help="Who has a login here, and in which role.")

_ROLES = click.Choice([role.value for role in TeamRole])
_role_option = click.option(
    "--role", type=_ROLES, help="What the person may do; the first one is an owner, all others are members."
)
_until_option = click.option(
    "--until", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]), help="A guest's last day, such as 2027-01-31."
)
_export_option = click.option("--may-export", is_flag=True, help="Let a guest export what they see.")


@team_cli.command("invite")
@click.argument("email")
@_role_option
@_until_option
@_export_option
def invite(email: str, role: str | None, until: datetime | None, may_export: bool) -> None:
    """Print a one-time link by which a person becomes a team member."""
    with _refused_plainly():
        link = invitations.invite(OPERATOR, members.normalize_email(email), _terms(role, until, may_export))
    click.echo(f"Send this link to {link.label}. {_validity(link)}\n\n  {link.url}")


@team_cli.command("add")
@click.argument("email")
@click.option("--name", default="", help="How pages name the person; the email's first part if left out.")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@_role_option
@_until_option
@_export_option
def add(
    email: str, name: str, password_stdin: bool, role: str | None, until: datetime | None, may_export: bool
) -> None:
    """Give a person a login with a password, for automated installations."""
    with _refused_plainly():
        password = sys.stdin.readline().rstrip("\r\n")
        member = members.add(email, name, password, _terms(role, until, may_export))
    click.echo(f"{member.name} can log in with {member.email}, as {member.role}.")


@team_cli.command("list")
def list_members() -> None:
    """List the team members."""
    for member in members.list_all():
        locked = "  locked" if member.locked_at else ""
        until = f" until {roles.last_day_of(member.ends_at)}" if member.ends_at else ""
        click.echo(f"{member.email}  {member.name}  {member.role}{until}  since {member.created_at:%Y-%m-%d}{locked}")


@team_cli.command("change")
@click.argument("email")
@click.option("--role", type=_ROLES, required=True, help="What the person may do from now on.")
@_until_option
@_export_option
def change(email: str, role: str, until: datetime | None, may_export: bool) -> None:
    """Give a person another role."""
    with _refused_plainly():
        member = roles.change(OPERATOR, members.require(email).id, _terms(role, until, may_export))
    click.echo(f"{member.email} is now {member.role}.")


@team_cli.command("lock")
@click.argument("email")
def lock(email: str) -> None:
    """Lock a person out at once; nothing of theirs is deleted."""
    member = _done(roles.lock, email)
    click.echo(f"{member.email} is logged out everywhere and cannot log in. To undo this: team unlock.")


@team_cli.command("unlock")
@click.argument("email")
def unlock(email: str) -> None:
    """Let a person who was locked log in again."""
    member = _done(roles.unlock, email)
    click.echo(f"{member.email} can log in again.")


@team_cli.command("reset")
@click.argument("email")
def reset(email: str) -> None:
    """Print a one-time link for a new password, and log the person out everywhere."""
    with _refused_plainly():
        link = resets.make(email)
    click.echo(
        f"{link.label} is logged out everywhere, and the old password no longer works.\n"
        f"Send them this link. {_validity(link)}\n\n  {link.url}"
    )


@team_cli.command("remove")
@click.argument("email")
@click.option("--hand-over-to", metavar="EMAIL", help="Who gets the accounts that this person alone holds.")
@click.option("--disconnect", is_flag=True, help="Erase those accounts instead.")
def remove(email: str, hand_over_to: str | None, disconnect: bool) -> None:
    """Take a person's login away."""
    with _refused_plainly():
        heir_id = members.require(hand_over_to).id if hand_over_to else None
        names = offboarding.remove(OPERATOR, members.require(email).id, heir_id=heir_id, disconnect=disconnect)
    for name in names:
        click.echo(f"{name} now belongs to {hand_over_to}." if hand_over_to else f"{name} is erased.")
    click.echo(f"{email} can no longer log in.")


def _done(act: Callable[[Operator, int], Member], email: str) -> Member:
    with _refused_plainly():
        return act(OPERATOR, members.require(email).id)


@contextmanager
def _refused_plainly() -> Iterator[None]:
    try:
        yield
    except HeldAlone as refused:
        way = "Say --hand-over-to EMAIL, or --disconnect to erase them."
        raise click.ClickException(f"{refused} {way}") from refused
    except (members.TeamRefused, PasswordRefused) as refused:
        raise click.ClickException(str(refused)) from refused
    except NotFoundHere as refused:
        raise click.ClickException("Somebody else has just removed this person.") from refused


def _terms(role: str | None, until: datetime | None, may_export: bool) -> Terms:
    chosen = TeamRole(role) if role else members.role_of_next()
    return roles.terms_of(chosen, last_day=until.date() if until else None, may_export=may_export)


def _validity(link: NewLink) -> str:
    until = link.expires_at.astimezone(current_app.config["TIME_ZONE"])
    return f"It works once, until {until:%Y-%m-%d %H:%M}:"
