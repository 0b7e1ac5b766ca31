"""The periods that the export page offers."""

from datetime import date

import pytest

from bunqflask.services.exports import presets


def offered(today: str, exported_until: str | None = None) -> dict[str, str]:
    until = date.fromisoformat(exported_until) if exported_until else None
    found = presets.offered(date.fromisoformat(today), until)
    return {each.name: f"{each.first_day} {each.last_day}" for each in found}


def test_periods_of_an_ordinary_day() -> None:
    assert offered("2026-11-28", "2026-10-31") == {
        "last-month": "2026-10-01 2026-10-31",
        "this-month": "2026-11-01 2026-11-28",
        "last-quarter": "2026-07-01 2026-09-30",
        "this-quarter": "2026-10-01 2026-11-28",
        "last-year": "2025-01-01 2025-12-31",
        "this-year": "2026-01-01 2026-11-28",
        "since-last": "2026-11-01 2026-11-27",
    }


def test_the_presets_of_a_day_are_those_offered() -> None:
    assert tuple(offered("2026-11-28")) == presets.OF_A_DAY


def test_periods_of_new_years_day() -> None:
    assert offered("2027-01-01") == {
        "last-month": "2026-12-01 2026-12-31",
        "this-month": "2027-01-01 2027-01-01",
        "last-quarter": "2026-10-01 2026-12-31",
        "this-quarter": "2027-01-01 2027-01-01",
        "last-year": "2026-01-01 2026-12-31",
        "this-year": "2027-01-01 2027-01-01",
    }


@pytest.mark.parametrize(("until", "is_offered"), [("2026-11-26", True), ("2026-11-27", False), ("2026-11-28", False)])
def test_nothing_is_offered_since_an_export_until_yesterday(until: str, is_offered: bool) -> None:
    assert ("since-last" in offered("2026-11-28", until)) is is_offered
