"""Answers of the simulated bank against bunq's OpenAPI: as leniently as that file deserves.

It has neither envelope nor wrappers, no nullable and no enums; so answers are unwrapped, null is allowed everywhere,
and fields may be missing or more. What is left is worth checking: names that do not exist, and basic types.
Run as a script it prints what the answers of all recorded runs covered.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

SPECIFICATION = Path(__file__).parents[4] / "shared" / "bunq-openapi.json"

# Wrapper in an answer -> schemas that describe it, where the names differ.
ALIASES = {
    "Card": "CardRead",
    "CredentialPasswordIp": "UserCredentialPasswordIpRead",
    "ScheduledPayment": "SchedulePaymentRead",
    "ScheduledPaymentBatch": "SchedulePaymentBatchRead",
    "ScheduledInstance": "ScheduleInstanceRead",
    "CustomerStatement": "ExportStatementRead",
    "BunqMeTab": "BunqMeTabRead",
}

# bunq's file is wrong here, or the dossier has recordings that say otherwise.
KNOWN_TO_DIFFER = {
    ("PaymentBatch", "payments"),
    ("NotificationFilterUrl", "category"),
    ("NotificationFilterUrl", "notification_target"),
    ("NotificationFilterUrl", "id"),
}
PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


@cache
def specification() -> dict[str, Any]:
    """Return bunq's OpenAPI."""
    loaded: dict[str, Any] = json.loads(SPECIFICATION.read_text())
    return loaded


def schema_of(wrapper: str) -> dict[str, Any] | None:
    """Return the properties that describe an object, or None."""
    schemas = specification()["components"]["schemas"]
    for name in (ALIASES.get(wrapper), f"{wrapper}Read", f"{wrapper}Listing", wrapper):
        if name in schemas and schemas[name].get("properties"):
            properties: dict[str, Any] = schemas[name]["properties"]
            return properties
    return None


def differences(answer: Any) -> list[str]:
    """Return what an answer has that bunq's file describes otherwise."""
    found: list[str] = []
    if not isinstance(answer, dict) or not isinstance(answer.get("Response"), list):
        return found
    for item in answer["Response"]:
        for wrapper, value in item.items():
            properties = schema_of(wrapper)
            if properties is None or not isinstance(value, dict):
                continue
            for name, member in value.items():
                expected = properties.get(name, {}).get("type")
                if (wrapper, name) in KNOWN_TO_DIFFER or member is None or expected not in PYTHON_TYPES:
                    continue
                if not isinstance(member, PYTHON_TYPES[expected]):
                    found.append(f"{wrapper}.{name} is {type(member).__name__}, not {expected}")
    return found


def missing_fields(answer: Any) -> set[str]:
    """Return the documented fields that an answer's objects do not have."""
    found: set[str] = set()
    for item in answer.get("Response", []) if isinstance(answer, dict) else []:
        for wrapper, value in item.items():
            properties = schema_of(wrapper)
            if properties is not None and isinstance(value, dict):
                found |= {f"{wrapper}.{name}" for name in properties if name not in value}
    return found


def operations() -> set[tuple[str, str]]:
    """Return every documented operation as (method, path without parameter names)."""
    return {
        (method.upper(), re.sub(r"\{[^}]*\}", "{}", path))
        for path, methods in specification()["paths"].items()
        for method in methods
        if method in ("get", "post", "put", "delete")
    }


def unnamed(pattern: str) -> str:
    """Return a path pattern of the sandbox without /v1 and parameter names."""
    return re.sub(r"\{[^}]*\}", "{}", pattern.removeprefix("/v1"))
