"""The page docs/reference/api-calls.md: examples of each call of the API, from its description.

`python -m tests.support.api_calls` writes it anew.
"""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from bunqflask import create_app
from bunqflask.api import description
from bunqflask.config import ROOT, Config
from tests.support.apps import bare_environ

PATH = ROOT / "docs" / "reference" / "api-calls.md"
_BEGIN = """# Calls of the API

Each call of the [JSON API](api.md), for curl and for Python, as it works with `make run`. `BUNQFLASK_TOKEN` is a token
with every scope that reads. This page is made of the same description as `/api/openapi.json`, by
`python -m tests.support.api_calls`. The tests run each example.
"""
_FENCES = {"Shell": "sh", "Python": "python"}


def page(app: Flask) -> str:
    """Return the page as it should be."""
    with app.test_request_context():
        described = description.describe()
    parts = [_BEGIN]
    for path, item in sorted(described["paths"].items()):
        for method, operation in sorted(item.items()):
            if not operation["x-codeSamples"]:
                continue
            more = operation["description"].replace("\n\n", " ")
            parts.append(f"## {method.upper()} {path}\n\n{operation['summary']} {more}".rstrip() + "\n")
            parts += [f"```{_FENCES[each['lang']]}\n{each['source']}\n```\n" for each in operation["x-codeSamples"]]
    return "\n".join(parts)


def write(path: Path = PATH) -> None:
    """Write the page."""
    path.write_text(page(create_app(Config.from_env(bare_environ("sqlite://")))), encoding="utf-8")


if __name__ == "__main__":
    write()
