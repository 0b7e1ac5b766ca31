"""What clients did: each call with its verdict on headers, signature and token. Never a secret."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

KEPT = 5000


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
        with self._lock:
            self._seen.append(Seen(number=next(self._numbers), **facts))

    def clear(self) -> None:
        """Forget all calls."""
        with self._lock:
            self._seen.clear()

    def entries(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Return the calls with a number above `after`, oldest first."""
        with self._lock:
            return [asdict(each) for each in self._seen if each.number > after]
