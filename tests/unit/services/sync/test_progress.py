"""The bar that `flask sync` draws."""

import pytest

from bunqflask.cli.sync import _bar


@pytest.mark.parametrize(
    ("stored", "expected", "drawn"),
    [
        (0, 4000, "[....................] 0 of about 4000"),
        (1200, 4000, "[######..............] 1200 of about 4000"),
        (4100, 4000, "[####################] 4100 of about 4000"),
        (7, None, "7 payments so far"),
        (0, 0, "[....................] 0 of about 0"),
    ],
)
def test_the_bar_says_how_far_a_sync_is(stored: int, expected: int | None, drawn: str) -> None:
    assert _bar(stored, expected) == drawn
