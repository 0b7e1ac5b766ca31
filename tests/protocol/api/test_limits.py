"""The limit on a token's calls counts for all processes and is told in each answer."""

import threading
from datetime import timedelta

import pytest

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import ApiToken
from bunqflask.services.tokens import rate_limit
from bunqflask.services.tokens.rate_limit import CallLimitReached
from tests.protocol.api.program import Program, make_token, program_of
from tests.support import rows
from tests.support.apps import ThreadSite
from tests.support.browser import Browser
from tests.support.consents import ROBIN


def test_each_answer_tells_what_is_left_of_the_limit(program: Program) -> None:
    first, second = program.call("/me"), program.call("/me")

    assert first.headers["RateLimit-Policy"] == '"token";q=60;w=60'
    assert first.headers["RateLimit"] == '"token";r=59;t=1'
    assert second.headers["RateLimit"].startswith('"token";r=5')


@pytest.mark.parametrize("overrides", [{"API_CALLS_PER_MINUTE": "5"}])
def test_the_sixth_call_of_five_waits_and_another_token_does_not(site: ThreadSite, robin: Browser) -> None:
    program, other = program_of(site, ROBIN), program_of(site, ROBIN)
    statuses = [program.call("/me").status_code for _ in range(6)]
    refused = program.call("/me")

    assert statuses == [200] * 5 + [429]
    assert refused.json()["code"] == "call_limit"
    assert 1 <= int(refused.headers["Retry-After"]) <= 12
    assert refused.headers["RateLimit"].startswith('"token";r=0;')
    assert other.call("/me").status_code == 200
    with rows.behind(site.app):
        db.session.execute(db.update(ApiToken).values(used_until=ApiToken.used_until - 13))
        db.session.commit()
    assert program.call("/me").status_code == 200


def test_of_many_calls_at_once_exactly_the_allowed_ones_pass(site: ThreadSite, robin: Browser) -> None:
    make_token(site, ROBIN)
    passed: list[int] = []

    def call() -> None:
        with site.app.app_context():
            for _ in range(25):
                try:
                    rate_limit.count_call(1, 40, "192.0.2.1")
                    passed.append(1)
                except CallLimitReached:
                    pass
            db.session.remove()

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with rows.behind(site.app):
        row = db.session.scalars(db.select(ApiToken)).one()
        assert (row.use_count, row.last_address) == (len(passed), "192.0.2.1")
    # While they ran, a few more became possible: one every one and a half seconds.
    assert 40 <= len(passed) <= 44


def test_a_clock_that_was_wrong_locks_no_token_out(site: ThreadSite, robin: Browser) -> None:
    program = program_of(site, ROBIN)
    with rows.behind(site.app):
        ahead = (clock.now() + timedelta(days=400)).timestamp()
        db.session.execute(db.update(ApiToken).values(used_until=ahead))
        db.session.commit()

    assert program.call("/me").status_code == 200
