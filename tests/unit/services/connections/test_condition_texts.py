"""The texts about each condition: one for each, and never that somebody must act where nobody has to."""

from datetime import UTC, date, datetime

import pytest

from bunqflask.models import Condition, ErrorKind, StopReason
from bunqflask.services.connections import condition_texts as texts
from bunqflask.services.connections.standing import Actor, Recovery, Standing

SINCE = datetime(2026, 11, 28, 12, tzinfo=UTC)
JODI = "Jodi Walker"


def stopped(reason: StopReason, recovery: Recovery | None = None) -> Standing:
    return Standing(condition=Condition.STOPPED, since=SINCE, reason=reason, recovery=recovery)


@pytest.mark.parametrize("reason", StopReason)
def test_each_stop_has_a_title_a_cause_and_what_to_do_where_somebody_can_act(reason: StopReason) -> None:
    standing = stopped(reason)
    found = texts.explanation(standing, JODI)
    assert found is not None
    assert found.title in (texts.has_stopped(JODI), texts.must_approve(JODI))
    assert "Everything stored stays readable." in found.lead
    assert bool(found.todo) is (standing.who != Actor.NOBODY)
    assert texts.reason(reason)
    assert found.text.startswith(f"{found.title}. {found.lead}")
    assert texts.label(standing) in ("Stopped", "Approve again")


@pytest.mark.parametrize("reason", StopReason)
@pytest.mark.parametrize("recovery", Recovery)
def test_one_that_recovers_asks_nobody_for_anything(reason: StopReason, recovery: Recovery) -> None:
    standing = stopped(reason, recovery)
    found = texts.explanation(standing, JODI)
    assert found is not None
    assert "the first update is under way" in found.title
    assert (found.who, found.todo) == ("Nobody needs to", ())
    assert texts.label(standing) not in ("Stopped", "Approve again")


def test_one_that_works_or_has_ended_needs_no_explanation() -> None:
    for condition, label in ((Condition.WORKING, "Working"), (Condition.DISCONNECTED, "Disconnected")):
        standing = Standing(condition=condition, since=SINCE)
        assert (texts.label(standing), texts.explanation(standing, JODI)) == (label, None)
    soon = Standing(condition=Condition.RENEW_SOON, since=SINCE, reminder_day=date(2026, 12, 1))
    found = texts.explanation(soon, JODI)
    assert found is not None
    assert found.title == "Jodi Walker: you wanted to be reminded by 1 December 2026"


def test_waiting_for_the_rate_limit_is_no_interruption() -> None:
    assert texts.interruption(None) is texts.interruption(ErrorKind.WAITING) is None
    found = texts.interruption(ErrorKind.UNAVAILABLE)
    assert found is not None
    assert found.title == "bunq isn’t responding"
