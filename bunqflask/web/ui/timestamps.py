"""Times as HTML: what a person reads, the exact time on pointing at it, and the machine's form of it."""

from __future__ import annotations

from datetime import datetime

from flask import Flask
from markupsafe import Markup

from bunqflask.web.ui import formatting

_TIME = Markup('<time datetime="{}" title="{}">{}</time>')


def since(when: datetime) -> Markup:
    """Return how long ago something happened."""
    return _TIME.format(formatting.iso(when), formatting.exact(when), formatting.ago(when))


def at(when: datetime, *, seconds: bool = False) -> Markup:
    """Return a time of day, with its date unless that is today."""
    return _TIME.format(formatting.iso(when), formatting.exact(when), formatting.moment(when, seconds=seconds))


def register(app: Flask) -> None:
    """Give every template the filters `since` and `at`."""
    app.jinja_env.filters |= {"since": since, "at": at}
