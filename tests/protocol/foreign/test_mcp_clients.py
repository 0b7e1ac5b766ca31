"""Programs for MCP that nobody here wrote: the official Python SDK, the official conformance suite, the Inspector."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bunqflask.config import ROOT
from tests.protocol.api.program import make_token
from tests.protocol.foreign import environments
from tests.protocol.foreign.door import Door
from tests.protocol.mcp.oauth import facts_of
from tests.support import consents, rows
from tests.support.apps import ThreadSite, child_environ, sign_in
from tests.support.consents import ROBIN
from tests.support.databases import SqliteDatabases

HERE = Path(__file__).parent
WITHIN_S = 120
STEPS = {
    "by_header": "2026-07-28",
    "by_header_as_before_2026": "2025-11-25",
    "by_stdio": "2026-07-28",
    "by_login": "balances:read payments:read notes:read",
}


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """A door that adds a token to what passes, for programs that cannot send one; it is the site's public address."""
    with Door() as door:
        yield door


@pytest.fixture(scope="module")
def site(sqlite_databases: SqliteDatabases, door: Door) -> Iterator[ThreadSite]:
    """The app in which Robin has connected Jodi, behind the door."""
    url = sqlite_databases.copy(consents.fill_connected)
    with rows.bare_site(url, PUBLIC_URL=door.url, API_CALLS_PER_MINUTE="9999") as site:
        door.lead_to(rows.inner_address(site), make_token(site, ROBIN))
        yield site
    sqlite_databases.forget(url)


@pytest.fixture(scope="module")
def sdk(site: ThreadSite, door: Door) -> dict[str, dict[str, Any]]:
    """Let the Python SDK tell its story once; where it opens a browser, Robin lets it in."""
    python = environments.python_of_mcp()
    robin = sign_in(site, ROBIN)
    server = [sys.executable, "-m", "flask", "--app", "wsgi", "mcp", str(ROOT)]
    environ = child_environ({**site.environ, "BUNQFLASK_TOKEN": door.token})
    command = [python, str(HERE / "mcp_story.py"), f"{site.url}/mcp", door.token, *server]
    told: dict[str, dict[str, Any]] = {}
    door.adds_token = False
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            if "open" in said:
                address = urlsplit(said["open"])
                robin.get(f"{address.path}?{address.query}")
                print(json.dumps(facts_of(robin.submit(button="Let it read"))), file=process.stdin, flush=True)
            else:
                told[said["step"]] = said
        assert process.stderr is not None
        assert told, process.stderr.read()
    door.adds_token = True
    return told


@pytest.mark.parametrize("step", STEPS)
def test_the_official_python_sdk(sdk: dict[str, dict[str, Any]], step: str) -> None:
    assert sdk[step]["error"] is None
    assert sdk[step]["result"] == STEPS[step]


# The other scenarios call tools, resources and prompts of an example server, or features that a server may leave out.
SCENARIOS = {
    "2025-11-25": ("server-initialize", "ping", "tools-list", "dns-rebinding-protection"),
    "2026-07-28": ("server-stateless", "tools-list", "dns-rebinding-protection", "caching", "http-header-validation"),
}
# Checks of them that need such a tool or feature too.
NOT_HERE = {
    "sep-2575-server-rejects-undeclared-capability",
    "sep-2575-missing-capability-http-400",
    "sep-2575-http-server-no-independent-requests-on-stream",
    "sep-2575-server-no-log-without-loglevel",
    "sep-2549-prompts-list-caching-hints",
    "sep-2549-resources-list-caching-hints",
    "sep-2549-resources-templates-list-caching-hints",
}


@pytest.mark.parametrize(("version", "scenario"), [(each, name) for each in SCENARIOS for name in SCENARIOS[each]])
def test_the_official_conformance_suite(site: ThreadSite, version: str, scenario: str, tmp_path: Path) -> None:
    checks = checks_of(
        tmp_path, "server", "--url", f"{site.url}/mcp", "--scenario", scenario, "--spec-version", version
    )

    failed = {each["id"]: each.get("errorMessage") for each in checks if each["status"] == "FAILURE"}
    assert [each for each in checks if each["status"] == "SUCCESS"]
    assert {name: why for name, why in failed.items() if name not in NOT_HERE} == {}


def test_the_official_conformance_suite_for_authorization_servers(site: ThreadSite, tmp_path: Path) -> None:
    scenario = "authorization-server-metadata-endpoint"
    checks = checks_of(tmp_path, "authorization", "--url", site.url, "--scenario", scenario)

    assert len(checks) > 1
    # No document is fetched from an address that a stranger names: programs register themselves instead.
    assert [each["id"] for each in checks if each["status"] != "SUCCESS"] == ["authorization-server-metadata-cimd"]


def checks_of(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """Run the conformance suite; return its report."""
    done = run([*environments.mcp_conformance(), *arguments, "--output-dir", str(folder)], folder)
    reports = list(folder.rglob("checks.json"))
    assert len(reports) == 1, done.stdout + done.stderr
    checks: list[dict[str, Any]] = json.loads(reports[0].read_text(encoding="utf-8"))
    return checks


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, cwd=folder, env=environ)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--method", "tools/list", "--strict"), "search_payments"),
        (("--method", "tools/call", "--tool-name", "list_accounts"), "untrusted_text"),
        (("--method", "tools/call", "--tool-name", "balances", "--tool-arg", "account=1"), "structuredContent"),
    ],
    ids=["list", "call", "argument"],
)
def test_the_inspector(site: ThreadSite, door: Door, arguments: tuple[str, ...], expected: str, tmp_path: Path) -> None:
    header = f"Authorization: Bearer {door.token}"
    where = ["--cli", f"{site.url}/mcp", "--transport", "http", "--header", header]
    done = run([*environments.mcp_inspector(), *where, *arguments], tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert expected in done.stdout
    assert "error" not in json.loads(done.stdout)
