"""What Linux says about processes and the machine: CPU time, memory, load. Elsewhere it is not known."""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")
_PIECE_OF_WORK = 100_000


def cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU seconds that these processes have spent so far, to the microsecond where the kernel counts so."""
    return sum(_cpu_s(pid) for pid in pids)


def _cpu_s(pid: int) -> float:
    try:
        # Of each thread, how long it was on a processor, in nanoseconds. Threads that ended are not in it.
        found = [int(each.read_text().split()[0]) for each in (_PROC / str(pid) / "task").glob("*/schedstat")]
        if found:
            return sum(found) / 1e9
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return 0.0  # it has ended
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def whole_cpu_s(pids: Iterable[int]) -> float:
    """Return the same in clock ticks, with the threads that have ended: for minutes, not for one request."""
    total = 0
    for pid in pids:
        try:
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def cpu_with_children_s(pids: Iterable[int]) -> float:
    """Return the same with the processes that these have started and that have ended."""
    total = 0
    for pid in pids:
        try:
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(each) for each in fields[11:15])
    return total / os.sysconf("SC_CLK_TCK")


def children(parent: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for stat in _PROC.glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="latin-1").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return sorted(found)


def descendants(parent: int) -> list[int]:
    """Return a process and all that it and they have started."""
    found = [parent]
    for each in found:
        found += children(each)
    return found


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process; 0 when it has ended."""
    return _status_mb(pid, "VmRSS")


def peak_mb(pid: int) -> float:
    """Return the largest resident memory since the process began, or since `forget_peak`."""
    return _status_mb(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Let the largest memory count from now on."""
    (_PROC / str(pid) / "clear_refs").write_text("5")


def _status_mb(pid: int, name: str) -> float:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", (_PROC / str(pid) / "status").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def describe() -> str:
    """Return what this run is measured on."""
    try:
        names = re.search(r"model name\s*: (.*)", (_PROC / "cpuinfo").read_text())
    except OSError:
        names = None
    processor = names[1] if names else platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores, {processor}, {platform.system()}, Python {platform.python_version()}"


def load() -> str:
    """Return how busy the machine is."""
    return f"load {os.getloadavg()[0]:.1f}"


def pace() -> str:
    """Return how long a fixed piece of work takes now: the speed of a shared machine changes within minutes."""
    begun = time.process_time()
    for number in range(_PIECE_OF_WORK):
        json.dumps({"number": number})
    return f"a fixed piece of work: {(time.process_time() - begun) * 1000:.0f} ms"
