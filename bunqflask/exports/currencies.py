"""How many decimals a currency has, where they are not two.

SWIFT (network rule C03) and ISO 20022 take no decimals that a currency does not have.

https://www.iso.org/iso-4217-currency-codes.html
"""

from decimal import Decimal

from bunqflask.exports.statement import decimal_text

_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_DECIMALS = {**dict.fromkeys(_NONE.split(), 0), **dict.fromkeys(_THREE.split(), 3)}


def decimals_of(currency: str) -> int:
    """Return the number of decimals that amounts of a currency have."""
    return _DECIMALS.get(currency, 2)


def amount_text(amount: Decimal, currency: str) -> str:
    """Return an amount with a point and decimals, and without both where the currency has none: "150000"."""
    text = decimal_text(amount)
    return text if decimals_of(currency) else text.removesuffix(".00")
