"""Times as HTML: what a person reads, the exact time on pointing at it, and the machine's form of it."""

from __future__ import annotations

from datetime import datetime

from flask import Flask
from markupsafe import Markup, escape

from bunqflask.web.ui import formatting


def since(when: datetime) -> Markup:
    """Return how long ago something happened."""
    return _time(when, formatting.ago(when))


def at(when: datetime, *, seconds: bool = False) -> Markup:
    """Return a time of day, with its date unless that is today."""
    return _time(when, formatting.moment(when, seconds=seconds))


def _time(when: datetime, text: str) -> Markup:
    exact = escape(formatting.exact(when))
    return Markup(f'<time datetime="{formatting.iso(when)}" title="{exact}">{escape(text)}</time>')  # noqa: S704


def register(app: Flask) -> None:
    """Give every template the filters `since` and `at`."""
    app.jinja_env.filters |= {"since": since, "at": at}
