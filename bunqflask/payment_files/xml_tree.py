"""XML of strangers as a tree: small, not deep, without a document type, and read in the encoding that it names.

A document type is where entities are declared: without one there are none to expand and none to fetch. It is looked
for in the decoded text before a parser sees any of it, and the parser is handed that text, so that both read the same.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from bunqflask.i18n import gettext as _
from bunqflask.payment_files.lines import MOST_BYTES, too_large

# A payment file has about ten levels, and 40 elements for each payment.
DEEPEST = 32
MOST_ELEMENTS = 200_000
_DECLARED = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
# Each writes ASCII as ASCII does, so that nothing hides in it.
_ENCODINGS = ("utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252")


# "<" in UTF-16, after its byte order mark.
_UTF16_STARTS = (b"\xff\xfe<\0", b"\xfe\xff\0<")


class XmlRefused(Exception):
    """The file is no XML that is read here; its text says why, in whole sentences."""


def is_xml(content: bytes) -> bool:
    """Tell whether a file begins as XML does, or HTML; otherwise it may be CSV."""
    return content.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"<" or content.startswith(_UTF16_STARTS)


def parse(content: bytes) -> ElementTree.Element:
    """Return the root of an XML document.

    :raises XmlRefused: it is too large, has too many elements or too deep ones, has a document type, is not
        well-formed, or is in an encoding other than UTF-8 and those of western Europe.
    """
    if len(content) > MOST_BYTES:
        raise XmlRefused(too_large())
    text = _decoded(content)
    if "<!DOCTYPE" in text:
        raise XmlRefused(
            _("The file has a document type (DOCTYPE), which payment files never have and which can do harm.")
            + " "
            + _("Export it again from your bookkeeping program.")
        )
    parser = ElementTree.XMLParser(target=_Small())  # noqa: S314 - there is no document type, and little of it
    try:
        parser.feed(text)
        return parser.close()
    except ElementTree.ParseError as error:
        reason = _("The file is damaged: it is not well-formed XML at line %(line)d. Export it again.")
        raise XmlRefused(reason % {"line": error.position[0]}) from error


def _decoded(content: bytes) -> str:
    start = content.removeprefix(codecs.BOM_UTF8)
    declared = _DECLARED.match(start)
    try:
        encoding = codecs.lookup(declared[1].decode() if declared else "utf-8").name
        text = start.decode(encoding) if encoding in _ENCODINGS else None
    except (LookupError, UnicodeDecodeError):
        text = None
    # A parser takes text with zero bytes for UTF-16, in which it would find a document type that was not found here.
    if text is None or "\0" in text:
        raise XmlRefused(_("The file is not XML in UTF-8. Export it again from your bookkeeping program, in UTF-8."))
    return text


class _Small(ElementTree.TreeBuilder):
    """Builds a tree of a few levels, and not of countless elements."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._count = 0

    def start(self, tag: Any, attrs: Any, /) -> ElementTree.Element:
        self._depth += 1
        self._count += 1
        if self._depth > DEEPEST or self._count > MOST_ELEMENTS:
            raise XmlRefused(_("The file has more elements than a payment file can have. Export it again."))
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> ElementTree.Element:
        self._depth -= 1
        return super().end(tag)


class Malformed(Exception):
    """An element stands there twice, is missing, or has elements in place of text; its text says so of which one."""


@dataclass(frozen=True)
class Node:
    """An element, with the elements of its own namespace below it; those of others are not there."""

    element: ElementTree.Element

    def all(self, name: str) -> list[Node]:
        """Return the children with this name."""
        namespace = self.element.tag.rpartition("}")[0]
        return [Node(each) for each in self.element.findall(f"{namespace}}}{name}")]

    def has_below(self, name: str) -> bool:
        """Tell whether an element with this name is anywhere below."""
        namespace = self.element.tag.rpartition("}")[0]
        return self.element.find(f".//{namespace}}}{name}") is not None

    def find(self, path: str) -> Node | None:
        """Return the element at a path of names; None where there is none.

        :raises Malformed: there are several, so that two programs could read different ones.
        """
        node = self
        for name in path.split("/"):
            found = node.all(name)
            if len(found) > 1:
                raise Malformed(_("%(name)s is there %(times)d times") % {"name": name, "times": len(found)})
            if not found:
                return None
            node = found[0]
        return node

    def need(self, path: str) -> Node:
        """Return the element at a path of names.

        :raises Malformed: there is none, or there are several.
        """
        node = self.find(path)
        if node is None:
            raise Malformed(_("%(path)s is missing") % {"path": path})
        return node

    def text(self, path: str) -> str:
        """Return the text of the element at a path, without space around it; empty where there is none.

        :raises Malformed: there are several, or it has elements inside.
        """
        node = self.find(path)
        return "" if node is None else node.own_text()

    def own_text(self) -> str:
        """Return the text of this element, without space around it.

        :raises Malformed: it has elements inside.
        """
        if len(self.element):
            raise Malformed(_("%(name)s has elements inside its text") % {"name": self.element.tag.rpartition("}")[2]})
        return (self.element.text or "").strip()
