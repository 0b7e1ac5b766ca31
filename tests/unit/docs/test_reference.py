"""The reference says all that is there, and nothing else."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from bunqflask.database.outbox import EventKind
from bunqflask.exports.formats import FORMATS
from bunqflask.extensions import Base
from bunqflask.models import AttemptFailure, AttemptStep, ConnectionState, ConsentGrantState, ErrorKind
from bunqflask.services.gateway import retry_policy
from bunqflask.services.sync.status import SyncState
from bunqflask.web import marks
from bunqflask.web.errors.messages import failure_message
from bunqflask.worker import DUTIES
from tests.support import documents

# The database makes no difference to any of these.
pytestmark = pytest.mark.sqlite_only

REFERENCE = documents.ROOT / "docs" / "reference"
DATABASE, ERRORS = REFERENCE / "database.md", REFERENCE / "errors.md"
HTTP, FORMATS_PAGE = REFERENCE / "http.md", REFERENCE / "formats.md"
WORKER = documents.ROOT / "docs" / "explanation" / "worker.md"


@pytest.mark.parametrize(
    ("path", "heading", "expected"),
    [
        (ERRORS, "kind", set(ErrorKind)),
        (ERRORS, "failure", set(AttemptFailure)),
        (DATABASE, "table", set(Base.metadata.tables)),
        (DATABASE, "step", set(AttemptStep)),
        (DATABASE, "kind", set(EventKind)),
        (DATABASE, "state", {*ConnectionState, *SyncState}),
        (DATABASE, "consent state", set(ConsentGrantState)),
        (FORMATS_PAGE, "name", set(FORMATS)),
        (WORKER, "duty", {duty.name for duty in DUTIES}),
    ],
    ids=["kinds", "failures", "tables", "steps", "events", "states", "states of a consent", "formats", "duties"],
)
def test_a_table_of_the_reference_names_each_thing_once(path: Path, heading: str, expected: set[str]) -> None:
    found = documents.names(path, heading)
    assert (set(found), len(found)) == ({str(each) for each in expected}, len(expected))


def test_the_policy_of_each_error_kind_is_as_documented(app: Flask) -> None:
    documented = {row[0]: (row[2], row[3].split(",")[0], *row[4:]) for row in documents.table(ERRORS, "kind")}
    with app.test_request_context():
        policies = {kind: retry_policy.policy_for(kind) for kind in ErrorKind}
    assert documented == {
        f"`{kind}`": (
            policy.cause,
            f"{policy.retry_after // timedelta(seconds=1)} s",
            "yes" if policy.needs_person else "no",
            str(policy.status),
        )
        for kind, policy in policies.items()
    }


def test_the_status_of_each_failure_is_as_documented(app: Flask) -> None:
    documented = {row[0]: row[2] for row in documents.table(ERRORS, "failure")}
    with app.test_request_context():
        assert documented == {f"`{failure}`": str(failure_message(failure).status) for failure in AttemptFailure}


def test_interval_and_events_of_each_duty_are_as_documented() -> None:
    units = {"s": "seconds", "min": "minutes", "h": "hours", "day": "days"}
    documented = {}
    for name, every, events in documents.table(WORKER, "duty"):
        number, unit = every.split()
        kinds = set(events.replace("`", "").split(", ")) - {""}
        documented[name.strip("`")] = (timedelta(**{units[unit]: int(number)}), kinds)
    assert documented == {duty.name: (duty.every, {str(kind) for kind in duty.on}) for duty in DUTIES}


def _address(rule: str) -> str:
    """Return a rule without its converters: what an id looks like is no matter of the reference."""
    return re.sub(r"<\w+(?:\([^)]*\))?:(\w+)>", r"<\1>", rule)


def test_every_address_of_the_app_is_documented_with_its_methods(app: Flask) -> None:
    served: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        served.setdefault(_address(rule.rule), set()).update((rule.methods or set()) - {"HEAD", "OPTIONS"})
    documented = {row[1].strip("`"): set(row[0].split(", ")) for row in documents.table(HTTP, "method")}
    assert documented == served


def test_public_addresses_are_documented_as_such(app: Flask) -> None:
    open_to_all = {
        _address(rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.endpoint == "static" or marks.is_public(app.view_functions[rule.endpoint])
    }
    documented = {row[1].strip("`") for row in documents.table(HTTP, "method") if "(public" in row[2]}
    assert documented == open_to_all
