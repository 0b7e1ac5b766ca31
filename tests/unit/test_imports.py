"""The arrows between the parts: who may import whom. A broken arrow is named with its file and line.

Layers stand on top: web, cli, worker and devserver use services; services use the bunq client, the models and the
database. Inside services the areas stand in a row, and each uses those before it. An arrow that nobody uses is not
permitted either, so that its coming would be noticed.
"""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "bunqflask"

# Each part and the parts, or single modules or names of them, that it may import.
# `bunqflask` is the package itself, which wires the parts.
ARROWS: dict[str, set[str]] = {
    "bunqflask": {"config", "database", "services.audit", "web", "api", "mcp", "cli"},
    "addresses": set(),
    "calendar_files": {"invisible"},
    "heap": set(),
    "config": {"addresses"},
    "clock": set(),
    "devices": {"i18n"},
    "digest": set(),
    "i18n": set(),
    "ibans": {"i18n", "invisible"},
    "extensions": set(),
    "invisible": set(),
    "bunq": {"addresses", "invisible"},
    "exports": {"invisible"},
    "payment_files": {"i18n", "ibans", "invisible"},
    "sandbox": set(),
    "database": {"clock", "extensions"},
    "models": {
        "extensions",
        "database.encryption",
        "database.leases",
        "database.outbox",
        "database.storage",
        "database.types",
    },
    "services.principal": {"models.states"},
    "services.account_rights": {"clock", "extensions", "models", "services.principal"},
    "services.policy": {"extensions", "i18n", "models", "services.principal", "services.account_rights"},
    "services.workers": {"clock", "extensions", "database", "models"},
    "services.audit": {"clock", "extensions", "database", "models", "services.principal", "services.policy"},
    "services.receipt": {
        "clock",
        "extensions",
        "database",
        "models",
        "services.principal",
        "services.policy",
        "services.audit",
    },
    "services.key_rotation": {"extensions", "database", "models", "services.audit"},
    "services.backups": {"clock", "extensions", "database", "models", "services.audit"},
    "services.gateway": {"clock", "i18n", "extensions", "database", "models", "bunq", "services.audit"},
    "services.health_report": {
        "bunq.transport",
        "clock",
        "extensions",
        "database.erasure",
        "models",
        "services.doctor",
        "services.gateway",
        "services.connections",
        "services.sync",
    },
    "services.connections": {
        "calendar_files",
        "services.audit",
        "services.workers",
        "clock",
        "i18n",
        "extensions",
        "database",
        "models",
        "bunq",
        "services.principal",
        "services.account_rights",
        "services.policy",
        "services.gateway",
    },
    "services.instructions": {
        "payment_files",
        "exports",
        "bunq",
        "clock",
        "database",
        "digest",
        "extensions",
        "i18n",
        "ibans",
        "models",
        "services.audit",
        "services.connections",
        "services.gateway",
        "services.payments",
        "services.policy",
        "services.principal",
    },
    "services.payments": {
        "clock",
        "extensions",
        "database",
        "models",
        "bunq",
        "services.principal",
        "services.policy",
        "services.gateway",
        "services.connections",
    },
    "services.sync": {
        "services.instructions",
        "clock",
        "digest",
        "extensions",
        "database",
        "models",
        "bunq",
        "services.principal",
        "services.policy",
        "services.gateway",
        "services.connections",
        "services.payments",
    },
    "services.consent": {
        "services.audit",
        "clock",
        "digest",
        "extensions",
        "database",
        "models",
        "bunq",
        "services.principal",
        "services.policy",
        "services.gateway",
        "services.connections",
        "services.payments",
        "services.sync",
        "services.notices",
    },
    "services.exports": {
        "services.audit",
        "clock",
        "i18n",
        "extensions",
        "database",
        "models",
        "bunq.errors",
        "exports",
        "services.principal",
        "services.policy",
        "services.connections",
        "services.payments",
        "services.sync",
    },
    "services.notices": {
        "services.instructions",
        "bunq.transport",
        "clock",
        "devices",
        "extensions",
        "database",
        "i18n",
        "invisible",
        "models",
        "services.principal",
        "services.policy",
        "services.audit",
        "services.connections.condition_texts",
        "services.payments.local_days",
    },
    "services.team": {
        "services.audit",
        "services.account_rights",
        "services.policy",
        "invisible",
        "i18n",
        "clock",
        "digest",
        "extensions",
        "database",
        "models",
        "services.principal",
        "services.connections",
        "services.consent",
        "services.notices",
    },
    "services.doctor": {
        "addresses",
        "clock",
        "digest",
        "i18n",
        "extensions",
        "database",
        "models",
        "bunq",
        "services.principal",
        "services.policy",
        "services.workers",
        "services.gateway",
        "services.sync",
    },
    "services.metrics": {"database.outbox", "extensions", "models", "services.principal", "services.policy"},
    "services.tokens": {
        "clock",
        "digest",
        "i18n",
        "extensions",
        "database",
        "models",
        "services.principal",
        "services.policy",
        "services.audit",
    },
    "services.assistants": {
        "clock",
        "digest",
        "i18n",
        "invisible",
        "extensions",
        "database",
        "models",
        "services.principal",
        "services.policy",
        "services.audit",
        "services.tokens",
    },
    "api": {
        "calendar_files",
        "bunq.errors",
        "bunq.readable",
        "clock",
        "exports",
        "extensions",
        "ibans",
        "models",
        "services",
    },
    "mcp": {"api", "extensions", "invisible", "models", "services"},
    "web": {
        "payment_files",
        "calendar_files",
        "api",
        "database.migrations",
        "database.storage",
        "invisible",
        "clock",
        "config",
        "devices",
        "digest",
        "i18n",
        "extensions",
        "database.encryption.SecretUnreadable",
        "models",
        "bunq.errors",
        "exports",
        "services",
    },
    "worker": {"clock", "extensions", "database", "models", "services"},
    "cli": {
        "digest",
        "ibans",
        "payment_files",
        "database.storage",
        "config",
        "extensions",
        "mcp",
        "models",
        "database.encryption.SecretUnreadable",
        "bunq.errors",
        "bunq.transport",
        "exports",
        "services",
        "worker",
    },
    "processes": set(),
    "devserver": {"addresses", "processes", "bunqflask", "config", "extensions", "services"},
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
    """Return the part that a name of ours belongs to."""
    names = dotted.split(".")[1:]
    for length in (2, 1):
        if (part := ".".join(names[:length])) in ARROWS:
            return part
    return "bunqflask" if not names or names[0] == "create_app" else names[0]


def covers(arrow: str, dotted: str) -> bool:
    """Tell whether an arrow leads to an imported name."""
    inside = dotted.removeprefix("bunqflask.")
    return arrow in (part_of(dotted), inside) or inside.startswith(arrow + ".")


@functools.cache
def our_imports() -> list[tuple[Path, int, str, str]]:
    """Return (file, line, importing part, imported name) of every import from one part of ours to another."""
    return [
        (path, line, part_of(module_name(path)), dotted)
        for path in FILES
        for line, dotted in imports(path)
        if dotted.split(".")[0] == "bunqflask" and part_of(dotted) != part_of(module_name(path))
    ]


def names_of(path: Path, attributes: set[str]) -> Iterator[int]:
    """Yield the lines on which one of these methods is called."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in attributes:
            yield node.lineno


def test_every_file_belongs_to_a_known_part() -> None:
    strangers = [str(path) for path in FILES if part_of(module_name(path)) not in {*ARROWS, "services"}]
    assert strangers == [], "give the new part its arrows in this file"
    assert [path for path in FILES if part_of(module_name(path)) == "services"] == [PACKAGE / "services/__init__.py"]


def test_no_arrow_turns_back() -> None:
    broken = [
        f"{path.relative_to(PACKAGE.parent)}:{line} imports {dotted}, but {importer} may only import "
        f"{', '.join(sorted(ARROWS[importer])) or 'nothing of ours'}"
        for path, line, importer, dotted in our_imports()
        if not any(covers(arrow, dotted) for arrow in ARROWS[importer])
    ]
    assert not broken, "\n".join(broken)


def test_every_arrow_is_used() -> None:
    used = {
        (importer, arrow)
        for _path, _line, importer, dotted in our_imports()
        for arrow in ARROWS[importer]
        if covers(arrow, dotted)
    }
    unused = [f"{part} -> {arrow}" for part, arrows in ARROWS.items() for arrow in arrows if (part, arrow) not in used]
    assert not unused, f"nobody needs {unused}"


def test_the_arrows_have_no_circle() -> None:
    parts = {part: {part_of("bunqflask." + arrow) for arrow in arrows} for part, arrows in ARROWS.items()}
    parts["services"] = {part for part in ARROWS if part.startswith("services.")}
    ordered: list[str] = []
    while parts:
        free = [part for part, needs in parts.items() if needs <= set(ordered)]
        assert free, f"a circle among {sorted(parts)}"
        ordered += free
        parts = {part: needs for part, needs in parts.items() if part not in free}


@pytest.mark.parametrize("path", sorted((PACKAGE / "bunq").rglob("*.py")), ids=lambda path: path.name)
def test_the_bank_client_knows_no_framework_and_only_its_transport_opens_sockets(path: Path) -> None:
    refused = FRAMEWORKS if path.name == "transport.py" else FRAMEWORKS | OUTSIDE_WORLD
    broken = [
        f"{path.name}:{line} imports {dotted}"
        for line, dotted in imports(path)
        if any(dotted == name or dotted.startswith(name + ".") for name in refused)
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if part_of(module_name(path)) in ("exports", "payment_files")],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_the_formats_of_files_know_no_framework_no_network_and_no_clock(path: Path) -> None:
    broken = [
        f"{path.name}:{line} imports {dotted}"
        for line, dotted in imports(path)
        if any(dotted == name or dotted.startswith(name + ".") for name in FRAMEWORKS | OUTSIDE_WORLD)
    ]
    assert not broken, "\n".join(broken)


def test_only_the_database_package_begins_and_commits_transactions() -> None:
    places = [
        f"{path.relative_to(PACKAGE.parent)}:{line}"
        for path in FILES
        if part_of(module_name(path)) not in ("database", "sandbox")
        for line in names_of(path, {"commit", "begin", "begin_nested"})
    ]
    assert places == [], "put it into `with transaction():`"


def test_only_config_reads_the_environment() -> None:
    readers = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv")
    }
    # The stand-in has settings of its own; the launcher only sets a variable for its children.
    assert readers <= {"config.py", "sandbox/bank/settings.py", "devserver.py"}
