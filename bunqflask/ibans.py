"""IBANs: written as banks exchange them, and checked by their two check digits.

https://www.iso.org/standard/81090.html (ISO 13616)
"""

from __future__ import annotations

import re

_SHAPE = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", re.ASCII)
# So long is an IBAN of each country with which people here trade; of all others only the check digits count.
_LENGTHS = {
    "AT": 20,
    "BE": 16,
    "CH": 21,
    "CZ": 24,
    "DE": 22,
    "DK": 18,
    "EE": 20,
    "ES": 24,
    "FI": 18,
    "FR": 27,
    "GB": 22,
    "GR": 27,
    "IE": 22,
    "IT": 27,
    "LT": 20,
    "LU": 20,
    "LV": 21,
    "MT": 31,
    "NL": 18,
    "NO": 15,
    "PL": 28,
    "PT": 25,
    "SE": 24,
    "SI": 19,
    "SK": 24,
}


def normalise(text: str) -> str:
    """Return an IBAN without spaces and in capitals, as banks exchange it; nothing is checked."""
    return re.sub(r"\s", "", text).upper()


def is_valid(iban: str) -> bool:
    """Tell whether a normalised IBAN has the length of its country and the right check digits (mod 97)."""
    if not _SHAPE.fullmatch(iban) or len(iban) != _LENGTHS.get(iban[:2], len(iban)):
        return False
    return int("".join(str(int(each, 36)) for each in iban[4:] + iban[:4])) % 97 == 1
