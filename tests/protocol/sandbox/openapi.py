"""bunq's OpenAPI as far as it can be trusted, and a watch over what the simulated bank answers.

The file knows neither envelope nor wrappers, nor that members may be null. So each object of an answer is unwrapped and
compared leniently: whatever it has in common with its schema must be of the right basic type; null is right
everywhere, members may be missing or more. Where the file is not at hand nothing is compared.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

SPECIFICATION = Path(__file__).parents[4] / "shared" / "bunq-openapi.json"
METHODS = ("get", "post", "put", "delete")

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}

# Ends of members' places that bunq's file has wrong: an object where a fixture and the SDKs have a list, an array for
# each error, and whole degrees.
KNOWN_TO_DIFFER = (
    *("PaymentBatch.payments", "ScheduledInstance.error_message[]"),
    *(f"geolocation.{name}" for name in ("latitude", "longitude", "altitude", "radius")),
)


@cache
def specification() -> dict[str, Any]:
    """Return bunq's OpenAPI, or {} where the file is missing."""
    if not SPECIFICATION.exists():
        return {}
    loaded: dict[str, Any] = json.loads(SPECIFICATION.read_text(encoding="utf-8"))
    return loaded


def bare(path: str) -> str:
    """Return a path with `{}` for each of its parameters."""
    return re.sub(r"<[^>]*>|\{[^}]*\}", "{}", path)


def without_ids(path: str) -> str:
    """Return the path of a call with `{}` for each number and UUID."""
    return re.sub(r"/(?:\d+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?=/|$)", "/{}", path.rstrip("/"))


@cache
def operations() -> dict[tuple[str, str], dict[str, Any]]:
    """Return every documented operation by method and bare path."""
    return {
        (method.upper(), bare(path)): operation
        for path, methods in specification().get("paths", {}).items()
        for method, operation in methods.items()
        if method in METHODS
    }


def resolve(schema: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return (name, schema) that a reference leads to; a schema in place has no name."""
    if "$ref" not in schema:
        return "", schema
    name = schema["$ref"].rpartition("/")[2]
    return name, specification()["components"]["schemas"][name]


def schema_of(method: str, path: str) -> dict[str, Any] | None:
    """Return the schema of one object of an operation's answer."""
    operation = operations().get((method, path))
    if operation is None:
        return None
    content = operation["responses"]["200"].get("content", {}).get("application/json")
    schema: dict[str, Any] | None = content and content["schema"]
    if schema is not None and schema.get("type") == "array":
        return dict(schema["items"])
    return schema


class Watch:
    """What was seen: operations with their statuses, members of each schema, and differences."""

    def __init__(self) -> None:
        self.statuses: dict[tuple[str, str], set[int]] = defaultdict(set)
        self.members: dict[str, set[str]] = defaultdict(set)
        self.differences: list[str] = []

    def over(self, app: Flask) -> None:
        """Look at every answer of an app's API from here on."""
        app.after_request(self._look)

    def take_differences(self) -> list[str]:
        """Return the differences found since the last time, each once."""
        found, self.differences = sorted(set(self.differences)), []
        return found

    def _look(self, response: Response) -> Response:
        key = (request.method, without_ids(request.path.removeprefix("/v1")))
        # Of a fault's answer nothing can be expected.
        if key not in operations() or response.is_streamed:
            return response
        self.statuses[key].add(response.status_code)
        if response.status_code == 200 and response.is_json:
            try:
                answer = json.loads(response.get_data())
            except ValueError:
                return response
            self.compare(key, answer)
        return response

    def compare(self, key: tuple[str, str], answer: Any) -> None:
        """Compare each object of an answer with the schema of its operation."""
        schema = schema_of(*key)
        objects = answer.get("Response") if isinstance(answer, dict) else None
        if schema is None or not isinstance(objects, list):
            return
        name, found = resolve(schema)
        properties = found.get("properties", {})
        for each in objects:
            for wrapper, value in each.items() if isinstance(each, dict) else ():
                if wrapper in properties:
                    # Lists of several types do show their wrappers, side by side.
                    self.members[name].add(wrapper)
                    self._compare(value, properties[wrapper], wrapper)
                else:
                    self._compare(value, schema, wrapper)

    def _compare(self, value: Any, schema: dict[str, Any], where: str) -> None:
        name, found = resolve(schema)
        expected = found.get("type")
        if value is None or where.endswith(KNOWN_TO_DIFFER) or expected not in TYPES:
            return
        if not isinstance(value, TYPES[expected]) or (isinstance(value, bool) and expected != "boolean"):
            self.differences.append(f"{where} is {type(value).__name__}, not {expected}")
        elif isinstance(value, dict):
            for member, inner in found.get("properties", {}).items():
                if member in value:
                    self.members[name].add(member)
                    self._compare(value[member], inner, f"{where}.{member}")
        elif isinstance(value, list):
            for each in value:
                self._compare(each, found.get("items", {}), f"{where}[]")


# What all tests of one run saw.
watch = Watch()
