"""Where the API's views are registered, and how each is described: its parameters, answers and scope in one place."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec
from flask import Blueprint, Request, Response, request
from spectree import Response as Answers
from spectree import SpecTree
from spectree.model_adapter.msgspec_adapter import MsgspecModelAdapter
from spectree.model_adapter.protocol import ModelAdapter, SchemaMode

from bunqflask.api import idempotency, problems
from bunqflask.api.schemas import ApiProblem
from bunqflask.models import TokenScope

PREFIX = "/api/v1"
VERSION = "1.0.0"
# What a file that is sent may be.
FILE_TYPES = ("application/pdf", "image/png", "image/jpeg")
View = TypeVar("View", bound=Callable[..., Any])

bp = Blueprint("api", __name__, url_prefix=PREFIX)
# of a view, the scopes of which a token needs one; none: any token
_scopes: dict[str, tuple[TokenScope, ...]] = {}
# the views that take a JSON object, and those that send a file
_with_body: set[str] = set()
_files: set[str] = set()
# those that take a file as it is
_with_file: set[str] = set()
# those that change something at bunq
_writes: set[str] = set()


class File:
    """The answer of a view that sends a file as it is; with a query, one that is small."""


def _refuse_invalid(_request: Request, response: Response, error: Exception | None, *_more: object) -> None:
    """Let what does not fit its description be answered as every other problem of the API."""
    if error is not None and response is not None:
        answer = problems.invalid(str(error))
        response.set_data(answer.get_data())
        response.content_type = answer.content_type


def _nothing(*_arguments: object) -> None:
    """The views make their answers of the models that describe them: nothing is to be checked."""


class _ModelAdapter(MsgspecModelAdapter):
    """Makes the schema of each model once; each view asks for those of all its answers, most of them problems."""

    def __init__(self) -> None:
        super().__init__()
        self._schemas: dict[object, dict[str, Any]] = {}

    def json_schema(self, model: type[Any], *, ref_template: str, mode: SchemaMode = "validation") -> dict[str, Any]:
        key = (model, ref_template, mode)
        if key not in self._schemas:
            self._schemas[key] = super().json_schema(model, ref_template=ref_template, mode=mode)
        return self._schemas[key]


spec = SpecTree(
    "flask",
    model_adapter=cast("ModelAdapter[Any, Exception, Any]", _ModelAdapter()),
    mode="strict",
    path="docs",
    page_templates={},
    title="bunqflask",
    version=VERSION,
    before=_refuse_invalid,
    after=_nothing,
    validation_error_model=ApiProblem,
    naming_strategy=lambda model: getattr(model, "__name__", "Value"),
    nested_naming_strategy=lambda _parent, child: child,
)


def endpoint(
    method: str,
    rule: str,
    *,
    answer: Any,
    scope: TokenScope | tuple[TokenScope, ...] | None,
    tag: str,
    query: Any = None,
    body: Any = None,
    status: int = 200,
    is_write: bool = False,
    takes_file: bool = False,
) -> Callable[[View], View]:
    """Register a view of the API with its description.

    :param answer: the model of its answer, or `File`.
    :param scope: what a token needs for it; of several it needs one to come so far; None: any token.
    :param query: the model of its query; other parameters are refused.
    :param body: the model of the JSON object that it takes; without one, a body is refused.
    :param takes_file: its body is a file of one of `FILE_TYPES`.
    :param is_write: it changes something at bunq: it needs an `Idempotency-Key`, and its view is part of a transaction.
    """
    names_a_row = "<" in rule or any("account" in each for each in getattr(query or body, "__struct_fields__", ()))
    of_body = (400, 413, 415) if body or takes_file else (400,) if is_write else ()
    # what bunq has to be asked for
    of_bunq = (410, 502, 504) if "attachment" in rule and answer is File else ()
    errors = (401, 403, *((404,) if names_a_row else ()), *of_body, *of_bunq, 422, 429, 503)
    described = {f"HTTP_{code}": ApiProblem for code in errors}
    answers = Answers(**{f"HTTP_{status}": None if answer is File else answer}, **described)

    def register(view: View) -> View:
        name = f"{bp.name}.{view.__name__}"
        _scopes[name] = scope if isinstance(scope, tuple) else (scope,) if scope else ()
        if body is not None:
            _with_body.add(name)
        if takes_file:
            _with_file.add(name)
        if is_write:
            _writes.add(view.__name__)
        describe = spec.validate(
            query=query or NoQuery, json=body, resp=answers, tags=[tag], operation_id=view.__name__
        )
        checked = idempotency.once(describe(view)) if is_write else describe(view)
        if answer is File:
            _files.add(view.__name__)
        if answer is File and query is None:
            # What describes a view also reads its answer into memory.
            checked = _described_as(checked, view)
        bp.add_url_rule(rule, endpoint=view.__name__, view_func=checked, methods=[method])
        return view

    return register


def _described_as(described: Any, view: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(described)
    def without_query(*arguments: Any, **named: Any) -> Any:
        if request.args:
            problems.refuse("This call takes no parameters.")
        return view(*arguments, **named)

    return without_query


def files() -> frozenset[str]:
    """Return the names of the views that send a file."""
    return frozenset(_files)


def writes() -> frozenset[str]:
    """Return the names of the views that change something at bunq."""
    return frozenset(_writes)


def takes_file(endpoint_name: str | None) -> bool:
    """Tell whether a view takes a file as the body of a call."""
    return endpoint_name in _with_file


def takes_body(endpoint_name: str | None) -> bool:
    """Tell whether a view takes a JSON object."""
    return endpoint_name in _with_body


def scopes_of(endpoint_name: str | None) -> tuple[TokenScope, ...]:
    """Return the scopes of which a token needs one for a view; none: any token."""
    return _scopes.get(endpoint_name or "", ())


def set_scope(endpoint_name: str, scope: TokenScope) -> None:
    """Set the scope that a token needs for a view beside this blueprint."""
    _scopes[endpoint_name] = (scope,)


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A query without parameters."""
