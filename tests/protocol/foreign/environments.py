"""Environments for foreign clients: made once, outside ours, so that their pins never touch it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

PLACE = Path(__file__).parents[3] / ".venv" / "foreign"
BUNQ_SDK = "bunq_sdk==1.28.0"
# A program of 2021, with the generation of bunq's SDK that it was written for.
BUNQEXPORT = ("bunqexport==0.0.3", "bunq_sdk==1.14.18", "pandas<4", "requests")
# A client of 2017, which signs as bunq wanted it until 2020.
BUNQ_OF_2017 = ("bunq==0.0.2", "requests", "cryptography")
MCP_SDK = "mcp==2.3.0"
# The version that knows the revision of July 2026.
MCP_CONFORMANCE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
MCP_INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"
JS_CLIENT = "@bunq-community/bunq-js-client@1.1.2"
INSTALL_WITHIN_S = 300


def missing(why: str) -> None:
    """Skip loudly, or fail where everything must be there.

    :raises Failed: with CI=true. :raises Skipped: everywhere else.
    """
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Keep other workers of the same run out until the block ends."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(place: Path, *commands: list[str]) -> None:
    """Run the commands once; a half-made place is made anew."""
    with _alone(place.name):
        _install_alone(place, *commands)


def _install_alone(place: Path, *commands: list[str]) -> None:
    stamp = place / "complete"
    if stamp.exists():
        return
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for command in commands:
        try:
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=INSTALL_WITHIN_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            missing(f"cannot install a foreign client: {error}")
            return
        if done.returncode:
            missing(f"cannot install a foreign client: {done.stderr.strip()[-500:]}")
    stamp.touch()


def _python_with(name: str, *packages: str) -> str:
    """Return a Python that has these packages, in an environment made at the first call."""
    place = PLACE / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    pip = ["venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    _install(place, [sys.executable, "-m", "venv", "venv"], pip)
    return str(place / "venv" / "bin" / "python")


def python_of_bunq_sdk() -> str:
    """Return the Python that has bunq's SDK."""
    return _python_with("bunq-sdk", BUNQ_SDK)


def python_of_bunqexport() -> str:
    """Return the Python that has bunqexport and an SDK of its time."""
    return _python_with("bunqexport", *BUNQEXPORT)


def python_of_bunq_of_2017() -> str:
    """Return the Python that has the package `bunq`."""
    return _python_with("bunq-of-2017", *BUNQ_OF_2017)


def python_of_mcp() -> str:
    """Return the Python that has the official SDK of MCP."""
    return _python_with("mcp", MCP_SDK)


def mcp_conformance() -> list[str]:
    """Return the command of the official conformance suite of MCP, with the Node that Playwright brings."""
    modules = _modules("mcp-conformance", MCP_CONFORMANCE)
    return [playwright_node(), f"{modules}/@modelcontextprotocol/conformance/dist/index.js"]


def mcp_inspector() -> list[str]:
    """Return the command of the MCP Inspector."""
    modules = _modules("mcp-inspector", MCP_INSPECTOR)
    return [playwright_node(), f"{modules}/@modelcontextprotocol/inspector/clients/launcher/build/index.js"]


def playwright_node() -> str:
    """Return Playwright's own Node, which is newer than that of many systems."""
    return compute_driver_executable()[0]


def _modules(name: str, package: str) -> str:
    """Return the folder of modules with an npm package, made at the first call."""
    npm = shutil.which("npm")
    if npm is None:
        missing(f"npm is not installed: {package} does not run")
    assert npm is not None
    place = PLACE / name
    _install(place, [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", ".", package])
    return str(place / "node_modules")


def modules_of_js_client() -> tuple[str, str]:
    """Return (node, the folder of modules) for the JavaScript client."""
    node = shutil.which("node")
    if node is None:
        missing("Node.js is not installed: the JavaScript client does not run")
    assert node is not None
    return node, _modules("js-client", JS_CLIENT)
