"""Which call a path means: a tree of path parts, made once for all sandboxes of a process.

Flask's own map takes a fifth of a second to compile this many paths, for each app anew; tests make hundreds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

T = TypeVar("T")

_PARAMETER = re.compile(r"<(int|uuid|any):(\w+)>")
_NUMBER = re.compile(r"[0-9]{1,100}")


@dataclass
class _Node(Generic[T]):
    """A node of the path tree: its children by fixed text or parameter kind, and the targets by method."""

    words: dict[str, _Node[T]] = field(default_factory=dict)
    kinds: dict[str, _Node[T]] = field(default_factory=dict)
    methods: dict[str, tuple[T, tuple[str, ...]]] = field(default_factory=dict)


class Table(Generic[T]):
    """Finds what a method and path mean."""

    def __init__(self, entries: Iterable[tuple[str, str, T]]) -> None:
        """Take (method, rule, what it means); a rule has parameters like `<int:user_id>`."""
        self._root: _Node[T] = _Node()
        for method, rule, meaning in entries:
            node, names = self._root, []
            for part in rule.strip("/").split("/"):
                parameter = _PARAMETER.fullmatch(part)
                if parameter is None:
                    node = node.words.setdefault(part, _Node())
                else:
                    names.append(parameter[2])
                    node = node.kinds.setdefault(parameter[1], _Node())
            assert method not in node.methods, f"{method} {rule} is answered twice"
            node.methods[method] = (meaning, tuple(names))

    def find(self, method: str, path: str) -> tuple[T, dict[str, int | str]] | None:
        """Return (what is meant, the parameters); None where the path exists with other methods only.

        :raises LookupError: there is no such path.
        """
        exists = False
        for node, values in _walk(self._root, path.strip("/").split("/"), ()):
            exists = exists or bool(node.methods)
            if method in node.methods:
                meaning, names = node.methods[method]
                return meaning, dict(zip(names, values, strict=True))
        if not exists:
            raise LookupError(path)
        return None


def _walk(
    node: _Node[T], parts: list[str], values: tuple[int | str, ...]
) -> Iterator[tuple[_Node[T], tuple[int | str, ...]]]:
    """Yield every node that a path leads to, fixed words first."""
    if not parts:
        yield node, values
        return
    part, rest = parts[0], parts[1:]
    if part in node.words:
        yield from _walk(node.words[part], rest, values)
    if "int" in node.kinds and _NUMBER.fullmatch(part):
        yield from _walk(node.kinds["int"], rest, (*values, int(part)))
    if "uuid" in node.kinds and _is_uuid(part):
        yield from _walk(node.kinds["uuid"], rest, (*values, part.lower()))
    if "any" in node.kinds and part:
        yield from _walk(node.kinds["any"], rest, (*values, part))


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
