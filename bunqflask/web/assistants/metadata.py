"""What programs learn at fixed addresses: who lets them in here, and how.

https://www.rfc-editor.org/rfc/rfc8414 · https://www.rfc-editor.org/rfc/rfc9728
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, jsonify, url_for

from bunqflask.services.assistants.approvals import RESOURCE_PATH, SCOPES
from bunqflask.web.marks import public, without_database

bp = Blueprint("assistant_metadata", __name__, url_prefix="/.well-known")


@bp.get("/oauth-protected-resource")
@bp.get(f"/oauth-protected-resource{RESOURCE_PATH}")
@public
@without_database
def resource() -> Response:
    """Which server lets programs in to MCP: this one."""
    issuer = current_app.config["PUBLIC_URL"]
    found: dict[str, Any] = {
        "resource": issuer + RESOURCE_PATH,
        "resource_name": "bunqflask",
        "authorization_servers": [issuer],
        "scopes_supported": list(SCOPES),
        "bearer_methods_supported": ["header"],
    }
    return _document(found)


# The second address is the one that clients try below a subpath, where the first is not this site's.
@bp.get("/oauth-authorization-server")
@bp.get("/openid-configuration")
@public
@without_database
def server() -> Response:
    """How a program asks for access, and fetches its tokens."""
    found: dict[str, Any] = {
        "issuer": current_app.config["PUBLIC_URL"],
        "authorization_endpoint": url_for("assistants.ask", _external=True),
        "token_endpoint": url_for("assistant_programs.token", _external=True),
        "registration_endpoint": url_for("assistant_programs.register", _external=True),
        "revocation_endpoint": url_for("assistant_programs.revoke", _external=True),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": list(SCOPES),
        "authorization_response_iss_parameter_supported": True,
    }
    return _document(found)


def _document(found: dict[str, Any]) -> Response:
    response = jsonify(found)
    response.headers["Cache-Control"] = "public, max-age=300"
    return response
