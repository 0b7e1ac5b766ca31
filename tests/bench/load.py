"""A small load generator: a few keep-alive connections that ask for one page again and again, for a given time.

`python -m tests.bench.load PORT PATH SECONDS CONNECTIONS STATUS [COOKIE]` prints how many answers it counted. It is
a process of its own, so that it takes the same share of the machine from whatever it measures.
"""

import socket
import subprocess
import sys
import threading
import time


def rate(url_port: int, path: str, *, seconds: float, connections: int, status: int, cookie: str = "") -> float:
    """Return the requests answered per second, measured by a process of its own.

    :raises RuntimeError: an answer had another status.
    """
    arguments = [str(url_port), path, str(seconds), str(connections), str(status), cookie]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the load run on {path} failed: {done.stderr.strip()[-500:]}")
    return int(done.stdout) / seconds


class _Connection:
    """One keep-alive connection with the least work per answer."""

    def __init__(self, port: int, request: bytes, status: int) -> None:
        self._port = port
        self._request = request
        self._expected = f"HTTP/1.1 {status} ".encode()
        self._socket: socket.socket | None = None
        self._rest = b""
        self.answers = 0
        self.trouble: str | None = None

    def ask_until(self, end: float) -> None:
        """Ask until the moment `end` (of the monotonic clock)."""
        try:
            while time.monotonic() < end:
                self._ask()
                self.answers += 1
        except (OSError, ValueError) as error:
            self.trouble = str(error)
        finally:
            if self._socket is not None:
                self._socket.close()

    def _ask(self) -> None:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=30)
            self._rest = b""
        self._socket.sendall(self._request)
        data = self._rest
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        if not head.startswith(self._expected):
            raise ValueError(f"got {head[:200]!r}")
        headers = head.lower()
        length = _content_length(headers)
        while len(body) < length:
            body += self._receive()
        self._rest = body[length:]
        if b"\r\nconnection: close" in headers:
            self._socket.close()
            self._socket = None

    def _receive(self) -> bytes:
        assert self._socket is not None
        received = self._socket.recv(262144)
        if not received:
            raise ValueError("the server closed the connection")
        return received


def _content_length(headers: bytes) -> int:
    _, found, rest = headers.partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


def main(arguments: list[str]) -> int:
    """Run one measurement; returns the exit status."""
    port, path, seconds, connections, status, cookie = arguments
    lines = [f"GET {path} HTTP/1.1", f"Host: localhost:{port}", "User-Agent: bench", "Accept: text/html"]
    if cookie:
        lines.append(f"Cookie: {cookie}")
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    clients = [_Connection(int(port), request, int(status)) for _ in range(int(connections))]
    end = time.monotonic() + float(seconds)
    threads = [threading.Thread(target=client.ask_until, args=(end,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    troubles = [client.trouble for client in clients if client.trouble]
    if troubles:
        sys.stderr.write(troubles[0] or "")
        return 1
    sys.stdout.write(str(sum(client.answers for client in clients)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
