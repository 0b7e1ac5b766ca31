"""Addresses that differ only in ids: a page with many of a kind builds the kind once."""

from __future__ import annotations

from flask import Flask, g, url_for

# An id that no row is likely to have, within what an address may name.
_A_MARK = 2_000_000_000


def with_ids(endpoint: str, **ids: int) -> str:
    """Return the address of a view with these ids, as `url_for` does."""
    kinds: dict[str, str] = g.setdefault("address_kinds", {})
    if endpoint not in kinds:
        marks = {name: _A_MARK + number for number, name in enumerate(ids)}
        kind = url_for(endpoint, **marks).replace("{", "{{").replace("}", "}}")  # type: ignore[arg-type]  # only ids
        for name, mark in marks.items():
            kind = kind.replace(str(mark), f"{{{name}}}")
        kinds[endpoint] = kind
    return kinds[endpoint].format(**ids)


def register(app: Flask) -> None:
    """Give every template `url_with_ids`."""
    app.jinja_env.globals["url_with_ids"] = with_ids
