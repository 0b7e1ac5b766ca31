"""Many callers at once: nothing is done twice, nothing is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from bunqflask.sandbox import Settings
from bunqflask.sandbox.server import Served, serve

from .client import JODI, MAIN, SECOND, App, Client, new_api_key, new_user, session_of
from .test_drafts import DRAFTS, draft
from .test_payments import OWN_SECOND, balance, order, path

THREADS = 12


def test_payments_at_once_chain_without_a_gap(tmp_path: Path) -> None:
    with serve(Settings(rate_limits="off", database=f"{tmp_path}/bank.sqlite3")) as bank:
        client = session_of(bank, JODI)
        with ThreadPoolExecutor(THREADS) as threads:
            ids = list(threads.map(lambda _n: client.create(path(), order("1.00", OWN_SECOND)), range(60)))
        assert len(set(ids)) == 60
        payments = [item["Payment"] for item in client.get(path() + "?count=200")][::-1]
        held = 0
        for each in payments:
            held += round(float(each["amount"]["value"]) * 100)
            assert round(float(each["balance_after_mutation"]["value"]) * 100) == held
        assert (balance(client), balance(client, SECOND)) == ("4058.00", "1960.00")


def test_last_euro_is_spent_once(bank: Served) -> None:
    client = session_of(bank, JODI)
    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(
            threads.map(lambda _n: client.call("POST", path(), order("4118.00")).status_code, range(THREADS))
        )
    assert sorted(answers) == [200, *[400] * (THREADS - 1)]
    assert balance(client, MAIN) == "0.00"


def test_code_is_spent_once_however_many_ask(bank: Served) -> None:
    app = App(new_user(bank))
    code = app.consent()

    def exchange(_n: int) -> int:
        return requests.post(bank.token_url, params=app.parameters(code), timeout=10).status_code

    with ThreadPoolExecutor(THREADS) as threads:
        assert sorted(threads.map(exchange, range(THREADS))) == [200, *[400] * (THREADS - 1)]


def test_draft_is_decided_once(bank: Served) -> None:
    jodi, app = session_of(bank, JODI), App(new_user(bank)).connect()
    id = app.create(DRAFTS, draft())

    def decide(number: int) -> int:
        status = "ACCEPTED" if number % 2 else "REJECTED"
        return jodi.call("PUT", f"{DRAFTS}/{id}", {"status": status}).status_code

    with ThreadPoolExecutor(THREADS) as threads:
        assert sorted(threads.map(decide, range(THREADS))) == [200, *[400] * (THREADS - 1)]
    assert balance(jodi) in ("4118.00", "4108.00")


def test_one_oauth_client_and_one_device_come_of_many_tries(bank: Served) -> None:
    owner = new_user(bank)
    path = f"/user/{owner.user_id}/oauth-client"
    other = Client(bank).install()
    body = {"description": "x", "secret": new_api_key(bank)}
    with ThreadPoolExecutor(THREADS) as threads:
        clients = list(threads.map(lambda _n: owner.call("POST", path, {}).status_code, range(THREADS)))
        devices = list(threads.map(lambda _n: other.call("POST", "/device-server", body).status_code, range(THREADS)))
    assert sorted(clients) == sorted(devices) == [200, *[400] * (THREADS - 1)]
