"""Calls to bunq: repeated only where that does nothing twice, limited across workers, and bounded in every way."""

import gzip
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask import Flask

from bunqflask import clock
from bunqflask.bunq import errors, protocol, transport
from bunqflask.bunq.client import BunqClient
from bunqflask.bunq.protocol import BunqRequest, BunqResponse
from bunqflask.bunq.transport import Transport
from bunqflask.database import leases
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import BunqSession, RateLimitWindow
from bunqflask.services.gateway import installations, rate_limiter
from bunqflask.services.gateway.rate_limiter import RateLimiter
from tests.support.apps import child_environ, environ_for, set_up
from tests.support.bank import Bank
from tests.support.processes import PythonProcess

URL = "http://localhost:5000/another/callback"


class OpenGate:
    """Lets every call through at once and notes what it was asked for."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self.closed: list[tuple[str, float]] = []
        self.pauses: list[float] = []

    def enter(self, endpoint: str) -> None:
        self.entered.append(endpoint)

    def leave(self, endpoint: str, response: BunqResponse | None) -> None:
        pass

    def close(self, endpoint: str, wait_s: float) -> None:
        self.closed.append((endpoint, wait_s))

    def pause(self, wait_s: float) -> bool:
        self.pauses.append(wait_s)
        return True


class Caller:
    """The bunq client of an app that is set up, in its own session, without any wait."""

    def __init__(self, app: Flask) -> None:
        self.gate = OpenGate()
        with app.app_context():
            installation = installations.current()
            session = db.session.get_one(BunqSession, installation.session_id)
            self.base_url = app.config["BUNQ_API_URL"]
            self.token, self.user_id = session.token or "", session.path_user_id or 0
            self.oauth_client_id = installation.oauth_client_id or 0
            self.transport = Transport()
            self.client = BunqClient(
                self.base_url,
                gate=self.gate,
                transport=self.transport,
                key=protocol.load_private_key(installation.private_key or ""),
                server_key=protocol.load_server_key(installation.server_public_key or ""),
            )
            db.session.remove()

    def get(self) -> int:
        return len(self.client.list_monetary_accounts(self.token, self.user_id))

    def post(self, url: str = URL) -> bool:
        return self.client.add_redirect_url(self.token, self.user_id, self.oauth_client_id, url)


@pytest.fixture
def caller(app: Flask, bank: Bank) -> Iterator[Caller]:
    set_up(app)
    bank.forget_calls()
    caller = Caller(app)
    yield caller
    caller.transport.close()


@pytest.mark.sqlite_only
def test_a_get_is_tried_again_and_no_more_than_three_times(caller: Caller, bank: Bank) -> None:
    for fault in ("429", "409", "491", "500", "html-502", "html-503", "reset", "truncated"):
        bank.forget_calls()
        caller.gate.entered.clear()
        bank.fault(call="GET monetary-account", fault=fault, times=2)
        assert caller.get() >= 1, fault
        assert len(bank.calls("GET", "/monetary-account")) == 3, fault
        assert caller.gate.entered == ["GET user/#/monetary-account"] * 3
        bank.fault(call="GET monetary-account", fault=fault, times=None)
        with pytest.raises(errors.BunqError):
            caller.get()
        assert len(bank.calls("GET", "/monetary-account")) == 6, fault
        bank.no_faults()


@pytest.mark.sqlite_only
def test_pauses_between_tries_grow(caller: Caller, bank: Bank) -> None:
    bank.fault(call="GET monetary-account", fault="500", times=2)
    caller.get()
    first, second = caller.gate.pauses
    assert 0.4 <= first <= 0.6
    assert 0.8 <= second <= 1.2


@pytest.mark.sqlite_only
def test_a_post_is_never_repeated_when_bunq_may_have_done_it(caller: Caller, bank: Bank) -> None:
    for fault in ("500", "491", "html-502", "reset", "truncated", "invalid-json", "bad-signature", "missing-signature"):
        for when in ("before", "after"):
            bank.forget_calls()
            bank.fault(call="POST callback-url", fault=fault, when=when)
            with pytest.raises(errors.BunqError):
                caller.post(f"{URL}/{fault}/{when}")
            assert len(bank.calls("POST", "/callback-url")) == 1, (fault, when)


@pytest.mark.sqlite_only
def test_a_post_that_timed_out_is_not_repeated(caller: Caller, bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_TIMEOUT_S", 0.5)
    bank.fault(call="POST callback-url", fault="timeout", when="after")
    with pytest.raises(errors.TransportFailed) as failed:
        caller.post()
    assert not isinstance(failed.value, errors.RequestNotSent)
    assert caller.gate.entered == ["POST user/#/oauth-client/#/callback-url"]


@pytest.mark.sqlite_only
def test_a_post_that_bunq_refused_as_one_too_many_is_made_later(caller: Caller, bank: Bank) -> None:
    bank.fault(call="POST callback-url", fault="429")
    assert caller.post()
    assert len(bank.calls("POST", "/callback-url")) == 2
    assert caller.gate.closed == [("POST user/#/oauth-client/#/callback-url", 3.0)]


@pytest.mark.sqlite_only
def test_a_post_that_never_left_is_tried_again(caller: Caller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    away = BunqClient(
        f"http://127.0.0.1:{port}/v1/",
        gate=caller.gate,
        transport=caller.transport,
        server_key=caller.client._server_key,
    )
    with pytest.raises(errors.RequestNotSent):
        away.add_redirect_url("t", 1, 1, URL)
    assert len(caller.gate.entered) == 3


@pytest.mark.sqlite_only
def test_every_try_has_a_request_id_of_its_own(caller: Caller) -> None:
    seen: list[str] = []

    class Watching(Transport):
        def send(self, request: BunqRequest) -> BunqResponse:
            seen.append(request.headers["X-Bunq-Client-Request-Id"])
            raise errors.RequestNotSent("not sent")

    client = BunqClient(caller.base_url, gate=OpenGate(), transport=Watching(), server_key=caller.client._server_key)
    with pytest.raises(errors.RequestNotSent):
        client.list_monetary_accounts("t", 1)
    assert len(set(seen)) == 3


# The limiter, shared by workers through the database


def spend(endpoint: str, *, patience_s: float = 0) -> None:
    RateLimiter(patience_s).enter(endpoint)


@pytest.mark.settings(BUNQ_CALL_LIMITS="classic")
@pytest.mark.parametrize(
    ("endpoint", "calls", "period_s"),
    [
        ("POST session-server", 1, 30),
        ("GET user/#/monetary-account", 3, 3),
        ("POST installation", 5, 3),
        ("DELETE session/#", 2, 3),
    ],
)
def test_each_endpoint_gets_its_classic_number_of_calls(
    app: Flask, monkeypatch: pytest.MonkeyPatch, endpoint: str, calls: int, period_s: int
) -> None:
    now = clock.now
    with app.app_context():
        for _ in range(calls):
            spend(endpoint)
        with pytest.raises(errors.CallNotAllowedYet) as early:
            spend(endpoint)
        assert period_s - 2 < early.value.wait_s < period_s + 1
        spend("GET something/else")
        monkeypatch.setattr(clock, "now", lambda: now() + timedelta(seconds=period_s - 1))
        with pytest.raises(errors.CallNotAllowedYet):
            spend(endpoint)
        monkeypatch.setattr(clock, "now", lambda: now() + timedelta(seconds=period_s + 1))
        spend(endpoint)
        db.session.remove()


@pytest.mark.settings(BUNQ_CALL_LIMITS="classic")
def test_a_person_who_waits_comes_before_work_that_nobody_waits_for(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, endpoint = clock.now(), "GET user/#/monetary-account/#/payment"

    def refused(*, is_background: bool) -> float:
        with pytest.raises(errors.CallNotAllowedYet) as early:
            RateLimiter(0, is_background=is_background).enter(endpoint)
        return early.value.wait_s

    def after(seconds: float) -> None:
        monkeypatch.setattr(clock, "now", lambda: began + timedelta(seconds=seconds))

    with app.app_context():
        after(0)
        for _ in range(3):
            RateLimiter(0, is_background=True).enter(endpoint)
        refused(is_background=False)
        assert 3 < rate_limiter.next_call_in_s(endpoint) < 3.1
        after(3.1)
        assert rate_limiter.next_call_in_s(endpoint) == 0
        assert 0 < refused(is_background=True) < 1
        RateLimiter(0).enter(endpoint)
        RateLimiter(0, is_background=True).enter(endpoint)
        RateLimiter(0, is_background=True).enter(endpoint)
        # A person who does not come back holds nothing up for long.
        refused(is_background=False)
        after(6.2)
        refused(is_background=True)
        after(9.3)
        RateLimiter(0, is_background=True).enter(endpoint)
        db.session.remove()


@pytest.mark.sqlite_only
@pytest.mark.settings(BUNQ_CALL_LIMITS="classic")
def test_a_call_counts_from_its_answer_because_bunq_counts_it_somewhere_on_the_way(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, endpoint = clock.now(), "POST session-server"

    def after(seconds: float) -> None:
        monkeypatch.setattr(clock, "now", lambda: began + timedelta(seconds=seconds))

    with app.app_context():
        limiter = RateLimiter(0)
        after(0)
        limiter.enter(endpoint)
        after(20)
        limiter.leave(endpoint, None)
        limiter.leave(endpoint, None)  # once more changes nothing
        assert db.session.get_one(RateLimitWindow, endpoint).calls == [(began + timedelta(seconds=20)).isoformat()]
        for seconds, is_free in ((31, False), (49.9, False), (50.1, True)):
            after(seconds)
            assert (rate_limiter.next_call_in_s(endpoint) == 0) is is_free, seconds
        db.session.remove()


@pytest.mark.settings(BUNQ_CALL_LIMITS="classic")
def test_a_wait_is_cut_into_pieces_and_the_lease_is_held_all_the_while(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, passed = clock.now(), 0.0
    monkeypatch.setattr(clock, "now", lambda: began + timedelta(seconds=passed))
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0 + passed)
    slices: list[float] = []

    def wait(seconds: float) -> bool:
        nonlocal passed
        slices.append(seconds)
        passed += seconds
        assert leases.take(row) is None, "the lease is held"
        return False

    monkeypatch.setattr(rate_limiter._stopping, "wait", wait)
    with app.app_context():
        with transaction():
            row = BunqSession(generation=0)
            db.session.add(row)
            db.session.flush()
        lease = leases.take(row)
        assert lease is not None
        limiter = RateLimiter(300, lease=lease)
        for _ in range(3):
            limiter.enter("POST session-server")
        slices.clear()
        limiter.close("GET user/#", 100)
        limiter.enter("GET user/#")
        assert sum(slices) > leases.LEASE.total_seconds()
        assert max(slices) <= leases.LEASE.total_seconds() / 3
        assert leases.take(row) is None
        passed += leases.LEASE.total_seconds() + 1
        next_one = leases.take(row)
        assert next_one is not None
        with pytest.raises(leases.LeaseLost):
            RateLimiter(300, lease=lease).enter("GET user/#")
        db.session.remove()


@pytest.mark.settings(BUNQ_CALL_LIMITS="classic")
def test_bunqs_429_closes_the_endpoint_for_everybody_for_as_long_as_it_says(app: Flask, bank: Bank) -> None:
    set_up(app)
    bank.forget_calls()
    with app.app_context():
        db.session.execute(db.delete(RateLimitWindow))
        db.session.commit()
        bank.fault(call="POST session-server", fault="429")
        installation = installations.current()
        for _ in range(2):
            with (
                pytest.raises(errors.CallNotAllowedYet) as early,
                installations.client_for(installation, RateLimiter(0)) as client,
            ):
                client.open_session(installation.token or "", installation.api_key or "")
            assert 28 < early.value.wait_s <= 30.6
        budget = db.session.get_one(RateLimitWindow, "POST session-server")
        assert budget.blocked_until is not None
        assert timedelta(seconds=28) < budget.blocked_until - clock.now() <= timedelta(seconds=30)
        db.session.remove()
    assert len(bank.calls("POST", "/session-server")) == 1


BURST = """
import sys
from bunqflask import create_app
from bunqflask.extensions import db
from bunqflask.models import BunqSession
from bunqflask.services.gateway import installations
from bunqflask.services.gateway.rate_limiter import RateLimiter

