"""What a page says while an approval is on its way from bunq: nothing is called stored before it is."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bunqflask.models import AttemptStep, ConsentAttempt
from bunqflask.services.consent import completion, oauth
from tests.support import rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.consents import ask

pytestmark = pytest.mark.sqlite_only

KEPT = "Your approval is saved"


@contextmanager
def no_room() -> Iterator[None]:
    """Let the system refuse every byte that this process writes to a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_during_the_token_call_is_not_said_to_keep_the_approval(
    site: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    robin = sign_in(site, "robin@example.org")
    back = bank.approve(ask(robin))
    [attempt] = rows.attempts(site.app)
    store, exchange = completion._store_token, oauth.exchange
    during: list[str] = []

    def exchange_and_look(*arguments: object) -> str:
        token = exchange(*arguments)  # type: ignore[arg-type]  # passes on whatever it is called with
        during.append(other.get(f"/connect/{attempt.id}").text)
        return token

    def store_without_room(*arguments: object, **more: object) -> object:
        with no_room():
            return store(*arguments, **more)  # type: ignore[arg-type]  # passes on whatever it is called with

    other = sign_in(site, "robin@example.org")
    monkeypatch.setattr(completion, "_STORING_PAUSE_S", 0.0)
    monkeypatch.setattr(oauth, "exchange", exchange_and_look)
    monkeypatch.setattr(completion, "_store_token", store_without_room)
    page = robin.get(back)
    assert (page.status, "This server cannot store anything right now" in page.text) == (503, True)
    assert KEPT not in page.text
    assert rows.count(site.app, ConsentAttempt, step=AttemptStep.EXCHANGING) == 1
    shown = [*during, robin.get(f"/connect/{attempt.id}").text]
    assert len(shown) == 2
    for text in shown:
        assert "Fetching the accounts" in text
        assert KEPT not in text
    assert rows.permissions(site.app) == 0
