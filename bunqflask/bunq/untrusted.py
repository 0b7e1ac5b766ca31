"""JSON that another machine sent, made harmless before anything else looks at it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

# bunq's own answers nest a dozen levels deep; what nests further could not be stored again.
MAX_DEPTH = 100
_USUAL_DEPTH = 20
# Once no quote in them is escaped; an unclosed one goes to the end.
_STRING = re.compile(rb'"[^"]*"?')
_NO_QUOTES_OR_BRACKETS = bytes(set(range(256)) - set(b'"[]{}'))
_OPENS = ord("[")
_ONE_KIND_OF_BRACKET = bytes.maketrans(b"{}", b"[]")


class _List(msgspec.Struct):
    """A list answer, its items unread."""

    Response: list[dict[str, msgspec.Raw]]
    Pagination: Any = None


_LIST = msgspec.json.Decoder(_List)


def read_json(body: bytes) -> Any:
    """Read JSON of bounded depth; what JSON has no number for (NaN, 1e999) becomes None.

    :raises ValueError: not JSON in UTF-8, or nested too deeply.
    """
    check_depth(body)
    try:
        return msgspec.json.decode(body)
    except ValueError:
        pass  # stricter than our contract, but several times as quick: most of an import is reading JSON
    try:
        return json.loads(body.decode(), parse_float=_finite, parse_constant=_nothing)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def split_json(body: bytes) -> tuple[list[dict[str, bytes]], Any]:
    """Read a list answer of bunq's, but leave what stands under each item's names as it was written.

    Those bytes are stored, instead of thousands of small objects that are made and thrown away.

    :raises ValueError: not such a list; or one that only `read_json` can read.
    """
    try:
        answer = _LIST.decode(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return [{name: bytes(raw) for name, raw in item.items()} for item in answer.Response], answer.Pagination


def check_depth(body: bytes) -> None:
    """See to it that brackets do not nest too deeply: quickly for what bunq sends, in bounded time for anything.

    :raises ValueError: they do.
    """
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_too_deep(body):
        raise ValueError("nested too deeply")


def _is_too_deep(body: bytes) -> bool:
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Most strings hold no bracket: of those, two quotes are left, side by side.
    marks = unescaped.translate(_ONE_KIND_OF_BRACKET, _NO_QUOTES_OR_BRACKETS).replace(b'""', b"")
    brackets = _STRING.sub(b"", marks)
    # Taking the innermost pairs away, level by level, leaves nothing of what bunq sends.
    for _ in range(_USUAL_DEPTH):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket == _OPENS else -1
        if depth > MAX_DEPTH - _USUAL_DEPTH:
            return True
    return False


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _nothing(_constant: str) -> None:
    return None
