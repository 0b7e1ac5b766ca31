"""Who may call the API: a token in the Authorization header, its scope, and its limit of calls.

Spreadsheets send no header, so their token stands in the address; it is of a kind that is valid there alone.

https://www.rfc-editor.org/rfc/rfc6750
https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
"""

from __future__ import annotations

import hashlib
import math

import msgspec
from flask import Flask, Response, current_app, g, request

from bunqflask import clock
from bunqflask.api import blueprint, problems
from bunqflask.api.problems import ParameterRefused, ScopeMissing
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
_LARGEST_FILE_BYTES = 11 * 1024 * 1024


def init_app(app: Flask) -> None:
    """Let nothing below the API's address be reached without a token."""
    app.before_request(_guard)
    app.after_request(_finish)
    app.register_error_handler(ParameterRefused, lambda error: problems.invalid(str(error)))
    app.register_error_handler(ScopeMissing, lambda error: scope_missing(error.scope))


def _guard() -> Response | None:
    if not _is_protected(request.path) or request.method == "OPTIONS":
        return None
    g.allowance = g.bearer = None
    is_link = problems.is_link(request.path)
    if is_link and request.endpoint is None:
        return None  # no address of ours, whatever the token
    token, address = g.link_token if is_link else _token_of_header(), request.remote_addr or ""
    if not token:
        detail = "Send a token of yours in the header: Authorization: Bearer bqf_…"
        return problems.answer(401, "A token is needed", detail, code="missing_token")
    try:
        g.bearer = tokens.bearer_of(token, address, in_address=is_link)
    except TokenUnknown:
        return _refuse(address, is_link=is_link)
    if g.bearer.is_assistant and request.path != problems.MCP_PATH:
        return problems.answer(401, "The token is not valid here", "It was issued to an assistant, for /mcp only.")
    return _count_and_check(address)


def _token_of_header() -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _count_and_check(address: str) -> Response | None:
    """Count the call of a known bearer, and check that the call fits the scopes; return why it is refused."""
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
    if request.method not in ("GET", "HEAD") and request.url_rule is not None:
        refused = _refuse_body()
        if refused is not None:
            return refused
    scopes = blueprint.scopes_of(request.endpoint)
    has_one = not scopes or not g.bearer.scopes.isdisjoint(each.value for each in scopes)
    return None if has_one else scope_missing(*scopes)


def check_scope(scope: TokenScope) -> None:
    """Make sure that the token has a scope, besides those of the view.

    :raises ScopeMissing: it has not.
    """
    if scope.value not in g.bearer.scopes:
        raise ScopeMissing(scope)


def scope_missing(*scopes: TokenScope) -> Response:
    """Refuse a call for scopes of which its token has none."""
    needed = f"It needs {' or '.join(scopes)}."
    answer = problems.answer(403, "The token does not allow this", needed, code="insufficient_scope")
    # The header can name only scopes that are needed together.
    challenge = f'Bearer realm="bunqflask", error="insufficient_scope", scope="{scopes[0]}"{problems.how_to_log_in()}'
    answer.headers["WWW-Authenticate"] = challenge
    return answer


def _refuse_body() -> Response | None:
    """Return what is wrong with the body of a request, if anything: Flask would take a broken one for an empty one."""
    if blueprint.takes_file(request.endpoint):
        return _refuse_file()
    data = request.get_data()
    if not blueprint.takes_body(request.endpoint):
        return problems.invalid("This call takes no body.") if data else None
    if request.mimetype != "application/json":
        return problems.answer(415, "This content type is not understood", "Send Content-Type: application/json.")
    try:
        found = msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return problems.answer(400, "The body is no JSON", "Send one JSON object.")
    return None if isinstance(found, dict) else problems.invalid("Send one JSON object.")


def _refuse_file() -> Response | None:
    """Return what is wrong with a request that brings a file, if anything; what the file is, its service looks at."""
    request.max_content_length = _LARGEST_FILE_BYTES
    if request.mimetype not in blueprint.FILE_TYPES:
        detail = f"Send the file as it is, with a Content-Type of {', '.join(blueprint.FILE_TYPES)}."
        return problems.answer(415, "This content type is not understood", detail)
    return None if request.get_data() else problems.invalid("Send a file as the body.")


def _is_protected(path: str) -> bool:
    is_api = path.startswith(f"{blueprint.PREFIX}/") or path in (blueprint.PREFIX, "/metrics", problems.MCP_PATH)
    return is_api or problems.is_link(path)


def _refuse(address: str, *, is_link: bool) -> Response:
    try:
        throttle.count_try(f"token:{throttle.network_of(address)}", _TRIES_PER_NETWORK)
    except LoginThrottled as throttled:
        answer = problems.answer(429, "Too many refused tokens", "Try again later.", code="refused_too_often")
        answer.headers["Retry-After"] = str(max(1, math.ceil((throttled.until - clock.now()).total_seconds())))
        return answer
    if is_link:
        # Not 401: a spreadsheet would ask its person for a password.
        detail = "It is mistyped, expired or ended. Its member can make a new one under Developers."
        return problems.answer(404, "The link is not valid", detail, code="unknown_link")
    detail = "It is mistyped, expired or ended, or may not be used from your network."
    return problems.answer(401, "The token is not valid", detail)


def _finish(response: Response) -> Response:
    if not _is_protected(request.path):
        return response
    allowance = g.get("allowance")
    if allowance is not None:
        _announce(response, allowance.limit, allowance.left, allowance.full_in_s)
    response.headers["Cache-Control"] = "private, no-store"
    if problems.is_link(request.path):
        response.headers["Referrer-Policy"] = "no-referrer"
        return response
    if request.method in ("GET", "HEAD") and response.status_code == 200 and not response.direct_passthrough:
        response.headers["Cache-Control"] = "private, no-cache"
        response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
        response.vary.add("Authorization")
        response.make_conditional(request)
    return response


def _announce(response: Response, limit: int, left: int, full_in_s: int) -> None:
    response.headers["RateLimit-Policy"] = f'"token";q={limit};w={rate_limit.WINDOW_S}'
    response.headers["RateLimit"] = f'"token";r={left};t={full_in_s}'
