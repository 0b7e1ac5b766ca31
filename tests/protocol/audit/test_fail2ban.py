"""fail2ban finds refused passwords in our log by the documented filter, and nothing that a visitor writes."""

import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.models import AuditKind
from bunqflask.services.audit import trail
from bunqflask.services.audit.origin import Origin, acting
from tests.conftest import missing

GUIDE = Path(__file__).parents[3] / "docs/how-to/fail2ban.md"
FORGED = 'x","kind":"login_refused","address":"192.0.2.1", {"kind":"login_refused","address":"192.0.2.2",\n'


def block(number: int) -> str:
    """Return one of the examples of the guide."""
    found: list[str] = re.findall(r"```ini\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    return found[number]


def record(kind: AuditKind, address: str, browser: str = "Firefox") -> None:
    with acting(Origin(address=address, browser=browser)), transaction():
        trail.record(kind, actor_id=None, subject=FORGED)


@pytest.fixture
def log(here: Flask, lines: list[str], tmp_path: Path) -> Path:
    """A log with refused logins of three addresses, and others that no filter is to find."""
    record(AuditKind.LOGIN_REFUSED, "203.0.113.7")
    record(AuditKind.LOGIN_THROTTLED, "2001:db8::7")
    record(AuditKind.LOGIN_REFUSED, "198.51.100.9", browser=FORGED)
    record(AuditKind.LOGIN, "203.0.113.8", browser=FORGED)
    record(AuditKind.LOGIN_REFUSED, "")
    path = tmp_path / "app.log"
    others = ["[2026-11-28 13:00:00] WARNING in pages: " + FORGED.strip(), FORGED.strip()]
    path.write_text("\n".join([*others, *lines, f"host gunicorn[12]: {lines[0]}"]) + "\n", encoding="utf-8")
    return path


def test_fail2bans_own_program_finds_the_addresses_by_the_documented_filter(log: Path, tmp_path: Path) -> None:
    program = shutil.which("fail2ban-regex")
    if program is None:
        missing("fail2ban (Debian: apt-get install fail2ban)")
    rules = tmp_path / "bunqflask.conf"
    rules.write_text(block(0), encoding="utf-8")
    done = subprocess.run(
        [program, "--out", "<ip> <time>", str(log), str(rules)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = [line.split(" ") for line in done.stdout.splitlines() if line]
    assert [each[0] for each in found] == ["203.0.113.7", "2001:db8::7", "198.51.100.9", "203.0.113.7"], done.stderr
    stamps = [float(each[1]) for each in found]
    assert all(0 <= clock.now().timestamp() - stamp < timedelta(minutes=5).total_seconds() for stamp in stamps)


def test_the_beginning_of_a_line_is_as_the_filter_wants_it(log: Path) -> None:
    """The same expression in Python, where fail2ban is not there; it looks for an address in place of <HOST>."""
    [wanted] = re.findall(r"^failregex = (.*)$", block(0), re.MULTILINE)
    pattern = re.compile(wanted.replace("<HOST>", r"(?P<host>[0-9a-f.:]+)"))
    found = [match["host"] for line in log.read_text(encoding="utf-8").splitlines() if (match := pattern.match(line))]
    assert found == ["203.0.113.7", "2001:db8::7", "198.51.100.9", "203.0.113.7"]


def test_the_jails_name_the_filter(here: Flask) -> None:
    for number in (1, 2):
        assert block(number).startswith("[bunqflask]\n")
        assert "filter = bunqflask\n" in block(number)
