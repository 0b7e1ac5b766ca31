"""The total on the first page: what is updated, each account at bunq once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bunqflask import clock
from bunqflask.web.connections import home
from bunqflask.web.connections.view_models import AccountRow, ConnectionCard, Pill


def row(number: int, amount: str, currency: str = "EUR") -> AccountRow:
    return AccountRow(
        connection_id=1,
        monetary_account_id=number,
        name="Main",
        type_label="Bank account",
        icon="bank",
        iban=None,
        amount=Decimal(amount),
        currency=currency,
    )


def card(*rows: AccountRow, **more: Any) -> ConnectionCard:
    usual: dict[str, Any] = {
        "id": 1,
        "name": "Jodi Walker",
        "kind": "person",
        "state": "active",
        "pill": Pill("ok", "Working"),
        "note": None,
        "sharing": "private",
        "may_act": True,
        "updated_at": clock.now(),
    }
    return ConnectionCard(**{**usual, **more}, open=list(rows))


def sums(total: home.Total) -> dict[str, tuple[str, int]]:
    return {each.currency: (str(each.amount), each.count) for each in total.sums}


def test_a_joint_account_of_two_connections_counts_once() -> None:
    total = home.total([card(row(1, "10.10"), row(2, "500.00")), card(row(2, "500.00"), row(3, "1.00", "USD"), id=2)])
    assert sums(total) == {"EUR": ("510.10", 2), "USD": ("1.00", 1)}
    assert total.left_out == []


def test_of_a_dead_and_a_living_copy_the_living_one_counts() -> None:
    cards = [card(row(2, "500.00"), state="lost", name="Dead"), card(row(2, "577.77"), id=2)]
    for each in (cards, cards[::-1]):
        total = home.total(each)
        assert sums(total) == {"EUR": ("577.77", 1)}
        assert total.left_out == [], "all of it is in the total, by the other connection"


def test_what_is_not_updated_is_left_out_and_named() -> None:
    long_ago = datetime(2026, 3, 14, 12, tzinfo=UTC)
    cards = [
        card(row(1, "10.00")),
        card(row(2, "7.00"), state="lost", name="Sam", updated_at=long_ago),
        card(row(3, "8.00"), state="disconnected", name="Bo", updated_at=None),
        card(state="disconnected", name="Nothing"),
    ]
    total = home.total(cards)
    assert sums(total) == {"EUR": ("10.00", 1)}
    assert total.left_out == [home.LeftOut(name="Sam", updated_at=long_ago), home.LeftOut(name="Bo", updated_at=None)]


def test_old_balances_are_named_with_their_day() -> None:
    assert home.total([card(row(1, "1.00"))]).oldest_at is None
    old = clock.now() - timedelta(days=2)
    assert home.total([card(row(1, "1.00")), card(row(2, "1.00"), updated_at=old)]).oldest_at == old


def test_only_the_dead_connections_that_the_reader_can_renew_need_a_reconnect() -> None:
    lost, guest, works = card(is_to_be_renewed=True), card(is_to_be_renewed=True, may_act=False, id=2), card(id=3)
    assert home.needing_reconnect([lost, guest, works], set()) == [lost]
    assert home.needing_reconnect([lost], {1, None}) == [], "an attempt that renews it is under way"
