"""Geometry of the charts: round scales, steps that jump, parts that are not verified, bars around zero."""

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunqflask.web.ui import charts
from bunqflask.web.ui.charts import DAY_WIDTH, HEIGHT, Pair, Point

AMOUNTS = st.decimals(min_value=-(10**9), max_value=10**9, places=2)
FIRST = date(2026, 3, 27)


def points(*values: str, unsure: tuple[int, ...] = ()) -> list[Point]:
    return [
        Point(FIRST + timedelta(days=number), Decimal(value), number not in unsure)
        for number, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("lowest", "highest", "values"),
    [
        ("0", "4276.45", ["4500", "3000", "1500", "0"]),
        ("-500", "4000", ["4000", "2000", "0", "-2000"]),
        ("-0.05", "0", ["0", "-0.02", "-0.04", "-0.06"]),
        ("20", "90", ["90", "60", "30", "0"]),
        ("0", "0", ["3", "2", "1", "0"]),
        ("0", "0.01", ["0.01", "0"]),
    ],
)
def test_grid_values_are_round_and_hold_zero(lowest: str, highest: str, values: list[str]) -> None:
    scale = charts.scale_of(Decimal(lowest), Decimal(highest))
    assert [str(line.value) for line in scale.lines] == values


@given(AMOUNTS, AMOUNTS)
def test_a_scale_has_few_lines_and_reaches_over_everything(one: Decimal, other: Decimal) -> None:
    low, high = min(one, other), max(one, other)
    scale = charts.scale_of(low, high)
    assert 2 <= len(scale.lines) <= 4
    assert scale.bottom <= min(low, Decimal(0)) <= max(high, Decimal(0)) <= scale.top
    assert scale.lines[0].y == "0"
    assert scale.lines[-1].y == str(HEIGHT)
    assert 0 in [line.value for line in scale.lines]


def test_a_balance_jumps_and_does_not_slope() -> None:
    chart = charts.steps(points("100", "100", "40", "90"))
    assert chart.width == 4 * DAY_WIDTH
    assert len(chart.strokes) == 1
    assert re.fullmatch(r"M0 [\d.]+H20V[\d.]+H30V[\d.]+H40", chart.strokes[0].path)
    assert chart.zero is None


def test_the_line_ends_where_the_last_balance_is() -> None:
    chart = charts.steps(points("0", "300"))
    assert chart.strokes[0].path == "M0 200H10V0H20"
    assert chart.end == "M20 0h.01"
    assert chart.area == "M0 200V200H10V0H20V200Z"


def test_what_is_not_verified_is_a_stroke_of_its_own_that_joins_the_others() -> None:
    chart = charts.steps(points("300", "200", "100", "0", unsure=(1, 2)))
    assert [(stroke.path, stroke.sure) for stroke in chart.strokes] == [
        ("M0 0H10", True),
        ("M10 0V66.7H20V133.3H30", False),
        ("M30 133.3V200H40", True),
    ]


def test_an_overdrawn_account_has_its_zero_line() -> None:
    chart = charts.steps(points("100", "-50"))
    assert chart.zero is not None
    assert Decimal(chart.zero) < HEIGHT
    assert chart.area.startswith(f"M0 {chart.zero}V")


@given(st.lists(AMOUNTS, min_size=1, max_size=40))
def test_every_height_lies_on_the_drawing(values: list[Decimal]) -> None:
    chart = charts.steps([Point(FIRST + timedelta(days=n), value) for n, value in enumerate(values)])
    path = "".join(stroke.path for stroke in chart.strokes)
    heights = [float(each) for each in re.findall(r"(?:V|M\d+ )(-?[\d.]+)", path)]
    assert all(0 <= height <= HEIGHT for height in heights)
    assert path.endswith(f"H{chart.width}")


@pytest.mark.parametrize(("length", "ticks"), [(1, [0]), (3, [0, 1, 2]), (90, [0, 30, 59, 89])])
def test_few_days_are_named_under_the_line(length: int, ticks: list[int]) -> None:
    chart = charts.steps(points(*["1"] * length))
    assert chart.ticks == [FIRST + timedelta(days=number) for number in ticks]


def test_money_in_goes_up_and_money_out_goes_down() -> None:
    chart = charts.bars([Pair(Decimal(200), Decimal(-100)), Pair(Decimal(0), Decimal(0))])
    first, second = chart.bars
    assert chart.zero == first.down == "133.3"
    assert (first.up, first.up_height, first.down_height) == ("0", "133.3", "66.7")
    assert (second.up_height, second.down_height) == ("0", "0")
    assert second.x > first.x + first.width
