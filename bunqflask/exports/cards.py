"""What bunq tells of a card payment in foreign money: it stands at the end of the payment's description."""

import re
from decimal import Decimal

from bunqflask.exports.statement import Entry

CARDS = frozenset({"MASTERCARD", "MAESTRO", "FIS"})

# "JOE PHILADELPHIA, US 20.00 USD, 1 USD = 0.86900 EUR", or the rate the other way round; a line may begin before the
# amount. The end of a number that is written otherwise, such as 1,020.00 or 1 020.00, is no amount.
_ABROAD = re.compile(
    r"(?:^|\n|[^0-9\s]\s)(?P<amount>[0-9]{1,12}(?:\.[0-9]{1,3})?) (?P<currency>[A-Z]{3}), "
    r"1 (?P<one>[A-Z]{3}) = [0-9]+(?:\.[0-9]+)? (?P<other>[A-Z]{3})$",
    re.ASCII,
)


def foreign_amount(entry: Entry) -> tuple[Decimal, str] | None:
    """Return amount and currency as the shop charged them, with the payment's sign; None where bunq tells none."""
    if entry.kind.upper() not in CARDS:
        return None
    found = _ABROAD.search(entry.description.rstrip())
    if found is None or found["currency"] == entry.currency:
        return None
    if {found["one"], found["other"]} != {found["currency"], entry.currency}:
        return None
    amount = Decimal(found["amount"])
    return (-amount if entry.amount < 0 else amount), found["currency"]
