"""Rendered pages, kept for some seconds: the same login gets the same page while nothing it shows has changed.

A page is found again by everything that shapes it: who reads it, how they want it to look, and a stamp of the
rows behind it, which is asked of the database at every request. So a change is seen at once, by every worker;
only words like "2 min ago" may be some seconds late.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from flask import g, request, session

_MAX_PAGES = 256
_LIFE_S = 5.0

_pages: OrderedDict[Hashable, str] = OrderedDict()
_lock = threading.Lock()


def page(stamp: Hashable, make: Callable[[], str]) -> str:
    """Return the page that was made for this stamp, or make it."""
    csrf = session.get("csrf_token")
    if csrf is None or "_flashes" in session:
        return make()  # its forms are not fit for another answer, or it says something only once
    looks = (request.cookies.get("bunqflask_theme"), request.cookies.get("bunqflask_hide_amounts"))
    key = (request.path, g.login.id, csrf, looks, int(time.monotonic() / _LIFE_S), stamp)
    with _lock:
        kept = _pages.get(key)
    if kept is None:
        kept = make()
        with _lock:
            _pages[key] = kept
            while len(_pages) > _MAX_PAGES:
                _pages.popitem(last=False)
    return kept
