"""Amounts as people read them."""


def money(cents: int, currency: str) -> str:
    """Write an amount for a person."""
    sign = "−" if cents < 0 else ""
    name = {"EUR": "€", "USD": "$", "GBP": "£"}.get(currency, f"{currency} ")
    return f"{sign}{name}{abs(cents) // 100:,}.{abs(cents) % 100:02d}"
