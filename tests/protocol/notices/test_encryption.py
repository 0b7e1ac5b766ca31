"""Mail and webhooks over TLS: a server that cannot prove who it is gets nothing, neither a text nor a password."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
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

from bunqflask import clock
from bunqflask.services.notices import mailing, targets
from bunqflask.services.notices.targets import NoAnswer

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


def _accept_once(listener: ssl.SSLSocket) -> None:
    with suppress(OSError):
        listener.accept()[0].close()
