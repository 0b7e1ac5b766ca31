"""What a document shows can be used: shell, Python, settings; each block says what language it is in."""

import ast
import json
import re
import subprocess

import pytest

from tests.support import documents
from tests.support.documents import Block

# Those of servers and other programs are checked in tests/protocol/docs, the first by GitHub only.
LANGUAGES = {"mermaid", "sh", "python", "ini", "nginx", "caddyfile", "yaml", "json", "powerquery", "text"}


def test_each_fenced_block_is_in_a_language_that_is_checked() -> None:
    assert {block.language for block in documents.blocks()} == LANGUAGES
    fences = sum(path.read_text(encoding="utf-8").count("```") for path in documents.all_documents())
    assert fences == 2 * len(documents.blocks())


def test_shell_blocks_are_correct_shell() -> None:
    refused = {}
    for block in documents.blocks_in("sh"):
        checked = subprocess.run(["sh", "-n"], input=block.text, capture_output=True, text=True, check=False)
        if checked.returncode:
            refused[str(block)] = checked.stderr
    assert refused == {}
    assert len(documents.blocks_in("sh")) > 25


def test_a_shell_block_that_is_wrong_would_be_noticed() -> None:
    assert subprocess.run(["sh", "-n"], input="echo 'a\n", capture_output=True, text=True, check=False).returncode


@pytest.mark.parametrize("block", documents.blocks_in("yaml"), ids=str)
def test_yaml_blocks_are_correct_and_name_numbers_that_the_server_has(block: Block) -> None:
    source = (documents.ROOT / "bunqflask" / "services" / "metrics.py").read_text(encoding="utf-8")
    known = set(re.findall(r'"(bunqflask_\w+)"', source))
    assert isinstance(documents.read_yaml(block.text), dict)
    assert set(re.findall(r"bunqflask_\w+", block.text)) <= known


@pytest.mark.parametrize("block", documents.blocks_in("json"), ids=str)
def test_json_blocks_are_correct_json(block: Block) -> None:
    assert json.loads(block.text)


@pytest.mark.parametrize("block", documents.blocks_in("python"), ids=str)
def test_python_blocks_are_correct_python(block: Block) -> None:
    ast.parse(block.text)


def test_files_that_are_installed_or_run_by_a_document_exist() -> None:
    shell = "\n".join(block.text for block in documents.blocks_in("sh"))
    lists = set(re.findall(r"-r (requirements\S*\.txt)", shell))
    modules = set(re.findall(r"python -m (tests\.[\w.]+)", shell))
    folders = set(re.findall(r"pytest .*?(tests/\S+)", shell))
    assert lists >= {"requirements.txt", "requirements-postgres.txt"}
    assert modules
    assert folders
    names = [*lists, *folders, *(f"{module.replace('.', '/')}.py" for module in modules)]
    assert [name for name in names if not (documents.ROOT / name).exists()] == []


def test_labels_and_messages_that_a_guide_quotes_are_on_a_page() -> None:
    sources = documents.tracked("templates/*.html", "bunqflask/*.py", "bunqflask/sandbox/*.html")
    pages = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    guides = [documents.ROOT / "README.md", *sorted((documents.ROOT / "docs" / "how-to").glob("*.md"))]
    labels = {
        label
        for path in guides
        for label in re.findall(
            r"(?:[Pp]ress(?: the button)?|Use|Open|Choose|then|and|^) ?\*\*([^*`]+)\*\*", documents.prose(path)
        )
    }
    rows = documents.table(documents.ROOT / "docs/how-to/troubleshooting.md", "what you see")
    ours = [row[0] for row in rows if not row[0].startswith(("bunq says", "setup stops"))]
    messages = {message for cell in ours for message in re.findall(r'"([^"]+)"', cell) if "…" not in message}
    assert len(labels) >= 5
    assert len(messages) >= 4
    assert [text for text in sorted(labels | messages) if text not in pages] == []
