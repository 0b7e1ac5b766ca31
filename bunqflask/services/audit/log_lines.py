"""The same events in the log: one line of JSON each, on standard error, from where journald takes them.

A line begins with the kind and the address, which no visitor chooses, so that fail2ban can rely on its beginning.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC
from typing import Any

LOGGER = logging.getLogger("bunqflask.audit")


class _StandardError(logging.Handler):
    """Writes to the standard error of now, which a test or a command may have replaced."""

    def __init__(self, journal: str) -> None:
        super().__init__()
        self._journal = journal
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "is_shell", False) and not self._is_journal():
            return  # a person at a terminal, or one who gets mail of cron, reads what the command says
        try:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
        except (OSError, ValueError):  # it is closed or full: the event is stored all the same
            self.handleError(record)

    def _is_journal(self) -> bool:
        """Tell whether systemd's journal takes standard error, as for the services of this app.

        https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#%24JOURNAL_STREAM
        """
        try:
            found = os.fstat(sys.stderr.fileno())
        except (OSError, ValueError):  # it is closed, or no file
            return False
        return self._journal == f"{found.st_dev}:{found.st_ino}"


def init_app(journal: str) -> None:
    """Let the lines through, whatever level other messages have; who configures the logger keeps what they did.

    :param journal: what systemd says of the standard error that its journal takes; empty without systemd.
    """
    if not LOGGER.handlers:
        LOGGER.addHandler(_StandardError(journal))
        LOGGER.propagate = False
        LOGGER.setLevel(logging.INFO)


def write(stored: dict[str, Any], *, is_shell: bool) -> None:
    """Write the line of a stored event; that of a command goes to standard error only where it is the journal."""
    LOGGER.info("%s", as_json(stored), extra={"is_shell": is_shell})


def as_json(stored: dict[str, Any]) -> str:
    """Return an event as one line of JSON, the members that readers rely on first."""
    first = ("kind", "address", "id", "hash", "at")
    written = {
        **stored,
        "kind": str(stored["kind"]),
        "at": stored["at"].astimezone(UTC).isoformat(timespec="microseconds"),
    }
    return json.dumps({name: written.pop(name) for name in first} | written, separators=(",", ":"))
