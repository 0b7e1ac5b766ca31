"""bunq's classic limits, by endpoint."""

import pytest

from bunqflask.bunq.limits import Limit, limit_for


@pytest.mark.parametrize(
    ("endpoint", "limit"),
    [
        ("POST session-server", Limit(1, 30.0)),
        ("GET session-server", Limit(3, 3.0)),
        ("GET user/#/monetary-account", Limit(3, 3.0)),
        ("POST user/#/oauth-client", Limit(5, 3.0)),
        ("PUT user/#/card/#", Limit(2, 3.0)),
        ("DELETE session/#", Limit(2, 3.0)),
    ],
)
def test_each_endpoint_has_its_classic_limit(endpoint: str, limit: Limit) -> None:
    assert limit_for(endpoint) == limit
