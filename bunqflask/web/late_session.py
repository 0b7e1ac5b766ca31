"""The browser's session cookie, read when somebody first looks into it: most requests never do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface


class LateSession(SecureCookieSession):
    """A session whose cookie is checked and read at first use."""

    def __init__(self, read: Callable[[], Mapping[str, Any] | None]) -> None:
        self._read: Callable[[], Mapping[str, Any] | None] | None = None
        super().__init__()
        self._read = read

    @property
    def accessed(self) -> bool:
        """Whether anybody has looked into it; Flask says so here before it hands the session out."""
        return self._read is None

    @accessed.setter
    def accessed(self, _value: bool) -> None:
        read, self._read = self._read, None
        if read is not None:
            dict.update(self, read() or {})


class LateSessionInterface(SecureCookieSessionInterface):
    """Flask's own signed cookie, opened late."""

    def open_session(self, app: Flask, request: Request) -> LateSession | None:
        """Return a session that has not read its cookie yet."""
        read = super().open_session
        return LateSession(lambda: read(app, request))
