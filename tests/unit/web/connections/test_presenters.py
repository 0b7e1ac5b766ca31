"""From rows to what a page shows of them, without a database."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from bunqflask.models import Condition, ConnectionState, ErrorKind, MonetaryAccount
from bunqflask.services import workers
from bunqflask.services.connections import accounts, overview
from bunqflask.services.connections.overview import ConnectionOverview
from bunqflask.services.connections.standing import Standing
from bunqflask.web.connections import presenters
from bunqflask.web.connections.view_models import AccountRow

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


def shown(holder: str = "Jodi Walker", **columns: Any) -> AccountRow:
    """Return what a page shows of an account like any other but for these columns."""
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
        "raw": {},
    }
    values = {**usual, **columns}
    account = MonetaryAccount(**values, co_owners=accounts.co_owners(values["raw"]))
    return presenters.account_row(overview.balance_of(account, 1, holder))


def owner(name: object, status: str = "ACCEPTED") -> dict[str, Any]:
    return {"alias": {"display_name": name}, "status": status}


def joint(*owners: Any, holder: str = "Jodi Walker", **raw: Any) -> str:
    return shown(holder, wrapper="MonetaryAccountJoint", raw={"all_co_owner": list(owners), **raw}).type_label


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
    assert shown(wrapper="MonetaryAccountJoint", raw={"all_co_owner": owners}).type_label == "Joint account"


def test_who_has_not_accepted_yet_is_named() -> None:
    raw = {"all_co_owner": [owner("Jodi Walker"), owner("S. Okafor", "PENDING")]}
    row = shown(status="PENDING_ACCEPTANCE", raw=raw)
    assert row.pill is not None
    assert row.pill.text == "Waiting for co-owner S. Okafor"


def test_an_account_is_closed_on_a_day_only_when_it_is_closed() -> None:
    assert shown().closed_on is None
    assert shown(status="CANCELLED").closed_on == NOON.date()
    assert shown(status="CANCELLED", updated_at=None).closed_on is None


def test_amounts_and_colours_pass_through_untouched() -> None:
    row = shown(balance=Decimal("-0.0050"), color="red", savings_goal=Decimal(5))
    assert row.amount == Decimal("-0.0050")
    assert row.color is None
    assert row.goal is not None
    assert row.goal.percent == 0
    assert shown(balance=None, savings_goal=Decimal(5)).goal is None


def test_a_person_a_company_and_a_kind_nobody_knows() -> None:
    assert [presenters.kind(each) for each in ("UserPerson", "UserCompany", "UserOfTomorrow", "")] == [
        "person",
        "company",
        "unknown",
        "unknown",
    ]


def connection(**values: Any) -> ConnectionOverview:
    """Return a connection whose accounts are up to date, but for these values."""
    usual: dict[str, Any] = {
        "id": 1,
        "holder_name": "Jodi Walker",
        "holder_type": "UserPerson",
        "granted_user_id": 7,
        "state": ConnectionState.ACTIVE,
        "state_since": NOON,
        "accounts_synced_at": NOON,
        "error_kind": None,
        "error_facts": None,
        "next_try_at": None,
        "may_manage": True,
        "accounts": (),
        "is_stale": False,
        "is_due": True,
        "is_syncing": False,
        "is_requested": False,
        "known_standing": Standing(condition=Condition.WORKING, since=NOON),
    }
    return ConnectionOverview(**{**usual, **values})


@pytest.mark.parametrize(
    ("values", "updating", "trigger"),
    [
        ({}, False, None),
        ({"is_stale": True}, False, "every 20s"),
        ({"is_requested": True}, True, "every 2s"),
        ({"is_syncing": True}, True, "every 2s"),
        ({"is_stale": True, "is_due": False}, False, "every 20s"),
        ({"is_stale": True, "is_due": False, "error_kind": ErrorKind.WAITING}, False, "every 2s"),
    ],
)
def test_a_card_asks_again_often_while_it_is_updated_and_now_and_then_while_bunq_is_away(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], updating: bool, trigger: str | None
) -> None:
    monkeypatch.setattr(workers, "is_alive", lambda: True)
    card = presenters.card(connection(**values))
    assert (card.updating, card.polling_trigger, card.worker_is_missing) == (updating, trigger, False)


@pytest.mark.parametrize("values", [{"is_stale": True}, {"is_requested": True}, {"is_syncing": True}, {}])
def test_a_card_that_waits_for_the_worker_says_when_none_runs(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]
) -> None:
    monkeypatch.setattr(workers, "is_alive", lambda: False)
    assert presenters.card(connection(**values)).worker_is_missing is ("is_requested" in values)


@pytest.mark.parametrize(
    ("values", "wants_sync", "updating"),
    [
        ({"is_stale": True}, True, False),
        ({"is_stale": True, "is_requested": True}, False, True),
        ({"is_stale": True, "is_due": False}, False, False),
        ({"is_stale": True, "is_due": False, "is_requested": True}, False, False),
        ({}, False, False),
    ],
)
def test_a_stale_card_asks_for_one_sync_when_it_is_due(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], wants_sync: bool, updating: bool
) -> None:
    monkeypatch.setattr(workers, "is_alive", lambda: True)
    card = presenters.card(connection(**values))
    assert (card.wants_sync, card.updating) == (wants_sync, updating)
