"""Who saw or did what: all of it for owners, for everybody else what concerns them and their accounts."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from flask import Blueprint, current_app, g, make_response, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue

from bunqflask import clock
from bunqflask.i18n import gettext as _
from bunqflask.services import policy
from bunqflask.services.audit import reading
from bunqflask.services.audit.reading import TrailEvent, TrailPage, Wanted
from bunqflask.web.audit import presenters, sentences
from bunqflask.web.ui.htmx import wants_fragment

bp = Blueprint("audit", __name__, url_prefix="/audit")

# How far back the filter looks.
DAYS = (1, 7, 30, 90)
_ID = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True)
class Asked:
    """The filters in the address, those that mean nothing left out."""

    values: dict[str, str]
    wanted: Wanted


@bp.get("")
def index() -> ResponseReturnValue:
    """The newest events, and the older ones page by page."""
    asked = _asked(request.args)
    found = reading.page_for(g.team_member, asked.wanted)
    is_older = asked.wanted.before_id is not None
    context: dict[str, Any] = {
        "days": presenters.days(g.team_member, found.events, after_day=request.args.get("day", "")),
        "older_url": _older_url(asked, found),
        "is_older": is_older,
        "is_fragment": wants_fragment(),
        "asked": asked.values,
    }
    if wants_fragment() and is_older:
        body = render_template("audit/_events.html", **context)
    else:
        body = render_template("audit/index.html", **context, **_around())
    response = make_response(body)
    response.vary.add("HX-Request")
    return response


@bp.post("/export")
def export() -> ResponseReturnValue:
    """The same events as a file: one line of JSON each."""
    asked = _asked(request.form)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by its reader
    try:
        for event in reading.all_for(g.team_member, asked.wanted):
            file.write(_json_line(event) + b"\n")
        reading.record_reading(g.team_member.id)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    name = f"bunqflask-audit-{clock.now():%Y%m%d}.jsonl"
    return send_file(file, mimetype="application/jsonl", as_attachment=True, download_name=name, max_age=0)


def _asked(given: Any) -> Asked:
    """Read the filters; what no form of ours sends is as if it were not there."""
    values = {}
    if _ID.fullmatch(given.get("person", "")):
        values["person"] = given["person"]
    if given.get("what") in sentences.GROUPS:
        values["what"] = given["what"]
    if given.get("days") in map(str, DAYS):
        values["days"] = given["days"]
    older = given.get("older", "")
    wanted = Wanted(
        member_id=int(values["person"]) if "person" in values else None,
        kinds=sentences.GROUPS[values["what"]] if "what" in values else (),
        since=clock.now() - timedelta(days=int(values["days"])) if "days" in values else None,
        before_id=int(older) if _ID.fullmatch(older) else None,
    )
    return Asked(values, wanted)


def _older_url(asked: Asked, found: TrailPage) -> str | None:
    if not found.has_older:
        return None
    last = presenters.days(g.team_member, found.events[-1:])[0]
    return url_for("audit.index", **asked.values, older=found.events[-1].id, day=last.day)  # type: ignore[arg-type]


def _around() -> dict[str, Any]:
    """What the page shows around the events: the filters' choices."""
    return {
        "people": [(str(each.id), presenters.name_of(each.name)) for each in reading.actors_for(g.team_member)],
        "kinds": {
            "looked": _("Looked at"),
            "exported": _("Exported"),
            "changed": _("Connected, shared, ended"),
            "bunq": _("Written at bunq"),
            "logins": _("Logged in, refused"),
            "team": _("Team and server"),
        },
        "spans": [
            (str(each), _("Last 24 hours") if each == 1 else _("Last %(n)d days") % {"n": each}) for each in DAYS
        ],
        "audit_days": current_app.config["AUDIT_DAYS"],
        "sees_all": policy.can_see_whole_audit_trail(g.team_member),
    }


def _json_line(event: TrailEvent) -> bytes:
    return json.dumps(asdict(event) | {"at": event.at.isoformat()}).encode()
