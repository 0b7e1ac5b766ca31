"""Examples of each call, for curl and for Python, made from the description; a test runs every one of them."""

from __future__ import annotations

import json
import re
from typing import Any

# Ids that nobody can guess: the list in which the first one stands, one item long.
_FOUND_IN = {"payment_id": "/api/v1/payments?limit=1"}
_PLACE = re.compile(r"\{(\w+)\}")
_BEARER = "Authorization: Bearer $BUNQFLASK_TOKEN"


def of(root: str, method: str, path: str, operation: dict[str, Any]) -> list[dict[str, str]]:
    """Return the examples of one operation, in the form that pages of documentation show (`x-codeSamples`).

    :param root: the address of this site.
    """
    named = {each["name"]: each["schema"] for each in operation["parameters"] if each["in"] == "path"}
    found = [name for name in named if name in _FOUND_IN]
    known = {name: str(schema["examples"][0]) for name, schema in named.items() if name not in _FOUND_IN}
    body = _body(operation)
    address = root + _PLACE.sub(lambda match: known.get(match[1], match[0]), path)
    return [
        {"lang": "Shell", "label": "curl", "source": _curl(root, method, address, found, body)},
        {"lang": "Python", "label": "Python", "source": _python(root, method, address, found, body)},
    ]


def _body(operation: dict[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {})
    return content.get("application/json", {}).get("example")


def _curl(root: str, method: str, address: str, found: list[str], body: Any) -> str:
    first = r"""sed 's/.*"id":"\([0-9]*\)".*/\1/'"""
    lines = [f'{name}=$(curl -s -H "{_BEARER}" "{root}{_FOUND_IN[name]}" | {first})' for name in found]
    verb = "" if method == "get" else f" -X {method.upper()}"
    data = "" if body is None else f" -H 'Content-Type: application/json' -d '{json.dumps(body)}'"
    address = _PLACE.sub(lambda match: f"${match[1]}", address)
    return "\n".join([*lines, f'curl{verb} -H "{_BEARER}"{data} "{address}"'])


def _python(root: str, method: str, address: str, found: list[str], body: Any) -> str:
    lines = [
        "import os",
        "",
        "import requests",
        "",
        """headers = {"Authorization": f"Bearer {os.environ['BUNQFLASK_TOKEN']}"}""",
    ]
    for name in found:
        lines.append(f'first = requests.get("{root}{_FOUND_IN[name]}", headers=headers, timeout=30)')
        lines.append(f'{name} = first.json()["items"][0]["id"]')
    text = f'f"{address}"' if found else f'"{address}"'
    data = "" if body is None else f", json={body!r}"
    lines.append(f"answer = requests.{method}({text}, headers=headers{data}, timeout=30)")
    return "\n".join([*lines, "answer.raise_for_status()", "print(answer.json())"])
