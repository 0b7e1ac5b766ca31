"""What the doctor found, as plain text for support and for a terminal: no names, IBANs, amounts, keys or secrets.

The report for support leaves out the steps, which may name files and users of this server.
"""

from __future__ import annotations

from typing import Any

from flask import current_app

from bunqflask.i18n import gettext as _
from bunqflask.models import Check, CheckName, Verdict, Who
from bunqflask.services.doctor import times
from bunqflask.services.doctor.runs import Examination


def title_of(name: CheckName) -> str:
    """Return the title of a check."""
    return {
        CheckName.RETURN_ADDRESS: _("Return address at bunq"),
        CheckName.SERVER_ADDRESS: _("Address of this server"),
        CheckName.CLOCK: _("Clock"),
        CheckName.KEYS: _("Keys and installation"),
        CheckName.SESSION: _("Session with bunq"),
        CheckName.CALLBACKS: _("Calls from bunq"),
        CheckName.WORKER: _("Worker"),
        CheckName.QUEUE: _("Queue and calls left at bunq"),
        CheckName.STORAGE: _("Disk and database"),
        CheckName.BACKUP: _("Backup"),
    }[name]


def verdict_text(verdict: Verdict) -> str:
    """Return a verdict in a word or two."""
    return {
        Verdict.GOOD: _("Good"),
        Verdict.LOOK: _("Look"),
        Verdict.BROKEN: _("Broken"),
        Verdict.NOT_KNOWN: _("Not known"),
    }[verdict]


def who_text(who: Who) -> str:
    """Say who can act; empty where nobody has to."""
    return {
        Who.NOBODY: "",
        Who.ADMIN: _("The person who runs this server can fix this"),
        Who.KEY_HOLDER: _("The holder of the API key at bunq can fix this"),
    }[who]


def for_support(examination: Examination) -> str:
    """Return the report that a person may give to strangers who help."""
    lines = [
        f"bunqflask, bunq: {current_app.config['BUNQ_ENVIRONMENT']}",
        f"checked: {times.local(examination.checked_at)}" if examination.checked_at else "checked: never",
        *(f"{verdict_text(each.verdict):<9}  {title_of(each.name)}: {each.found}" for each in examination.checks),
    ]
    return "\n".join(lines) + "\n"


def for_terminal(examination: Examination) -> list[str]:
    """Return the lines of the same for the person at the server, with steps."""
    lines = []
    for each in examination.checks:
        lines.append(f"{verdict_text(each.verdict):<9}  {title_of(each.name)}: {each.found}")
        lines += [f"{'':<11}{line}" for line in _compared(each)]
        if each.verdict in (Verdict.BROKEN, Verdict.LOOK):
            lines += [f"{'':<11}- {step}" for step in each.steps]
    return lines


def _compared(check: Check) -> list[str]:
    if check.comparison is None:
        return []
    mark = " " * check.comparison.differs_at + "^"
    return [f"ours:   {check.comparison.ours}", f"bunq’s: {check.comparison.bunqs}", f"        {mark}"]


def as_json(examination: Examination) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "checked_at": examination.checked_at.isoformat() if examination.checked_at else None,
        "is_broken": examination.is_broken,
        "checks": [
            {
                "name": each.name.value,
                "title": title_of(each.name),
                "verdict": each.verdict.value,
                "found": each.found,
                "who": each.who.value,
                "steps": list(each.steps),
            }
            for each in examination.checks
        ],
    }
