"""Spans of time, each from a moment up to before another: joined, and with parts of them taken out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

Span = tuple[datetime, datetime]

# For spans without a beginning or without an end.
EVER, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def both(one: Span, other: Span) -> Span:
    """Return the time that two spans have in common; if there is none, it ends before it begins."""
    return max(one[0], other[0]), min(one[1], other[1])


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return the same time in as few spans as possible, in order."""
    found: list[Span] = []
    for since, before in sorted(spans):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], before))
        else:
            found.append((since, before))
    return found


def chosen(spans: Iterable[Span], parts: Iterable[Span]) -> list[Span]:
    """Return those parts that lie within one of some spans, in order and apart; all spans are apart and in order."""
    found: list[Span] = []
    rest = iter(spans)
    span = next(rest, None)
    for since, before in sorted(parts):
        while span is not None and span[1] < before:
            span = next(rest, None)
        if span is not None and span[0] <= since and (not found or found[-1][1] <= since):
            found.append((since, before))
    return found


def without(spans: Iterable[Span], parts: Iterable[Span]) -> list[Span]:
    """Return what remains of spans without parts of them; both are apart and in order."""
    found: list[Span] = []
    taken = list(parts)
    for since, before in spans:
        begins = since
        while taken and taken[0][0] < before:
            part = taken.pop(0)
            if begins < part[0]:
                found.append((begins, part[0]))
            begins = part[1]
        if begins < before:
            found.append((begins, before))
    return found


def shared(spans_of: Mapping[int, Iterable[Span]]) -> dict[Span, list[int]]:
    """Return all spans, joined, with those whose spans they are."""
    found: dict[Span, list[int]] = {}
    for owner, spans in spans_of.items():
        for span in joined(spans):
            found.setdefault(span, []).append(owner)
    return found
