"""The API's description for programs (OpenAPI 3.1), generated from the views.

https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app

from bunqflask.api import blueprint, problems, samples

_ABOUT = (
    "Your own data of this server, for your programs: connections to bunq, accounts, balances and payments. No call "
    "goes to bunq. Make a token under Developers, and send it as `Authorization: Bearer bqf_…`."
)

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

_CONSENT_ID = {"type": "string", "pattern": "^[0-9a-f]{32}$", "examples": ["0" * 32]}
_FILE = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_ID = {"type": "string", "pattern": "^[0-9]{1,19}$", "examples": ["1"]}


def init_app(app: Flask) -> None:
    """Let the description be made when it is first asked for."""
    app.extensions["api_description"] = None


def describe() -> dict[str, Any]:
    """Return the description of the API; its errors are problem details."""
    known: dict[str, Any] | None = current_app.extensions["api_description"]
    if known is None:
        blueprint.spec.app = current_app
        known = _completed(blueprint.spec.spec)
        current_app.extensions["api_description"] = known
    return known


def _completed(found: dict[str, Any]) -> dict[str, Any]:
    components = dict(found["components"])
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "bqf_…"}}
    paths = {path: {name: _operation(each) for name, each in item.items()} for path, item in found["paths"].items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "bunqflask", "version": blueprint.VERSION, "description": _ABOUT},
        "servers": [{"url": current_app.config["PUBLIC_URL"]}],
        "security": [{"token": []}],
        "tags": found.get("tags", []),
        "paths": _with_samples(paths),
        "components": components,
    }


def _operation(found: dict[str, Any]) -> dict[str, Any]:
    answers = {
        status: _as_problem(status, answer) if int(status) >= 400 else answer
        for status, answer in sorted(found["responses"].items())
    }
    parameters = [_parameter(each) for each in found["parameters"]]
    scope = blueprint.scope_of(f"{blueprint.bp.name}.{found['operationId']}")
    needs = f"\n\nNeeds the scope `{scope}`." if scope else ""
    about = f"{found.get('description') or ''}{needs}".strip()
    if found["operationId"] in blueprint.files():
        answers["200"] = {**answers["200"], "content": _FILE}
    if example := samples.body_of(found["operationId"]):
        found["requestBody"]["content"]["application/json"]["example"] = example
    return {**found, "description": about, "parameters": parameters, "responses": answers}


def _with_samples(paths: dict[str, Any]) -> dict[str, Any]:
    """Add examples of each call for curl and for Python."""
    root = current_app.config["PUBLIC_URL"]
    return {
        path: {
            method: {**operation, "x-codeSamples": samples.of(root, method, path, operation)}
            for method, operation in item.items()
        }
        for path, item in paths.items()
    }


def _parameter(found: dict[str, Any]) -> dict[str, Any]:
    """Describe an id in an address as the answers do: as a text of digits, but that of a consent."""
    if found["in"] != "path":
        return found
    return {**found, "schema": _CONSENT_ID if found["name"] == "consent_id" else _ID}


def _as_problem(status: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Describe an error: what it means, and how it looks."""
    [described] = answer["content"].values()
    about, example = _ERRORS[status]
    problem = {**dict(zip(("title", "code", "detail"), example, strict=True)), "status": int(status)}
    return {**answer, "description": about, "content": {problems.MEDIA_TYPE: {**described, "example": problem}}}
