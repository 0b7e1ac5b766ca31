"""What one callback of bunq costs in commits, and what is durable before each call that depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from bunqflask.bunq.protocol import BunqRequest, BunqResponse
from bunqflask.bunq.transport import Transport
from bunqflask.extensions import db
from bunqflask.models import ConsentAttempt, RateLimitWindow
from tests.support import rows
from tests.support.apps import ThreadSite, set_up, sign_in
from tests.support.bank import Bank
from tests.support.consents import ask

MOST_COMMITS = 8


@contextmanager
def traced(site: ThreadSite, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Note each commit of this process, and each call to bunq with the step that a stranger reads at that moment."""
    seen: list[str] = []
    send = Transport.send
    with site.app.app_context():
        engine: Engine = db.engine

    def committed(_connection: object) -> None:
        seen.append("commit")

    def sent(transport: Transport, request: BunqRequest) -> BunqResponse:
        with engine.connect() as stranger:
            query = db.select(ConsentAttempt.step, ConsentAttempt.access_token_sealed.is_not(None))
            step, has_token = stranger.execute(query).one()
        seen.append(f"{request.method} {request.url.rpartition('/v1/')[2]}: {step.value}, {has_token}")
        return send(transport, request)

    monkeypatch.setattr(Transport, "send", sent)
    event.listen(engine, "commit", committed)
    try:
        yield seen
    finally:
        event.remove(engine, "commit", committed)


@pytest.mark.parametrize("limits", ["off", "classic"])
def test_a_callback_is_at_most_eight_commits_and_its_token_is_stored_before_it_is_used(
    live_app: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch, limits: str
) -> None:
    set_up(live_app.app)
    live_app.app.config["BUNQ_CALL_LIMITS"] = limits
    with rows.behind(live_app.app):
        db.session.execute(db.delete(RateLimitWindow))
        db.session.commit()
    robin = sign_in(live_app, "robin@example.com")
    back = bank.approve(ask(robin))
    with traced(live_app, monkeypatch) as seen:
        answer = robin.session.get(back, allow_redirects=False, timeout=60)
        answer = robin.session.get(live_app.url + answer.headers["Location"], allow_redirects=False, timeout=60)
    assert answer.status_code == 303
    assert seen.count("commit") <= MOST_COMMITS, seen
    assert seen[-1] == "commit"
    calls = [each for each in seen if each != "commit"]
    assert [each.partition(" ")[0] for each in calls] == ["POST", "GET"], "the session, then the accounts"
    assert all(each.endswith(": connecting, True") for each in calls), calls
    assert "Connected: Jodi Walker" in robin.get(answer.headers["Location"]).text
    assert "€8,615.00" in robin.page.text
