"""Configurations and commands for servers that the documents show, tried with the programs they are for."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyrage
import pytest

from bunqflask.config import ROOT, Config
from tests.support import documents, proxies
from tests.support.apps import ThreadSite, child_environ
from tests.support.documents import Block

_TIMEOUT_S = 60


def _run(*command: str | Path, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**proxies.environ_of(cwd), **environ},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def _check_nginx(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Have nginx check a file for sites-enabled: its certificate made here, its ports replaced by sockets."""
    program = documents.needed("nginx")
    listens = {
        where: f"unix:{folder}/{number}.sock" for number, where in enumerate(("80", "[::]:80", "443", "[::]:443"))
    }
    path = proxies.write_nginx(text, folder, listens)
    return _run(program, "-t", "-e", "stderr", "-p", folder, "-c", path, cwd=folder)


@pytest.mark.parametrize("block", documents.blocks_in("nginx"), ids=str)
def test_nginx_accepts_the_configuration(block: Block, tmp_path: Path) -> None:
    checked = _check_nginx(block.text, tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert {"80", "443"} <= set(re.findall(r"listen (\d+)", block.text))


def test_nginx_refuses_a_wrong_configuration(tmp_path: Path) -> None:
    assert _check_nginx("server { request_buffers 2MB; }", tmp_path).returncode != 0


def _check_caddy(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = documents.needed("caddy")
    path = proxies.write_caddyfile(text, folder, documents.caddy_version(program))
    return _run(program, "validate", "--adapter", "caddyfile", "--config", path, cwd=folder)


@pytest.mark.parametrize("block", documents.blocks_in("caddyfile"), ids=str)
def test_caddy_accepts_the_configuration(block: Block, tmp_path: Path) -> None:
    checked = _check_caddy(block.text, tmp_path)
    assert checked.returncode == 0, checked.stderr


def test_caddy_refuses_a_wrong_configuration(tmp_path: Path) -> None:
    assert _check_caddy("money.example.org {\n\treverse_proxies 127.0.0.1:5000\n}\n", tmp_path).returncode != 0


def _units() -> dict[str, str]:
    found = (re.match(r"# /etc/systemd/system/(\S+)\n", block.text) for block in documents.blocks_in("ini"))
    return {match[1]: match.string for match in found if match and match[1].endswith((".service", ".timer"))}


def _services() -> dict[str, str]:
    return {name: text for name, text in _units().items() if name.endswith(".service")}


def _keys_apart() -> str:
    """Return the part of a unit that hands it the keys as credentials."""
    [found] = [block.text for block in documents.blocks_in("ini") if "service.d/keys.conf" in block.text]
    return found


def _check_units(units: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Have systemd check units whose programs are replaced by one that is on every machine."""
    for name, text in units.items():
        (folder / name).write_text(re.sub(r"/srv/bunqflask/\.venv/bin/\w+", "/bin/true", text), encoding="utf-8")
    return _run(documents.needed("systemd-analyze"), "verify", *(folder / name for name in units), cwd=folder)


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    units = _units()
    backup = {"bunqflask-backup.service", "bunqflask-backup.timer"}
    assert set(units) == {"bunqflask.service", "bunqflask-worker.service", *backup}
    checked = _check_units(units, tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_systemd_refuses_a_wrong_unit(tmp_path: Path) -> None:
    wrong = _units()["bunqflask.service"].replace("ProtectHome=", "ProtectHouse=")
    assert "ProtectHouse" in _check_units({"bunqflask.service": wrong}, tmp_path).stderr


def test_systemd_accepts_the_units_that_get_their_keys_as_credentials(tmp_path: Path) -> None:
    units = {name: text.replace("[Service]\n", f"{_keys_apart()}\n") for name, text in _services().items()}
    checked = _check_units(units, tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    named = set(re.findall(r"(\w+)=%d/([\w-]+)", _keys_apart()))
    assert named == {("SECRET_KEY_FILE", "secret-key"), ("ENCRYPTION_KEYS_FILE", "encryption-keys")}
    for _setting, file in named:
        assert f"LoadCredential={file}:/etc/bunqflask/{file}\n" in _keys_apart()


def _exposure(text: str, folder: Path) -> float:
    """Return how much systemd says that a unit may do, from 0 to 10."""
    (folder / "measured.service").write_text(text, encoding="utf-8")
    program = documents.needed("systemd-analyze")
    done = _run(program, "security", "--offline=true", "--no-pager", folder / "measured.service", cwd=folder)
    found = re.search(r"Overall exposure level for measured\.service: ([0-9.]+)", done.stdout)
    assert found is not None, done.stderr
    return float(found[1])


def test_the_units_may_do_little(tmp_path: Path) -> None:
    for name, text in _services().items():
        assert _exposure(text, tmp_path) <= 2.0, name
    bare = "[Service]\nUser=bunqflask\nExecStart=/bin/true\n"
    assert _exposure(bare, tmp_path) > 8.0, "the scale is understood"


def test_the_worker_starts_after_the_app_has_migrated_the_database() -> None:
    units = _units()
    assert "ExecStartPre=/srv/bunqflask/.venv/bin/flask --app wsgi db upgrade\n" in units["bunqflask.service"]
    for name in ("bunqflask-worker.service", "bunqflask-backup.service"):
        assert "After=bunqflask.service\n" in units[name]


def test_all_services_are_hardened_alike() -> None:
    hardened = [
        {
            line
            for line in text.splitlines()
            if re.match(r"Pro[ct]|Restrict|Private|NoNew|Lock|Capab|UMask|Memory|System|Remove|Limit", line)
        }
        for text in _services().values()
    ]
    assert hardened[0] == hardened[1] == hardened[2]
    assert len(hardened[0]) > 25
    writable = {
        line for text in _services().values() for line in text.splitlines() if line.startswith("ReadWritePaths")
    }
    instance = "ReadWritePaths=/srv/bunqflask/instance"
    assert writable == {instance, f"{instance} /var/backups/bunqflask"}


@pytest.mark.sqlite_only
def test_the_backup_service_makes_a_backup_that_restores_and_deletes_old_ones(
    live_app: ThreadSite, tmp_path: Path
) -> None:
    """Its two commands are run as systemd would: with its escapes taken out, in the folder of the app."""
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "backup.pub").write_text(f"{identity.to_public()}\n", encoding="utf-8")
    (tmp_path / "key.txt").write_text(f"{identity}\n", encoding="utf-8")
    folder = tmp_path / "backups"
    folder.mkdir()
    for name, days in (("old.age", 31), ("young.age", 29)):
        (folder / name).touch()
        then = time.time() - timedelta(days=days).total_seconds()
        os.utime(folder / name, (then, then))
    unit = _units()["bunqflask-backup.service"]
    for line in re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE):
        words = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line)]
        words = [word.replace("/var/backups/bunqflask", str(folder)) for word in words]
        words = [word.replace("instance/backup.pub", str(tmp_path / "backup.pub")) for word in words]
        words = [word.replace(".venv/bin/flask", f"{sys.executable} -m flask") for word in words]
        done = _run(*words, cwd=ROOT, **child_environ(live_app.environ))
        assert done.returncode == 0, done.stderr
    [made] = {each.name for each in folder.iterdir()} - {"young.age"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-\d{6}\.age", made)
    told = live_app.command("restore", "--check", str(folder / made), "--identity", str(tmp_path / "key.txt"))
    assert "complete, with 0 payments" in told.output


def _jail_with(blocks: list[Block], folder: Path) -> subprocess.CompletedProcess[str]:
    """Have fail2ban read its whole configuration with a filter and a jail of the documents."""
    program = documents.needed("fail2ban-client")
    shutil.copytree("/etc/fail2ban", folder / "fail2ban")
    for each in (folder / "fail2ban" / "jail.d").iterdir():
        each.unlink()
    for block, name in zip(blocks, ("filter.d/bunqflask.conf", "jail.d/bunqflask.local"), strict=True):
        (folder / "fail2ban" / name).write_text(block.text, encoding="utf-8")
    return _run(program, "-c", folder / "fail2ban", "-d", cwd=folder)


@pytest.mark.parametrize("number", [1, 2], ids=["of the journal", "of a file"])
def test_fail2ban_reads_the_jail(number: int, tmp_path: Path) -> None:
    blocks = [block for block in documents.blocks_in("ini") if block.path.name == "fail2ban.md"]
    checked = _jail_with([blocks[0], blocks[number]], tmp_path)
    assert checked.returncode == 0, checked.stderr
    commands = checked.stdout
    assert "['add', 'bunqflask', '{}']".format("systemd" if number == 1 else "auto") in commands
    assert "['set', 'bunqflask', 'addfailregex'" in commands
    [failregex] = re.findall(r"^failregex = (.*)$", blocks[0].text, re.MULTILINE)
    assert failregex[:40] in commands.replace("\\\\", "\\")


def test_fail2ban_refuses_a_jail_without_its_filter(tmp_path: Path) -> None:
    blocks = [block for block in documents.blocks_in("ini") if block.path.name == "fail2ban.md"]
    wrong = replace(blocks[1], text=blocks[1].text.replace("filter = bunqflask", "filter = bunqflusk"))
    assert _jail_with([blocks[0], wrong], tmp_path).returncode != 0


def test_the_key_commands_make_keys_that_the_app_accepts(tmp_path: Path) -> None:
    install = (documents.ROOT / "docs/how-to/install.md").read_text(encoding="utf-8")
    commands = re.findall(r"^python3 -c .+$", install, re.MULTILINE)
    secret, encryption = (_run("sh", "-c", command, cwd=tmp_path).stdout.strip() for command in commands)
    environ = {"PUBLIC_URL": "https://money.example.org", "BUNQ_ENVIRONMENT": "production"}
    config = Config.from_env({**environ, "SECRET_KEY": secret, "ENCRYPTION_KEYS": encryption})
    assert [key_id for key_id, _key in config.ENCRYPTION_KEYS] == ["k1"]
