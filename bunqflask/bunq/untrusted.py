"""What another machine sent, made harmless before anything else looks at it: JSON, and texts within it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

# bunq's own answers nest a dozen levels deep; what nests further could not be stored again.
MAX_DEPTH = 100
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# Control characters move a terminal's cursor, NUL and lone surrogates cannot be stored, and the marks of
# writing direction make a name read as another.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+")


def read_json(body: bytes) -> Any:
    """Read JSON of bounded depth; what JSON has no number for (NaN, 1e999) becomes None.

    :raises ValueError: not JSON in UTF-8, or nested too deeply.
    """
    if _is_too_deep(body):
        raise ValueError("nested too deeply")
    try:
        return json.loads(body.decode(), parse_float=_finite, parse_constant=_nothing)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _is_too_deep(body: bytes) -> bool:
    """Tell whether brackets nest too deeply, by taking the innermost pairs away, level by level."""
    brackets = _STRING.sub(b"", body).translate(None, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return False
        inner = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(inner) == len(brackets):
            return False  # no JSON, which its reader will say
        brackets = inner
    return bool(brackets)


def clean(text: str) -> str:
    """Return a text with every character replaced that is not for reading."""
    return _UNSEEN.sub(" ", text)


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _nothing(_constant: str) -> None:
    return None
