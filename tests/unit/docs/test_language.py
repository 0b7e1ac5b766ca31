"""Plain English: words and patterns that are not used, each with the term of the field that is.

Looked for in documents, in the text of templates, in comments and docstrings, and in messages to people.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import documents

# A pattern, and what to write instead.
BANNED = {
    r"\bwhoever\b|\bwhomever\b": "name the actor: the member, the account holder, the worker",
    r"\bby whatever\b": "say by what",
    r"\bwhat (?:is|was|are|were) (?:told|said|asked|had|wanted|known|left|kept|done|decided)\b": "a noun",
    r"\b(?:is|are|was|were) (?:told|had)\b": "an actor and a verb: the page says, bunq lists, we have",
    r"\bby (?:itself|themselves|ourselves)\b": "automatically; the worker retries",
    r"\bnobody (?:waits|asks|hears|is told)\b": "say who acts: background work, the worker",
    r"(?<![|])(?<!in a )(?<!for a )(?<!at that )\bmoments?\b(?! ago)": "timestamp, time",
    r"\btroubles?\b": "error, error kind, retry state",
    r"\bstretch(?:es)?\b": "covered range",
    r"\bgates?\b": "rate limiter",
    r"\bpatience\b": "how long it may wait",
    r"\bkept sums?\b|\bsums? (?:that )?(?:is|are) kept\b": "aggregate",
    r"\bkept (?:pages?|sessions?)\b": "cache; pinned session",
    r"\bleft sessions?\b": "abandoned session",
    r"\bfirst histor(?:y|ies)\b|\breading (?:of )?(?:a |the )?(?:whole )?histor(?:y|ies)\b": "backfill",
    r"\bproofs? of (?:a |the )?balances?\b": "reconciliation",
    r"\bbunq['’]s own words\b|\bbunq['’]s words\b": "bunq's message, bunq's text",
    r"\btakes? (?:its |their )?turns?\b": "waits, runs next",
    r"\btakes nothing more\b": "is full",
    r"\bheals?\b": "recovers; is retried",
    r"(?-i:\bRead now\b|\bLook again\b)": "Sync now, Check again",
    r"\bvault\b": "key rotation, encrypted values",
    r"\bin step\b": "up to date, synced",
    r"\btold apart\b": "distinguished",
}
_PATTERNS = {re.compile(pattern, re.IGNORECASE): instead for pattern, instead in BANNED.items()}
# Texts that a person reads go through one of these.
_TRANSLATED = {"_", "gettext", "ngettext"}


def _of_python(text: str) -> Iterator[tuple[int, str]]:
    """Yield comments, docstrings and messages to people, each with its line."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            if docstring is not None:
                yield node.body[0].lineno, docstring
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _TRANSLATED:
            yield from ((each.lineno, str(each.value)) for each in node.args if isinstance(each, ast.Constant))


def _of_template(text: str) -> Iterator[tuple[int, str]]:
    """Yield what a template says, lines as they are: names of variables and classes are rarely words."""
    yield from enumerate(re.sub(r"\{#.*?#\}|https?://\S+", "", text, flags=re.DOTALL).splitlines(), start=1)


def _of_document(text: str) -> Iterator[tuple[int, str]]:
    # A quotation names a text on a screen of another party; code names what is so called.
    yield from enumerate(re.sub(r"`[^`\n]+`", "", text).splitlines(), start=1)


def _hits(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    parts = {".py": _of_python, ".html": _of_template}.get(path.suffix, _of_document)(text)
    return [
        f"{documents.name_of(path)}:{line}: {found[0]!r}; write: {instead}"
        for line, part in parts
        for pattern, instead in _PATTERNS.items()
        for found in pattern.finditer(" ".join(part.split()))
    ]


def _files() -> list[Path]:
    code = documents.tracked("bunqflask/*.py", "templates/*.html", "bunqflask/sandbox/*.html")
    return sorted({*code, *documents.all_documents()})


def test_banned_words_do_not_occur() -> None:
    assert [hit for path in _files() for hit in _hits(path)] == []


@pytest.mark.parametrize("pattern", BANNED)
def test_a_pattern_finds_something(pattern: str) -> None:
    examples = (
        "Whoever reads by whatever it is, what is told; the page is told by itself: nobody waits for the moment of "
        "trouble at the gate, with patience, in a stretch of kept sums and kept pages. Left sessions, a first history, "
        "proof of balance, bunq's own words; it takes its turn, takes nothing more and heals. Read now! The vault is "
        "in step with those told apart."
    )
    assert re.search(pattern, examples, re.IGNORECASE)


def test_comments_docstrings_and_messages_are_looked_at() -> None:
    code = '"""Doc."""\n\n\ndef go():\n    """Inner."""\n    x = "plain"  # why\n    return _("shown") + x\n'
    assert [part for _line, part in _of_python(code)] == ["# why", "Doc.", "Inner.", "shown"]
