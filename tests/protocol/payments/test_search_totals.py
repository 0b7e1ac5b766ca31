"""What a search finds is added up at once if it is little, and after the page if it is much."""

import pytest

from bunqflask.extensions import db
from tests.support import consents, history
from tests.support.apps import ThreadSite, sign_in
from tests.support.browser import Browser
from tests.support.history import Paid

MAIN = 2083712
MANY = 5_001


@pytest.fixture
def database_url(connected_url: str) -> str:
    return connected_url


@pytest.fixture
def robin(live_app: ThreadSite) -> Browser:
    """Robin, with many payments of one kind and few of another."""
    paid = [Paid(at="2026-10-02T10:00Z", amount="-0.10", name="Koffie") for _ in range(MANY)]
    paid += [Paid(at="2026-10-03T10:00Z", amount="-2", name=f"Thee {number}") for number in range(2)]
    with live_app.app.app_context():
        history.store(history.account(MAIN), paid)
        if db.engine.dialect.name == "postgresql":
            db.session.execute(db.text("ANALYZE payment"))  # as the server does by itself before long
            db.session.commit()
        db.session.remove()
    return sign_in(live_app, consents.ROBIN)


def test_much_is_added_up_after_the_page(robin: Browser) -> None:
    page = robin.get("/payments?q=koffie")
    assert f"Many matches in {MANY + 2:,} payments" in page.text
    assert "Out −€500.10" not in page.text
    assert page.html.count('class="pay"') == 50

    url = page.link("Show totals")
    assert 'hx-trigger="load"' in page.html
    fragment = robin.get(url, {"HX-Request": "true"})
    assert fragment.html.strip().startswith('<div class="card-foot result" id="result">')
    assert f"{MANY:,} of {MANY + 2:,} payments shown" in fragment.text
    assert "Out −€500.10" in fragment.text
    assert 'class="pay"' not in fragment.html


def test_without_scripts_a_press_adds_up(robin: Browser) -> None:
    page = robin.get(robin.get("/payments?q=kof&from=2026-10-01").link("Show totals"))
    assert f"{MANY:,} of {MANY + 2:,} payments shown" in page.text
    assert "Out −€500.10" in page.text
    assert page.html.count('class="pay"') == 50
    assert "Many matches" not in page.text


def test_little_is_added_up_at_once(robin: Browser) -> None:
    for address in (
        "/payments?q=thee",
        "/payments?q=thee&direction=out",
        f"/connections/1/accounts/{MAIN}/payments?q=2",
    ):
        page = robin.get(address)
        assert f"2 of {MANY + 2:,} payments shown" in page.text, address
        assert "Out −€4.00" in page.text


def test_a_word_that_all_of_few_payments_have_is_added_up_at_once(live_app: ThreadSite) -> None:
    with live_app.app.app_context():
        history.store(history.account(MAIN), [Paid(at="2026-10-02T10:00Z", amount="-1", name="Koffie")] * 20)
        if db.engine.dialect.name == "postgresql":
            db.session.execute(db.text("ANALYZE payment"))
            db.session.commit()
        db.session.remove()
    assert "20 of 20 payments shown" in sign_in(live_app, consents.ROBIN).get("/payments?q=koffie").text


def test_filters_without_words_are_always_added_up(robin: Browser) -> None:
    page = robin.get("/payments?max=1")
    assert f"{MANY:,} of {MANY + 2:,} payments shown" in page.text
