"""Say how much of bunq's OpenAPI the simulated bank answers, and how much of that the tests of this folder exercise.

`python -m tests.protocol.sandbox.coverage` runs the tests and prints; `--write` renews the list of documented paths
that the sandbox ships. Both need `../shared/bunq-openapi.json` beside the repository.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from bunqflask.sandbox.resources import documented, note
from bunqflask.sandbox.resources.catalogue import RESOURCES

from . import openapi

HEAD = (
    "# Paths and methods of bunq's OpenAPI; {} stands for an id. Written by tests/protocol/sandbox/coverage.py --write."
)


# What notes can be put on, but nothing here makes.
NEVER = ("whitelist-result",)

# The status of a call that does what it should, where that is not 200.
SUCCESS = {("POST", "/server-error"): 500}


def documented_paths() -> str:
    """Return the list of documented paths as the sandbox ships it."""
    methods: dict[str, list[str]] = defaultdict(list)
    for method in openapi.METHODS:
        for found, path in openapi.operations():
            if found == method.upper():
                methods[path].append(found)
    return "\n".join([HEAD, *(f"{path} {' '.join(methods[path])}" for path in sorted(methods))]) + "\n"


def imitated() -> set[tuple[str, str]]:
    """Return the documented operations that a resource of their own answers, and that can succeed.

    Notes on things that this bank never has are answered with 404.
    """
    *own, rest = RESOURCES
    plain = {(route.method, openapi.bare(route.rule)) for route in rest.routes}
    answered = {(route.method, openapi.bare(route.rule)) for resource in own for route in resource.routes}
    never = tuple(
        f"/{word}/{{}}/note-" for word in [*NEVER, *(word for word, kind in note.NOTED.items() if kind == "")]
    )
    found = (answered - plain) & set(openapi.operations())
    return {key for key in found if not any(word in key[1] for word in never)}


def unexercised(watch: openapi.Watch) -> list[tuple[str, str]]:
    """Return the imitated operations that never succeeded, in the order of their paths."""
    exercised = {key for key, statuses in watch.statuses.items() if statuses & {200, SUCCESS.get(key, 200)}}
    return sorted(imitated() - exercised, key=lambda key: (key[1], key[0]))


def report(watch: openapi.Watch) -> list[str]:
    """Return the lines of the report."""
    everything, own = set(openapi.operations()), imitated()
    answered = {(route.method, openapi.bare(route.rule)) for resource in RESOURCES for route in resource.routes}
    lines = [
        f"{len({path for _method, path in everything})} documented paths, {len(everything)} operations",
        f"{len(everything & answered)} operations answered, {len(own)} of them imitated, the others with nothing",
        f"{len(own) - len(unexercised(watch))} of the imitated ones exercised with success",
    ]
    lines += [f"  not exercised: {method} {path}" for method, path in unexercised(watch)]
    schemas = openapi.specification()["components"]["schemas"]
    lines.append("Members that no answer had:")
    for name in sorted(watch.members):
        missing = sorted(set(schemas.get(name, {}).get("properties", {})) - watch.members[name])
        if name and missing:
            lines.append(f"  {name}: {', '.join(missing)}")
    return lines


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew the sandbox's list of documented paths")
    if not openapi.specification():
        sys.stdout.write(f"{openapi.SPECIFICATION.name} is not at hand: nothing to compare with.\n")
        return 0
    if parser.parse_args().write:
        documented.PATHS_FILE.write_text(documented_paths(), encoding="ascii")
        return 0
    code = pytest.main(["-q", str(Path(__file__).parent)])
    # Under pytest the folder's modules are loaded by this same name, so that the watch is the one the tests used.
    sys.stdout.write("\n".join(report(openapi.watch)) + "\n")
    return int(code) or int(bool(unexercised(openapi.watch)))


if __name__ == "__main__":
    raise SystemExit(main())
