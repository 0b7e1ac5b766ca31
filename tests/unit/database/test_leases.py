"""How long a lease lasts, beside the longest that it has to cover."""

from bunqflask.bunq.transport import LONGEST_CALL_S
from bunqflask.database.leases import LEASE
from bunqflask.services.gateway.rate_limiter import _LONGEST_PAUSE_S


def test_a_lease_outlives_the_longest_call_that_it_covers() -> None:
    # It is renewed before each call and proved after it; some seconds are for the database.
    assert LEASE.total_seconds() >= LONGEST_CALL_S + 5


def test_a_lease_is_renewed_in_time_during_a_wait() -> None:
    assert LEASE.total_seconds() > _LONGEST_PAUSE_S * 2


def test_a_crashed_worker_holds_nothing_up_for_minutes() -> None:
    assert LEASE.total_seconds() <= 60
