"""How this server stands with bunq, for monitoring."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from flask import g
from msgspec import Meta, Struct

from bunqflask.api.blueprint import endpoint
from bunqflask.models import CheckName, TokenScope, Verdict, Who
from bunqflask.services.doctor import report, runs

_TAG = "Server"


class DoctorCheck(Struct, frozen=True, kw_only=True):
    """One check: what was found, what it means, who can act, and how."""

    name: CheckName
    title: str
    verdict: Annotated[Verdict, Meta(description="`look` works now, and a person should see to it.")]
    found: Annotated[str, Meta(description="Names no person and holds no IBAN, amount or secret.")]
    who: Annotated[Who, Meta(description="`key_holder` is the bunq user whose API key this server uses.")]
    steps: list[str]


class DoctorReport(Struct, frozen=True, kw_only=True):
    """The last examination; this call makes none."""

    checked_at: Annotated[datetime | None, Meta(description="The worker examines every hour. Null: never.")]
    is_broken: bool
    checks: list[DoctorCheck]


@endpoint("GET", "/doctor", answer=DoctorReport, scope=TokenScope.METRICS_READ, tag=_TAG)
def doctor() -> DoctorReport:
    """How this server stands with bunq, as it was examined last; for owners and admins."""
    found = runs.latest(g.bearer)
    checks = [
        DoctorCheck(
            name=each.name,
            title=report.title_of(each.name),
            verdict=each.verdict,
            found=each.found,
            who=each.who,
            steps=list(each.steps),
        )
        for each in found.checks
    ]
    return DoctorReport(checked_at=found.checked_at, is_broken=found.is_broken, checks=checks)
