"""Apps that tests share one after the other: most of what a short test costs is making an app and compiling its SQL.

An app is taken by its environment: its settings, the addresses of its database and its bank among them. What a test
changed in its settings and extensions is put back, and its database connections are closed. Two tests never have the
same app at the same time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import Flask

from bunqflask import create_app
from bunqflask.config import Config
from tests.support.apps import let_go

# Those of both databases, with and without an address of their own, and some with other settings: 10 to 20 MB each.
_MOST_IDLE = 8


class AppPool:
    """The idle apps of this process, the one used last at the end."""

    def __init__(self) -> None:
        self._idle: OrderedDict[tuple[tuple[str, str], ...], Flask] = OrderedDict()

    @contextmanager
    def take(self, environ: Mapping[str, str]) -> Iterator[Flask]:
        """Yield an app with these settings, as a new one would be."""
        key = tuple(sorted(environ.items()))
        app = self._idle.pop(key, None) or create_app(Config.from_env(environ))
        settings, extensions = dict(app.config), dict(app.extensions)
        try:
            yield app
        finally:
            let_go(app)
            _put_back(app.config, settings)
            _put_back(app.extensions, extensions)
            self._idle[key] = app
            if len(self._idle) > _MOST_IDLE:
                self._idle.popitem(last=False)


def _put_back(changed: dict[str, Any], before: dict[str, Any]) -> None:
    changed.clear()
    changed.update(before)
