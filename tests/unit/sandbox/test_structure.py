"""The structure of the stand-in: which package imports which, no import circle, and the limits of size."""

import ast
import builtins
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[3] / "bunqflask" / "sandbox"
ROOT = "bunqflask.sandbox"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FUNCTION, LONGEST_MODULE, MOST_PARAMETERS = 40, 400, 10

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
    permitted = {(importer, target) for importer, targets in ARROWS.items() for target in targets}
    assert permitted - used == set()


def test_permissions_lead_in_one_direction() -> None:
    assert tuple(graphlib.TopologicalSorter(ARROWS).static_order())


def test_every_module_lies_in_a_package_or_wires_them() -> None:
    at_the_top = {path.name for path in FILES if path.parent == PACKAGE}
    assert at_the_top == {"__init__.py", "commands.py", "server.py"}
    assert {path.parent.name for path in FILES if path.parent != PACKAGE} == set(ARROWS)


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {name: {module for _line, module in imported(path)} - {name} for name, path in MODULES.items()}
    # A package's __init__ runs before its modules, so importing a module imports it too; only the top one wires.
    for name in graph:
        package = name.rpartition(".")[0]
        if package in graph and package != ROOT:
            graph[name].add(package)
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" → ".join(error.args[1][::-1]))


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda]]:
    """Yield (place, function) of every function of the stand-in."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno} {getattr(node, 'name', 'lambda')}", node


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[str]:
    found = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
    return [each.arg for each in found if each is not None]


def test_no_function_is_too_long() -> None:
    assert [place for place, node in functions() if (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION] == []


def test_no_module_is_too_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {str(path): length for path, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_no_function_takes_more_parameters_than_a_dataclass_should_hold() -> None:
    assert [place for place, node in functions() if len(parameters(node)) > MOST_PARAMETERS] == []


def test_no_parameter_shadows_a_builtin() -> None:
    shadowing = [
        f"{place}: {name}" for place, node in functions() for name in parameters(node) if hasattr(builtins, name)
    ]
    assert shadowing == []
