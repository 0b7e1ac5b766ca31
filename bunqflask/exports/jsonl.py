"""JSON Lines: one object per line, texts exactly as the bank gave them, amounts as text so that no reader rounds them.

Each account begins with a line of `"type": "statement"` and is followed by its lines of `"type": "payment"`.

https://jsonlines.org
"""

import json
import re
from decimal import Decimal
from typing import Any, BinaryIO

from bunqflask.exports.cards import foreign_amount
from bunqflask.exports.statement import Statements, booked, decimal_text, each
from bunqflask.exports.text import Sink, whole

# Legal inside JSON, but many readers take the first three for the end of a line; half a character is no UTF-8.
_RARE = re.compile("[\x85\u2028\u2029\ud800-\udfff]")
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _escape(rare: re.Match[str]) -> str:
    return whole(rare[0]) if "\ud800" <= rare[0] <= "\udfff" else f"\\u{ord(rare[0]):04x}"


def _line(values: dict[str, Any]) -> str:
    return _RARE.sub(_escape, _encoder.encode(values)) + "\n"


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else decimal_text(amount)


def write(statements: Statements, stream: BinaryIO) -> None:
    """Write all statements, one below the other.

    :raises StatementBroken: see `booked`.
    """
    sink = Sink(stream)
    for statement in each(statements):
        account = statement.account
        sink.write(
            _line(
                {
                    "type": "statement",
                    "monetary_account_id": account.monetary_account_id,
                    "name": account.name,
                    "iban": account.iban,
                    "currency": account.currency,
                    "holder": account.holder,
                    "kind": account.kind,
                    "first_day": statement.first_day.isoformat(),
                    "last_day": statement.last_day.isoformat(),
                    "zone": str(statement.zone),
                    "opening": _amount(statement.opening),
                    "closing": _amount(statement.closing),
                    "verified": statement.verified,
                    "notice": statement.notice,
                }
            )
        )
        for local, entry in booked(statement):
            abroad = foreign_amount(entry)
            sink.write(
                _line(
                    {
                        "type": "payment",
                        "monetary_account_id": account.monetary_account_id,
                        "payment_id": entry.payment_id,
                        "date": local.date().isoformat(),
                        "booked_at": local.isoformat(),
                        "amount": decimal_text(entry.amount),
                        "currency": entry.currency,
                        "balance_after": _amount(entry.balance_after),
                        "counterparty_name": entry.counterparty_name,
                        "counterparty_iban": entry.counterparty_iban,
                        "description": entry.description,
                        "kind": entry.kind,
                        "sub_kind": entry.sub_kind,
                        "own_transfer": entry.is_own_transfer,
                        "foreign_amount": _amount(abroad[0]) if abroad else None,
                        "foreign_currency": abroad[1] if abroad else None,
                    }
                )
            )
    sink.flush()
