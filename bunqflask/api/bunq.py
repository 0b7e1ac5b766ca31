"""bunq's own API, read through ours: `/connections/{id}/bunq/` and then a path as bunq documents it.

https://doc.bunq.com/api-reference/start-here
"""

from __future__ import annotations

import math
import threading
from typing import Any

from flask import Response, current_app, g, request
from werkzeug.exceptions import MethodNotAllowed

from bunqflask.api import blueprint, problems
from bunqflask.api.schemas import BunqRefusal
from bunqflask.bunq import errors, readable
from bunqflask.bunq.readable import Resource
from bunqflask.models import ErrorKind, TokenScope
from bunqflask.services.audit import looks
from bunqflask.services.connections import bunq_reading
from bunqflask.services.connections.bunq_reading import Answer, NotGranted, ParameterRefused
from bunqflask.services.gateway import retry_policy
from bunqflask.services.gateway.sessions import SessionGone
from bunqflask.services.payments import local_days
from bunqflask.services.sync import webhooks

TAG = "bunq"
RULE = "/connections/<int:connection_id>/bunq/<path:path>"
# A program that is refused by bunq's limit comes again; a thread of this server that waits for it serves nobody.
_PATIENCE_S, _LOOK_PATIENCE_S = 2.0, 0.5
# Threads of a process that may wait for bunq for programs: the others are for people.
_AT_ONCE = 3
_USUAL_WAIT_S = 3.0
# A person and an account of the local stand-in, and of bunq's documentation.
_EXAMPLES = {"userID": "1864430", "monetary-accountID": "2083712"}
_REFUSED = "bunq refuses this", "refused_by_bank", "Its message is in `bunq`."
_free = threading.BoundedSemaphore(_AT_ONCE)
_STATUSES = {
    ErrorKind.WAITING: (503, "bank_limit"),
    ErrorKind.UNAVAILABLE: (502, "bank_unavailable"),
    ErrorKind.NO_ANSWER: (504, "bank_no_answer"),
    ErrorKind.NOT_TRUSTED: (502, "bank_not_trusted"),
    ErrorKind.NOT_UNDERSTOOD: (502, "bank_not_understood"),
    ErrorKind.CHECKING: (503, "bank_refuses_access"),
    ErrorKind.INSTALLATION_REFUSED: (503, "bank_refuses_access"),
    ErrorKind.REFUSED: (400, "refused_by_bank"),
}


def read_from_bunq(connection_id: int, path: str) -> Response:
    """Pass a call on to bunq, and its answer back."""
    if request.method != "GET":
        raise MethodNotAllowed(["GET"])  # HEAD: to ask whether there is something must not cost a call
    if not _free.acquire(blocking=False):
        return _later(problems.answer(503, "Other programs are waiting for bunq", "Try again.", code="busy"), 1)
    try:
        answer = bunq_reading.read(
            g.bearer,
            connection_id,
            path,
            request.args.to_dict(flat=False),
            address=request.script_root + request.path,
            own_callbacks=webhooks.PATH,
            patience_s=_PATIENCE_S,
        )
    except NotGranted as refused:
        return problems.answer(403, "No grant permits this", str(refused), code="not_granted")
    except ParameterRefused as refused:
        return problems.invalid(str(refused))
    except SessionGone:
        detail = "No consent that works covers it. A holder of the account has to approve again."
        return problems.answer(409, "A new consent is needed", detail, code="consent_needed")
    except errors.BunqError as error:
        return problem_of(error)
    finally:
        _free.release()
    if answer.others:
        looks.record_if_possible(g.bearer, answer.others, local_days.zone(), patience_s=_LOOK_PATIENCE_S)
    return _response(answer)


blueprint.bp.add_url_rule(RULE, view_func=read_from_bunq, methods=["GET"], merge_slashes=False)
blueprint.set_scope(f"{blueprint.bp.name}.{read_from_bunq.__name__}", TokenScope.BUNQ_READ)


