"""What several rights on one account allow together."""

from datetime import date

import pytest

from bunqflask.services.account_rights import AccountRight, widest

EARLY, LATE = date(2026, 1, 1), date(2026, 6, 1)
HELD, ALL = AccountRight(is_held=True), AccountRight(is_held=False)
FROM_EARLY, FROM_LATE = AccountRight(is_held=False, first_day=EARLY), AccountRight(is_held=False, first_day=LATE)


@pytest.mark.parametrize(
    ("rights", "together"),
    [
        ([HELD], HELD),
        ([FROM_LATE], FROM_LATE),
        ([FROM_LATE, FROM_EARLY], FROM_EARLY),
        ([FROM_LATE, ALL], ALL),
        ([HELD, FROM_LATE], HELD),
        ([FROM_LATE, FROM_EARLY, ALL, HELD], HELD),
    ],
)
def test_the_most_that_any_right_allows_is_allowed(rights: list[AccountRight], together: AccountRight) -> None:
    assert widest(rights) == together
    assert widest(rights[::-1]) == together
