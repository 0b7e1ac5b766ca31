"""What another machine sent, made harmless before anything else looks at it: JSON, and texts within it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

# bunq's own answers nest a dozen levels deep; what nests further could not be stored again.
MAX_DEPTH = 100
_USUAL_DEPTH = 20
# Once no quote in them is escaped; an unclosed one goes to the end.
_STRING = re.compile(rb'"[^"]*"?')
_NO_QUOTES_OR_BRACKETS = bytes(set(range(256)) - set(b'"[]{}'))
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
        return orjson.loads(body)
    except ValueError:
        pass  # stricter than our contract, but several times as quick: most of reading a history is reading JSON
    try:
        return json.loads(body.decode(), parse_float=_finite, parse_constant=_nothing)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _is_too_deep(body: bytes) -> bool:
    """Tell whether brackets nest too deeply: quickly for what bunq sends, in bounded time for anything."""
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = _STRING.sub(b"", unescaped.translate(None, _NO_QUOTES_OR_BRACKETS))
    # Taking the innermost pairs away, level by level, leaves nothing of what bunq sends.
    for _ in range(_USUAL_DEPTH):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH - _USUAL_DEPTH:
            return True
    return False


def clean(text: str) -> str:
    """Return a text with every character replaced that is not for reading."""
    return _UNSEEN.sub(" ", text)


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _nothing(_constant: str) -> None:
    return None
