"""Mail and webhooks over TLS: a server that cannot prove who it is gets nothing, neither a text nor a password."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from standardwebhooks import Webhook

from bunqflask import clock
from bunqflask.models import ChannelKind, DeliveryState
from bunqflask.services.notices import channels, mailing, targets
from bunqflask.services.notices.targets import NoAnswer
from bunqflask.services.team import members
from tests.protocol.notices.conftest import ROBIN, add, deliveries, stop, work
from tests.support.receivers import WebServer

pytestmark = pytest.mark.sqlite_only


def certificate(folder: Path) -> Path:
    """Write a key and a certificate that it signed itself, for 127.0.0.1, into one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), clock.now()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a server of a test")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "server.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def signed_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a certificate with its key for a name, and the certificate of the private authority that signed it."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each)]) for each in ("an authority", name)]
    now, basic = clock.now(), x509.CertificateBuilder().issuer_name(names[0])
    basic = basic.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    subjects = x509.SubjectAlternativeName([x509.DNSName(name)])
    is_authority = x509.BasicConstraints(ca=True, path_length=0)
    own = basic.subject_name(names[0]).public_key(keys[0].public_key()).serial_number(1)
    own = own.add_extension(is_authority, critical=True)
    leaf = basic.subject_name(names[1]).public_key(keys[1].public_key()).serial_number(2)
    leaf = leaf.add_extension(subjects, critical=False)
    pem, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    server, authority = folder / "server.pem", folder / "authority.pem"
    authority.write_bytes(own.sign(keys[0], hashes.SHA256()).public_bytes(pem))
    private = keys[1].private_bytes(pem, kind, serialization.NoEncryption())
    server.write_bytes(private + leaf.sign(keys[0], hashes.SHA256()).public_bytes(pem))
    return server, authority


def server_tls(path: Path) -> ssl.SSLContext:
    """Return what a server with this certificate offers."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


@pytest.fixture
def trust_anew() -> Iterator[None]:
    """Let the app read anew which authorities this machine trusts, as it does at its start; and so afterwards."""
    targets._tls.cache_clear()
    yield
    targets._tls.cache_clear()


class Inbox:
    """Takes mails from who logs in over TLS, and keeps the passwords."""

    def __init__(self, path: Path) -> None:
        self.mails, self.passwords = list[bytes](), list[bytes]()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(path)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])
        self.controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=self.check,
        )

    def check(self, _server: object, _session: object, _envelope: object, _kind: str, given: object) -> AuthResult:
        self.passwords.append(getattr(given, "password", b""))
        return AuthResult(success=True)

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.mails.append(envelope.content)
        return "250 OK"


def a_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "bunqflask@example.org", "robin@example.org", "A test"
    mail.set_content("hello")
    return mail


@pytest.mark.settings(SMTP_USER="bunqflask", SMTP_PASSWORD="a password", SMTP_SECURITY="starttls")
def test_mail_waits_for_a_certificate_that_is_trusted(
    team: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path)
    inbox = Inbox(path)
    monkeypatch.setitem(team.config, "SMTP_PORT", inbox.port)
    inbox.controller.start()
    try:
        with pytest.raises(NoAnswer, match="certificate is not trusted"):
            mailing.send(a_mail())
        assert (inbox.mails, inbox.passwords) == ([], [])
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        assert mailing.send(a_mail()).status == 250
    finally:
        inbox.controller.stop()
    assert inbox.passwords == [b"a password"]
    assert len(inbox.mails) == 1


@pytest.mark.settings(SMTP_SECURITY="starttls")
def test_a_mail_server_without_encryption_gets_nothing(team: Flask) -> None:
    with pytest.raises(NoAnswer, match="does not offer"):
        mailing.send(a_mail())


def test_a_webhook_whose_certificate_is_not_trusted_gets_nothing(team: Flask, tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate(tmp_path))
    # Any server with TLS will do: the call ends before it says a word.
    listener = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
    with listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=_accept_once, args=(listener,), daemon=True)
        thread.start()
        with pytest.raises(NoAnswer, match="certificate is not trusted"):
            targets.post(f"https://127.0.0.1:{port}/hook", b"{}", {})
        thread.join(10)


def test_a_webhook_of_a_private_authority_is_called_once_this_machine_trusts_it(
    team: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trust_anew: None
) -> None:
    path, authority = signed_certificate(tmp_path, "localhost")
    with WebServer().running(server_tls(path)) as receiver:
        hook = add(ROBIN, ChannelKind.WEBHOOK, f"{receiver.url}/hook?key=1")
        robin = members.require(ROBIN)
        tried = channels.test(robin, hook.id)
        assert (tried.state, tried.answer) == (DeliveryState.FAILED, "Its TLS certificate is not trusted.")
        assert receiver.received == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        targets._tls.cache_clear()  # as after a restart
        stop()
        work()
        [called] = receiver.received
    assert (called.path, called.headers["host"]) == ("/hook?key=1", receiver.url.removeprefix("https://"))
    told = Webhook(hook.secret or "").verify(called.body, called.headers)
    assert told["type"] == "connection.stopped"
    assert [each.state for each in deliveries(is_test=False)] == [DeliveryState.DELIVERED]


def test_a_trusted_certificate_of_another_name_gets_nothing(
    team: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trust_anew: None
) -> None:
    path, authority = signed_certificate(tmp_path, "other.example.org")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with WebServer().running(server_tls(path)) as receiver:
        with pytest.raises(NoAnswer, match="certificate is not trusted"):
            targets.post(f"{receiver.url}/hook", b"{}", {})
        assert receiver.received == []


def _accept_once(listener: ssl.SSLSocket) -> None:
    with suppress(OSError):
        listener.accept()[0].close()
