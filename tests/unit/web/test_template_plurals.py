"""A text with a singular and a plural names the number that decides between them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEMPLATES = sorted([*(ROOT / "templates").rglob("*.html"), *(ROOT / "bunqflask").rglob("*.html")])
_TRANS = re.compile(r"{%-?\s*trans\b(.*?)-?%}(.*?){%-?\s*endtrans\s*-?%}", re.DOTALL)
_PLURAL = re.compile(r"{%-?\s*pluralize\b\s*(\w*)\s*-?%}")


def plurals_without_a_number(text: str) -> list[str]:
    """Return the `trans` blocks with two forms that do not say which of their variables decides between them.

    Jinja would take the first one, whatever that is: a name is never one.
    """
    faults = []
    for variables, body in _TRANS.findall(text):
        plural = _PLURAL.search(body)
        if plural and plural.group(1) not in re.findall(r"(\w+)\s*=(?!=)", variables):
            faults.append(f"trans{variables.rstrip()}")
    return faults


def test_the_templates_are_found() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in TEMPLATES} == {"templates", "bunqflask"}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_plural_names_the_number_that_decides(path: Path) -> None:
    assert plurals_without_a_number(path.read_text(encoding="utf-8")) == []


def test_a_plural_that_leaves_its_number_to_jinja_is_found() -> None:
    block = "{% trans name=n, count=c %}one{% pluralize PLACE%}{{ count }}{% endtrans %}"
    assert plurals_without_a_number(block.replace("PLACE", "count ")) == []
    assert plurals_without_a_number(block.replace("PLACE", "")) == ["trans name=n, count=c"]
    assert plurals_without_a_number(block.replace("PLACE", "days ")) == ["trans name=n, count=c"]
