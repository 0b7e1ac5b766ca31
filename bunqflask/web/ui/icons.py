"""Drawings of 20 by 20, outline; all are decoration, the words stand beside them."""

from __future__ import annotations

from functools import cache

from flask import Flask
from markupsafe import Markup

_PATHS = {
    "accounts": (
        "M3 8h14M4.5 4h11A1.5 1.5 0 0 1 17 5.5v9a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 3 14.5v-9"
        "A1.5 1.5 0 0 1 4.5 4ZM6 12.5h3"
    ),
    "back": "M16 10H4m0 0 4.5-4.5M4 10l4.5 4.5",
    "bank": "M2.5 8 10 3.5 17.5 8M4 8v6.5M8 8v6.5M12 8v6.5M16 8v6.5M2.5 17h15",
    "bell": "M10 3a4.5 4.5 0 0 0-4.5 4.5c0 4-1.5 5.5-1.5 5.5h12s-1.5-1.5-1.5-5.5A4.5 4.5 0 0 0 10 3ZM8.5 16h3",
    "browser": (
        "M4 3.5h12A1.5 1.5 0 0 1 17.5 5v7.5A1.5 1.5 0 0 1 16 14H4a1.5 1.5 0 0 1-1.5-1.5V5A1.5 1.5 0 0 1 4 3.5ZM7 17h6"
    ),
    "calendar": (
        "M4.5 4.5h11A1.5 1.5 0 0 1 17 6v9a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 3 15V6"
        "A1.5 1.5 0 0 1 4.5 4.5ZM3 8.5h14M7 2.5v3M13 2.5v3"
    ),
    "card": (
        "M3.5 4.5h13A1.5 1.5 0 0 1 18 6v8a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 2 14V6"
        "a1.5 1.5 0 0 1 1.5-1.5ZM2 8h16M5 12.5h3"
    ),
    "clear": "M5.5 5.5l9 9M14.5 5.5l-9 9",
    "clock": "M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15ZM10 6v4.5l2.8 1.7",
    "code": "m7 6.5-3.5 3.5L7 13.5M13 6.5l3.5 3.5L13 13.5M11 4.5l-2 11",
    "copy": (
        "M7.5 7.5v-3A1.5 1.5 0 0 1 9 3h6.5A1.5 1.5 0 0 1 17 4.5V11a1.5 1.5 0 0 1-1.5 1.5h-3M4.5 7.5"
        "H11A1.5 1.5 0 0 1 12.5 9v6.5A1.5 1.5 0 0 1 11 17H4.5A1.5 1.5 0 0 1 3 15.5V9"
        "a1.5 1.5 0 0 1 1.5-1.5Z"
    ),
    "cross": "M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15ZM7.3 7.3l5.4 5.4M12.7 7.3l-5.4 5.4",
    "down": "M6 8l4 4 4-4",
    "download": "M10 3v9.5m0 0L6.5 9m3.5 3.5L13.5 9M3.5 16.5h13",
    "earlier": "M12 5l-5 5 5 5",
    "external": (
        "M11.5 3.5h5v5M16.5 3.5l-7 7M8 5H5A1.5 1.5 0 0 0 3.5 6.5V15A1.5 1.5 0 0 0 5 16.5h8.5A1.5 1.5 0 0 0 15 15v-3"
    ),
    "file": "M12 2.5H6A1.5 1.5 0 0 0 4.5 4v12A1.5 1.5 0 0 0 6 17.5h8a1.5 1.5 0 0 0 1.5-1.5V6L12 2.5ZM11.5 2.5V6.5h4",
    "filter": "M3 5.5h14M5.5 10h9M8 14.5h4",
    "go": "M4 10h12m0 0-4.5-4.5M16 10l-4.5 4.5",
    "in": "M14.5 5.5l-9 9m0 0v-6m0 6h6",
    "info": "M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15ZM10 9.3v4.5M10 6.4v.1",
    "investment": "M3 16.5h14M4.5 13.5l4-4 3 2.5 4.5-6M12.5 5.5H16V9",
    "joint": (
        "M7.5 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2 16.5c0-2.8 2.4-4.5 5.5-4.5s5.5 1.7 5.5 4.5M13 3.8"
        "a3 3 0 0 1 0 5.4M15 12.4c1.9.6 3 2.1 3 4.1"
    ),
    "key": ("M12.5 11.5a4 4 0 1 0-3.8-2.7L3 14.5V17h3v-2h2v-2l1.9-1.9c.8.3 1.7.4 2.6.4ZM13.5 6.5v.1"),
    "later": "M8 5l5 5-5 5",
    "link": ("M8 12l4-4M8.5 6.5l1.8-1.8a3.2 3.2 0 0 1 4.5 4.5L13 11M11.5 13.5l-1.8 1.8a3.2 3.2 0 0 1-4.5-4.5L7 9"),
    "lock": (
        "M6.5 9V6.5a3.5 3.5 0 0 1 7 0V9M5.5 9h9A1.5 1.5 0 0 1 16 10.5v5a1.5 1.5 0 0 1-1.5 1.5h-9"
        "A1.5 1.5 0 0 1 4 15.5v-5A1.5 1.5 0 0 1 5.5 9Z"
    ),
    "more": (
        "M5.5 10a1 1 0 1 1-2 0 1 1 0 0 1 2 0ZM11 10a1 1 0 1 1-2 0 1 1 0 0 1 2 0ZM16.5 10a1 1 0 1 1-2 0 1 1 0 0 1 2 0Z"
    ),
    "minus": "M4.5 10h11",
    "out": "M5.5 14.5l9-9m0 0v6m0-6h-6",
    "own": "M4 7h12m0 0-3-3m3 3-3 3M16 13.5H4m0 0 3 3m-3-3 3-3",
    "payments": "M6.5 4v11m0 0L3.5 12m3 3 3-3M13.5 16V5m0 0 3 3m-3-3-3 3",
    "phone": (
        "M7 2.5h6A1.5 1.5 0 0 1 14.5 4v12a1.5 1.5 0 0 1-1.5 1.5H7A1.5 1.5 0 0 1 5.5 16V4A1.5 1.5 0 0 1 7 2.5ZM9 15h2"
    ),
    "plus": "M10 4v12M4 10h12",
    "refresh": "M16.5 8.5A6.7 6.7 0 0 0 4.3 6.7M3.5 11.5a6.7 6.7 0 0 0 12.2 1.8M4 3v4h4M16 17v-4h-4",
    "savings": (
        "M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15ZM10 13.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM10 10v.1"
    ),
    "search": "M9 15a6 6 0 1 0 0-12 6 6 0 0 0 0 12ZM13.5 13.5 17 17",
    "send": "M3 10.5 16.5 3.5l-3 13-4-4.5M16.5 3.5l-7 8.5M9.5 12v4.5l2-2.5",
    "shield": ("M10 2.5 16.5 5v5c0 3.8-2.7 6.3-6.5 7.5C6.2 16.3 3.5 13.8 3.5 10V5L10 2.5ZM7 10l2.2 2.2L13 8.4"),
    "tick": "m4 10.5 4 4 8-9",
    "unknown": "M7 7.3A3 3 0 0 1 10 4.5c1.7 0 3 1.1 3 2.7 0 2-3 2.3-3 4.6M10 15v.1",
    "warning": "M10 3 18 16.5H2L10 3ZM10 8v4M10 14.2v.1",
}

_LOGO = Markup(
    '<svg viewBox="0 0 32 32" aria-hidden="true"><path fill="currentColor" opacity=".22" d="M9.7 '
    '18h12.6l4 7.1A2.6 2.6 0 0 1 24 29H8a2.6 2.6 0 0 1-2.3-3.9z" /><path fill="none" '
    'stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round" d="M10.5 '
    '3h11M13 3v9L5.7 25.1A2.6 2.6 0 0 0 8 29h16a2.6 2.6 0 0 0 2.3-3.9L19 12V3M9.7 18h12.6" /></svg>'
)


@cache
def icon(name: str, extra: str = "") -> Markup:
    """Return a drawing as inline SVG, with one more class if wanted.

    A page has hundreds of them: each is made once in a process.

    :raises KeyError: there is no drawing of this name.
    """
    return Markup('<svg class="{}" viewBox="0 0 20 20" aria-hidden="true"><path d="{}" /></svg>').format(
        f"i {extra}".strip(), _PATHS[name]
    )


def register(app: Flask) -> None:
    """Give every template the filter `icon` and the `logo`."""
    app.jinja_env.filters["icon"] = icon
    app.jinja_env.globals["logo"] = _LOGO
