"""Errors of the API: problem details for programs, of the same problems that people see as pages.

https://www.rfc-editor.org/rfc/rfc9457
"""

from __future__ import annotations

from datetime import date
from typing import Any, NoReturn, Protocol

import msgspec
from flask import Response, current_app, request

from bunqflask.api.schemas import ApiProblem, BunqRefusal
from bunqflask.models import TokenScope

MEDIA_TYPE = "application/problem+json"
MCP_PATH = "/mcp"
_CODES = {
    400: "bad_request",
    401: "invalid_token",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "call_limit",
    503: "unavailable",
}

# What each error means, and an example: its title, code and detail.
_ERRORS = {
    "400": ("The body is no JSON.", ("The body is no JSON", "bad_request", "Send one JSON object.")),
    "401": (
        "There is no token, or it is not valid.",
        ("The token is not valid", "invalid_token", "It is mistyped, expired or ended."),
    ),
    "403": (
        "The token lacks the scope, or the member’s role does not allow it.",
        ("The token does not allow this", "insufficient_scope", "It needs payments:read."),
    ),
    "404": (
        "There is no such thing, or the token does not see it.",
        ("Not found, or not shared with you", "not_found", "There’s nothing here you have access to."),
    ),
    "409": (
        "No permission covers it any more.",
        ("A new consent is needed", "consent_needed", "A holder of the account has to approve again."),
    ),
    "410": (
        "bunq does not hand out the file any more.",
        ("bunq no longer provides this file", "gone", "The connection has ended."),
    ),
    "413": ("The body is too large.", ("The body is too large", "too_large", "Send less.")),
    "415": (
        "The body is not of the type `application/json`.",
        ("This content type is not understood", "unsupported_media_type", "Send Content-Type: application/json."),
    ),
    "422": (
        "A parameter is unknown or wrong; `detail` names it.",
        ("A parameter is not valid", "invalid", "Expected `int` <= 100 - at `$.limit`"),
    ),
    "429": (
        "Too many calls; `Retry-After` has the seconds to wait.",
        ("Too many calls", "call_limit", "This token can make 60 calls a minute."),
    ),
    "503": (
        "The database does not answer; try again.",
        ("The database isn’t responding right now", "unavailable", "Try again in a moment."),
    ),
    "502": (
        "bunq gave no answer that can be used; try again later.",
        ("bunq can’t hand out the file right now", "error", "Try again later."),
    ),
    "504": (
        "bunq did not answer in time; try again later.",
        ("bunq doesn’t answer", "error", "Try again later."),
    ),
}


def described(status: str, about: str = "", example: tuple[str, str, str] | None = None) -> dict[str, Any]:
    """Return OpenAPI's description of an error: what it means, and how it looks.

    :param about: what it means, where that is something of its own.
    :param example: its title, code and detail, where those are.
    """
    usual, usual_example = _ERRORS[status]
    looks = dict(zip(("title", "code", "detail"), example or usual_example, strict=True))
    content = {"schema": {"$ref": "#/components/schemas/ApiProblem"}, "example": {**looks, "status": int(status)}}
    return {"description": about or usual, "content": {MEDIA_TYPE: content}}


def is_api(path: str) -> bool:
    """Tell whether an address belongs to the API, so that its errors are for a program."""
    return path in ("/api", "/metrics", MCP_PATH) or path.startswith("/api/") or is_link(path)


def is_link(path: str) -> bool:
    """Tell whether an address is one for spreadsheets or calendar programs, with a token in it."""
    return path.startswith(("/sheets/", "/calendars/"))


def answer(
    status: int,
    title: str,
    detail: str = "",
    *,
    code: str = "",
    reference: str | None = None,
    bunq: BunqRefusal | None = None,
) -> Response:
    """Return a problem as an answer."""
    problem = ApiProblem(
        type="about:blank",
        title=title,
        status=status,
        detail=detail,
        code=code or _CODES.get(status, "error"),
        reference=reference,
        bunq=bunq,
    )
    response = current_app.response_class(msgspec.json.encode(problem), status, content_type=MEDIA_TYPE)
    if status == 401:
        error = "" if code == "missing_token" else ', error="invalid_token"'
        response.headers["WWW-Authenticate"] = f'Bearer realm="bunqflask"{error}{how_to_log_in()}'
    return response


def how_to_log_in() -> str:
    """Return what a challenge adds for assistants: where they learn how their person logs in."""
    if request.path != MCP_PATH:
        return ""
    return f', resource_metadata="{current_app.config["PUBLIC_URL"]}/.well-known/oauth-protected-resource{MCP_PATH}"'


class _Days(Protocol):
    """A query for a period."""

    @property
    def first(self) -> date | None: ...
    @property
    def last(self) -> date | None: ...


class ParameterRefused(Exception):
    """A parameter has the right form and cannot be used; the text says why and repeats no value."""


class ScopeMissing(Exception):
    """The token lacks a scope that the call needs."""

    def __init__(self, scope: TokenScope) -> None:
        super().__init__(f"The token does not allow this: it needs {scope}.")
        self.scope = scope


def refuse(message: str) -> NoReturn:
    """Refuse a parameter.

    :raises ParameterRefused: always.
    """
    raise ParameterRefused(message)


def check_days(query: _Days) -> None:
    """Make sure that the days of a query are within the years that payments can have.

    :raises ParameterRefused: one is not.
    """
    for name, day in (("from", query.first), ("to", query.last), ("date", getattr(query, "date", None))):
        if day is not None and not 1970 <= day.year < 2200:
            refuse(f"`{name}` is not within the years that payments can have.")


def invalid(message: str) -> Response:
    """Return what is wrong with the parameters; msgspec's message names the field and repeats no value."""
    return answer(422, "A parameter is not valid", message)


def of_page(status: int, title: str, sentences: list[str], reference: str) -> Response:
    """Return a problem that a person would see as a page."""
    return answer(status, title, " ".join(each for each in sentences if each), reference=reference or None)


def here() -> bool:
    """Tell whether the present request is one of the API."""
    return is_api(request.path)
