"""A small proxy that adds a token to calls of MCP, for programs that send none of their own."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import requests

_OWN = ("connection", "transfer-encoding", "content-length", "keep-alive", "content-encoding", "server", "date")


class Door:
    """The proxy; everything but the token passes as it is, the headers Host and Origin too."""

    def __init__(self) -> None:
        self.token, self.adds_token = "", True
        self._target = ""
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                door._pass(self)

            do_GET = do_POST = do_DELETE = do_PUT = do_OPTIONS = _pass

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def lead_to(self, target: str, token: str) -> None:
        """Pass everything on to a site from now on."""
        self._target, self.token = target, token

    def _pass(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in _OWN}
        if handler.path == "/mcp" and self.adds_token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                handler.command, self._target + handler.path, data=body, headers=headers, allow_redirects=False
            )
        handler.send_response(answer.status_code)
        for name, value in answer.raw.headers.items():
            if name.lower() not in _OWN:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.content)))
        handler.end_headers()
        handler.wfile.write(answer.content)

    def __enter__(self) -> Door:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
