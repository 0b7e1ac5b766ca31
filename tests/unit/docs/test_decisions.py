"""Architecture decisions: numbered without a gap, complete, and what supersedes what is said on both sides."""

import re
from pathlib import Path

import pytest

from tests.support import documents

FOLDER = documents.ROOT / "docs" / "adr"
DECISIONS = sorted(FOLDER.glob("[0-9]*.md"))


def _superseded_by(path: Path) -> set[str]:
    return set(re.findall(r"superseded by \[(\d{4})\]", _status(path)))


def _supersedes(path: Path) -> set[str]:
    listed = re.search(r"supersedes (.+)$", _status(path))
    return set(re.findall(r"\[(\d{4})\]", listed[1])) if listed else set()


def _status(path: Path) -> str:
    found = re.search(r"^Status: ((?:.|\n(?!\n))+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return found[1].replace("\n", " ")


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [path.name[:4] for path in DECISIONS] == [f"{number:04d}" for number in range(1, len(DECISIONS) + 1)]
    assert len(DECISIONS) >= 35


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.name[:4])
def test_a_decision_has_its_title_status_and_three_parts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {path.name[:4]}: ")
    assert re.match(r"accepted|superseded by \[", _status(path))
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert all(len(part.strip()) > 30 for part in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:])


def test_a_superseded_decision_and_its_successor_name_each_other() -> None:
    forward = {(path.name[:4], newer) for path in DECISIONS for newer in _superseded_by(path)}
    backward = {(older, path.name[:4]) for path in DECISIONS for older in _supersedes(path)}
    assert forward == backward
    assert len(forward) >= 6


def test_the_index_lists_every_decision_with_its_title_and_status() -> None:
    rows = {row[0][1:5]: row[1:] for row in documents.table(FOLDER / "README.md", "number")}
    for path in DECISIONS:
        title, status = rows.pop(path.name[:4])
        assert path.read_text(encoding="utf-8").startswith(f"# {path.name[:4]}: {title}\n")
        assert set(re.findall(r"superseded by \[(\d{4})\]", status)) == _superseded_by(path)
    assert rows == {}