with create_app().app_context():
    installation = installations.current()
    session = db.session.get_one(BunqSession, installation.session_id)
    token, user_id, client_id = session.token, session.path_user_id, installation.oauth_client_id
    db.session.rollback()
    print("ready", flush=True)
    sys.stdin.readline()
    with installations.client_for(installation, RateLimiter(30)) as client:
        print([len(client.list_redirect_urls(token, user_id, client_id)) for _ in range(2)])
"""


@pytest.mark.bank(rate_limits="classic")
@pytest.mark.settings(BUNQ_CALL_LIMITS="classic")
def test_a_burst_from_two_processes_is_never_one_call_too_many(app: Flask, bank: Bank, database_url: str) -> None:
    set_up(app)
    environ = child_environ(environ_for(bank, database_url, BUNQ_CALL_LIMITS="classic"))
    both = [
        PythonProcess(
            ["-c", BURST],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for each in both:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in both:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    assert [each.communicate(timeout=60)[0] for each in both] == ["[1, 1]\n"] * 2
    assert not [call for call in bank.calls() if call["status"] == 429]


# What a hostile or broken server may send


@contextmanager
def answering(*pieces: bytes | float) -> Iterator[str]:
    """Serve one connection: bytes are sent, numbers are seconds to wait; then the connection is closed."""
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            try:
                for piece in pieces:
                    if isinstance(piece, bytes):
                        connection.sendall(piece)
                    elif over.wait(piece):
                        return
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/"
        finally:
            over.set()
            thread.join()


def ask(url: str) -> BunqResponse:
    sender = Transport()
    try:
        return sender.send(protocol.build_request("GET", url + "user", request_id="r"))
    finally:
        sender.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def refused(
    *pieces: bytes | float, by: type[errors.BunqError] = errors.TransportFailed
) -> tuple[errors.BunqError, float]:
    with answering(*pieces) as url:
        started = time.monotonic()
        with pytest.raises(by) as failed:
            ask(url)
        return failed.value, time.monotonic() - started


@pytest.fixture
def short_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "WHOLE_ANSWER_S", 0.6)
    monkeypatch.setattr(transport, "READ_TIMEOUT_S", 0.4)


def drip(data: bytes) -> list[bytes | float]:
    return [piece for byte in data for piece in (bytes([byte]), 0.1)]


@pytest.mark.usefixtures("short_of_time")
def test_a_body_that_drips_in_is_given_up() -> None:
    _, took_s = refused(HEAD + b"Content-Length: 100\r\n\r\n", *drip(b"x" * 100))
    assert took_s < 3


@pytest.mark.usefixtures("short_of_time")
def test_a_head_that_drips_in_is_given_up() -> None:
    _, took_s = refused(*drip(HEAD + b"X-Long: " + b"x" * 100))
    assert took_s < 3


@pytest.mark.usefixtures("short_of_time")
def test_silence_is_given_up() -> None:
    _, took_s = refused(30.0)
    assert took_s < 3


def test_a_body_too_large_is_given_up_before_it_is_all_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 100_000)
    # It came over the wire as it should: asking again would bring it once more.
    refused(HEAD + b"\r\n", *[b"x" * 65_536] * 100, by=errors.ResponseNotUnderstood)
    squeezed = gzip.compress(b"0" * 50_000_000)
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(squeezed)
    refused(head, squeezed, by=errors.ResponseNotUnderstood)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\x01\x02",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(500)) + b"\r\n",
        HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        HEAD + b"Content-Length: 50\r\n\r\nshort",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nnot a size\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
    ],
)
def test_what_is_not_http_is_no_answer(answer: bytes) -> None:
    failed, _ = refused(answer)
    assert not isinstance(failed, errors.RequestNotSent)
    assert "127.0.0.1" not in str(failed)


@pytest.mark.parametrize(
    "location",
    [
        b"http://127.0.0.2:1/v1/steal",
        b"//127.0.0.2/",
        b"/v1/other",
        b"http://[::1",
        b"\xff\xfe\xe9",
        b"file:///etc/passwd",
        b"http://\x1b[2J/",
    ],
)
def test_a_redirect_is_an_answer_and_leads_nowhere(location: bytes) -> None:
    with answering(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n") as url:
        response = ask(url)
    assert response.status == 302
    assert type(protocol.refusal(response)) is errors.RequestRefused


def test_a_connection_reset_is_no_answer() -> None:
    def reset(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.recv(65_536)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    run: Callable[[socket.socket], None] = reset
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run, args=[listener])
        thread.start()
        with pytest.raises(errors.TransportFailed):
            ask(f"http://127.0.0.1:{listener.getsockname()[1]}/v1/")
        thread.join()


def test_a_post_goes_over_no_connection_that_bunq_may_be_closing() -> None:
    def serve(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                connection.recv(65_536)  # and closes, whatever came

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        transport = Transport()
        for method in ("GET", "POST"):
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/"
            assert transport.send(protocol.build_request(method, url, request_id="r")).status == 200
        transport.close()
        thread.join()


def test_no_name_and_no_certificate_mean_that_nothing_was_sent() -> None:
    with pytest.raises(errors.RequestNotSent):
        ask("http://nobody.localhost:1/v1/")
    with answering(b"this is no TLS") as url:
        with pytest.raises(errors.TransportFailed) as failed:
            ask(url.replace("http:", "https:"))
        # Only a certificate that was refused proves that nothing was sent; this might have happened later.
        assert not isinstance(failed.value, errors.RequestNotSent)
