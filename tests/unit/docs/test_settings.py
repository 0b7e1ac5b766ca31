"""Every setting is documented, with its default, and nothing else is."""

import ast
import dataclasses
import re

from bunqflask import config
from bunqflask.config import Config
from tests.support import documents

PAGE = documents.ROOT / "docs" / "reference" / "settings.md"
_NAME = re.compile(r"[A-Z][A-Z0-9_]{3,}")


def _read_by_config() -> set[str]:
    """Return the names that `config.py` asks the environment for, found in its code."""
    tree = ast.parse((documents.ROOT / "bunqflask" / "config.py").read_text(encoding="utf-8"))
    asked = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("get", "url", "one_of")
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
        and _NAME.fullmatch(node.args[0].value)
    }
    return asked | {f"{name}_FILE" for name in config._SECRET_NAMES}


def test_every_setting_is_documented_once_and_nothing_else_is() -> None:
    documented = documents.names(PAGE, "setting")
    assert len(documented) == len(set(documented))
    assert set(documented) == _read_by_config()


def test_every_field_of_the_config_is_read_from_the_environment() -> None:
    assert {field.name for field in dataclasses.fields(Config)} <= _read_by_config()


def test_documented_defaults_are_those_of_the_config() -> None:
    documented = {row[0].strip("`"): row[1] for row in documents.table(PAGE, "setting")}
    plain = {
        field.name: field.default
        for field in dataclasses.fields(Config)
        if isinstance(field.default, str | int) and field.default != ""
    }
    assert len(plain) >= 8
    assert [name for name, default in plain.items() if f"`{default}`" not in documented[name]] == []
    assert f"`{config.HOME_ZONE}`" in documented["TIME_ZONE"]


# What a run of the tests reads, and no app.
OF_TESTS = ("ODD_INPUTS", "ODD_SEED", "PICTURES_OF_PAGES")


def test_settings_in_examples_exist() -> None:
    known = _read_by_config()
    examples = [block.text for block in documents.blocks_in("ini") if not block.text.startswith("# /etc")]
    assigned = re.compile(r"^([A-Z][A-Z0-9_]{3,})=", re.MULTILINE)
    named = {name for text in examples for name in assigned.findall(text)}
    named |= {
        name
        for block in documents.blocks_in("sh")
        for name in re.findall(r"\b([A-Z][A-Z_]{3,})=\S", block.text)
        if name not in ("SIZES", "ONLY", "PEERS", "SOAK", "DATABASE", *OF_TESTS) and not name.startswith("SANDBOX_")
    }
    assert len(named) >= 6
    assert named - known == set()
