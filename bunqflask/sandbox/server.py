"""The sandbox on a thread, for tests: `with serve(Settings()) as bank: … bank.api_url …`."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.http import http_date
from werkzeug.serving import WSGIRequestHandler, make_server

from bunqflask.sandbox import create_app, put_bank
from bunqflask.sandbox.bank.settings import Settings


class _Handler(WSGIRequestHandler):
    """Prints nothing, because an address can hold a secret, as the token call's does; tells the sandbox's time."""

    def log(self, level: str, message: str, *args: Any) -> None:
        """Drop the line."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the header Date, by the clock of the sandbox."""
        app: Any = self.server.app
        return http_date(app.extensions["bank"].store.clock.now() if timestamp is None else timestamp)


@dataclass(frozen=True)
class Served:
    """A running sandbox, seen from outside. `api_url` ends in a slash."""

    app: Flask
    origin: str

    @property
    def api_url(self) -> str:
        """Return the base of bunq's API."""
        return f"{self.origin}/v1/"

    @property
    def authorize_url(self) -> str:
        """Return the consent page."""
        return f"{self.origin}/auth"

    @property
    def token_url(self) -> str:
        """Return the token endpoint."""
        return f"{self.origin}/v1/token"

    @property
    def control_url(self) -> str:
        """Return the base of the control addresses."""
        return f"{self.origin}/__sandbox"


@contextmanager
def serve(
    settings: Settings | None = None,
    *,
    port: int = 0,
    listener: socket.socket | None = None,
    app: Flask | None = None,
) -> Iterator[Served]:
    """Run a sandbox on 127.0.0.1 until the block ends; port 0 takes a free one.

    Without settings it lives in memory.

    :param listener: a listening socket to serve at instead, which stays open for the next sandbox at the same address.
    :param app: a sandbox that served before, to be about a new bank from here on.
    """
    if app is None:
        app = create_app(settings or Settings())
    else:
        put_bank(app, settings or Settings())
    fd = None
    if listener is not None:
        fd, port = listener.fileno(), listener.getsockname()[1]
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Handler, fd=fd)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Served(app, f"http://127.0.0.1:{server.port}")
    finally:
        bank = app.extensions["bank"]
        bank.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
        bank.close()
