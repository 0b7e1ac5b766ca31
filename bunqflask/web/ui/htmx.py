"""htmx: page or fragment from one view, and its script, served from its installed package."""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, send_file, url_for

from bunqflask.web.marks import public, without_database

bp = Blueprint("assets", __name__, url_prefix="/assets")
_SCRIPT = "htmx-2.min.js"


def wants_fragment() -> bool:
    """Tell whether htmx asks for a part of the page; a history restore wants the whole page."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def fingerprint(*shown: object) -> str:
    """Return a short text that stands for what is shown; each must say all of itself by `repr`, as dataclasses do.

    A page that asks again sends it back as `seen`.
    """
    return hashlib.blake2b(repr(shown).encode(), digest_size=8).hexdigest()


def shows_already(seen: str) -> bool:
    """Tell whether a page that asks again has this fingerprint: nothing is replaced, so focus stays."""
    return wants_fragment() and request.args.get("seen") == seen


def render(page: str, fragment: str, **context: Any) -> Response:
    """Render the fragment for htmx and the page for everybody else: one address for both."""
    response = make_response(render_template(fragment if wants_fragment() else page, **context))
    response.vary.add("HX-Request")
    return response


def follow(page: str, fragment: str, *shown: object, **context: Any) -> Response:
    """Render a page that asks again, with the fingerprint of what it shows as `seen`; 204 while that is the same."""
    seen = fingerprint(*shown)
    return Response(status=204) if shows_already(seen) else render(page, fragment, seen=seen, **context)


def script_url() -> str | None:
    """Return the address of htmx's script, or None when its package is not installed."""
    return url_for("assets.htmx", v=_version()) if _script_path() else None


@bp.get("/htmx.min.js")
@public
@without_database
def htmx() -> Response:
    """htmx itself. The address carries its version, so it may be cached for a year."""
    path = _script_path()
    if path is None:
        return Response(status=404)
    response = send_file(path, mimetype="text/javascript")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


@cache
def _script_path() -> Path | None:
    # Found, never imported: the package is there for its files, and would want Django.
    spec = importlib.util.find_spec("django_htmx")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(folder).rglob(_SCRIPT):
            return path
    return None


@cache
def _version() -> str:
    path = _script_path()
    return str(path.stat().st_size) if path else ""
