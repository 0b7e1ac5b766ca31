"""The documents of the repository: which there are, and what is in them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

# Programs with which examples of the documents are checked, and the packages of Debian that have them.
PROGRAMS = {
    "nginx": "nginx",
    "caddy": "caddy",
    "systemd-analyze": "systemd",
    "fail2ban-client": "fail2ban",
    "curl": "curl",
    "hledger": "hledger",
    "promtool": "prometheus",
    "soffice": "libreoffice-calc-nogui",
}

ROOT = Path(__file__).resolve().parents[2]
_PATTERNS = ("*.md", "docs/**/*.md", "bunqflask/sandbox/*.md")
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    path: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{name_of(self.path)}: {self.text.splitlines()[0][:50]}"


def program(name: str) -> str | None:
    """Return where one of `PROGRAMS` is, if it is installed; those of servers are not on the PATH of each user."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def needed(name: str) -> str:
    """Return where one of `PROGRAMS` is; where it is missing the test is skipped, or fails with CI=true."""
    found = program(name)
    if found is None:
        why = f"{name} (Debian: apt-get install {PROGRAMS[name]}), so its configuration in the documents is NOT checked"
        if os.environ.get("CI") == "true":
            pytest.fail(f"missing: {why}")
        pytest.skip(f"missing: {why}")
    return found


def caddy_version(program: str) -> tuple[int, int]:
    """Return the first two numbers of Caddy's version."""
    told = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
    major, minor = re.findall(r"\d+", told)[:2]
    return int(major), int(minor)


def name_of(path: Path) -> str:
    """Return the path of a file as it is named in this repository."""
    return path.relative_to(ROOT).as_posix()


@cache
def all_documents() -> tuple[Path, ...]:
    """Return every document that is for readers."""
    found = {path for pattern in _PATTERNS for path in ROOT.glob(pattern)}
    return tuple(sorted(found))


def tracked(*patterns: str) -> list[Path]:
    """Return the files of the repository that match, new ones included."""
    if shutil.which("git") is None:
        pytest.skip("git is not on this machine")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).exists()]


@cache
def blocks() -> tuple[Block, ...]:
    """Return every fenced block of every document."""
    return tuple(
        Block(path, match["language"], textwrap.dedent(match["text"]))
        for path in all_documents()
        for match in _FENCE.finditer(path.read_text(encoding="utf-8"))
    )


def blocks_in(*languages: str) -> list[Block]:
    """Return the fenced blocks in some languages."""
    return [block for block in blocks() if block.language in languages]


class _Loader(yaml.SafeLoader):
    """Reads YAML in which Home Assistant's `!secret NAME` stands for a value of another file; it stays that name."""


_Loader.add_constructor("!secret", lambda _loader, node: str(node.value))


def read_yaml(text: str) -> Any:
    """Return what YAML says."""
    return yaml.load(text, Loader=_Loader)


def prose(path: Path) -> str:
    """Return a document without its fenced blocks."""
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def inline_code(path: Path) -> list[str]:
    """Return what a document has in backticks, outside of fenced blocks."""
    return _INLINE.findall(prose(path).replace("\\|", "|"))


@dataclass(frozen=True, order=True)
class Call:
    """A call of a program, without the program; `is_whole` unless it is named within a sentence."""

    words: str
    is_whole: bool

    def __str__(self) -> str:
        return self.words


def calls(program: str) -> Iterator[tuple[Path, Call]]:
    """Yield every call of a program: from shell blocks, and from code within a sentence."""
    call = re.compile(rf"^(?:\S+=\S+ )*(?:\S*/)?{re.escape(program)} (.+)$")
    for path in all_documents():
        lines = [line for block in blocks_in("sh") if block.path == path for line in block.text.splitlines()]
        for line, is_whole in [(line, True) for line in lines] + [(code, False) for code in inline_code(path)]:
            if found := call.search(line.split(" #")[0].strip()):
                yield path, Call(found[1], is_whole)


def table(path: Path, first_heading: str) -> list[list[str]]:
    """Return the rows of the table whose first column has this heading, as cells of text."""
    rows: list[list[str]] = []
    is_inside = False
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            is_inside = False
        elif cells[0] == first_heading:
            is_inside = True
        elif is_inside and not set(cells[0]) <= {"-"}:
            rows.append(cells)
    return rows


def names(path: Path, first_heading: str) -> list[str]:
    """Return the first column of a table without its backticks."""
    return [row[0].strip("`") for row in table(path, first_heading)]
