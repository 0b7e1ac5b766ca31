"""Every condition of a connection, reached through the stand-in: each page and program says the same of it."""

from datetime import timedelta

import pytest

from bunqflask.models import Condition, StopReason
from bunqflask.services import health_report
from bunqflask.services.connections import condition_texts, reminders
from bunqflask.services.connections.condition_texts import Explanation
from bunqflask.services.consent.disconnect import disconnect
from tests.protocol.api.program import program_of
from tests.support import conditions, consents, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.beginnings import Begin
from tests.support.conditions import STOPS, Time, seen, up_to_date

JODI_WALKER = "Jodi Walker"


@pytest.fixture
def time(site: ThreadSite, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> Time:
    """Robin has connected bunq, and all is up to date."""
    begin(up_to_date)
    return Time(site.app, monkeypatch)


def says_the_same(site: ThreadSite, label: str, said: Explanation | None) -> None:
    """Look at every page of the connection, at its API and at `flask status`."""
    robin, needs_somebody = sign_in(site, consents.ROBIN), seen(site.app).needs_somebody
    for path in ("/", "/connections/1/accounts", "/connections", "/connections/1"):
        text = robin.get(path).text
        assert f"{JODI_WALKER} {label}" in text or path == "/connections", path
        assert label in text, path
        if said is not None and (path != "/connections" or needs_somebody):
            assert f"{said.title}. {said.lead}" in text, path
            assert f"Who can act: {said.who}" in text, path
        if said is not None and path != "/connections":
            assert all(step in text for step in said.todo), path
    with rows.behind(site.app):
        [line] = [each for each in health_report.report().lines if each.name == "connection 1"]
    found = program_of(site, consents.ROBIN).get("/connections/1")
    assert found["state"] == seen(site.app).condition
    assert found["explanation"] == (said.text if said else None)
    assert line.to_do == "" or line.to_do.startswith(found["explanation"])


@pytest.mark.parametrize("how", STOPS)
def test_each_stop_is_said_in_the_same_words_everywhere(site: ThreadSite, bank: Bank, time: Time, how: str) -> None:
    conditions.stop(time, site.app, bank, how)
    found = seen(site.app)
    assert (found.condition, found.reason) == (Condition.STOPPED, STOPS[how])
    assert found.is_asked_again is (how == "asked again")
    said = condition_texts.explanation(found, JODI_WALKER)
    assert said is not None
    says_the_same(site, condition_texts.label(found), said)
    robin = sign_in(site, consents.ROBIN)
    renew = [form for form in robin.get("/").html.split("<form")[1:] if "/connections/1/reconnect" in form]
    assert bool(renew) is (STOPS[how] in (StopReason.REFUSED, StopReason.ACCOUNTS)), "the button is where it helps"
    if how != "no worker":
        assert condition_texts.reason(found.reason) in robin.get("/notices").text


def test_right_after_a_renewal_nobody_is_asked_to_renew_again(site: ThreadSite, bank: Bank, time: Time) -> None:
    account = rows.first_account(site.app)
    bank.fault(call=f"GET /v1/user/*/monetary-account/{account}/payment", fault="500", times=None)
    time.work(timedelta(minutes=61))
    conditions.stop(time, site.app, bank, "lost")
    robin = sign_in(site, consents.ROBIN)
    consents.connect(robin, bank)
    found = seen(site.app)
    said = condition_texts.explanation(found, JODI_WALKER)
    assert said is not None
    assert said.title == "Jodi Walker is approved again; the first update is under way"
    says_the_same(site, "Approved again", said)
    assert "needs to approve again" not in robin.get("/").text
    assert "Needs somebody (0)" in robin.get("/connections").text
    time.work(timedelta(seconds=5))
    assert "needing attention" not in robin.get("/connections").text, "the badge went with the worker’s next round"
    bank.no_faults()
    time.work(timedelta(minutes=6))
    says_the_same(site, "Working", None)


def test_one_that_works_is_to_be_renewed_or_has_ended_says_the_same_too(
    site: ThreadSite, bank: Bank, time: Time
) -> None:
    says_the_same(site, "Working", None)
    with rows.behind(site.app):
        reminders.set_days(rows.owner(), 1, 9)
    time.work(timedelta(seconds=30))
    found = seen(site.app)
    assert found.condition == Condition.RENEW_SOON
    says_the_same(site, "Renew soon", condition_texts.explanation(found, JODI_WALKER))
    with rows.behind(site.app):
        disconnect(rows.owner(), 1, erase=False)
    assert seen(site.app).condition == Condition.DISCONNECTED
    says_the_same(site, "Disconnected", None)


def test_an_error_that_may_pass_is_on_the_card_and_on_the_page_of_a_connection_that_works(
    site: ThreadSite, bank: Bank, time: Time
) -> None:
    bank.switch(maintenance=True)
    time.work(timedelta(minutes=61))
    assert seen(site.app).condition == Condition.WORKING
    robin = sign_in(site, consents.ROBIN)
    for path in ("/", "/connections/1"):
        assert "bunq isn’t responding. bunq is down or under maintenance." in robin.get(path).text, path
        assert f"{JODI_WALKER} Trying again" in robin.page.text, path
    assert "Trying again" in robin.get("/connections").text
    bank.switch(maintenance=False)
    time.work(timedelta(minutes=40))
    says_the_same(site, "Working", None)
