"""From rows to what a page shows of them, without a database."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from bunqflask.models import ConsentAttempt, MonetaryAccount
from bunqflask.web.connections import presenters

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


def account(**columns: Any) -> MonetaryAccount:
    """Return a row like any other but for these columns."""
    usual: dict[str, Any] = {
        "monetary_account_id": 7,
        "wrapper": "MonetaryAccountBank",
        "description": "Main",
        "iban": "NL65BUNQ2090411945",
        "currency": "EUR",
        "balance": Decimal("4118.00"),
        "status": "ACTIVE",
        "sub_status": "NONE",
        "color": "#FF7819",
        "savings_goal": None,
        "updated_at": NOON,
        "is_shared": True,
        "raw": {},
    }
    return MonetaryAccount(**{**usual, **columns})


def owner(name: object, status: str = "ACCEPTED") -> dict[str, Any]:
    return {"alias": {"display_name": name}, "status": status}


def joint(*owners: Any, holder: str = "Jodi Walker", **raw: Any) -> str:
    row = account(wrapper="MonetaryAccountJoint", raw={"all_co_owner": list(owners), **raw})
    return presenters.account_row(row, holder).type_label


def test_the_holder_is_no_co_owner_of_the_own_account() -> None:
    assert joint(owner("Jodi Walker"), owner("S. Okafor")) == "Joint with S. Okafor"
    assert joint(owner("S. Okafor"), owner("J. Walker"), display_name="J. Walker") == "Joint with S. Okafor"
    assert joint(owner("Jodi Walker")) == "Joint account"
    assert joint(owner("Jodi Walker"), owner("Jodi Walker")) == "Joint with Jodi Walker", "somebody of the same name"
    assert joint(owner("S. Okafor"), owner("A. B.")) == "Joint with S. Okafor and A. B."


@pytest.mark.parametrize(
    "owners", [None, {}, "x", 7, [None], ["x"], [{}], [{"alias": None}], [owner(None)], [owner("")], [owner(7)]]
)
def test_whatever_stands_in_the_list_of_owners_is_no_error(owners: Any) -> None:
    row = account(wrapper="MonetaryAccountJoint", raw={"all_co_owner": owners})
    assert presenters.account_row(row, "Jodi Walker").type_label == "Joint account"


def test_who_has_not_accepted_yet_is_named() -> None:
    raw = {"all_co_owner": [owner("Jodi Walker"), owner("S. Okafor", "PENDING")]}
    row = presenters.account_row(account(status="PENDING_ACCEPTANCE", raw=raw), "Jodi Walker")
    assert row.pill is not None
    assert row.pill.text == "Waiting for co-owner S. Okafor"


def test_an_account_is_closed_on_a_day_only_when_it_is_closed() -> None:
    assert presenters.account_row(account(), "x").closed_on is None
    assert presenters.account_row(account(status="CANCELLED"), "x").closed_on == NOON.date()
    assert presenters.account_row(account(status="CANCELLED", updated_at=None), "x").closed_on is None


def test_amounts_and_colours_pass_through_untouched() -> None:
    row = presenters.account_row(account(balance=Decimal("-0.0050"), color="red", savings_goal=Decimal(5)), "x")
    assert row.amount == Decimal("-0.0050")
    assert row.color is None
    assert row.goal is not None
    assert row.goal.percent == 0
    assert presenters.account_row(account(balance=None, savings_goal=Decimal(5)), "x").goal is None


def test_a_person_a_company_and_a_kind_nobody_knows() -> None:
    assert [presenters.kind(each) for each in ("UserPerson", "UserCompany", "UserOfTomorrow", "")] == [
        "person",
        "company",
        "unknown",
        "unknown",
    ]


def test_what_a_poll_has_seen_changes_with_whatever_the_page_shows() -> None:
    def seen(**columns: Any) -> str:
        return presenters.seen(ConsentAttempt(**{"step": "connecting", **columns}))

    states = [
        seen(step="waiting"),
        seen(),
        seen(error_kind="waiting"),
        seen(error_kind="unavailable"),
        seen(error_kind="unavailable", next_try_at=NOON),
        seen(error_kind="unavailable", next_try_at=NOON.replace(second=1)),
    ]
    assert len(set(states)) == len(states)
    assert seen(error_kind="waiting", next_try_at=NOON) == seen(error_kind="waiting", next_try_at=NOON)


@pytest.mark.parametrize(
    ("due", "reading", "waiting", "trigger"),
    [
        (True, False, False, "load delay:100ms"),
        (True, True, False, "every 2s"),
        (False, False, True, "every 2s"),
        (False, False, False, "every 20s"),
    ],
)
def test_a_card_asks_at_once_then_often_and_at_ease_while_bunq_is_away(
    due: bool, reading: bool, waiting: bool, trigger: str
) -> None:
    assert presenters._trigger(due=due, reading=reading, waiting=waiting) == trigger
