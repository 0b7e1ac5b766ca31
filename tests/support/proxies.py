"""nginx and Caddy, run with the configurations that the documents show, on ports of this machine."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "money.example.org"
_START_TIMEOUT_S = 30


def environ_of(folder: Path) -> dict[str, str]:
    """Return the environment of a program that keeps its files in a folder."""
    return {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}


def make_certificate(folder: Path) -> None:
    """Write a certificate and its key, under the names that certbot uses."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(minutes=5))
    names = [x509.DNSName(NAME), x509.IPAddress(ip_address("127.0.0.1"))]
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signed = builder.not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    (folder / "fullchain.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    kind = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())
    (folder / "privkey.pem").write_bytes(private)


def write_nginx(text: str, folder: Path, listens: Mapping[str, str]) -> Path:
    """Write a file for sites-enabled as a whole configuration; its places are in the folder.

    :param listens: where to listen in place of `80`, `[::]:80` and so on.
    """
    make_certificate(folder)
    text = text.replace(f"/etc/letsencrypt/live/{NAME}", str(folder)).replace("/var/log/nginx", str(folder))
    text = re.sub(r"listen (\S+?)(?= ssl;|;)", lambda found: f"listen {listens[found[1]]}", text)
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{place}_temp_path {folder}/{place};" for place in places)
    whole = f"events {{}}\npid {folder}/pid;\nerror_log stderr;\nhttp {{\naccess_log off;\n{temporary}\n{text}\n}}\n"
    # As root it would serve as www-data, who may not enter a folder of the tests.
    user = "user root;\n" if os.geteuid() == 0 else ""
    path = folder / "nginx.conf"
    path.write_text(user + whole, encoding="utf-8")
    return path


def write_caddyfile(text: str, folder: Path, version: tuple[int, int]) -> Path:
    """Write the Caddyfile for a version of Caddy; its log is in the folder."""
    if version >= (2, 7):
        text = text.replace("buffer_requests", "request_buffers 12MB")  # as the document says of newer versions
    path = folder / "Caddyfile"
    path.write_text(text.replace("/var/log/caddy", str(folder)), encoding="utf-8")
    return path


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[urllib3.HTTPSConnectionPool]:
    """Run a proxy; yields the connection of one visitor to it."""
    log = folder / "proxy.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environ_of(folder), stdout=output, stderr=output)
    pool = urllib3.HTTPSConnectionPool(
        "127.0.0.1",
        port,
        ca_certs=str(folder / "fullchain.pem"),
        server_hostname=NAME,
        headers={"Host": NAME},
        maxsize=1,
        retries=False,
        timeout=30,
    )
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not _answers(pool):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{command[0]} did not start:\n{log.read_text(encoding='utf-8')}")
            time.sleep(0.1)
        yield pool
    finally:
        pool.close()
        process.terminate()
        process.wait(_START_TIMEOUT_S)


def _answers(pool: urllib3.HTTPSConnectionPool) -> bool:
    try:
        return pool.request("GET", "/healthz").status == 200
    except urllib3.exceptions.HTTPError:
        return False
