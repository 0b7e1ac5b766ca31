"""Cards, as far as this server shows and changes them: never a whole number, a security code or a PIN.

https://doc.bunq.com/api-reference/card
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from bunqflask.bunq.resources import Amount, Json, number, text, whole

_LAST_FOUR = re.compile(r"[0-9]{4}", re.ASCII)
_KINDS = ("Card", "CardDebit", "CardCredit")


@dataclass(frozen=True)
class Card:
    """A card: bunq's texts for its product and its state, bunq's ids of the accounts that it pays from, its limits.

    `name` is whose name stands on it, `second_line` the text below that, `last_four` the end of its number; each is
    empty where bunq does not say.
    """

    card_id: int
    product: str
    name: str
    second_line: str
    last_four: str
    status: str
    sub_status: str
    order_status: str
    account_ids: frozenset[int]
    limit: Amount | None
    limit_atm: Amount | None

    @classmethod
    def from_item(cls, item: Json) -> Card | None:
        """Read one item such as `{"Card": {…}}`; None when it holds no card.

        :raises ResponseNotUnderstood: a card without an id.
        """
        for wrapper, data in item.items():
            if wrapper in _KINDS and isinstance(data, dict):
                named = (data.get("primary_account_numbers"), data.get("pin_code_assignment"))
                ids = (whole(each.get("monetary_account_id")) for listed in named for each in _objects(listed))
                return cls(
                    card_id=number(data, "id"),
                    product=text(data.get("product_type")) or text(data.get("type")),
                    name=text(data.get("preferred_name_on_card")) or text(data.get("name_on_card")),
                    second_line=text(data.get("second_line")),
                    last_four=_last_four(data),
                    status=text(data.get("status")),
                    sub_status=text(data.get("sub_status")),
                    order_status=text(data.get("order_status")),
                    account_ids=frozenset(each for each in ids if each is not None),
                    limit=Amount.from_json(data.get("card_limit")),
                    limit_atm=Amount.from_json(data.get("card_limit_atm")),
                )
        return None


def _last_four(data: Json) -> str:
    listed = [each.get("four_digit") for each in _objects(data.get("primary_account_numbers"))]
    found = (text(each) for each in (*listed, data.get("primary_account_number_four_digit")))
    return next(filter(_LAST_FOUR.fullmatch, found), "")


def _objects(value: Any) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
