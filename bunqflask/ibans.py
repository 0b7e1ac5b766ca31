"""IBANs that people and programs write: normalised, and checked as far as that is possible without asking a bank.

https://www.swift.com/standards/data-standards/iban-international-bank-account-number (ISO 13616)
"""

from __future__ import annotations

import re

from bunqflask import invisible
from bunqflask.i18n import gettext as _

_FORM = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{1,30}")
_BETWEEN = re.compile(r"[\s.-]+")

# How long an IBAN of each country in SEPA is. bunq sends euros to no others.
# https://www.europeanpaymentscouncil.eu/document-library/other/epc-list-sepa-scheme-countries (EPC409-09)
_LENGTHS = {
    "AD": 24, "AL": 28, "AT": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20,
    "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GI": 23, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IS": 26, "IT": 27,
    "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MT": 31, "NL": 18, "NO": 15,
    "PL": 28, "PT": 25, "RO": 24, "RS": 22, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "VA": 22,
}  # fmt: skip


def normalise(text: str) -> str:
    """Return an IBAN without spaces, points and hyphens, in capitals; nothing else is changed."""
    return _BETWEEN.sub("", invisible.remove(text)).upper()


def fault_of(iban: str) -> str | None:
    """Say what is wrong with a normalised IBAN, in half a sentence after "the IBAN"; None where nothing is."""
    if not _FORM.fullmatch(iban):
        return _("is not one: an IBAN is two letters, two digits, then letters and digits")
    length = _LENGTHS.get(iban[:2])
    if length is None:
        return _("is of %(country)s, which is not in SEPA: bunq cannot pay it in euros") % {"country": iban[:2]}
    if len(iban) != length:
        return _("has %(found)d characters, and one of %(country)s has %(length)d") % {
            "found": len(iban),
            "country": iban[:2],
            "length": length,
        }
    return None if _remainder(iban) == 1 else _("has a typing error: its check digits do not fit")


def _remainder(iban: str) -> int:
    """Return the number that an IBAN stands for modulo 97, which is 1 where the check digits fit (ISO 7064)."""
    return int("".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])) % 97
