"""The app as its users install it: without the packages of developers, some of which others import if they can."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

from bunqflask.config import ROOT
from bunqflask.digest import digest

_PLACE = ROOT / ".venv" / "bench-app"
_LISTS = ("requirements.txt", "requirements-postgres.txt")


@cache
def python() -> str:
    """Return the Python of an environment with exactly what the app needs; made when its packages have changed."""
    program, made_of = _PLACE / "bin" / "python", _PLACE / "packages"
    wanted = digest("".join((ROOT / name).read_text() for name in _LISTS))
    if not made_of.exists() or made_of.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(_PLACE)], check=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps"]
        subprocess.run([str(program), *install, *(f"-r{ROOT / name}" for name in _LISTS)], check=True)
        made_of.write_text(wanted)
    return str(program)
