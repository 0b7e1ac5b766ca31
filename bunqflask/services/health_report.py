"""How this server stands with bunq: what is set up, which connections work, what needs a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from flask import current_app

from bunqflask import clock
from bunqflask.bunq import transport
from bunqflask.database import erasure
from bunqflask.extensions import db
from bunqflask.models import (
    Check,
    CheckName,
    Condition,
    Connection,
    ConnectionState,
    Installation,
    StopReason,
    Verdict,
)
from bunqflask.services.connections import condition_texts, timeline
from bunqflask.services.connections.standing import Actor, Standing
from bunqflask.services.doctor import runs
from bunqflask.services.gateway import installations, psd2
from bunqflask.services.sync import schedule

_RUN_SETUP = "run `flask --app wsgi setup`"
_RENEW_CERTIFICATE_BEFORE = timedelta(days=30)
_ERASED_WITHIN = timedelta(hours=1)


@dataclass(frozen=True)
class Line:
    """One thing that was looked at, and what a person has to do about it (empty: nothing)."""

    name: str
    found: str
    to_do: str = ""


@dataclass(frozen=True)
class Report:
    """All lines; it needs a person when one of them does."""

    lines: list[Line]

    @property
    def needs_a_person(self) -> bool:
        return any(line.to_do for line in self.lines)


def report() -> Report:
    """Look at what is stored; no call to bunq is made."""
    environment = current_app.config["BUNQ_ENVIRONMENT"]
    # First: without a database to read there is nothing else to say.
    installation = installations.find_current()
    checks = {each.name: each for each in runs.stored_facts()}
    lines = [
        _environment_line(environment, current_app.config["BUNQ_API_URL"]),
        _check_line("storage", checks[CheckName.STORAGE]),
    ]
    if installation is None:
        lines.append(Line("installation", "none", _RUN_SETUP))
    else:
        lines += _installation_lines(installation, checks)
    query = db.select(Connection).filter_by(environment=environment).order_by(Connection.id)
    connections = db.session.scalars(query).all()
    lines.append(_check_line("worker", checks[CheckName.WORKER]))
    lines.append(_check_line("queue", checks[CheckName.QUEUE]))
    if not connections:
        lines.append(Line("connections", "none yet"))
    if (since := erasure.pending_since()) is not None and since < clock.now() - _ERASED_WITHIN:
        found = f"rows erased at {since:%Y-%m-%d %H:%M} UTC are still in the database's files"
        lines.append(Line("erased data", found, "run `flask --app wsgi worker`; its log says what stands in the way"))
    standings = timeline.standings()
    return Report(lines + [_connection_line(each, standings[each.id]) for each in connections])


def _environment_line(environment: str, api_url: str) -> Line:
    proxy = transport.proxy_for(api_url)
    return Line("environment", f"{environment}, {api_url}" + (f" through the proxy {proxy}" if proxy else ""))


def _check_line(name: str, check: Check) -> Line:
    """Return what the doctor says of the same thing."""
    needs_a_person = check.verdict in (Verdict.BROKEN, Verdict.LOOK)
    return Line(name, check.found, " ".join(check.steps) if needs_a_person else "")


def _installation_lines(installation: Installation, checks: Mapping[CheckName, Check]) -> list[Line]:
    registered_at = installation.device_registered_at
    lines = [
        _step("installation", installation.token_sealed, f"number {installation.bunq_installation_id}"),
        *([_psd2_line(installation)] if installation.psd2_certificate else []),
        _step("device", registered_at, f"registered {registered_at:%Y-%m-%d}" if registered_at else ""),
        _check_line("session", checks[CheckName.SESSION]) if installation.session_id else _step("session", None, ""),
        _step("OAuth client", installation.client_id, f"number {installation.oauth_client_id}"),
    ]
    if installation.client_id:
        lines.append(_check_line("return address", checks[CheckName.RETURN_ADDRESS]))
    return lines


def _step(name: str, done: object, found: str) -> Line:
    return Line(name, found) if done else Line(name, "not yet", _RUN_SETUP)


def _psd2_line(installation: Installation) -> Line:
    if installation.psd2_registered_at is None:
        return Line("PSD2 credential", "not yet", _RUN_SETUP)
    ends_at = psd2.ends_at(installation.psd2_certificate or "")
    found = f"registered, certificate valid until {ends_at:%Y-%m-%d}"
    if ends_at > clock.now() + _RENEW_CERTIFICATE_BEFORE:
        return Line("PSD2 credential", found)
    return Line("PSD2 credential", found, f"{_RUN_SETUP} with a new certificate and --new-installation")


def _connection_line(connection: Connection, standing: Standing) -> Line:
    name, synced_at = f"connection {connection.id}", connection.accounts_synced_at
    parts = [f"{connection.display_name}, {standing.condition} since {standing.since:%Y-%m-%d %H:%M} UTC"]
    if standing.reason is not None:
        parts[0] += f" ({standing.reason})"
    if standing.is_asked_again:
        again = f" at {standing.next_try_at:%Y-%m-%d %H:%M} UTC" if standing.next_try_at else ""
        parts.append(f"bunq refused the permission, the worker asks again{again}")
    parts.append(f"accounts read {synced_at:%Y-%m-%d %H:%M} UTC" if synced_at else "accounts never read")
    complete_at = standing.complete_at
    parts.append(f"complete {complete_at:%Y-%m-%d %H:%M} UTC" if complete_at else "never complete")
    if standing.reminder_day is not None:
        parts.append(f"reminder to renew {standing.reminder_day}")
    if connection.state == ConnectionState.ACTIVE:
        parts.append(_callbacks(connection))
    return Line(name, ", ".join(parts), _to_do(connection, standing))


def _to_do(connection: Connection, standing: Standing) -> str:
    """Return what pages say of a connection where a person can do something; a missing worker has a line of its own."""
    said = condition_texts.explanation(standing, connection.display_name)
    today = clock.now().astimezone(current_app.config["TIME_ZONE"]).date()
    is_early = standing.condition == Condition.RENEW_SOON and (standing.reminder_day or today) > today
    if said is None or not said.todo or is_early or standing.reason == StopReason.NO_WORKER:
        return ""
    where = f" Open connection {connection.id} in the browser." if standing.who == Actor.HOLDER else ""
    return f"{said.text}{where}"


def _callbacks(connection: Connection) -> str:
    if connection.callbacks_next_try_at is not None:
        return f"callbacks could not be registered, next try {connection.callbacks_next_try_at:%Y-%m-%d %H:%M} UTC"
    if connection.callbacks_set_at is None:
        return "no callbacks"
    return "callbacks come" if schedule.callbacks_come(connection) else "no callback came lately: read every hour"
