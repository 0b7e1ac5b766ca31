"""Rendered pages, kept for some seconds: the same login gets the same page while nothing it shows has changed.

A page is found again by everything that shapes it: who reads it, how they want it to look, and a stamp of the
rows behind it, as the database has them at every request. So a change is seen at once, by every worker;
only words like "2 min ago" may be some seconds late.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from flask import current_app, g, request, session

_MAX_PAGES = 256
_LIFE_S = 5.0


class _Page:
    """A page, or the place for one; whoever holds the lock makes it, and others who want it wait."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.body: str | None = None


_pages: OrderedDict[Hashable, _Page] = OrderedDict()
_lock = threading.Lock()


def page(stamp: Hashable, make: Callable[[], str]) -> str:
    """Return the page that was made for this stamp, or make it."""
    looks = (request.cookies.get("bunqflask_theme"), request.cookies.get("bunqflask_hide_amounts"))
    # The same cookie holds the same form token and the same messages, so that only a first page has to look into it.
    cookie = request.cookies.get(current_app.config["SESSION_COOKIE_NAME"])
    key = (request.path, g.login.id, cookie, looks, int(time.monotonic() / _LIFE_S), stamp)
    with _lock:
        kept = _pages.get(key)
    if kept is None:
        if session.get("csrf_token") is None or "_flashes" in session:
            return make()  # its forms are not fit for another answer, or it says something only once
        kept = _place(key)
    if kept.body is None:
        with kept.lock:
            if kept.body is None:
                kept.body = make()
    return kept.body


def _place(key: Hashable) -> _Page:
    with _lock:
        kept = _pages.setdefault(key, _Page())
        while len(_pages) > _MAX_PAGES:
            _pages.popitem(last=False)
    return kept
