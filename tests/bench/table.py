"""The table that a run prints: what was measured, and whether it is what was promised."""

from __future__ import annotations

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


def at_least(what: str, value: float, goal: float, more: str = "") -> Row:
    """Show a figure that should not be smaller."""
    return Row(what, f"{value:.2f}{more}", f"≥ {goal:g}", value >= goal)


def at_most(what: str, value: float, goal: float, unit: str = "", more: str = "", digits: int = 1) -> Row:
    """Show a figure that should not be larger."""
    return Row(what, f"{value:.{digits}f}{unit}{more}", f"≤ {goal:g}{unit}", value <= goal)


def exactly(what: str, count: int, goal: int, more: str = "") -> Row:
    """Show a count that should be just this."""
    return Row(what, f"{count}{more}", str(goal), count == goal)


def median(values: Sequence[float]) -> float:
    """Return the middle one."""
    return statistics.median(values)


def slope_per_minute(points: Sequence[tuple[float, float]]) -> float:
    """Return how much values rise in a minute, by least squares; the points are (seconds, value)."""
    if len(points) < 2:
        return 0.0
    return statistics.linear_regression([each[0] / 60 for each in points], [each[1] for each in points]).slope


def show(rows: Sequence[Row]) -> None:
    """Print rows under one another."""
    width = max(len(row.what) for row in rows)
    middle = max(len(row.measured) for row in rows)
    for row in rows:
        verdict = {None: "", True: "  met", False: "  MISSED"}[row.is_met]
        print(f"{row.what:{width}}  {row.measured:{middle}}  {row.goal}{verdict}".rstrip())
