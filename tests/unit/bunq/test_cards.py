"""Cards as bunq writes them: what is read, and that nothing longer than four digits of a number ever is."""

from decimal import Decimal
from typing import Any

import pytest

from bunqflask.bunq.cards import Card
from bunqflask.bunq.resources import Amount


def card(**more: Any) -> Card:
    found = Card.from_item({"CardDebit": {"id": 5, "status": "ACTIVE", **more}})
    assert found is not None
    return found


def test_a_card_is_read_with_its_name_its_limits_and_its_accounts() -> None:
    found = card(
        type="MASTERCARD",
        product_type="MASTERCARD_DEBIT",
        name_on_card="Jodi Walker",
        preferred_name_on_card="J. Walker",
        second_line="Groceries",
        primary_account_numbers=[{"monetary_account_id": 7, "four_digit": "1844"}],
        pin_code_assignment=[{"monetary_account_id": 8}],
        card_limit={"value": "250.00", "currency": "EUR"},
    )
    assert (found.product, found.name, found.second_line) == ("MASTERCARD_DEBIT", "J. Walker", "Groceries")
    assert (found.last_four, found.account_ids) == ("1844", frozenset([7, 8]))
    assert (found.limit, found.limit_atm) == (Amount("EUR", Decimal("250.00")), None)


def test_what_bunq_does_not_say_is_empty() -> None:
    found = card(type="MAESTRO", name_on_card="Jodi Walker", primary_account_number_four_digit="0012")
    assert (found.product, found.name, found.second_line, found.last_four) == ("MAESTRO", "Jodi Walker", "", "0012")


@pytest.mark.parametrize("number", ["5104112233441844", "184", "18 44", "abcd", None, 1844, "١٢٣٤"])
def test_only_four_digits_are_taken_for_the_end_of_a_number(number: Any) -> None:
    assert card(primary_account_numbers=[{"four_digit": number}]).last_four == ""
