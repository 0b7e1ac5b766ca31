"""The API's description for programs (OpenAPI 3.1), generated from the views.

https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app

from bunqflask.api import blueprint, bunq, idempotency, problems, samples

_ABOUT = (
    "Your own data of this server, for your programs: connections to bunq, accounts, balances and payments. No call "
    "goes to bunq, but for those under `bunq`: what is to be written there, a worker writes. Make a token under "
    "Developers, and send it as "
    "`Authorization: Bearer bqf_…`."
)

_CONSENT_ID = {"type": "string", "pattern": "^[0-9a-f]{32}$", "examples": ["0" * 32]}
_KEY = {
    "name": idempotency.HEADER,
    "in": "header",
    "required": True,
    "description": "A text of your own for this call, such as a UUID: with the same key it is done once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "example": "7f0c1f52-6f0d-4a4c-9f7e-1f0f6a1b2c3d",
}
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
        "tags": [*found.get("tags", []), {"name": bunq.TAG}],
        "paths": _with_samples(paths | bunq.described()),
        "components": components,
    }


def _operation(found: dict[str, Any]) -> dict[str, Any]:
    answers = {
        status: problems.described(status) if int(status) >= 400 else answer
        for status, answer in sorted(found["responses"].items())
    }
    parameters = [_parameter(each) for each in found["parameters"]]
    is_write = found["operationId"] in blueprint.writes()
    if is_write:
        parameters.append(_KEY)
    scopes = blueprint.scopes_of(f"{blueprint.bp.name}.{found['operationId']}")
    needs = f"\n\nNeeds the scope {' or '.join(f'`{each}`' for each in scopes)}." if scopes else ""
    about = f"{found.get('description') or ''}{needs}".strip()
    if found["operationId"] in blueprint.files():
        answers["200"] = {**answers["200"], "content": _FILE}
    if example := samples.body_of(found["operationId"]):
        found["requestBody"]["content"]["application/json"]["example"] = example
    if blueprint.takes_file(f"{blueprint.bp.name}.{found['operationId']}"):
        content = {each: {"schema": {"type": "string", "format": "binary"}} for each in blueprint.FILE_TYPES}
        found = {**found, "requestBody": {"required": True, "content": content}}
    described = {**found, "description": about, "parameters": parameters, "responses": answers}
    # The page of the documentation asks before such a call is tried.
    return {**described, "x-writes-at-bunq": True} if is_write else described


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
