"""From numbers to the geometry of a drawing: a step line for a balance, pairs of bars for money in and out.

Pure functions: no words, no colours, no markup. Lengths are in units of the drawing, which is stretched to its
place on the page, so texts stay outside it. Heights are given as text with one decimal, as SVG wants them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import groupby

HEIGHT = 200
DAY_WIDTH = 10
MONTH_WIDTH = 40
_BAR_INSET = 8
_STEPS = tuple(Decimal(each) for each in ("1", "1.5", "2", "2.5", "3", "4", "5", "7.5", "10"))
_MOST_STEPS = 3
_TICKS = 4
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Point:
    """The balance at the end of a day; `sure` when it is verified."""

    day: date
    value: Decimal
    sure: bool = True


@dataclass(frozen=True)
class Pair:
    """What came in and what went out (not positive) in a period."""

    money_in: Decimal
    money_out: Decimal


@dataclass(frozen=True)
class Line:
    """A horizontal line at a round value."""

    y: str
    value: Decimal


@dataclass(frozen=True)
class Scale:
    """Round values that span what is shown, highest first, and where each lies."""

    lines: list[Line]
    top: Decimal
    bottom: Decimal

    def y(self, value: Decimal) -> str:
        """Return the height of a value."""
        share = (self.top - value) / (self.top - self.bottom)
        return _number(share * HEIGHT)


@dataclass(frozen=True)
class Stroke:
    """A part of the line, and whether all of it is verified."""

    path: str
    sure: bool


@dataclass(frozen=True)
class StepChart:
    """A balance over days: each day is a piece of the line at the height of its last balance."""

    width: int
    scale: Scale
    strokes: list[Stroke]
    area: str
    end: str
    zero: str | None
    ticks: list[date]


@dataclass(frozen=True)
class Bar:
    """One month: a bar up for money in, a bar down for money out; a height of 0 has no bar."""

    x: int
    width: int
    up: str
    up_height: str
    down: str
    down_height: str


@dataclass(frozen=True)
class BarChart:
    """Money in and out per period, around a line at zero."""

    width: int
    scale: Scale
    bars: list[Bar]
    zero: str


def steps(points: Sequence[Point]) -> StepChart:
    """Draw a balance; there has to be at least one point."""
    values = [point.value for point in points]
    scale = scale_of(min(values), max(values))
    heights = [scale.y(value) for value in values]
    width = len(points) * DAY_WIDTH
    base = scale.y(max(scale.bottom, Decimal(0)))
    return StepChart(
        width=width,
        scale=scale,
        strokes=_strokes(points, heights),
        area=f"M0 {base}V{_walk(heights, 0)[1:]}V{base}Z",
        end=f"M{width} {heights[-1]}h.01",
        zero=scale.y(Decimal(0)) if scale.bottom < 0 else None,
        ticks=_ticks([point.day for point in points]),
    )


def bars(pairs: Sequence[Pair]) -> BarChart:
    """Draw what came in upwards and what went out downwards; there has to be at least one pair."""
    scale = scale_of(min(pair.money_out for pair in pairs), max(pair.money_in for pair in pairs))
    zero = Decimal(scale.y(Decimal(0)))
    drawn = []
    for number, pair in enumerate(pairs):
        top, bottom = Decimal(scale.y(pair.money_in)), Decimal(scale.y(pair.money_out))
        drawn.append(
            Bar(
                x=number * MONTH_WIDTH + _BAR_INSET,
                width=MONTH_WIDTH - 2 * _BAR_INSET,
                up=_number(top),
                up_height=_number(zero - top),
                down=_number(zero),
                down_height=_number(bottom - zero),
            )
        )
    return BarChart(width=len(pairs) * MONTH_WIDTH, scale=scale, bars=drawn, zero=_number(zero))


def scale_of(lowest: Decimal, highest: Decimal) -> Scale:
    """Return three or four round values, zero among them, that reach over all that is shown."""
    low, high = min(lowest, Decimal(0)), max(highest, Decimal(0))
    if low == high:
        high = Decimal(3)
    step = _step(low, high)
    first = int((low / step).to_integral_value(ROUND_FLOOR))
    last = int((high / step).to_integral_value(ROUND_CEILING))
    top, bottom = last * step, first * step
    whole = Scale([], top, bottom)
    values = [number * step for number in range(last, first - 1, -1)]
    return Scale([Line(whole.y(value), value.normalize() + 0) for value in values], top, bottom)


def _step(low: Decimal, high: Decimal) -> Decimal:
    """The smallest round step of which three are enough."""
    power = Decimal(1).scaleb((high - low).adjusted() - 1)
    while True:
        for each in _STEPS:
            step = each * power
            up, down = (high / step).to_integral_value(ROUND_CEILING), (low / step).to_integral_value(ROUND_FLOOR)
            if up - down <= _MOST_STEPS and step >= _CENT:
                return step
        power *= 10


def _strokes(points: Sequence[Point], heights: Sequence[str]) -> list[Stroke]:
    """The line in parts that are verified throughout, or not; each begins where the one before it ended."""
    found, start = [], 0
    for sure, run in groupby(points, key=lambda point: point.sure):
        length = len(list(run))
        before = heights[start - 1] if start else heights[0]
        found.append(
            Stroke(f"M{start * DAY_WIDTH} {before}" + _rest(heights[start : start + length], before, start), sure)
        )
        start += length
    return found


def _walk(heights: Sequence[str], start: int) -> str:
    return f"V{heights[0]}" + _rest(heights, heights[0], start)


def _rest(heights: Sequence[str], height: str, start: int) -> str:
    """Go on from a height: down or up where the height changes, then across to the end of its last day."""
    path, number = "", start
    for each, run in groupby(heights):
        number += len(list(run))
        path += (f"V{each}" if each != height else "") + f"H{number * DAY_WIDTH}"
        height = each
    return path


def _ticks(days: Sequence[date]) -> list[date]:
    """A few days, evenly apart, the first and the last among them."""
    if len(days) <= _TICKS:
        return list(days)
    return [days[round(number * (len(days) - 1) / (_TICKS - 1))] for number in range(_TICKS)]


def _number(value: Decimal) -> str:
    text = f"{value:.1f}"
    return "0" if text in ("0.0", "-0.0") else text.removesuffix(".0")
