"""However long a history is, no format holds it."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MEGABYTE = 1 << 20


def test_a_long_history_is_written_in_constant_memory() -> None:
    """300,000 payments as CSV; as every other format fewer, whose texts alone are more than the limit."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.exports.memory"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=115,
    )
    growth: dict[str, int] = json.loads(done.stdout)
    # Marks of 50,000 payments are what a pack keeps at most, besides its formats.
    limits = {"pack": 50 * MEGABYTE}
    assert {name: grown for name, grown in growth.items() if grown > limits.get(name, 8 * MEGABYTE)} == {}
