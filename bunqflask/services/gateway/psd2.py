"""The certificate of a licensed party: read and checked, or a self-signed one for bunq's sandbox.

https://doc.bunq.com/psd2/register-as-a-tpp
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from bunqflask import clock
from bunqflask.bunq import protocol

_KEY_BITS = 4096
_LIFE = timedelta(days=365)
_COMMON_NAME_MAX = 64


class CertificateUnusable(Exception):
    """The certificate, its chain or its key cannot be used; the text says why."""


@dataclass(frozen=True)
class Identity:
    """A payment service provider's certificate, its chain and its private key, all PEM."""

    certificate: str
    chain: str
    private_key: str = field(repr=False)


def read_identity(certificate: str, chain: str | None, private_key: str) -> Identity:
    """Check that certificate and key belong together.

    :raises CertificateUnusable: when they do not, or are not PEM.
    """
    try:
        subject = x509.load_pem_x509_certificate(certificate.encode())
        public = subject.public_key()
        key = protocol.load_private_key(private_key)
        if chain:
            x509.load_pem_x509_certificates(chain.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CertificateUnusable(
            "Certificate, chain and key must be PEM files; the key without a password."
        ) from error
    if not isinstance(public, rsa.RSAPublicKey) or public != key.public_key():
        raise CertificateUnusable("The private key does not belong to the certificate.")
    if subject.not_valid_after_utc <= clock.now():
        raise CertificateUnusable(f"The certificate ended on {subject.not_valid_after_utc:%Y-%m-%d}.")
    # A self-signed certificate is its own chain.
    return Identity(certificate, chain or certificate, private_key)


def ends_at(certificate: str) -> datetime:
    """Return the time after which a stored certificate is not valid any more."""
    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc


def new_sandbox_identity(name: str) -> Identity:
    """Make a self-signed certificate as bunq's sandbox takes it: roles in the name, unique, at most 64 signs."""
    ending = f" AISP PISP {uuid.uuid4().hex[:12]}"
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name.strip()[: _COMMON_NAME_MAX - len(ending)] + ending),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "NL"),
        ]
    )
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    today = clock.now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + _LIFE)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    private_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Identity(pem, pem, private_pem.decode())


def proof(*, certificate_key: str, installation_key: str, installation_token: str) -> str:
    """Sign our installation's public key and token with the certificate's key.

    The signed bytes are the public key as PEM with one newline at its end, then the token.
    """
    public = protocol.public_pem(protocol.load_private_key(installation_key, is_ours=True))
    return protocol.sign(
        protocol.load_private_key(certificate_key, is_ours=True), (public + installation_token).encode()
    )
