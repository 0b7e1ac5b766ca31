"""Every link of a document leads somewhere, and every document is found by links."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support import documents

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def _links(path: Path) -> list[str]:
    return [link for link in _LINK.findall(documents.prose(path)) if not re.match(r"[a-z]+:", link)]


def _anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", documents.prose(path), re.MULTILINE)
    texts = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", text).replace(" ", "-") for text in texts}


@pytest.mark.parametrize("path", documents.all_documents(), ids=documents.name_of)
def test_every_relative_link_and_its_anchor_resolves(path: Path) -> None:
    broken = []
    for link in _links(path):
        name, _, anchor = unquote(link).partition("#")
        target = (path.parent / name).resolve() if name else path
        is_there = target.is_relative_to(documents.ROOT) and target.exists()
        if not is_there or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_document_and_image_is_linked_from_another_document() -> None:
    linked = {
        (path.parent / unquote(link.partition("#")[0])).resolve()
        for path in documents.all_documents()
        for link in _links(path)
        if not link.startswith("#")
    }
    files = [*documents.tracked("docs/*.md", "docs/images/*"), *documents.tracked("*.md")]
    assert [documents.name_of(path) for path in files if path not in linked and path.name != "README.md"] == []
    assert documents.ROOT / "docs" / "README.md" in linked


def test_links_and_anchors_are_found_at_all() -> None:
    assert len(_links(documents.ROOT / "README.md")) > 20
    assert "what-is-not-encrypted" in _anchors(documents.ROOT / "docs/explanation/security.md")
    assert "register-a-licensed-party-psd2" in _anchors(documents.ROOT / "docs/how-to/licensed-party.md")
