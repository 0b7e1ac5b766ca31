"""The commands of the guide to upgrades, run on an installation as the guides make one."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import documents
from tests.support.apps import bare_environ, child_environ

pytestmark = pytest.mark.sqlite_only

INSTALLED = ("bunqflask", "migrations", "templates", "wsgi.py", "requirements.txt")
HOME = "/srv/bunqflask"
# Stands for systemd: it notes what it is asked for, and does what the unit does before the app starts.
SYSTEMCTL = """#!/bin/sh
set -eu
echo "$*" >>"{log}"
if [ "$*" = "start bunqflask bunqflask-worker" ]; then
    {before}
fi
"""


def _git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=Robin", "-c", "user.email=robin@example.org")
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _publish(folder: Path, version: str) -> None:
    (folder / "CHANGELOG.md").write_text(f"{version}\n", encoding="utf-8")
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", version)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """What is published: this version, as its first."""
    folder = tmp_path / "origin"
    for path in documents.tracked(*INSTALLED):
        copy = folder / path.relative_to(documents.ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    _git(folder, "init", "--quiet")
    _publish(folder, "first")
    return folder


def test_the_commands_of_an_upgrade_bring_code_packages_and_database_up_to_date(origin: Path, tmp_path: Path) -> None:
    home, log, programs = tmp_path / "home", tmp_path / "log", tmp_path / "programs"
    _git(tmp_path, "clone", "--quiet", str(origin), str(home))
    (home / ".venv").symlink_to(sys.prefix)
    _publish(origin, "second")
    heading = "# /etc/systemd/system/bunqflask.service\n"
    [unit] = [each.text for each in documents.blocks_in("ini") if each.text.startswith(heading)]
    [before] = re.findall(r"^ExecStartPre=(.+)$", unit, re.MULTILINE)
    programs.mkdir()
    systemctl = programs / "systemctl"
    systemctl.write_text(SYSTEMCTL.format(log=log, before=before.replace(HOME, str(home))), encoding="utf-8")
    systemctl.chmod(0o700)

    [commands, *_] = [each.text for each in documents.blocks_in("sh") if each.path.name == "upgrade.md"]
    database = tmp_path / "upgraded.sqlite3"
    environ = child_environ(bare_environ(f"sqlite:///{database}"))
    # What is installed has to be what is asked for: there is no index to take anything else from.
    environ |= {"PATH": f"{programs}:{environ['PATH']}", "PIP_NO_INDEX": "1", "PIP_NO_CACHE_DIR": "1"}
    script = f"set -eu\n{commands.replace(HOME, str(home))}"
    done = subprocess.run(["sh", "-c", script], env=environ, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    assert (home / "CHANGELOG.md").read_text(encoding="utf-8") == "second\n"
    assert log.read_text(encoding="utf-8").splitlines() == [
        "stop bunqflask-worker bunqflask",
        "start bunqflask bunqflask-worker",
    ]
    with closing(sqlite3.connect(database)) as connection:
        [version] = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert any(version in path.read_text(encoding="utf-8") for path in (home / "migrations" / "versions").glob("*.py"))
