"""The documentation of the API: its description as a file, and interactive by Swagger UI from its installed package."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import msgspec
from flask import Blueprint, Response, current_app, render_template, send_file

from bunqflask.api import description
from bunqflask.web.marks import public, without_database

bp = Blueprint("api_documentation", __name__, url_prefix="/api")
llms_bp = Blueprint("llms", __name__)
_FILES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}


@bp.get("/openapi.json")
@public
@without_database
def openapi() -> Response:
    """The description, for programs that make clients or forms of it."""
    return current_app.response_class(msgspec.json.encode(description.describe()), mimetype="application/json")


@llms_bp.get("/llms.txt")
@public
@without_database
def llms() -> Response:
    """What this site has for programs, for language models that read its pages for somebody.

    https://llmstxt.org/
    """
    described = description.describe()
    calls = [
        f"- `{method.upper()} {path}`: {operation['summary']}"
        for path, item in described["paths"].items()
        for method, operation in item.items()
    ]
    text = render_template("developers/llms.txt", root=current_app.config["PUBLIC_URL"], calls=calls)
    return current_app.response_class(text, mimetype="text/plain")


@bp.get("/docs")
@public
@without_database
def docs() -> str:
    """The interactive documentation; a token that is typed there is stored nowhere."""
    return render_template("developers/docs.html")


@bp.get("/docs/<name>")
@public
@without_database
def file(name: str) -> Response:
    """A file of Swagger UI."""
    folder = _folder()
    if name not in _FILES or folder is None:
        return Response(status=404)
    response = send_file(folder / name, mimetype=_FILES[name])
    response.headers["Cache-Control"] = "public, max-age=86400"
    return response


@cache
def _folder() -> Path | None:
    # Found, never imported: its own pages have scripts in them, which our policy forbids.
    spec = importlib.util.find_spec("flask_swagger_ui")
    folders = (spec.submodule_search_locations or []) if spec else []
    return next((Path(folder) / "dist" for folder in folders), None)
