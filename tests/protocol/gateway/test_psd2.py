"""A licensed party: its certificate is shown to bunq, and the secret that bunq gives for it once is kept."""

import base64
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from flask import Flask

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import Installation
from bunqflask.services.gateway import psd2
from tests.support.bank import Bank

pytestmark = pytest.mark.sqlite_only


@pytest.fixture(autouse=True)
def _no_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV_FILE", "")


@pytest.fixture(scope="module")
def certificate_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def small_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make identities with a key that is quick to make."""
    monkeypatch.setattr(psd2, "_KEY_BITS", 2048)


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def certificate_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, name: str, *, days: int = 90) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.COUNTRY_NAME, "NL")])
    now = clock.now()
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def flask(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=list(arguments))


def with_files(app: Flask, folder: Path, certificate: str, key: str, *more: str, chain: str | None = None) -> Result:
    files = {"psd2-certificate": certificate, "psd2-key": key, **({"psd2-chain": chain} if chain else {})}
    arguments = list(more)
    for option, content in files.items():
        (folder / option).write_text(content)
        arguments += [f"--{option}", str(folder / option)]
    return flask(app, "setup", *arguments)


def stored() -> Installation:
    found: Installation = db.session.scalars(db.select(Installation).filter_by(is_current=True)).one()
    return found


def posts(bank: Bank, path: str) -> int:
    return len([call for call in bank.calls("POST") if call["path"].endswith(path)])


@pytest.mark.usefixtures("small_keys")
def test_a_new_identity_is_registered_once_and_kept(app: Flask, bank: Bank) -> None:
    first = flask(app, "setup", "--new-psd2-identity", "bunqflask tests")
    assert first.exit_code == 0, first.output
    assert "3/7  PSD2 credential" in first.output
    for arguments in ([], ["--new-psd2-identity", "bunqflask tests"]):
        again = flask(app, "setup", *arguments)
        assert again.exit_code == 0, again.output
    assert posts(bank, "/payment-service-provider-credential") == 1
    assert posts(bank, "/installation") == 1
    with app.app_context():
        installation = stored()
        subject = x509.load_pem_x509_certificate((installation.psd2_certificate or "").encode()).subject
        name = str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        assert installation.psd2_private_key is not None
        assert installation.session is not None
        assert installation.session.holder_type == "UserPaymentServiceProvider"
        secrets = [installation.api_key or "", installation.psd2_private_key[100:160]]
        db.session.remove()
    assert name.startswith("bunqflask tests AISP PISP ")
    assert len(name) <= 64
    status = flask(app, "status")
    assert status.exit_code == 0
    assert "PSD2 credential" in status.output
    assert not any(secret in first.output + status.output for secret in secrets)


@pytest.mark.usefixtures("small_keys")
def test_two_identities_of_one_long_name_are_told_apart() -> None:
    names = set()
    for _ in range(2):
        certificate = x509.load_pem_x509_certificate(psd2.new_sandbox_identity("x" * 200).certificate.encode())
        names.add(str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value))
    assert len(names) == 2
    assert all(len(name) == 64 and "AISP PISP" in name for name in names)


@pytest.mark.usefixtures("small_keys")
def test_an_identity_whose_answer_was_lost_is_shown_again(app: Flask, bank: Bank) -> None:
    bank.fault(call="POST payment-service-provider-credential", fault="reset", when="after")
    assert flask(app, "setup", "--new-psd2-identity", "tests").exit_code == 1
    with app.app_context():
        certificate = stored().psd2_certificate
        db.session.remove()
    assert flask(app, "setup", "--new-psd2-identity", "tests").exit_code == 0
    with app.app_context():
        assert stored().psd2_certificate == certificate
        db.session.remove()
    assert posts(bank, "/installation") == 1


@pytest.mark.usefixtures("small_keys")
def test_a_secret_that_grew_too_old_before_its_first_use_is_replaced(app: Flask, bank: Bank) -> None:
    bank.fault(call="POST device-server", fault="500")
    assert flask(app, "setup", "--new-psd2-identity", "tests").exit_code == 1
    bank.advance(3_700)
    done = flask(app, "setup")
    assert done.exit_code == 0, done.output
    assert posts(bank, "/payment-service-provider-credential") == 2


@pytest.mark.parametrize("fault", ["bad-signature", "missing-signature"])
@pytest.mark.usefixtures("small_keys")
def test_a_credential_that_bunq_did_not_sign_is_not_stored(app: Flask, bank: Bank, fault: str) -> None:
    bank.fault(call="POST payment-service-provider-credential", fault=fault)
    refused = flask(app, "setup", "--new-psd2-identity", "tests")
    assert refused.exit_code == 1
    assert "signature" in refused.output
    with app.app_context():
        assert stored().api_key_sealed is None
        db.session.remove()


def test_certificate_chain_and_key_come_from_files_and_can_be_renewed(
    app: Flask, bank: Bank, certificate_key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    key, chain = pem_of(certificate_key), certificate_of(certificate_key, "issuer")
    ending = certificate_of(certificate_key, "licensed AISP PISP", days=20)
    first = with_files(app, tmp_path, ending, key, chain=chain)
    assert first.exit_code == 0, first.output
    assert with_files(app, tmp_path, ending, key, chain=chain).exit_code == 0
    assert posts(bank, "/payment-service-provider-credential") == 1

    status = flask(app, "status")
    assert status.exit_code == 1
    assert "to do: run `flask --app wsgi setup` with a new certificate and --new-installation" in status.output

    renewed = certificate_of(certificate_key, "licensed AISP PISP", days=300)
    refused = with_files(app, tmp_path, renewed, key, chain=chain)
    assert refused.exit_code == 1
    assert "--new-installation" in refused.output
    done = with_files(app, tmp_path, renewed, key, "--new-installation", chain=chain)
    assert done.exit_code == 0, done.output
    assert flask(app, "status").exit_code == 0
    with app.app_context():
        assert stored().psd2_certificate == renewed
        assert stored().psd2_chain == chain
        db.session.remove()


@pytest.mark.usefixtures("small_keys")
def test_a_new_installation_keeps_the_certificate_or_takes_a_new_one(app: Flask) -> None:
    certificates = []
    for arguments in (
        ["--new-psd2-identity", "tests"],
        ["--new-installation"],
        ["--new-installation", "--new-psd2-identity", "tests"],
    ):
        assert flask(app, "setup", *arguments).exit_code == 0
        with app.app_context():
            certificates.append(stored().psd2_certificate)
            db.session.remove()
    assert certificates[0] == certificates[1] != certificates[2]


def test_what_cannot_be_a_certificate_is_refused_before_bunq_is_asked(
    app: Flask, bank: Bank, certificate_key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    good, key = certificate_of(certificate_key, "AISP"), pem_of(certificate_key)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curve = ec.generate_private_key(ec.SECP256R1())
    locked = certificate_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    ).decode()
    for certificate, private_key, chain, words in (
        (good, pem_of(other), None, "does not belong"),
        (certificate_of(curve, "AISP"), key, None, "does not belong"),
        (certificate_of(curve, "AISP"), pem_of(curve), None, "must be PEM files"),
        (certificate_of(certificate_key, "AISP", days=-1), key, None, "ended on"),
        (good, locked, None, "without a password"),
        (good, "", None, "must be PEM files"),
        ("", key, None, "must be PEM files"),
        (good, key, "not a chain", "must be PEM files"),
        (key, good, None, "must be PEM files"),
    ):
        refused = with_files(app, tmp_path, certificate, private_key, chain=chain)
        assert refused.exit_code == 1, refused.output
        assert words in refused.output
        assert "PRIVATE KEY" not in refused.output
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "psd2-key").write_text(key)
    binary = ["--psd2-certificate", str(tmp_path / "binary"), "--psd2-key", str(tmp_path / "psd2-key")]
    assert "must be PEM files" in flask(app, "setup", *binary).output
    assert flask(app, "setup", "--psd2-key", str(tmp_path / "psd2-key")).exit_code == 2
    assert flask(app, "setup", "--new-psd2-identity", "x", *binary).exit_code == 2
    assert not bank.calls("POST")


@pytest.mark.usefixtures("small_keys")
def test_an_installation_of_an_api_key_does_not_become_a_licensed_party_by_accident(app: Flask) -> None:
    assert flask(app, "setup", "--new-sandbox-user", "company").exit_code == 0
    refused = flask(app, "setup", "--new-psd2-identity", "tests")
    assert refused.exit_code == 1
    assert "already has its secret" in refused.output
    assert flask(app, "setup", "--new-psd2-identity", "tests", "--new-installation").exit_code == 0


def test_the_signed_bytes_are_the_public_key_with_one_newline_and_the_token(certificate_key: rsa.RSAPrivateKey) -> None:
    installation = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    proof = psd2.proof(
        certificate_key=pem_of(certificate_key), installation_key=pem_of(installation), installation_token="token"
    )
    public = installation.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    certificate_key.public_key().verify(
        base64.b64decode(proof), public.rstrip(b"\n") + b"\ntoken", padding.PKCS1v15(), hashes.SHA256()
    )
