"""Column types: times are aware and UTC, amounts are exact, states are enums, JSON has a type."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import BigInteger, DateTime, Dialect, Enum, Text
from sqlalchemy.types import TypeDecorator

# ISO 4217 has currencies of up to four decimals; bunq's own answers carry two.
AMOUNT_DECIMALS = 4
_SCALE = Decimal(10) ** AMOUNT_DECIMALS
_TOO_LARGE = Decimal(10) ** 14

State = TypeVar("State", bound=StrEnum)
Value = TypeVar("Value")


def fits(amount: Decimal) -> bool:
    """Tell whether an amount can be stored exactly: at most four decimals, below 10^14."""
    exponent = amount.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -AMOUNT_DECIMALS and abs(amount) < _TOO_LARGE


def enum_column(states: type[State]) -> Enum:
    """Return the type of a column that holds one of these values, checked by the database too."""
    return Enum(
        states,
        name=f"{states.__name__.lower()}_known",
        native_enum=False,
        create_constraint=True,
        length=40,
        values_callable=lambda members: [member.value for member in members],
    )


def _as_text(value: datetime | None) -> str | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("a timestamp needs its zone")
    in_utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    return in_utc.isoformat(" ", "microseconds").removesuffix("+00:00")


def _from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value + "+00:00")


class UtcTimestamp(TypeDecorator[datetime]):
    """An aware timestamp; SQLite would return it without its zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a timestamp needs its zone")
        return value.astimezone(UTC)

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """SQLite stores text: it is written directly, because each payment has two timestamps."""
        return _as_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        """SQLite stores text: it is read directly, because a page of payments has hundreds of timestamps."""
        return _from_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)


class ExactAmount(TypeDecorator[Decimal]):
    """An amount of money as a whole number of ten-thousandths: exact, and summed exactly by the database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        scaled = value * _SCALE
        if scaled != scaled.to_integral_value():
            raise ValueError(f"an amount has more than {AMOUNT_DECIMALS} decimals")
        return int(scaled)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(int(value)) / _SCALE


class TypedJson(TypeDecorator[Value], Generic[Value]):
    """A JSON column of one Python type, such as `tuple[CoveredRange, ...]`: checked when it is read and written."""

    impl = Text
    cache_ok = True

    def __init__(self, python_type: Any) -> None:
        super().__init__()
        self.json_type = python_type
        self._decoder = msgspec.json.Decoder(python_type)

    def process_bind_param(self, value: Value | None, dialect: Dialect) -> Any:
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Value | None:
        if value is None:
            return None
        read: Value = self._decoder.decode(value)
        return read
