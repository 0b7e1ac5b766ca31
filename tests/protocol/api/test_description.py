"""The description of the API is valid, is what the API does, and odd calls get a clear answer."""

from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bunqflask.api import description
from bunqflask.models import TokenScope
from tests.protocol.api.program import Program
from tests.support.apps import ThreadSite
from tests.support.browser import Browser

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
ODD_BODIES = ("{", "null", "[]", "0", '{"a": NaN}', "\x00", '{"a":' * 2_000)


@pytest.fixture
def overrides() -> dict[str, str]:
    return {"API_CALLS_PER_MINUTE": "999999"}


def test_it_is_valid_and_everybody_can_read_it(site: ThreadSite) -> None:
    answer = requests.get(f"{site.url}/api/openapi.json", timeout=30)

    validate(answer.json())
    assert answer.json()["openapi"] == "3.1.0"


def test_every_operation_has_words_a_scope_and_its_errors(site: ThreadSite) -> None:
    with site.app.test_request_context():
        described = description.describe()
    scopes = {scope.value for scope in TokenScope}
    for path, item in described["paths"].items():
        for method, operation in item.items():
            assert operation["summary"].endswith("."), (method, path)
            assert operation["tags"], path
            assert {"401", "403", "429"} <= operation["responses"].keys(), path
            named = {scope for scope in scopes if scope in operation["description"]}
            # A collection is one of requests or of links, and needs the scope of these.
            needed = 0 if path in ("/api/v1/", "/api/v1/me") else 2 if "/collections" in path else 1
            assert len(named) == needed, path
            for status, answer in operation["responses"].items():
                media = "application/problem+json" if int(status) >= 400 else "application/json"
                expected = [_any_file(path)] if path.endswith("/content") and status == "200" else [media]
                assert list(answer["content"]) == expected, (path, status)


def _any_file(path: str) -> str:
    """A file of bunq's own API is sent as bytes, one of ours as what it is."""
    return "application/octet-stream" if "/bunq/" in path else "*/*"


def test_generated_calls_are_answered_as_described(program: Program, pytestconfig: pytest.Config) -> None:
    schema = schemathesis.openapi.from_url(f"{program.url}/api/openapi.json")
    calls = int(pytestconfig.getoption("--api-calls"))
    quick = settings(max_examples=calls, database=None, suppress_health_check=list(HealthCheck))
    # The resources of bunq's API are many, and one view answers them all.
    quicker = settings(quick, max_examples=-(-calls // 4))

    def check(case: Any) -> None:
        case.validate_response(case.call(session=program.session, timeout=60), checks=list(CHECKS))

    found: list[Any] = list(schema.get_all_operations())
    for operation in found:
        is_bunqs = "/bunq/" in operation.ok().path
        (quicker if is_bunqs else quick)(given(case=operation.ok().as_strategy())(check))()


@pytest.mark.parametrize("body", ODD_BODIES, ids=range(len(ODD_BODIES)))
def test_odd_bodies_get_a_clear_answer(program: Program, body: str) -> None:
    for content_type in ("application/json", "text/plain", "application/x-www-form-urlencoded", "x"):
        answer = program.call(
            "/connections/1/sync", method="POST", data=body.encode(), headers={"Content-Type": content_type}
        )
        assert answer.status_code == 422, (body, content_type, answer.text)
        assert answer.json()["detail"] == "This call takes no body."


@pytest.mark.parametrize("body", ODD_BODIES, ids=range(len(ODD_BODIES)))
def test_a_broken_body_is_never_taken_for_an_empty_one(program: Program, body: str) -> None:
    for path in ("/exports",):
        as_json = program.call(path, method="POST", data=body.encode(), headers={"Content-Type": "application/json"})
        as_text = program.call(path, method="POST", data=body.encode(), headers={"Content-Type": "text/plain"})
        assert as_json.status_code == (422 if body in ("null", "[]", "0") else 400), (body, as_json.text)
        assert as_json.headers["Content-Type"] == "application/problem+json"
        assert (as_text.status_code, as_text.json()["code"]) == (415, "unsupported_media_type")


def test_unknown_addresses_and_wrong_methods_are_answered_as_problems(program: Program, robin: Browser) -> None:
    too_long = f"/payments/{2**63}"
    for method, path, status in (
        *(("GET", "/nothing", 404), ("DELETE", "/payments", 405), ("PATCH", "/me", 405)),
        *(("GET", too_long, 404), ("POST", f"{too_long}/notes", 404), ("DELETE", f"{too_long}/attachments/1", 404)),
    ):
        answer = program.call(path, method=method)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
        assert answer.json()["status"] == status
    assert "GET" in program.call("/payments", method="DELETE").headers["Allow"]


@pytest.mark.parametrize(
    "query",
    [
        "nonsense=1", "limit=0", "limit=101", "limit=x", "cursor=%00", "cursor=zzzz", "cursor=MS4x4", "min=-1",
        "min=NaN", "min=1e9", "max=1,50", "from=2026-13-01", "from=0001-01-01", "to=9999-12-31", "direction=up",
        "type=%27", "account=x", "q=%21%21", "q=" + "a" * 201, "expand=raw",
    ],
)  # fmt: skip
def test_a_parameter_that_cannot_be_used_is_named(program: Program, query: str) -> None:
    answer = program.call(f"/payments?{query}")

    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "query", ["date=0001-01-01", "from=0001-01-01&to=0001-01-02", "to=9999-12-31", "date=2200-01-01"]
)
def test_days_outside_of_time_are_named(program: Program, query: str) -> None:
    answer = program.call(f"/accounts/1/balances?{query}")

    assert answer.status_code == 422, answer.text
    assert "is not within the years" in answer.json()["detail"]


def test_the_documentation_works_under_our_own_policy(program: Program) -> None:
    page = requests.get(f"{program.url}/api/docs", timeout=30)
    script = requests.get(f"{program.url}/api/docs/swagger-ui-bundle.js", timeout=30)

    assert (page.status_code, script.status_code) == (200, 200)
    assert script.headers["Cache-Control"] == "public, max-age=86400"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert requests.get(f"{program.url}/api/docs/index.css", timeout=30).status_code == 404
