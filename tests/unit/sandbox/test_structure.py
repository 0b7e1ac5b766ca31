"""The structure of the stand-in: which package may import which, no circle, and no function that is too long."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[3] / "bunqflask" / "sandbox"
ROOT = "bunqflask.sandbox"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FUNCTION, LONGEST_MODULE = 60, 400

# Each package and the others that it may import; the modules at the top wire all of them.
ARROWS = {
    "bank": set[str](),
    "protocol": {"bank"},
    "resources": {"bank", "protocol"},
    "control": {"bank"},
    "pages": {"bank", "control"},
}


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parents[1]).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, module) of every module of the stand-in that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [name if name in MODULES else node.module or "" for name in names]
        elif isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        else:
            continue
        yield from ((node.lineno, each) for each in found if each in MODULES)


def package_of(module: str) -> str:
    parts = module.removeprefix(ROOT).strip(".").split(".")
    return parts[0] if parts[0] in ARROWS else ""


def test_no_arrow_between_packages_turns_back() -> None:
    broken = [
        f"{path.relative_to(PACKAGE)}:{line} imports {module}"
        for name, path in MODULES.items()
        for line, module in imported(path)
        if (importer := package_of(name)) and (target := package_of(module)) != importer
        if target not in ARROWS[importer]
    ]
    assert broken == []


def test_every_permitted_arrow_is_used() -> None:
    used = {
        (package_of(name), package_of(module)) for name, path in MODULES.items() for _line, module in imported(path)
    }
    unused = [(importer, target) for importer, targets in ARROWS.items() for target in targets - {""}]
    assert [arrow for arrow in unused if arrow not in used] == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {name: {module for _line, module in imported(path)} - {name} for name, path in MODULES.items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " → ".join([*way[way.index(name) :], name])
        if name not in done:
            for each in sorted(graph[name]):
                visit(each, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_no_function_and_no_module_is_too_long() -> None:
    long = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]
    long += [str(path.relative_to(PACKAGE)) for path in FILES if len(path.read_text().splitlines()) > LONGEST_MODULE]
    assert long == []
