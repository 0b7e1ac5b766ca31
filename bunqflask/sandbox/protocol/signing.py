"""Keys and signatures, as bunq uses them: RSA PKCS#1 v1.5 with SHA-256 over the exact body bytes.

https://doc.bunq.com/basics/authentication/signing
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from bunqflask.sandbox.bank.people import PROVIDER_ROLES

SERVER_KEYS = 4

_PUBLIC_PEM = re.compile(r"\A\s*-----BEGIN PUBLIC KEY-----(?P<base64>[A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*\Z")


class KeyNotUsable(ValueError):
    """A public key or certificate is not what bunq accepts; the text says why."""


def new_private_pem() -> str:
    """Make a key pair of 2048 bits and return its private half as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


@lru_cache(maxsize=SERVER_KEYS)
def server_key(number: int) -> str:
    """Return one of the bank's few private keys as PEM.

    Neighbouring installations get different keys, so that a client which mixes them up is found out; a new pair
    for each would take a tenth of a second and prove no more.
    """
    assert 0 <= number < SERVER_KEYS
    return new_private_pem()


@lru_cache(maxsize=256)
def _private_key(pem: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode("ascii"), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def public_pem(private_pem: str) -> str:
    """Return the public half: 64 columns and a final newline."""
    return (
        _private_key(private_pem)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode("ascii")
    )


@lru_cache(maxsize=256)
def read_public_pem(pem: str) -> rsa.RSAPublicKey:
    """Read a client's public key; the base64 may stand on one line, or on many.

    :raises KeyNotUsable: not `BEGIN PUBLIC KEY`, not RSA, or shorter than 2048 bits.
    """
    match = _PUBLIC_PEM.match(pem)
    if match is None:
        raise KeyNotUsable("it must be a PEM that starts with -----BEGIN PUBLIC KEY-----")
    try:
        key = serialization.load_der_public_key(base64.b64decode("".join(match["base64"].split()), validate=True))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyNotUsable("its base64 does not hold a public key") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise KeyNotUsable("it must be an RSA key")
    if key.key_size < 2048:
        raise KeyNotUsable("it must have at least 2048 bits")
    return key


@lru_cache(maxsize=64)
def sign(private_pem: str, body: bytes) -> str:
    """Sign the body; return base64 without line breaks."""
    # Deterministic padding: the same bytes under the same key give the same signature, hence the cache.
    return base64.b64encode(_private_key(private_pem).sign(body, padding.PKCS1v15(), hashes.SHA256())).decode("ascii")


def is_signed(public: rsa.RSAPublicKey, body: bytes, signature_base64: str) -> bool:
    """Tell whether the signature (base64, line wraps allowed) is over exactly these bytes."""
    try:
        signature = base64.b64decode("".join(signature_base64.split()), validate=True)
        public.verify(signature, body, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def key_and_token_bytes(posted_pem: str, installation_token: str) -> bytes:
    """Return what a PSD2 party signs with its certificate's key.

    The installation's public key with exactly one newline after its END line, then the installation token.

    https://doc.bunq.com/psd2/register-as-a-service-provider
    """
    return f"{posted_pem.strip()}\n{installation_token}".encode()


def read_certificate(pem: str) -> tuple[x509.Certificate, rsa.RSAPublicKey, str]:
    """Return (certificate, its key, its common name) of a PSD2 party.

    The sandbox checks no certificate authority, as bunq's does not; the roles come from words in the name.

    :raises KeyNotUsable: not a certificate, not RSA, or no role word in the common name.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode("utf-8"))
        key = certificate.public_key()
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyNotUsable("it is no PEM of a certificate that can be read") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise KeyNotUsable("it must hold an RSA key")
    common_name = str(names[0].value) if names else ""
    if not any(role in common_name for role in PROVIDER_ROLES):
        raise KeyNotUsable(f"its common name must hold one of {', '.join(PROVIDER_ROLES)}")
    return certificate, key, common_name
