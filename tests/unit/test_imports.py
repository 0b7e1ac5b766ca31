"""The arrows between the parts: who may import whom. A broken arrow is named with its file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "bunqflask"

# Each part and the other parts it may import. `bunqflask` is the package itself, which wires them.
ARROWS = {
    "bunqflask": {"config", "extensions", "unchanged", "models", "encrypted", "services", "jobs", "web", "cli"},
    "config": set[str](),
    "clock": set[str](),
    "texts": set[str](),
    "extensions": set[str](),
    "unchanged": {"extensions"},
    "encrypted": {"config", "extensions"},
    "models": {"extensions", "encrypted", "clock"},
    "bunq": set[str](),
    "exports": set[str](),
    "services": {"texts", "exports", "models", "bunq", "config", "extensions", "unchanged", "encrypted", "clock"},
    "web": {
        "jobs",
        "services",
        "exports",
        "models",
        "config",
        "extensions",
        "clock",
        "texts",
        "encrypted.SecretUnreadable",
        "bunq.errors",
        "bunq.resources",
    },
    "jobs": {"services"},
    "cli": {"jobs", "services", "config", "encrypted.SecretUnreadable", "bunq.errors"},
    "sandbox": set[str](),
    "processes": set[str](),
    "local": {"bunqflask", "config", "services", "extensions", "processes"},
}

# The bank client is handed plain values: no framework, no database.
FRAMEWORKS = {"flask", "werkzeug", "sqlalchemy", "flask_sqlalchemy", "authlib", "dotenv"}
# What opens a socket, and what tells the time.
OUTSIDE_WORLD = {"requests", "urllib3", "socket", "http", "urllib.request", "time", "ssl"}

FILES = sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of all that a file imports, names of `from` imports included."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def part_of(dotted: str) -> str:
    """Return the part that an imported name of ours belongs to."""
    names = dotted.split(".")
    return names[1] if len(names) > 1 and names[1] in ARROWS else "bunqflask"


def is_allowed(importer: str, dotted: str) -> bool:
    if importer == part_of(dotted):
        return True
    inside = dotted.removeprefix("bunqflask.")
    return any(
        arrow == part_of(dotted) or inside == arrow or inside.startswith(arrow + ".") for arrow in ARROWS[importer]
    )


def test_every_file_belongs_to_a_known_part() -> None:
    known = {f"bunqflask.{part}" for part in ARROWS} | {"bunqflask"}
    strangers = [str(path) for path in FILES if ".".join(module_name(path).split(".")[:2]) not in known]
    assert strangers == [], "give the new part its arrows in this file"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_arrow_turns_back(path: Path) -> None:
    importer = part_of(module_name(path))
    broken = [
        f"{path.relative_to(PACKAGE.parent)}:{line} imports {dotted}, but {importer} may only import "
        f"{', '.join(sorted(ARROWS[importer])) or 'nothing of ours'}"
        for line, dotted in imports(path)
        if dotted.split(".")[0] == "bunqflask" and not is_allowed(importer, dotted)
    ]
    assert broken == []


@pytest.mark.parametrize("path", sorted((PACKAGE / "bunq").rglob("*.py")), ids=lambda path: path.name)
def test_the_bank_client_knows_no_framework_and_only_its_transport_opens_sockets(path: Path) -> None:
    refused = FRAMEWORKS if path.name == "transport.py" else FRAMEWORKS | OUTSIDE_WORLD
    broken = [
        f"{path.name}:{line} imports {dotted}"
        for line, dotted in imports(path)
        if any(dotted == name or dotted.startswith(name + ".") for name in refused)
    ]
    assert broken == []


@pytest.mark.parametrize("path", sorted((PACKAGE / "exports").rglob("*.py")), ids=lambda path: path.name)
def test_the_bookkeeping_formats_know_no_framework_no_network_and_no_clock(path: Path) -> None:
    broken = [
        f"{path.name}:{line} imports {dotted}"
        for line, dotted in imports(path)
        if any(dotted == name or dotted.startswith(name + ".") for name in FRAMEWORKS | OUTSIDE_WORLD)
    ]
    assert broken == []


def test_only_services_commit() -> None:
    committing = [
        f"{path.relative_to(PACKAGE.parent)}:{node.lineno}"
        for path in FILES
        if part_of(module_name(path)) not in ("services", "sandbox")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "commit"
    ]
    assert committing == []


def test_only_config_reads_the_environment() -> None:
    readers = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv")
    }
    # The stand-in has settings of its own; the launcher only sets a variable for its children.
    assert readers <= {"config.py", "sandbox/settings.py", "local.py"}
