"""The table that a run prints: what was measured, and whether it is what was promised."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table; `goal` is what the project promises, None where it promises nothing."""

    what: str
    measured: str
    goal: str = ""
    is_met: bool | None = None


def at_least(what: str, ratio: float, goal: float, more: str = "") -> Row:
    """Show a ratio that should not be smaller."""
    return Row(what, f"{ratio:.2f}{more}", f"≥ {goal:g}", ratio >= goal)


def at_most(what: str, value: float, goal: float, unit: str = "", more: str = "") -> Row:
    """Show a figure that should not be larger."""
    return Row(what, f"{value:.{2 if goal < 10 else 0}f}{unit}{more}", f"≤ {goal:g}{unit}", value <= goal)


def exactly(what: str, count: int, goal: int) -> Row:
    """Show a count that should be just this."""
    return Row(what, str(count), str(goal), count == goal)


def median(values: Sequence[float]) -> float:
    """Return the middle one."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def show(rows: Sequence[Row]) -> None:
    """Print rows under one another."""
    width = max(len(row.what) for row in rows)
    middle = max(len(row.measured) for row in rows)
    for row in rows:
        verdict = {None: "", True: "  met", False: "  MISSED"}[row.is_met]
        print(f"{row.what:{width}}  {row.measured:{middle}}  {row.goal}{verdict}".rstrip())
