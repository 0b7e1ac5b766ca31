"""Examples of each call, for curl and for Python, made from the description; a test runs every one of them."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from bunqflask.api import idempotency

# A body for each call that takes one.
_BODIES: dict[str, Any] = {
    "begin_consent": {"label": "Ann", "language": "nl"},
    "prepare_draft": {
        "account_id": "1",
        "payments": [{"amount": "12.50", "name": "Stadsbus", "iban": "NL91ABNA0417164300", "description": "Tickets"}],
        "label": "Invoices week 48",
    },
    "request_money": {
        "account_id": "1",
        "amount": "20.00",
        "payer": {"type": "EMAIL", "value": "ann@example.org"},
        "description": "Dinner",
    },
    "make_payment_link": {"account_id": "1", "amount": "7.00", "description": "Contribution 2026"},
    "begin_collection": {
        "account_id": "1",
        "kind": "request",
        "name": "Contribution 2026",
        "description": "Contribution",
        "people": [
            {"name": "Anna Visser", "amount": "12.50", "payer": {"type": "EMAIL", "value": "anna@example.org"}},
            {"name": "Bram de Wit", "amount": "12.50", "payer": {"type": "PHONE_NUMBER", "value": "+31612345678"}},
        ],
    },
    "write_note": {"text": "For the project in Utrecht."},
    "move_money": {"account_id": "1", "to_account_id": "2", "amount": "5.00", "description": "Savings"},
    "order_export": {"formats": ["csv"], "from": "2026-10-01", "to": "2026-10-31"},
}
# Ids that nobody can guess, with the call whose answer has one first.
_FOUND_BY: dict[str, tuple[str, str, Any]] = {
    "payment_id": ("get", "/api/v1/payments?limit=1", None),
    "export_id": ("post", "/api/v1/exports", _BODIES["order_export"]),
    "draft_id": ("get", "/api/v1/drafts?limit=1", None),
    "request_id": ("get", "/api/v1/requests?limit=1", None),
    "link_id": ("get", "/api/v1/payment-links?limit=1", None),
    "collection_id": ("get", "/api/v1/collections?limit=1", None),
    "transfer_id": ("get", "/api/v1/transfers?limit=1", None),
    "consent_id": ("post", "/api/v1/consents", _BODIES["begin_consent"]),
}
# Which payment has files, and who of a collection has not paid, is not to be seen before: such calls have no example
# that runs as it stands. Those of bunq's own API are as bunq documents them.
_UNKNOWN = frozenset({"attachment_id", "person_id", "note_id", "note_change_id", "card_id", "card_change_id"})
_PLACE = re.compile(r"\{(\w+)\}")
_BEARER = "Authorization: Bearer $BUNQFLASK_TOKEN"


def of(root: str, method: str, path: str, operation: dict[str, Any]) -> list[dict[str, str]]:
    """Return the examples of one operation, in the form that pages of documentation show (`x-codeSamples`).

    :param root: the address of this site.
    """
    named = {each["name"]: each["schema"] for each in operation["parameters"] if each["in"] == "path"}
    sent = operation.get("requestBody", {}).get("content", {})
    if _UNKNOWN & named.keys() or "/bunq/" in path or (sent and "application/json" not in sent):
        return []
    found = [name for name in named if name in _FOUND_BY]
    known = {name: str(schema["examples"][0]) for name, schema in named.items() if name not in _FOUND_BY}
    address = root + _PLACE.sub(lambda match: known.get(match[1], match[0]), path)
    key = f"{operation['operationId']}-1" if operation.get("x-writes-at-bunq") else None
    call = _Call(method, address, _BODIES.get(operation["operationId"]), is_file=_is_file(operation), key=key)
    return [
        {"lang": "Shell", "label": "curl", "source": _curl(root, call, found)},
        {"lang": "Python", "label": "Python", "source": _python(root, call, found)},
    ]


def body_of(operation_id: str) -> Any:
    """Return an example of the body that an operation takes; None where it takes none."""
    return _BODIES.get(operation_id)


class _Call(NamedTuple):
    """What an example asks for; a file is kept, anything else is printed. `key` is its `Idempotency-Key`, if any."""

    method: str
    address: str
    body: Any
    is_file: bool
    key: str | None


def _is_file(operation: dict[str, Any]) -> bool:
    return "*/*" in operation["responses"].get("200", {}).get("content", {})


def _curl(root: str, call: _Call, found: list[str]) -> str:
    first = r"""sed 's/[^"]*\("items":\[{\)*[^"]*"id":"\([0-9a-f]*\)".*/\2/'"""
    lines = []
    for name in found:
        method, path, body = _FOUND_BY[name]
        lines.append(f'{name}=$(curl -s{_options(method, body)} "{root}{path}" | {first})')
    address = _PLACE.sub(lambda match: f"${match[1]}", call.address)
    kept = " -o download" if call.is_file else ""
    return "\n".join([*lines, f'curl{_options(call.method, call.body, call.key)}{kept} "{address}"'])


def _options(method: str, body: Any, key: str | None = None) -> str:
    verb = "" if method == "get" else f" -X {method.upper()}"
    once = "" if key is None else f' -H "{idempotency.HEADER}: {key}"'
    data = "" if body is None else f" -H 'Content-Type: application/json' -d '{json.dumps(body)}'"
    return f'{verb} -H "{_BEARER}"{once}{data}'


def _python(root: str, call: _Call, found: list[str]) -> str:
    lines = [
        "import os",
        "",
        "import requests",
        "",
        """headers = {"Authorization": f"Bearer {os.environ['BUNQFLASK_TOKEN']}"}""",
    ]
    for name in found:
        method, path, body = _FOUND_BY[name]
        lines += _written(body)
        lines.append(f'first = requests.{method}("{root}{path}", headers=headers{_json(body)}, timeout=30)')
        lines.append(f'{name} = first.json()["items"][0]["id"]' if method == "get" else f'{name} = first.json()["id"]')
    if call.key is not None:
        lines.append(f'headers["{idempotency.HEADER}"] = "{call.key}"')
    lines += _written(call.body)
    text = f'f"{call.address}"' if found else f'"{call.address}"'
    lines.append(f"answer = requests.{call.method}({text}, headers=headers{_json(call.body)}, timeout=30)")
    kept = ['with open("download", "wb") as file:', "    file.write(answer.content)"]
    return "\n".join([*lines, "answer.raise_for_status()", *(kept if call.is_file else ["print(answer.json())"])])


def _written(body: Any) -> list[str]:
    return [] if body is None else [f"body = {json.dumps(body)}"]


def _json(body: Any) -> str:
    return "" if body is None else ", json=body"
