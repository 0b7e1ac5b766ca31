"""The words for what bunq calls by a code, and what never reaches a page."""

import re
from decimal import Decimal

import pytest

from bunqflask.web.connections import view_models
from bunqflask.web.connections.view_models import AccountRow, Goal, Pill
from bunqflask.web.ui import qr


def a_row(amount: str | None, currency: str = "EUR") -> AccountRow:
    return AccountRow(
        connection_id=1,
        monetary_account_id=1,
        name="Main",
        type_label="Bank account",
        icon="bank",
        iban=None,
        amount=None if amount is None else Decimal(amount),
        currency=currency,
    )


@pytest.mark.parametrize(
    ("wrapper", "label", "icon"),
    [
        ("MonetaryAccountBank", "Bank account", "bank"),
        ("MonetaryAccountJoint", "Joint account", "joint"),
        ("MonetaryAccountSavings", "Savings account", "savings"),
        ("MonetaryAccountExternal", "At another bank", "external"),
        ("MonetaryAccountExternalSavings", "Savings at another bank", "savings"),
        ("MonetaryAccountCard", "Card", "card"),
        ("MonetaryAccountInvestment", "Investment", "investment"),
        ("MonetaryAccountLight", "Light account", "bank"),
        ("MonetaryAccountSwitchService", "Account moved from another bank", "bank"),
        ("MonetaryAccountPension", "Pension (account type new to us)", "unknown"),
        ("MonetaryAccount", "(no name) (account type new to us)", "unknown"),
    ],
)
def test_every_kind_of_account_has_a_label_and_a_drawing(wrapper: str, label: str, icon: str) -> None:
    assert view_models.type_label(wrapper, "EUR") == label
    assert view_models.icon(wrapper) == icon


def test_a_foreign_currency_is_part_of_the_label() -> None:
    assert view_models.type_label("MonetaryAccountBank", "USD") == "Bank account, US dollar"


@pytest.mark.parametrize(
    ("co_owners", "label"),
    [
        (["Sam Okafor"], "Joint with Sam Okafor"),
        (["Sam", "Kim"], "Joint with Sam and Kim"),
        (["Sam", "Kim", "Lou"], "Joint with Sam and 2 others"),
        (["S\u202eam"], "Joint with Sam"),
    ],
)
def test_a_joint_account_names_who_shares_it(co_owners: list[str], label: str) -> None:
    assert view_models.type_label("MonetaryAccountJoint", "EUR", co_owners) == label


@pytest.mark.parametrize("value", ["#FF7819", "#00ab9f"])
def test_colours_of_six_digits_pass(value: str) -> None:
    assert view_models.color(value) == value


@pytest.mark.parametrize("value", [None, 7, "", "red", "#fff", "#FF7819 ", "#FF7819\n", '#FF7819"/>', "url(x)"])
def test_any_other_colour_becomes_none(value: object) -> None:
    assert view_models.color(value) is None


@pytest.mark.parametrize(
    ("status", "covered", "place"),
    [
        ("ACTIVE", True, "open"),
        ("PENDING_ACCEPTANCE", True, "open"),
        ("NEW_IN_2027", True, "open"),
        ("BLOCKED", True, "apart"),
        ("FROZEN", True, "apart"),
        ("ACTIVE", False, "apart"),
        ("CANCELLED", True, "closed"),
        ("CANCELLED", False, "closed"),
    ],
)
def test_where_an_account_stands(status: str, covered: bool, place: str) -> None:
    assert view_models.place(status, covered=covered) == place


