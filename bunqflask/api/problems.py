"""Errors of the API: problem details for programs, of the same problems that people see as pages.

https://www.rfc-editor.org/rfc/rfc9457
"""

from __future__ import annotations

from typing import NoReturn

import msgspec
from flask import Response, current_app, request

from bunqflask.api.schemas import ApiProblem

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


def is_api(path: str) -> bool:
    """Tell whether an address belongs to the API, so that its errors are for a program."""
    return path in ("/api", "/metrics", MCP_PATH) or path.startswith("/api/")


def answer(status: int, title: str, detail: str = "", *, code: str = "", reference: str | None = None) -> Response:
    """Return a problem as an answer."""
    problem = ApiProblem(
        type="about:blank",
        title=title,
        status=status,
        detail=detail,
        code=code or _CODES.get(status, "error"),
        reference=reference,
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


class ParameterRefused(Exception):
    """A parameter has the right form and cannot be used; the text says why and repeats no value."""


def refuse(message: str) -> NoReturn:
    """Refuse a parameter.

    :raises ParameterRefused: always.
    """
    raise ParameterRefused(message)


def invalid(message: str) -> Response:
    """Return what is wrong with the parameters; msgspec's message names the field and repeats no value."""
    return answer(422, "A parameter is not valid", message)


def of_page(status: int, title: str, sentences: list[str], reference: str) -> Response:
    """Return a problem that a person would see as a page."""
    return answer(status, title, " ".join(each for each in sentences if each), reference=reference or None)


def here() -> bool:
    """Tell whether the present request is one of the API."""
    return is_api(request.path)
