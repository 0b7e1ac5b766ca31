"""Small things about the repository itself that are easy to break and hard to notice."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.conftest import missing

ROOT = Path(__file__).resolve().parents[2]
LONGEST_MODULE = 450


def tracked(*patterns: str) -> list[Path]:
    if shutil.which("git") is None:
        missing("git")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def test_no_secret_or_database_is_tracked() -> None:
    private = re.compile(r"(^|/)(\.env|[^/]*\.sqlite3?|[^/]*\.pem|[^/]*\.key)$")
    assert [path for path in tracked() if private.search(str(path))] == []


def test_no_third_party_asset_is_tracked() -> None:
    foreign = re.compile(r"(htmx[^/]*|[^/]*\.min)\.(js|css)$")
    assert [path for path in tracked() if foreign.search(str(path))] == []


def test_modules_stay_easy_to_read() -> None:
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in tracked("bunqflask/*.py")}
    assert [path for path, length in lengths.items() if length > LONGEST_MODULE] == []


def test_test_folders_are_packages_so_that_equal_file_names_do_not_collide() -> None:
    folders = {path.parent for path in tracked("tests/*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_the_two_commands_are_in_the_makefile_and_in_the_readme() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("run", "test"):
        assert re.search(rf"^{command}:", makefile, re.MULTILINE)
        assert f"make {command}" in readme


def test_every_make_word_is_explained_by_make_help() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    explained = set(re.findall(r"^(\w+):.*## \S", makefile, re.MULTILINE))
    assert set(phony.group(1).split()) == explained
