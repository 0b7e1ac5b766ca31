"""The log of calls: each with its verdicts on headers, signature and token, never with a secret."""

from __future__ import annotations

import itertools
import re
import threading
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

KEPT = 5000

# Keys, tokens and codes are shortened wherever they appear, also in a path.
_SECRET = re.compile(r"((?:sandbox_)?[0-9a-f]{4})[0-9a-f]{60}")
LONGEST = 500


def _shortened(text: str) -> str:
    return _SECRET.sub(r"\1…", text)[:LONGEST]


@dataclass
class Seen:
    """One call as the log shows it. `at` is bunq time, `took_ms` real milliseconds."""

    number: int
    at: str
    method: str
    pattern: str
    path: str
    status: int
    response_id: str
    took_ms: float
    verdicts: dict[str, str] = field(default_factory=dict)


class CallLog:
    """The newest calls since the start, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._seen: deque[Seen] = deque(maxlen=KEPT)

    def add(self, **facts: Any) -> None:
        """Write one call down."""
        seen = Seen(number=0, **facts)
        seen.path, seen.pattern = _shortened(seen.path), _shortened(seen.pattern)
        seen.verdicts = {name: _shortened(verdict) for name, verdict in seen.verdicts.items()}
        with self._lock:
            seen.number = next(self._numbers)
            self._seen.append(seen)

    def clear(self) -> None:
        """Forget all calls."""
        with self._lock:
            self._seen.clear()

    def entries(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Return the calls with a number above `after`, oldest first."""
        with self._lock:
            return [asdict(each) for each in self._seen if each.number > after]
