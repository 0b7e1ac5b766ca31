"""Configurations and commands for servers that the documents show, tried with the programs they are for."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bunqflask.config import Config
from tests.support import documents
from tests.support.documents import Block

_TIMEOUT_S = 60


def _program(name: str) -> str:
    """Return where a program is; skip the test where it is not installed: make test does not need it."""
    found = documents.program(name)
    if found is None:
        pytest.skip(f"{name} is not on this machine, so its configuration in the documents is NOT checked")
    return found


def _run(*command: str | Path, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, "HOME": str(cwd), "XDG_DATA_HOME": str(cwd), "XDG_CONFIG_HOME": str(cwd), **environ},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def _certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "money.example.org")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
    signed = builder.not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    (folder / "fullchain.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    kind = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())
    (folder / "privkey.pem").write_bytes(private)


def _check_nginx(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Have nginx check a file for sites-enabled: its certificate made here, its ports replaced by sockets."""
    _certificate(folder)
    text = text.replace("/etc/letsencrypt/live/money.example.org", str(folder))
    text = text.replace("/var/log/nginx", str(folder))
    numbers = iter(range(100))
    text = re.sub(r"listen (?:\[::\]:)?\d+", lambda _found: f"listen unix:{folder}/{next(numbers)}.sock", text)
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{place}_temp_path {folder}/{place};" for place in places)
    whole = f"events {{}}\npid {folder}/pid;\nerror_log stderr;\nhttp {{\naccess_log off;\n{temporary}\n{text}\n}}\n"
    (folder / "nginx.conf").write_text(whole, encoding="utf-8")
    return _run(_program("nginx"), "-t", "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf", cwd=folder)


@pytest.mark.parametrize("block", documents.blocks_in("nginx"), ids=str)
def test_nginx_accepts_the_configuration(block: Block, tmp_path: Path) -> None:
    checked = _check_nginx(block.text, tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert {"80", "443"} <= set(re.findall(r"listen (\d+)", block.text))


def test_nginx_refuses_a_wrong_configuration(tmp_path: Path) -> None:
    assert _check_nginx("server { request_buffers 2MB; }", tmp_path).returncode != 0


def _check_caddy(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "Caddyfile").write_text(text, encoding="utf-8")
    return _run(_program("caddy"), "validate", "--adapter", "caddyfile", "--config", folder / "Caddyfile", cwd=folder)


@pytest.mark.parametrize("block", documents.blocks_in("caddyfile"), ids=str)
def test_caddy_accepts_the_configuration(block: Block, tmp_path: Path) -> None:
    version = _run(_program("caddy"), "version", cwd=tmp_path).stdout.strip().lstrip("v")
    text = block.text
    if tuple(map(int, re.findall(r"\d+", version)[:2])) >= (2, 7):
        text = text.replace("buffer_requests", "request_buffers 2MB")  # as the document says of newer versions
    checked = _check_caddy(text.replace("/var/log/caddy", str(tmp_path)), tmp_path)
    assert checked.returncode == 0, checked.stderr


def test_caddy_refuses_a_wrong_configuration(tmp_path: Path) -> None:
    assert _check_caddy("money.example.org {\n\treverse_proxies 127.0.0.1:5000\n}\n", tmp_path).returncode != 0


def _units() -> dict[str, str]:
    found = (re.match(r"# /etc/systemd/system/(\S+)\n", block.text) for block in documents.blocks_in("ini"))
    return {match[1]: match.string for match in found if match and match[1].endswith(".service")}


def _keys_apart() -> str:
    """Return the part of a unit that hands it the keys as credentials."""
    [found] = [block.text for block in documents.blocks_in("ini") if "service.d/keys.conf" in block.text]
    return found


def _check_units(units: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Have systemd check units whose programs are replaced by one that is on every machine."""
    for name, text in units.items():
        (folder / name).write_text(re.sub(r"/srv/bunqflask/\.venv/bin/\w+", "/bin/true", text), encoding="utf-8")
    return _run(_program("systemd-analyze"), "verify", *(folder / name for name in units), cwd=folder)


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    units = _units()
    assert set(units) == {"bunqflask.service", "bunqflask-worker.service"}
    checked = _check_units(units, tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_systemd_refuses_a_wrong_unit(tmp_path: Path) -> None:
    wrong = _units()["bunqflask.service"].replace("ProtectHome=", "ProtectHouse=")
    assert "ProtectHouse" in _check_units({"bunqflask.service": wrong}, tmp_path).stderr


def test_systemd_accepts_the_units_that_get_their_keys_as_credentials(tmp_path: Path) -> None:
    units = {name: text.replace("[Install]", f"{_keys_apart()}\n[Install]") for name, text in _units().items()}
    checked = _check_units(units, tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    named = set(re.findall(r"(\w+)=%d/([\w-]+)", _keys_apart()))
    assert named == {("SECRET_KEY_FILE", "secret-key"), ("ENCRYPTION_KEYS_FILE", "encryption-keys")}
    for _setting, file in named:
        assert f"LoadCredential={file}:/etc/bunqflask/{file}\n" in _keys_apart()


def _exposure(text: str, folder: Path) -> float:
    """Return how much systemd says that a unit may do, from 0 to 10."""
    (folder / "measured.service").write_text(text, encoding="utf-8")
    program = _program("systemd-analyze")
    done = _run(program, "security", "--offline=true", "--no-pager", folder / "measured.service", cwd=folder)
    found = re.search(r"Overall exposure level for measured\.service: ([0-9.]+)", done.stdout)
    assert found is not None, done.stderr
    return float(found[1])


def test_the_units_may_do_little(tmp_path: Path) -> None:
    for name, text in _units().items():
        assert _exposure(text, tmp_path) <= 2.0, name
    bare = "[Service]\nUser=bunqflask\nExecStart=/bin/true\n"
    assert _exposure(bare, tmp_path) > 8.0, "the scale is understood"


def test_the_worker_starts_after_the_app_has_migrated_the_database() -> None:
    units = _units()
    assert "ExecStartPre=/srv/bunqflask/.venv/bin/flask --app wsgi db upgrade\n" in units["bunqflask.service"]
    assert "After=bunqflask.service\n" in units["bunqflask-worker.service"]


def test_both_units_are_hardened_alike() -> None:
    hardened = [
        {
            line
            for line in text.splitlines()
            if re.match(r"Pro[ct]|Restrict|Private|NoNew|Lock|Capab|UMask|Read|Memory|System|Remove|Limit", line)
        }
        for text in _units().values()
    ]
    assert hardened[0] == hardened[1]
    assert len(hardened[0]) > 25


def test_the_key_commands_make_keys_that_the_app_accepts(tmp_path: Path) -> None:
    install = (documents.ROOT / "docs/how-to/install.md").read_text(encoding="utf-8")
    commands = re.findall(r"^python3 -c .+$", install, re.MULTILINE)
    secret, encryption = (_run("sh", "-c", command, cwd=tmp_path).stdout.strip() for command in commands)
    environ = {"PUBLIC_URL": "https://money.example.org", "BUNQ_ENVIRONMENT": "production"}
    config = Config.from_env({**environ, "SECRET_KEY": secret, "ENCRYPTION_KEYS": encryption})
    assert [key_id for key_id, _key in config.ENCRYPTION_KEYS] == ["k1"]
