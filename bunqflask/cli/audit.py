"""`flask audit`: read the audit trail, and check that nobody has changed it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TextIO

import click
from flask.cli import AppGroup

from bunqflask.models import AuditKind
from bunqflask.services.audit import log_lines, reading, verification
from bunqflask.services.team import members

audit_cli = AppGroup("audit", help="Who saw or did what.")


@audit_cli.command("verify")
@click.option(
    "--log", type=click.File("r", errors="replace"), help="Lines of the log to compare; - for standard input."
)
def verify(log: TextIO | None) -> None:
    """Check that no event was changed, added or deleted; exit 1 and name the first one otherwise."""
    try:
        found = verification.verify(log or ())
    except verification.TrailBroken as broken:
        raise click.ClickException(f"The audit trail was changed at {broken}.") from broken
    click.echo(f"{found.events} events are as they were written; the last is {found.last_id} {found.last_hash}.")
    if log is not None:
        click.echo(f"{found.lines} lines of the log agree with them.")


@audit_cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each event.")
@click.option("--member", "email", metavar="EMAIL", help="Only events by this member, or about them.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Only from this day on, in UTC.")
@click.option("--kind", metavar="KIND", help="Only events of this kind, such as login_refused.")
def list_events(as_json: bool, email: str | None, since: datetime | None, kind: str | None) -> None:
    """List the events, the oldest first."""
    wanted = reading.Wanted(
        member_id=_member_id(email) if email is not None else None,
        kinds=(_kind(kind),) if kind is not None else (),
        since=since.replace(tzinfo=UTC) if since is not None else None,
    )
    for event in reading.all_events(wanted):
        click.echo(log_lines.as_json(event) if as_json else _line(event))
    reading.record_reading(None)


def _member_id(email: str) -> int:
    member = members.find(email)
    found = member.id if member is not None else reading.member_id_of(email)
    if found is None:
        raise click.ClickException(f"Nobody here has the email {email.strip()}, and the trail names nobody with it.")
    return found


def _kind(text: str) -> AuditKind:
    try:
        return AuditKind(text)
    except ValueError:
        raise click.ClickException(f"There is no kind {text}; there are {', '.join(AuditKind)}.") from None


def _line(event: dict[str, object]) -> str:
    at, kind, actor, subject, facts = (event[name] for name in ("at", "kind", "actor_text", "subject", "facts"))
    who = actor or event["address"] or "this server"
    return f"{event['id']}  {at:%Y-%m-%d %H:%M:%S}  {kind}  {who}  {subject}  {facts or ''}".rstrip()
