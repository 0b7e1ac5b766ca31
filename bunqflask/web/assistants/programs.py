"""What an assistant calls itself: to register, to fetch tokens, and to give its access back.

https://www.rfc-editor.org/rfc/rfc7591 · https://www.rfc-editor.org/rfc/rfc6749 · https://www.rfc-editor.org/rfc/rfc7009
"""

from __future__ import annotations

import math

import msgspec
from flask import Blueprint, Response, current_app, jsonify, request

from bunqflask import clock
from bunqflask.services.assistants import access, approvals, clients
from bunqflask.services.assistants.access import GrantRefused, Issued, ScopeRefused
from bunqflask.services.assistants.approvals import SCOPES, RequestRefused
from bunqflask.services.assistants.clients import RegistrationRefused
from bunqflask.services.team import throttle
from bunqflask.services.team.throttle import LoginThrottled
from bunqflask.web.marks import public

bp = Blueprint("assistant_programs", __name__, url_prefix="/assistants")
# Of one network, in a quarter of an hour.
_REGISTRATIONS, _REFUSALS = 20, 30
_GRANTS = ["authorization_code", "refresh_token"]


class Registration(msgspec.Struct, frozen=True):
    """What a program says of itself; whatever else it says is left aside."""

    redirect_uris: list[str]
    client_name: str = ""


class _Refused(Exception):
    """A call is refused, with the error of OAuth that says why."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error = error


@bp.errorhandler(_Refused)
def _refused(refused: _Refused) -> Response:
    return _answer({"error": refused.error, "error_description": str(refused)}, 400)


@bp.errorhandler(LoginThrottled)
def _throttled(throttled: LoginThrottled) -> Response:
    answer = _answer(
        {"error": "temporarily_unavailable", "error_description": "Too many attempts. Try again later."}, 429
    )
    answer.headers["Retry-After"] = str(max(1, math.ceil((throttled.until - clock.now()).total_seconds())))
    return answer


@bp.post("/register")
@public
def register() -> Response:
    """Register a program, which gets an id and no secret."""
    _count("register", _REGISTRATIONS)
    try:
        asked = msgspec.json.decode(request.get_data(), type=Registration)
        client = clients.register(asked.client_name, asked.redirect_uris)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise _Refused("invalid_client_metadata", "Send JSON with redirect_uris.") from error
    except RegistrationRefused as refused:
        raise _Refused(refused.code, str(refused)) from refused
    described = {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": _GRANTS,
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": " ".join(SCOPES),
    }
    return _answer(described, 201)


@bp.post("/token")
@public
def token() -> Response:
    """Exchange a code, or a refresh token, for tokens."""
    kind = _field("grant_type")
    try:
        approvals.check_resource(request.form.get("resource"), current_app.config["PUBLIC_URL"])
        if kind == "authorization_code":
            fields = [_field(name) for name in ("client_id", "code", "redirect_uri", "code_verifier")]
            return _tokens(access.exchange(*fields))
        if kind == "refresh_token":
            asked = request.form.get("scope", "")
            return _tokens(access.refresh(_field("client_id"), _field("refresh_token"), asked))
    except RequestRefused as error:
        raise _Refused("invalid_target", "This server issues tokens for its own /mcp only.") from error
    except ScopeRefused as error:
        raise _Refused("invalid_scope", "That is more than the member granted.") from error
    except GrantRefused as error:
        _count("grant", _REFUSALS)
        raise _Refused("invalid_grant", "It is unknown, used, expired, or was issued otherwise.") from error
    raise _Refused("unsupported_grant_type", f"Use one of {', '.join(_GRANTS)}.")


@bp.post("/revoke")
@public
def revoke() -> Response:
    """End the access to which a token belongs; an unknown token gets the same answer."""
    access.revoke(_field("client_id"), _field("token"))
    return _answer({}, 200)


def _field(name: str) -> str:
    """Return a parameter that has to be there once."""
    given = request.form.getlist(name)
    if len(given) != 1 or not given[0]:
        raise _Refused("invalid_request", f"{name} has to be there once.")
    return given[0]


def _count(what: str, allowed: int) -> None:
    throttle.count_try(f"{what}:{throttle.network_of(request.remote_addr or '')}", allowed)


def _tokens(issued: Issued) -> Response:
    return _answer(
        {
            "access_token": issued.access_token,
            "token_type": "Bearer",
            "expires_in": issued.expires_in_s,
            "refresh_token": issued.refresh_token,
            "scope": " ".join(issued.scopes),
        },
        200,
    )


def _answer(found: dict[str, object], status: int) -> Response:
    response = jsonify(found)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response
