"""From attempts to obtain a consent to what their pages show, without a database."""

from datetime import UTC, datetime
from typing import Any

from bunqflask.models import ConsentAttempt
from bunqflask.web.consent import presenters

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


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
