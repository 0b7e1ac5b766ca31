"""What is installed: compiled by `make lock` from what we ask for, and compared with it by `make check`.

    python -m tests.support.requirements check          tell what does not agree; needs no network
    python -m tests.support.requirements lock [OPTION]  compile anew, with uv; keeps each version that still fits

Each `requirements*.in` names what we import or run. Its `.txt` names every package of an installation with its version
and hashes, for each Python from 3.11 on, and in its first line a digest of the `.in` that it was compiled from.
"""

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
# In the order in which one is compiled: each may be held to the versions of those before it.
NAMES = ("requirements", "requirements-postgres", "requirements-dev")
OLDEST_PYTHON = "3.11"
# django-htmx is installed for the script in it, which needs none of these.
NOT_INSTALLED = ("django", "asgiref", "sqlparse")
_HEAD = "# Compiled by `make lock`; its .in reads, with all that it includes, sha256:"
# A registry's address in a file would send everybody who installs from it there.
_ADDRESS = re.compile(r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)\b|://", re.MULTILINE)


def asked_for(folder: Path, name: str) -> list[Requirement]:
    """Return what `name`.in and the files that it includes by `-r` ask for."""
    asked = []
    for line in _lines(folder / f"{name}.in"):
        if line.startswith("-r "):
            asked += asked_for(folder, line.removeprefix("-r ").strip().removesuffix(".in"))
        elif not line.startswith("-c "):
            asked.append(Requirement(line))
    return asked


def pinned(folder: Path, name: str) -> dict[str, Requirement]:
    """Return what `name`.txt installs, by the package's canonical name."""
    pins = (Requirement(line.partition(" --hash=")[0]) for line in _pin_lines(folder, name))
    return {canonicalize_name(pin.name): pin for pin in pins}


def problems(folder: Path) -> list[str]:
    """Return what does not agree between the `.in` and the `.txt` files of a folder, one sentence each."""
    found: list[str] = []
    for name in NAMES:
        found += _problems_of(folder, name)
    everything = pinned(folder, NAMES[-1])
    for name in NAMES[:-1]:
        for package, requirement in pinned(folder, name).items():
            if package not in everything or everything[package].specifier != requirement.specifier:
                found.append(f"{NAMES[-1]}.txt has not the same {package} as {name}.txt")
    return found


def incomplete(folder: Path) -> Iterator[str]:
    """Yield what an installed package needs and the last `.txt` does not pin: pip is told to add nothing itself."""
    pins = pinned(folder, NAMES[-1])
    for package, pin in pins.items():
        if pin.marker and not pin.marker.evaluate():
            continue
        try:
            needs = metadata.requires(package) or []
        except metadata.PackageNotFoundError:
            yield f"{package} is pinned and not installed: run make test"
            continue
        for needed in map(Requirement, needs):
            yield from _unmet(package, pin, needed, pins)


def _unmet(package: str, pin: Requirement, needed: Requirement, pins: dict[str, Requirement]) -> Iterator[str]:
    name = canonicalize_name(needed.name)
    extras = pin.extras or {""}
    wanted = not needed.marker or any(needed.marker.evaluate({"extra": extra}) for extra in extras)
    if not wanted or name in NOT_INSTALLED:
        return
    if name not in pins or not _fits(needed, pins[name]):
        yield f"{package} needs {needed}, which is not pinned"


def _problems_of(folder: Path, name: str) -> Iterator[str]:
    text = (folder / f"{name}.txt").read_text(encoding="utf-8")
    if text.partition("\n")[0] != _HEAD + _digest(folder, name):
        yield f"{name}.txt was not compiled from {name}.in as it reads now: run make lock"
    if _ADDRESS.search(text):
        yield f"{name}.txt names a registry"
    pins = pinned(folder, name)
    for wanted in asked_for(folder, name):
        pin = pins.get(canonicalize_name(wanted.name))
        if pin is None or not _fits(wanted, pin):
            yield f"{name}.txt has no version of {wanted.name} that {name}.in permits"
    for line in _pin_lines(folder, name):
        if not re.search(r" --hash=sha256:[0-9a-f]{64}\b", line):
            yield f"{name}.txt has no hash of {line}"


def _fits(wanted: Requirement, pin: Requirement) -> bool:
    versions = [each.version for each in pin.specifier if each.operator == "=="]
    return len(versions) == 1 and wanted.specifier.contains(versions[0], prereleases=True)


def _digest(folder: Path, name: str) -> str:
    """Return the digest of a `.in` and what it includes, without comments, order and white space."""
    asked = sorted(str(each) for each in asked_for(folder, name))
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()


def _pin_lines(folder: Path, name: str) -> list[str]:
    """Return a package's pin with its hashes on each line; options of pip are left out."""
    text = (folder / f"{name}.txt").read_text(encoding="utf-8")
    lines = (" ".join(line.split()) for line in text.replace("\\\n", " ").splitlines())
    return [line for line in lines if line and line[0] not in "#-"]


def _lines(path: Path) -> list[str]:
    lines = (line.partition(" #")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _lock(options: list[str]) -> None:
    left_out = [f"--no-emit-package={each}" for each in NOT_INSTALLED]
    for name in NAMES:
        target = ROOT / f"{name}.txt"
        command = [
            "uv",
            "pip",
            "compile",
            "--quiet",
            "--universal",
            "--generate-hashes",
            "--no-header",
            "--no-strip-extras",
            *left_out,
        ]
        command += [f"--python-version={OLDEST_PYTHON}", f"--output-file={target.name}", *options, f"{name}.in"]
        subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=True)
        compiled = target.read_text(encoding="utf-8")
        target.write_text(f"{_HEAD}{_digest(ROOT, name)}\n{compiled}", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Check or lock; returns the exit status."""
    if arguments[:1] == ["lock"]:
        _lock(arguments[1:])
    found = [*problems(ROOT), *incomplete(ROOT)]
    for each in found:
        print(each, file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
