"""Amounts as programs read them: decimal texts, exact, with at least two decimals."""

from __future__ import annotations

from decimal import Decimal


def text(amount: Decimal) -> str:
    """Return an amount as a decimal text, never with an exponent."""
    plain = amount.normalize()
    exponent = plain.as_tuple().exponent
    return f"{amount:.2f}" if not isinstance(exponent, int) or exponent >= -2 else f"{plain:f}"


def text_or_none(amount: Decimal | None) -> str | None:
    """Return the same; None for none."""
    return None if amount is None else text(amount)
