"""A small load generator: a few keep-alive connections that send requests again and again, for a given time.

`python -m tests.bench.load` reads a JSON order from its input and prints how many answers it counted, and how long
they took. It is a process of its own, so that it takes the same share of the machine from whatever it measures.
"""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.bench.table import percentile


@dataclass(frozen=True)
class Load:
    """What a run of load found; times in milliseconds."""

    per_second: float
    p99_ms: float


def request(path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """Return a request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "User-Agent: bench", "Accept: */*"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def run(port: int, requests: Sequence[bytes], *, seconds: float, connections: int, status: int) -> Load:
    """Send the requests in turn, by a process of its own.

    :raises RuntimeError: an answer had another status.
    """
    order = {
        "port": port,
        "requests": [each.decode("latin-1") for each in requests],
        "seconds": seconds,
        "connections": connections,
        "status": status,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the load run on {requests[0][:80]!r} failed: {done.stderr.strip()[-500:]}")
    found = json.loads(done.stdout)
    return Load(found["answers"] / seconds, found["p99_ms"])


class _Connection:
    """One keep-alive connection with the least work per answer."""

    def __init__(self, port: int, requests: Sequence[bytes], status: int) -> None:
        self._port = port
        self._requests = requests
        self._expected = f"HTTP/1.1 {status} ".encode()
        self._socket: socket.socket | None = None
        self._rest = b""
        self.took_s: list[float] = []
        self.error_kind: str | None = None

    def ask_until(self, end: float) -> None:
        """Ask until the moment `end` (of the monotonic clock)."""
        try:
            while (begun := time.monotonic()) < end:
                self._ask(self._requests[len(self.took_s) % len(self._requests)])
                self.took_s.append(time.monotonic() - begun)
        except (OSError, ValueError) as error:
            self.error_kind = str(error)
        finally:
            if self._socket is not None:
                self._socket.close()

    def _ask(self, wire: bytes) -> None:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=30)
            self._rest = b""
        self._socket.sendall(wire)
        data = self._rest
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        if not head.startswith(self._expected):
            raise ValueError(f"got {head[:200]!r} {body[:300]!r}")
        headers = head.lower()
        length = _content_length(headers)
        chunks, size = [body], len(body)
        while size < length:
            chunks.append(self._receive())
            size += len(chunks[-1])
        self._rest = b"".join(chunks)[length:] if size > length else b""
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


def main() -> int:
    """Run one measurement; returns the exit status."""
    order = json.load(sys.stdin)
    wire = [each.encode("latin-1") for each in order["requests"]]
    count = order["connections"]
    # Each begins at another place, so that they do not all ask for the same thing.
    starts = [number * len(wire) // count for number in range(count)]
    clients = [_Connection(order["port"], wire[start:] + wire[:start], order["status"]) for start in starts]
    end = time.monotonic() + order["seconds"]
    threads = [threading.Thread(target=client.ask_until, args=(end,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles := [client.error_kind for client in clients if client.error_kind]:
        sys.stderr.write(troubles[0])
        return 1
    took_s = [each for client in clients for each in client.took_s]
    print(json.dumps({"answers": len(took_s), "p99_ms": percentile(took_s, 99) * 1000}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
