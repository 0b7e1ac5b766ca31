"""A person's browser, as far as it costs a server anything: whole pages over HTTP, and what they took."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import requests

from tests.bench import machine
from tests.bench.table import median
from tests.support.browser import Browser

# What a server still does after its last byte is counted too.
_SETTLES_S = 0.001
_LOADS = re.compile(r'hx-get="([^"]+)"[^>]*hx-trigger="load"')
_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Cost:
    """What one page took: CPU of the server's processes, time until the last byte, bytes."""

    cpu_ms: float
    wall_ms: float
    size: int


@dataclass(frozen=True)
class Page:
    """A page as a person opens it: its address and what its scripts fetch to fill it; `shows` is a text on it."""

    paths: tuple[str, ...]
    shows: str = ""


@dataclass
class Target:
    """A server to ask, by somebody who is logged in where that is needed."""

    name: str
    url: str
    pids: Callable[[], Sequence[int]]
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._client = requests.Session()
        self._client.trust_env = False
        self._client.headers.update(self.headers)

    def open(self, page: Page) -> Cost:
        """Open a page.

        :raises AssertionError: it is not the page it should be.
        """
        pids = self.pids()
        before, started = machine.cpu_s(pids), time.monotonic()
        texts = [self._get(path) for path in page.paths]
        wall_ms = (time.monotonic() - started) * 1000
        time.sleep(_SETTLES_S)
        cpu_ms = (machine.cpu_s(pids) - before) * 1000
        if page.shows and not any(page.shows in html.unescape(text) for text in texts):
            raise AssertionError(f"{self.name}: {page.shows!r} is not on {page.paths}: {texts[-1][:2000]}")
        return Cost(cpu_ms, wall_ms, sum(len(text) for text in texts))

    def ask(self, path: str) -> tuple[Cost, str]:
        """Make one call; returns what it took, and the answer."""
        before, started = machine.cpu_s(self.pids()), time.monotonic()
        text = self._get(path)
        wall_ms = (time.monotonic() - started) * 1000
        time.sleep(_SETTLES_S)
        return Cost((machine.cpu_s(self.pids()) - before) * 1000, wall_ms, len(text)), text

    def loads_then(self, page: Page) -> list[str]:
        """Return what a page, once it is shown, fetches by itself."""
        return [html.unescape(found) for found in _LOADS.findall(self._get(page.paths[0]))]

    def open_part(self, path: str) -> Cost:
        """Fetch a part as htmx does."""
        before, started = machine.cpu_s(self.pids()), time.monotonic()
        text = self._get(path, {"HX-Request": "true"})
        wall_ms = (time.monotonic() - started) * 1000
        time.sleep(_SETTLES_S)
        return Cost((machine.cpu_s(self.pids()) - before) * 1000, wall_ms, len(text))

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _get(self, path: str, headers: Mapping[str, str] | None = None) -> str:
        answer = self._client.get(self.url + path, headers=headers, timeout=_PATIENCE_S, allow_redirects=False)
        if answer.status_code != 200:
            raise AssertionError(f"{self.name}: {path} was answered with {answer.status_code}: {answer.text[:1000]}")
        return answer.text


def cookie_of(browser: Browser) -> str:
    """Return the cookies of somebody who is logged in, as one header."""
    return "; ".join(f"{each.name}={each.value}" for each in browser.session.cookies)


def middle(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(
        median([each.cpu_ms for each in costs]),
        median([each.wall_ms for each in costs]),
        int(median([each.size for each in costs])),
    )
