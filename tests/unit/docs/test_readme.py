"""The front door stays short, and its pictures stay small."""

import re
import struct

import pytest

from tests.support import documents

README = documents.ROOT / "README.md"
PICTURES = ("docs/images/accounts.png", "docs/images/payments.png")


def test_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 140


@pytest.mark.parametrize("name", PICTURES)
def test_readme_shows_a_picture_that_is_small_and_wide_enough(name: str) -> None:
    data = (documents.ROOT / name).read_bytes()
    width, _height = struct.unpack(">II", data[16:24])
    assert data.startswith(b"\x89PNG")
    assert (width, len(data) < 200_000) == (1280, True)
    assert f"]({name})" in README.read_text(encoding="utf-8")


def test_no_document_has_a_placeholder() -> None:
    placeholder = re.compile(r"\bTODO\b|\bTBD\b|\bFIXME\b|\bXXX\b|<this repository>|lorem ipsum", re.IGNORECASE)
    found = [documents.name_of(path) for path in documents.all_documents() if placeholder.search(documents.prose(path))]
    assert found == []
