"""The doctor for owners and admins; the log of calls to bunq for owners."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup, escape

from bunqflask.i18n import gettext as _
from bunqflask.models import Check, Verdict
from bunqflask.services import policy
from bunqflask.services.doctor import calls, report, runs
from bunqflask.services.doctor.calls import Answered
from bunqflask.services.doctor.runs import Examination

bp = Blueprint("doctor", __name__, url_prefix="/doctor")

_PILLS = {Verdict.GOOD: "ok", Verdict.LOOK: "warn", Verdict.BROKEN: "bad", Verdict.NOT_KNOWN: "neutral"}
_ORDER = (Verdict.BROKEN, Verdict.LOOK, Verdict.NOT_KNOWN, Verdict.GOOD)
_ID = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True)
class CheckView:
    """One check as the page shows it, with its steps where a person has something to do."""

    title: str
    pill: str
    verdict: str
    found: str
    who: str
    steps: tuple[Markup, ...]
    is_open: bool
    # our text and bunq's, each cut into what is equal, the letter that differs, and the rest
    compared: tuple[tuple[str, str, str], ...]


@bp.get("")
def index() -> ResponseReturnValue:
    """What was found last."""
    found = runs.latest(g.team_member)
    return render_template(
        "doctor/index.html",
        checked_at=found.checked_at,
        summary=_summary(found),
        checks=[_view(each) for each in sorted(found.checks, key=lambda each: _ORDER.index(each.verdict))],
        report=report.for_support(found),
        sees_calls=policy.can_see_calls(g.team_member),
    )


@bp.post("/check")
def check() -> ResponseReturnValue:
    """Examine now, and show what was found."""
    runs.run_for(g.team_member)
    return redirect(url_for("doctor.index"))


@bp.get("/calls")
def list_calls() -> ResponseReturnValue:
    """The newest calls to bunq, and the older ones page by page."""
    answered = next((each for each in Answered if each.value == request.args.get("answered")), None)
    below = request.args.get("below", "")
    found = calls.page_for(g.team_member, answered=answered, below=int(below) if _ID.fullmatch(below) else None)
    asked = {"answered": answered.value} if answered else {}
    return render_template(
        "doctor/calls.html",
        calls=found.calls,
        older_url=url_for("doctor.list_calls", below=found.older_below, **asked) if found.older_below else None,  # type: ignore[arg-type]
        is_older=bool(below),
        answered=answered.value if answered else "",
        kinds=[
            (Answered.WELL.value, _("Done")),
            (Answered.REFUSED.value, _("Refused by bunq")),
            (Answered.LIMITED.value, _("Too many calls")),
            (Answered.FAILED.value, _("bunq’s own failures, or no answer")),
        ],
        days=calls.KEPT.days,
    )


def _summary(found: Examination) -> str:
    parts = [
        (Verdict.BROKEN, _("%(n)d broken")),
        (Verdict.LOOK, _("%(n)d to look at")),
        (Verdict.NOT_KNOWN, _("%(n)d not known")),
        (Verdict.GOOD, _("%(n)d good")),
    ]
    return ", ".join(text % {"n": count} for verdict, text in parts if (count := found.count(verdict)))


def _view(check: Check) -> CheckView:
    asks = check.verdict is not Verdict.GOOD
    both = check.comparison
    at = both.differs_at if both else 0
    return CheckView(
        title=report.title_of(check.name),
        pill=_PILLS[check.verdict],
        verdict=report.verdict_text(check.verdict),
        found=check.found,
        who=report.who_text(check.who) if asks else "",
        steps=tuple(map(_step, check.steps)) if asks else (),
        is_open=check.verdict is Verdict.BROKEN,
        compared=tuple((each[:at], each[at : at + 1], each[at + 1 :]) for each in (both.ours, both.bunqs))
        if both
        else (),
    )


def _step(text: str) -> Markup:
    """Return a step with its commands, which stand in backticks, as code."""
    parts = [escape(each) for each in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(each) if number % 2 else each for number, each in enumerate(parts)
    )
