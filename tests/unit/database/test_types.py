"""Moments keep their zone and amounts every cent."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy.dialects import sqlite

from bunqflask.database.types import ExactAmount, UtcTimestamp

DIALECT = sqlite.dialect()


@pytest.mark.parametrize(
    "written",
    ["0", "0.01", "-182.40", "4118.00", "0.0001", "99999999999999.9999", "-99999999999999.9999", "0.1", "0.3"],
)
def test_an_amount_comes_back_exactly(written: str) -> None:
    column = ExactAmount()
    stored = column.process_bind_param(Decimal(written), DIALECT)
    assert isinstance(stored, int)
    assert stored < 2**63
    assert column.process_result_value(stored, DIALECT) == Decimal(written)


def test_an_amount_finer_than_any_currency_is_refused_and_not_rounded() -> None:
    with pytest.raises(ValueError, match="more than 4 decimals"):
        ExactAmount().process_bind_param(Decimal("0.00001"), DIALECT)


def test_no_amount_stays_no_amount() -> None:
    assert ExactAmount().process_bind_param(None, DIALECT) is None
    assert ExactAmount().process_result_value(None, DIALECT) is None


def test_a_moment_is_stored_as_utc_and_comes_back_aware() -> None:
    column = UtcTimestamp()
    amsterdam = datetime(2026, 7, 1, 14, 42, tzinfo=timezone(timedelta(hours=2)))
    stored = column.process_bind_param(amsterdam, DIALECT)
    assert stored == datetime(2026, 7, 1, 12, 42, tzinfo=UTC)
    assert column.process_result_value(stored.replace(tzinfo=None), DIALECT) == amsterdam


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        UtcTimestamp().process_bind_param(datetime(2026, 7, 1, tzinfo=UTC).replace(tzinfo=None), DIALECT)
