"""What browsers report of pages that broke the Content-Security-Policy: one line in the log for each kind and day.

Anybody can send such a report, so nothing is stored, and memory is bounded.

https://www.w3.org/TR/reporting-1/ · https://www.w3.org/TR/CSP3/#reporting
"""

from __future__ import annotations

import json
import re
import threading
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from bunqflask import clock, invisible
from bunqflask.services.team.throttle import network_of
from bunqflask.web.marks import public, without_database

bp = Blueprint("reports", __name__)

LONGEST_BODY = 10_000
PER_MINUTE = 20
_MOST_NETWORKS = 1_000
_MOST_KINDS = 100
_MOST_IN_ONE = 20
_DIRECTIVE = re.compile("[a-z-]{1,40}")
_WORDS = ("inline", "eval", "wasm-eval", "data", "blob", "self", "trusted-types-policy", "trusted-types-sink")


class ReportLog:
    """Decides which reports this process logs: so many of a network in a minute, and each kind once a day."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minute: datetime | None = None
        self._counts: dict[str, int] = {}
        self._day = date.min
        self._kinds: set[tuple[str, ...]] = set()

    def admits(self, network: str, now: datetime) -> bool:
        """Count a request; False when its network, or all strangers together, have sent too many."""
        with self._lock:
            minute = now.replace(second=0, microsecond=0)
            if minute != self._minute:
                self._minute, self._counts = minute, {}
            if network not in self._counts and len(self._counts) >= _MOST_NETWORKS:
                return False
            self._counts[network] = self._counts.get(network, 0) + 1
            return self._counts[network] <= PER_MINUTE

    def is_new(self, kind: tuple[str, ...], now: datetime) -> bool:
        """Tell whether a kind of report comes for the first time today."""
        with self._lock:
            if now.date() != self._day:
                self._day, self._kinds = now.date(), set()
            if kind in self._kinds or len(self._kinds) >= _MOST_KINDS:
                return False
            self._kinds.add(kind)
            return True


@bp.post("/reports")
@public
@without_database
def receive() -> Response:
    """Take what a browser reports; whatever is wrong with it, the answer says nothing."""
    if request.content_length is None or request.content_length > LONGEST_BODY:
        return Response(status=413)
    now = clock.now()
    log: ReportLog = current_app.extensions.setdefault("bunqflask.reports", ReportLog())
    if not log.admits(network_of(request.remote_addr or ""), now):
        return Response(status=429, headers={"Retry-After": str(int(timedelta(minutes=1).total_seconds()))})
    try:
        given = json.loads(request.get_data())
    except (ValueError, RecursionError):
        return Response(status=400)
    for report in (given if isinstance(given, list) else [])[:_MOST_IN_ONE]:
        kind = _kind(report)
        if kind is not None and log.is_new(kind, now):
            current_app.logger.warning("a page broke its Content-Security-Policy: %s did not allow %s on %s", *kind)
    return Response(status=204)


def _kind(report: Any) -> tuple[str, str, str] | None:
    """Return the directive, the origin it blocked, and the page as the rule of its address; None for anything else."""
    body = report.get("body") if isinstance(report, dict) and report.get("type") == "csp-violation" else None
    if not isinstance(body, dict):
        return None
    directive = body.get("effectiveDirective")
    if not isinstance(directive, str) or not _DIRECTIVE.fullmatch(directive):
        return None
    return directive, _origin(body.get("blockedURL")), _rule(body.get("documentURL"))


def _origin(url: Any) -> str:
    if not isinstance(url, str):
        return "nothing named"
    if url in _WORDS:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return "something odd"
    origin = f"{parts.scheme}://{parts.hostname}" if parts.hostname else f"{parts.scheme}:"
    return invisible.remove(origin)[:100] if parts.scheme else "something odd"


def _rule(url: Any) -> str:
    """Return which of our pages it was, without what is secret or personal in its address."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        adapter = current_app.create_url_adapter(request)
        if parts.netloc != request.host or adapter is None:
            return "a page that is not ours"
        rule, _arguments = adapter.match(parts.path.removeprefix(request.script_root), method="GET", return_rule=True)
    except (ValueError, HTTPException, RequestRedirect):
        return "a page that is not ours"
    return rule.rule
