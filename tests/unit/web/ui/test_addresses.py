"""Addresses built once for many ids are those that `url_for` builds for each."""

import pytest
from flask import Flask, url_for

from bunqflask.web.ui import addresses


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/a/<int:first>/b/<int:second>", "both", lambda **_ids: "")
    app.add_url_rule("/c/<int:first>", "one", lambda **_ids: "")
    return app


@pytest.mark.parametrize("place", ["", "/bunq", "/{0}/%7Bfirst%7D/{}"])
def test_they_are_those_of_url_for_also_in_a_subpath(app: Flask, place: str) -> None:
    with app.test_request_context("/", base_url=f"https://example.org{place}"):
        for first, second in ((1, 2), (2**31 - 1, 0), (2_000_000_000, 2_000_000_001)):
            assert addresses.with_ids("both", first=first, second=second) == url_for("both", first=first, second=second)
            assert addresses.with_ids("both", second=first, first=second) == url_for("both", first=second, second=first)
            assert addresses.with_ids("one", first=second) == url_for("one", first=second)


def test_another_request_has_addresses_of_its_own(app: Flask) -> None:
    found = []
    for place in ("/one", "/two"):
        with app.test_request_context("/", base_url=f"https://example.org{place}"):
            found.append(addresses.with_ids("one", first=7))
    assert found == ["/one/c/7", "/two/c/7"]
