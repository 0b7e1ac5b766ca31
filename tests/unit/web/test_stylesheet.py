"""Every class that a template names has a rule: one that was taken away with its page breaks the others in silence."""

import re

from tests.support.documents import ROOT

# In what Jinja computes, and in SVG, a word is no class of a page.
_COMPUTED = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)


def test_every_class_of_the_templates_has_a_rule() -> None:
    css = (ROOT / "bunqflask" / "static" / "ui.css").read_text(encoding="utf-8")
    known = set(re.findall(r"\.([a-z][\w-]*)", css))
    lacking = {}
    for path in sorted((ROOT / "templates").rglob("*.html")):
        text = _COMPUTED.sub(" ", path.read_text(encoding="utf-8"))
        named = {name for each in re.findall(r'class="([^"]*)"', text) for name in each.split()}
        if named - known:
            lacking[path.name] = named - known
    assert lacking == {}