def problem_of(error: errors.BunqError) -> Response:
    """Return what went wrong with a call to bunq, with the message of bunq where there is one."""
    kind = retry_policy.kind_of(error)
    status, code = _STATUSES[kind]
    if isinstance(error, errors.PermissionRefused):
        status, code = 403, "refused_by_bank"
    refusal = None
    if isinstance(error, errors.RequestRefused):
        refusal = BunqRefusal(status=error.status, message="; ".join(error.descriptions), response_id=error.response_id)
    current_app.logger.info("bunq, for a program: %s", error)
    policy = retry_policy.policy_for(kind)
    answer = problems.answer(status, policy.title, policy.lead, code=code, bunq=refusal)
    return _later(answer, getattr(error, "wait_s", 0.0) or _USUAL_WAIT_S) if status == 503 else answer


def _later(answer: Response, wait_s: float) -> Response:
    answer.headers["Retry-After"] = str(max(1, math.ceil(wait_s)))
    return answer


def _response(answer: Answer) -> Response:
    """Return bunq's bytes: a file always as a download, so that nothing that a stranger made is a page of this site."""
    if not answer.is_content:
        return current_app.response_class(answer.body, content_type="application/json")
    response = current_app.response_class(answer.body, content_type="application/octet-stream")
    response.headers["Content-Disposition"] = 'attachment; filename="bunq.bin"'
    return response


def described() -> dict[str, dict[str, Any]]:
    """Return the paths of OpenAPI's description, one for each resource of the table."""
    start = f"{blueprint.PREFIX}/connections/{{connection_id}}/bunq/"
    return {f"{start}{each.path}": {"get": _operation(each)} for each in readable.RESOURCES}


def _operation(resource: Resource) -> dict[str, Any]:
    refusals = {
        "400": "bunq refuses the call.",
        "401": "No valid token.",
        "403": "The token, the member or the grant does not allow it.",
        "404": "There is no such thing, or the token does not see it.",
        "409": "A new consent is needed.",
        "422": "A parameter is not valid.",
        "429": "The token has made its calls of this minute.",
        "502": "bunq is out of order, or its answer is not trusted.",
        "503": "bunq’s limit is used up; or the database does not answer.",
        "504": "bunq does not answer.",
    }
    return {
        "operationId": "bunq_" + "_".join(word.strip("{}") for word in resource.words),
        "summary": f"{resource.about}.",
        "description": f"Accounts: {resource.accounts.value}.\n\nNeeds the scope `{TokenScope.BUNQ_READ}`.",
        "tags": [TAG],
        "parameters": [*_in_path(resource), *_in_query(resource)],
        "responses": {
            "200": {"description": "bunq’s answer.", "content": _content(resource)},
            **{
                status: problems.described(status, about, _REFUSED if status == "400" else None)
                for status, about in refusals.items()
            },
        },
    }


def _in_path(resource: Resource) -> list[dict[str, Any]]:
    number = {"type": "string", "pattern": "^[0-9]{1,18}$"}
    uuid = {"type": "string", "format": "uuid"}
    names = ["connection_id", *(word[1:-1] for word in resource.words if word.startswith("{"))]
    schemas = {name: uuid if name == "uuid" else number | {"examples": [_EXAMPLES.get(name, "1")]} for name in names}
    return [{"name": name, "in": "path", "required": True, "schema": schemas[name]} for name in names]


def _in_query(resource: Resource) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "in": "query",
            "required": False,
            "description": each.about,
            "schema": {"type": "string", "pattern": f"^(?:{each.pattern})$", "examples": [each.example]},
        }
        for each in resource.parameters
    ]


def _content(resource: Resource) -> dict[str, Any]:
    if resource.is_content:
        return {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    items = {"type": "array", "items": {"type": "object", "description": "As bunq documents it."}}
    schema = {"type": "object", "required": ["Response"], "properties": {"Response": items}}
    return {"application/json": {"schema": schema}}
