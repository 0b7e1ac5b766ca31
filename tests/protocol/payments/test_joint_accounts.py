"""An account at bunq that comes through two connections counts once, from where it is updated."""

import pytest

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import Connection, MonetaryAccount
from bunqflask.services.exports import statements
from bunqflask.services.payments import repository
from tests.support import consents, history, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.browser import Browser
from tests.support.history import Paid

MAIN, SECOND = 2083712, 2083715
OLD = Paid(at="2026-10-02T10:00Z", amount="500", name="Shared rent")
NEW = Paid(at="2026-11-02T10:00Z", amount="77.77", name="Late rent")
GERMAN = "DE89370400440532013000"


@pytest.fixture
def database_url(connected_url: str) -> str:
    return connected_url


@pytest.fixture
def robin(live_app: ThreadSite) -> Browser:
    return sign_in(live_app, consents.ROBIN)


def copy_through_a_second_connection() -> int:
    """Let Robin have the main account through another connection too; returns its row. Inside `behind`."""
    now, main = clock.now(), history.account(MAIN)
    other = Connection(
        environment="local", granted_user_id=7, granted_user_type="UserCompany", display_name="Studio", state_since=now
    )
    db.session.add(other)
    db.session.flush()
    names = [each.key for each in db.inspect(MonetaryAccount).column_attrs if each.key not in ("id", "connection_id")]
    copy = MonetaryAccount(connection_id=other.id, **{name: getattr(main, name) for name in names})
    db.session.add(copy)
    db.session.flush()
    rows.hold(other.id, rows.owner().id)
    return copy.id


@pytest.mark.parametrize("dead_is_first", [True, False])
@pytest.mark.sqlite_only
def test_the_copy_that_is_updated_is_listed_added_up_and_exported(
    live_app: ThreadSite, robin: Browser, dead_is_first: bool
) -> None:
    with rows.behind(live_app.app):
        first, second = history.account(MAIN).id, copy_through_a_second_connection()
        dead, living = (first, second) if dead_is_first else (second, first)
        history.store(db.session.get_one(MonetaryAccount, dead), [OLD])
        history.store(db.session.get_one(MonetaryAccount, living), [OLD, NEW])
        db.session.get_one(MonetaryAccount, dead).uncovered_since = clock.now()
        db.session.commit()
    page = robin.get("/payments?q=rent")
    assert "Late rent" in page.text
    assert page.html.count('class="pay"') == 2
    assert "In +€577.77" in page.text
    with rows.behind(live_app.app):
        scope = repository.scope_of(rows.owner())
        assert living in scope.ids
        assert dead not in scope.ids
        assert scope.by_iban[scope.accounts[living].iban or ""].id == living
        assert living in [each.id for each in statements.chosen(scope, [])]
        assert dead not in [each.id for each in statements.chosen(scope, [])]


@pytest.mark.sqlite_only
def test_money_to_an_accounts_second_iban_is_an_own_transfer(live_app: ThreadSite, robin: Browser) -> None:
    with rows.behind(live_app.app):
        main, second = history.account(MAIN), history.account(SECOND)
        second.other_ibans = (GERMAN,)
        db.session.commit()
        history.store(
            main,
            [
                Paid(at="2026-10-02T10:00Z", amount="2000", name="Employer"),
                Paid(at="2026-10-03T10:00Z", amount="-50", name="Me", iban=GERMAN),
            ],
        )
        history.store(second, [Paid(at="2026-10-03T10:00Z", amount="50", name="Me", iban=main.iban)], first_id=5000)
    page = robin.get("/payments")
    assert "In +€2,000.00" in page.text
    assert "Out €0.00" in page.text
    with rows.behind(live_app.app):
        scope = repository.scope_of(rows.owner())
        assert GERMAN in scope.ibans
        assert GERMAN in statements.own_ibans(scope, [])
