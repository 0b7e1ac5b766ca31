"""What another machine sent, made harmless before anything else looks at it: JSON, and texts within it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

# bunq's own answers nest a dozen levels deep; what nests further could not be stored again.
MAX_DEPTH = 100
# Control characters move a terminal's cursor, NUL and lone surrogates cannot be stored, and the marks of
# writing direction make a name read as another.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+")


def read_json(body: bytes) -> Any:
    """Read JSON of bounded depth; what JSON has no number for (NaN, 1e999) becomes None.

    :raises ValueError: not JSON, or nested too deeply.
    """
    try:
        data = json.loads(body, parse_float=_finite, parse_constant=_nothing)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    level = [data]
    for _ in range(MAX_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return data
    raise ValueError("nested too deeply")


def clean(text: str) -> str:
    """Return a text with every character replaced that is not for reading."""
    return _UNSEEN.sub(" ", text)


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _nothing(_constant: str) -> None:
    return None
