"""Who may call the API: a token in the Authorization header, its scope, and its limit of calls.

https://www.rfc-editor.org/rfc/rfc6750
https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
"""

from __future__ import annotations

import hashlib
import math

from flask import Flask, Response, current_app, g, request

from bunqflask import clock
from bunqflask.api import blueprint, problems
from bunqflask.api.problems import ParameterRefused
from bunqflask.models import TokenScope
from bunqflask.services.audit import origin
from bunqflask.services.audit.origin import Origin
from bunqflask.services.team import throttle
from bunqflask.services.team.throttle import LoginThrottled
from bunqflask.services.tokens import rate_limit, tokens
from bunqflask.services.tokens.rate_limit import CallLimitReached
from bunqflask.services.tokens.tokens import TokenUnknown

# Further refusals of one network are answered without a look at the token.
_TRIES_PER_NETWORK = 30


def init_app(app: Flask) -> None:
    """Let nothing below the API's address be reached without a token."""
    app.before_request(_guard)
    app.after_request(_finish)
    app.register_error_handler(ParameterRefused, lambda error: problems.invalid(str(error)))


def _guard() -> Response | None:
    if not _is_protected(request.path) or request.method == "OPTIONS":
        return None
    g.allowance = g.bearer = None
    given = request.headers.get("Authorization", "")
    kind, _, token = given.partition(" ")
    if kind.lower() != "bearer" or not token:
        detail = "Send a token of yours in the header: Authorization: Bearer bqf_…"
        return problems.answer(401, "A token is needed", detail, code="missing_token")
    address = request.remote_addr or ""
    try:
        g.bearer = tokens.bearer_of(token.strip(), address)
    except TokenUnknown:
        return _refuse(address)
    if g.bearer.is_assistant and request.path != problems.MCP_PATH:
        return problems.answer(401, "The token is not valid here", "It was issued to an assistant, for /mcp only.")
    origin.set_current(Origin(member_id=g.bearer.id, address=address, browser=request.user_agent.string))
    try:
        g.allowance = rate_limit.count_call(g.bearer.token_id, current_app.config["API_CALLS_PER_MINUTE"], address)
    except CallLimitReached as reached:
        answer = problems.answer(429, "Too many calls", f"This token can make {reached.limit} calls a minute.")
        answer.headers["Retry-After"] = str(reached.wait_s)
        _announce(answer, reached.limit, 0, reached.wait_s)
        return answer
    if request.path == problems.MCP_PATH:
        return None  # its messages are bodies, and name the tool that needs a scope
    if request.method not in ("GET", "HEAD") and request.url_rule is not None and request.get_data():
        return problems.invalid("This call takes no body.")
    scope = blueprint.scope_of(request.endpoint)
    return scope_missing(scope) if scope is not None and scope.value not in g.bearer.scopes else None


def scope_missing(scope: TokenScope) -> Response:
    """Refuse a call for a scope that its token has not."""
    answer = problems.answer(403, "The token does not allow this", f"It needs {scope}.", code="insufficient_scope")
    challenge = f'Bearer realm="bunqflask", error="insufficient_scope", scope="{scope}"{problems.how_to_log_in()}'
    answer.headers["WWW-Authenticate"] = challenge
    return answer


def _is_protected(path: str) -> bool:
    return path.startswith(f"{blueprint.PREFIX}/") or path in (blueprint.PREFIX, "/metrics", problems.MCP_PATH)


def _refuse(address: str) -> Response:
    try:
        throttle.count_try(f"token:{throttle.network_of(address)}", _TRIES_PER_NETWORK)
    except LoginThrottled as throttled:
        answer = problems.answer(429, "Too many refused tokens", "Try again later.", code="refused_too_often")
        answer.headers["Retry-After"] = str(max(1, math.ceil((throttled.until - clock.now()).total_seconds())))
        return answer
    detail = "It is mistyped, expired or ended, or may not be used from your network."
    return problems.answer(401, "The token is not valid", detail)


def _finish(response: Response) -> Response:
    if not _is_protected(request.path):
        return response
    allowance = g.get("allowance")
    if allowance is not None:
        _announce(response, allowance.limit, allowance.left, allowance.full_in_s)
    response.headers["Cache-Control"] = "private, no-store"
    if request.method in ("GET", "HEAD") and response.status_code == 200 and not response.direct_passthrough:
        response.headers["Cache-Control"] = "private, no-cache"
        response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
        response.vary.add("Authorization")
        response.make_conditional(request)
    return response


def _announce(response: Response, limit: int, left: int, full_in_s: int) -> None:
    response.headers["RateLimit-Policy"] = f'"token";q={limit};w={rate_limit.WINDOW_S}'
    response.headers["RateLimit"] = f'"token";r={left};t={full_in_s}'
