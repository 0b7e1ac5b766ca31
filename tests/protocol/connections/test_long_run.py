"""Four hundred days of twelve connections: each stop is shown and told in time, each recovery is, nothing twice.

`--long-run-seed N` runs other days; what fails prints its seed and all that went before. The parts follow each other in
one site: a part alone begins on the first day.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from bunqflask import create_app
from bunqflask.config import Config
from tests.support import bank as banks
from tests.support.apps import environ_for, let_go, reserve_port, served, set_up
from tests.support.databases import SqliteDatabases
from tests.support.long_run import LongRun

PEOPLE, DAYS, PARTS = 12, 400, 20
RENEWED_AFTER_DAYS = 85


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest, sqlite_databases: SqliteDatabases) -> Iterator[LongRun]:
    """A site whose twelve connections work."""
    seed = request.config.getoption("--long-run-seed")
    url = sqlite_databases.migrated()
    with banks.running() as bank, reserve_port() as listener, pytest.MonkeyPatch.context() as patch:
        environ = environ_for(bank, url, PUBLIC_URL=f"http://localhost:{listener.getsockname()[1]}")
        app = create_app(Config.from_env(environ))
        set_up(app)
        with served(app, listener, environ) as site:
            yield LongRun(site, bank, patch, people=PEOPLE, seed=seed)
        let_go(app)
    sqlite_databases.forget(url)


@pytest.mark.flaky(reruns=0)
@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_nothing_ends_silently_in_four_hundred_days(run: LongRun, part: int) -> None:
    mishaps = (run.withdraw, run.withdraw, run.refuse_server, run.maintain, run.stop_worker, run.kill)
    while run.days_passed < part * DAYS // PARTS:
        run.quiet(run.rng.randint(2, 15))
        run.rng.choice(mishaps)()
        if run.days_passed > (run.renewals + 1) * RENEWED_AFTER_DAYS:
            run.renewals += 1
            run.renew(run.connections)
            run.quiet(1)


@pytest.mark.flaky(reruns=0)
def test_each_reminder_was_given_once(run: LongRun) -> None:
    given = Counter(run.reminders())
    assert max(given.values()) == 1, run.said("a reminder was given twice")
    # Whole weeks pass at a time here, so what is left is seldom the 14, 7 or 1 days of tests/…/test_conditions.py.
    assert {connection for connection, _day, _left in given} == set(run.connections), run.said("reminders are missing")
    assert max(left for _connection, _day, left in given) <= 14
