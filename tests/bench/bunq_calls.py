"""What it costs us that a program reads bunq's API through ours, with a session that is open and limits that count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import text

from tests.bench import databases
from tests.bench.client import Cost, Page, Target, middle
from tests.bench.servers import App, stand_in
from tests.bench.syncing import engine_of
from tests.bench.table import Row, at_most, exactly
from tests.support.apps import PASSWORD, sign_in
from tests.support.bank import JODI, Bank
from tests.support.consents import connect

GOAL_MS = 10.0
_CALLS = 40


def measure(folder: Path) -> list[Row]:
    """Ask for pages of payments, with a token for all accounts and with a narrowed one, whose answers are looked at."""
    with stand_in(folder) as bank:
        account = bank.account_ids(JODI)[0]
        bank.seed(600, account=account)
        url = databases.fresh(folder)
        with App(folder, url, bank, people={databases.EMAIL: PASSWORD}) as site:
            connect(sign_in(site, databases.EMAIL), bank)  # without limits, as it would have to wait for them
        with App(folder, url, bank, BUNQ_CALL_LIMITS="classic", API_CALLS_PER_MINUTE="9999") as site:
            path = f"/api/v1/connections/1/bunq/user/{JODI}/monetary-account/{account}/payment"
            iban = "NL65BUNQ2090411945"
            return [
                *_own(site),
                *_rows("50 payments of bunq", bank, site, _token(site), f"{path}?count=50"),
                *_rows("50 payments, narrowed token", bank, site, _token(site, "--account", iban), f"{path}?count=50"),
            ]


def _token(site: App, *more: str) -> str:
    made = site.flask("token", "add", databases.EMAIL, "--scope", "bunq:read", "--days", "1", *more)
    return made.stdout.split()[-1]


def _own(site: App) -> list[Row]:
    """Show what the smallest answer of the API costs, for which nobody asks bunq."""
    target = Target("ours", site.url, _pids(site), {"Authorization": f"Bearer {_token(site)}"})
    cost = middle([target.open(Page(("/api/v1/me",), '"role"')) for _ in range(_CALLS)])
    target.close()
    return [Row("for comparison, /me: CPU", f"{cost.cpu_ms:.1f} ms  ({cost.wall_ms:.0f} ms in all)")]


def _rows(what: str, bank: Bank, site: App, token: str, path: str) -> list[Row]:
    target = Target("ours", site.url, _pids(site), {"Authorization": f"Bearer {token}"})
    page = Page((path,), '"Payment"')
    engine = engine_of(site)
    target.open(page)
    bank.forget_calls()
    costs: list[Cost] = []
    for _ in range(_CALLS):
        with engine.begin() as connection:
            # The calls are counted as always, and are long ago for the next one: a wait between them is not measured.
            connection.execute(text("UPDATE rate_limit_window SET calls = '[]'"))
        costs.append(target.open(page))
    engine.dispose()
    target.close()
    cost = middle(costs)
    more = f"  ({cost.wall_ms:.0f} ms in all, {cost.size / 1024:.0f} kB)"
    return [
        at_most(f"{what}: CPU", cost.cpu_ms, GOAL_MS, " ms", more),
        exactly(f"{what}: calls to bunq, of {_CALLS} calls", len(bank.calls()), _CALLS),
    ]


def _pids(site: App) -> Callable[[], Sequence[int]]:
    return lambda: [*site.worker_pids, *databases.server_pids()]
