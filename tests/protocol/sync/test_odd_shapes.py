"""One odd item takes no neighbour along: hundreds of odd payments and accounts between ordinary ones."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bunqflask.extensions import db
from bunqflask.models import AccountSync, MonetaryAccount, Payment
from bunqflask.models.payments import LARGEST_PAYMENT_ID
from bunqflask.services.connections import access
from bunqflask.services.sync import connection_sync
from tests.support import rows, strange_bunq
from tests.support.apps import ThreadSite, set_up
from tests.support.browser import Browser
from tests.support.strange_bunq import GRANT, HOLDER, Incoming, Route
from tests.support.strange_payments import PAYMENTS, RICH, PayingBunq, _payment
from tests.support.strange_site import connect, running

pytestmark = pytest.mark.sqlite_only

ABSENT = object()
ODD_IDS = 10_000
DATES = ["9999-12-31 23:59:59", "0001-01-01 00:00:00", "2026-13-01 00:00:00", "1969-12-31 23:59:59", "2026-03-29"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([2**31, 2**43 - 1, 2**43, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -1, 10**40]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from([*DATES, "0.00001", "1e9", "99999999999999999999", "-0.00", "NaN", "", "\x00", "x" * 5000]),
)
VALUES = st.one_of(
    SCALARS,
    st.just(ABSENT),
    st.lists(SCALARS, max_size=3),
    st.dictionaries(st.sampled_from(["value", "currency", "iban", "display_name", "type", "id"]), SCALARS, max_size=3),
)
PAYMENT_MEMBERS = [
    "id", "created", "updated", "monetary_account_id", "amount", "balance_after_mutation", "description", "type",
    "sub_type", "counterparty_alias", "geolocation",
]  # fmt: skip
ACCOUNT_MEMBERS = [
    "id", "balance", "alias", "status", "sub_status", "updated", "setting", "description", "user_id", "currency",
    "all_co_owner", "savings_goal", "created",
]  # fmt: skip


@dataclass
class OddBunq(PayingBunq):
    """Lists odd payments of the rich account, and odd accounts, between those that it always lists."""

    odd_payments: list[Any] = field(default_factory=list)
    odd_accounts: list[Any] = field(default_factory=list)

    @property
    def routes(self) -> list[Route]:
        """What it answers: the first that fits."""
        user = rf"/v1/user/{GRANT}/monetary-account"
        return [
            ("GET", user, "session", OddBunq.list_accounts),
            ("GET", rf"{user}/[0-9]+/payment", "session", OddBunq.list_payments),
            *super().routes,
        ]

    def list_payments(self, call: Incoming) -> dict[str, Any]:
        if f"/{RICH}/" not in call.path or "older_id" in call.query:
            return {"Response": []}
        usual = [{"Payment": _payment(number * 10)} for number in range(1, PAYMENTS + 1)]
        return {"Response": [*self.odd_payments, *usual], "Pagination": {"older_url": None}}

    def list_accounts(self, call: Incoming) -> dict[str, Any]:
        answer = super().list_accounts(call)
        if "older_id" not in call.query:
            answer["Response"] = [*self.odd_accounts, *answer["Response"]]
        return answer


@pytest.fixture
def bunq() -> Iterator[OddBunq]:
    with strange_bunq.running(OddBunq()) as bunq:
        # The routes name the functions of the class below it.
        yield bunq


@pytest.fixture
def browser(bunq: OddBunq, database_url: str) -> Iterator[tuple[ThreadSite, Browser]]:
    with running(bunq, database_url) as site:
        set_up(site.app)
        yield site, connect(site, bunq)


def odd(usual: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return an item with some members changed, or taken away."""
    changed = copy.deepcopy(usual) | changes
    return {name: value for name, value in changed.items() if value is not ABSENT}


def changes_of(members: list[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.dictionaries(st.sampled_from(members), VALUES, min_size=1, max_size=3), min_size=25, max_size=40)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(payments=changes_of(PAYMENT_MEMBERS), accounts=changes_of(ACCOUNT_MEMBERS))
def test_what_is_odd_is_named_and_all_else_is_stored_and_shown(
    bunq: OddBunq,
    browser: tuple[ThreadSite, Browser],
    payments: list[dict[str, Any]],
    accounts: list[dict[str, Any]],
) -> None:
    site, sam = browser
    usual = _payment(10)
    bunq.odd_payments = [
        {"Payment": odd(usual | {"id": ODD_IDS + number}, changes)} for number, changes in enumerate(payments)
    ]
    account: dict[str, Any] = {
        "balance": {"value": "1.00", "currency": "EUR"},
        "alias": [],
        "status": "ACTIVE",
        "user_id": HOLDER,
    }
    bunq.odd_accounts = [
        {"MonetaryAccountBank": odd(account | {"id": ODD_IDS + number}, changes)}
        for number, changes in enumerate(accounts)
    ]
    with rows.behind(site.app):
        db.session.execute(db.delete(Payment))
        db.session.execute(db.delete(AccountSync))
        db.session.commit()
        connection_sync.run(access.list_active()[0].id, patience_s=20)
        ours = db.session.scalars(db.select(MonetaryAccount.id).filter_by(monetary_account_id=RICH)).one()
        state = db.session.get_one(AccountSync, ours)
        assert state.error_kind is None
        stored = set(db.session.scalars(db.select(Payment.payment_id).filter_by(account_id=ours)))
        assert {number * 10 for number in range(1, PAYMENTS + 1)} <= stored
        for item in bunq.odd_payments:
            number = item["Payment"].get("id")
            if isinstance(number, int) and not isinstance(number, bool) and 0 < number <= 2**63 - 1:
                assert number in stored or number in state.unreadable, item
                assert number <= LARGEST_PAYMENT_ID or number not in stored
        unsynced = (
            db.select(MonetaryAccount.monetary_account_id)
            .outerjoin(AccountSync, AccountSync.id == MonetaryAccount.id)
            .where(MonetaryAccount.monetary_account_id.between(1, 23), AccountSync.synced_at.is_(None))
        )
        assert db.session.scalars(unsynced).all() == []
    for address in ("/", "/payments", "/payments?q=1", f"/connections/1/accounts/{RICH}/payments", "/payments/months"):
        page = sam.get(address)
        assert page.status in (200, 404), address
        assert "bug in bunqflask" not in page.text, address