@pytest.mark.parametrize(
    ("status", "sub_status", "amount", "pill"),
    [
        ("ACTIVE", "NONE", "5", None),
        ("ACTIVE", "NONE", "0", None),
        ("ACTIVE", "NONE", "-0.01", Pill("bad", "Overdrawn")),
        ("BLOCKED", "COMPLETELY", "-1", Pill("neutral", "Blocked")),
        ("BLOCKED", "ONLY_ACCEPTING_INCOMING", "1", Pill("neutral", "Only incoming")),
        ("FROZEN", "NONE", "1", Pill("neutral", "Frozen")),
        ("PENDING_CLOSURE", "NONE", "1", Pill("neutral", "Closing")),
        ("PENDING_REOPEN", "NONE", "1", Pill("neutral", "Reopening")),
        ("PENDING_ACCEPTANCE", "NONE", "0", Pill("neutral", "Waiting for acceptance")),
        ("CANCELLED", "REDEMPTION_VOLUNTARY", "0", None),
        ("NEW_IN_2027", "NONE", "0", Pill("neutral", "NEW_IN_2027 (state new to us)")),
    ],
)
def test_the_pill_says_what_is_special(status: str, sub_status: str, amount: str, pill: Pill | None) -> None:
    assert view_models.pill(status, sub_status, amount=Decimal(amount)) == pill


def test_no_longer_updated_comes_before_any_other_state() -> None:
    assert view_models.pill("BLOCKED", covered=False) == Pill("warn", "No longer updated")


@pytest.mark.parametrize(
    ("waiting_for", "text"),
    [(["Sam"], "Waiting for co-owner Sam"), (["Sam", "Kim"], "Waiting for co-owners")],
)
def test_a_joint_account_says_for_whom_it_waits(waiting_for: list[str], text: str) -> None:
    assert view_models.pill("PENDING_ACCEPTANCE", waiting_for=waiting_for) == Pill("neutral", text)


@pytest.mark.parametrize(
    ("reached", "target", "percent"),
    [
        ("6250", "10000", 62),
        ("9999.99", "10000", 99),
        ("10000", "10000", 100),
        ("25000", "10000", 100),
        ("-5", "10", 0),
    ],
)
def test_a_savings_goal_is_full_only_when_it_is_reached(reached: str, target: str, percent: int) -> None:
    assert view_models.goal(Decimal(reached), Decimal(target)) == Goal(Decimal(reached), Decimal(target), percent)


@pytest.mark.parametrize("target", [None, Decimal(0), Decimal(-1)])
def test_no_target_is_no_goal(target: Decimal | None) -> None:
    assert view_models.goal(Decimal(5), target) is None


def test_totals_are_exact_and_never_mix_currencies() -> None:
    rows = [a_row("0.10"), a_row("5", "USD"), a_row("0.20"), a_row(None), a_row("-1", "GBP")]
    found = [(each.currency, each.amount, each.count) for each in view_models.totals(rows)]
    assert found == [("EUR", Decimal("0.30"), 2), ("GBP", Decimal(-1), 1), ("USD", Decimal(5), 1)]


def test_view_models_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        a_row("1").name = "other"  # type: ignore[misc]  # that this fails is the test


def test_the_qr_code_is_one_plain_drawing_with_a_quiet_zone() -> None:
    drawing = str(qr.qr_svg("http://localhost:5000/c/abc", label='<&"'))
    size = int(re.findall(r'viewBox="0 0 (\d+) \1"', drawing)[0])
    dark = [(int(x), int(y), int(run)) for x, y, run in re.findall(r"M(\d+) (\d+)h(\d+)v1", drawing)]
    assert min(x for x, _, _ in dark) == 4
    assert max(x + run for x, _, run in dark) == size - 4
    assert {min(y for _, y, _ in dark), max(y for _, y, _ in dark)} == {4, size - 5}
    assert (4, 4, 7) in dark
    assert 'role="img" aria-label="&lt;&amp;&#34;"' in drawing
    assert "style" not in drawing


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("http://localhost:5000/c/abc", True),
        ("http://127.0.0.1:5000/c/abc", True),
        ("http://[::1]:5000/c/abc", True),
        ("http://192.168.1.20:5000/c/abc", False),
        ("https://localhost.example.org/c/abc", False),
    ],
)
def test_a_link_that_only_this_computer_can_open_is_known(address: str, here: bool) -> None:
    assert qr.stays_here(address) is here
