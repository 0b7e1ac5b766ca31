"""Erased means erased: no row, no pack, and no byte of SQLite's files tells of a connection that was erased."""

import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from bunqflask.database import erasure
from bunqflask.extensions import db
from bunqflask.models import Event, EventKind, MonetaryAccount, Pack, PackAccount
from tests.support import postgres_rows, rows, stored_payments
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import WALKER_STUDIO, Bank
from tests.support.consents import connect
from tests.support.rows import run_duties

_NUMBERS = random.Random(9)
# Of all lengths, so that rows move between pages as they do in life.
_TEXTS = [f"Zweinstein{number} " * _NUMBERS.randint(1, 40) for number in range(1_200)]


def with_payments_and_packs(site: ThreadSite, bank: Bank) -> list[str]:
    """Connect, store payments and export them twice; returns texts by which any of it would be found."""
    browser = sign_in(site, "robin@example.org")
    connect(browser, bank)
    with rows.behind(site.app):
        accounts = rows.monetary_accounts()
        found = [account.iban for account in accounts if account.iban]
        for account in accounts[:3]:
            stored_payments.store(account, len(_TEXTS), text=lambda number: _TEXTS[number])
    # Of another connection's payments, stored between these, the pages stay.
    connect(sign_in(site, "sam@example.org"), bank, person=WALKER_STUDIO)
    with rows.behind(site.app):
        other = next(each for each in rows.monetary_accounts() if each.iban not in found)
        stored_payments.store(other, len(_TEXTS), text=lambda number: "bread " * len(_TEXTS[number].split()))
    for day in ("2025-01-31", "2025-02-28"):
        browser.get("/payments/export")
        page = browser.submit(action="/export", **period(day))
        assert page.status == 200
    assert rows.count(site.app, Pack) == 2
    assert rows.count(site.app, PackAccount) == 6
    asked = browser.get("/connections/1/disconnect").text
    assert "It remains in backups and in files that were downloaded" in asked
    assert ("PostgreSQL overwrites" in asked) == site.environ["DATABASE_URL"].startswith("postgresql")
    assert "is disconnected" in browser.submit(action="/disconnect", data="erase").text
    return [*found, "weinstein"]


def period(last_day: str) -> Any:
    return {"from": "2025-01-01", "to": last_day, "format": ["csv", "qif"]}


def files_of(site: ThreadSite) -> dict[str, bytes]:
    path = Path(site.environ["DATABASE_URL"].removeprefix("sqlite:///"))
    return {each.name: each.read_bytes() for each in path.parent.glob(path.name + "*")}


def seen(site: ThreadSite, texts: list[str]) -> list[tuple[str, str]]:
    """Return which texts are in which of SQLite's files, or in which table of PostgreSQL."""
    url = site.environ["DATABASE_URL"]
    places = files_of(site) if url.startswith("sqlite") else postgres_rows.read(url).tables
    return [(name, text) for name, data in places.items() for text in texts if text.encode() in data]


def test_an_erase_leaves_nothing_of_a_connection(site: ThreadSite, bank: Bank) -> None:
    texts = with_payments_and_packs(site, bank)
    for model in (Pack, PackAccount):
        assert rows.count(site.app, model) == 0, "at once, in the transaction of the erase"
    assert rows.count(site.app, MonetaryAccount, connection_id=1) == 0
    run_duties(site.app)
    assert seen(site, texts) == []
    assert rows.count(site.app, Event, kind=EventKind.DATA_ERASED, handled_at=None) == 0


@pytest.mark.sqlite_only
def test_a_reader_in_the_way_delays_it_and_it_is_tried_again(
    site: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "_PAUSE_S", 0.01)
    texts = with_payments_and_packs(site, bank)
    reader = sqlite3.connect(site.environ["DATABASE_URL"].removeprefix("sqlite:///"), isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM event").fetchone()
    with pytest.raises(erasure.NotPurged):
        run_duties(site.app)
    assert seen(site, texts) != []
    assert rows.count(site.app, Event, kind=EventKind.DATA_ERASED, handled_at=None) == 1
    reader.execute("COMMIT")
    run_duties(site.app)
    assert seen(site, texts) == []
    assert rows.count(site.app, Event, kind=EventKind.DATA_ERASED, handled_at=None) == 0
    reader.close()


@pytest.mark.sqlite_only
def test_where_nothing_was_erased_the_database_is_not_written_anew(
    connected_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_more: object) -> None:
        raise AssertionError("a VACUUM holds up all writers, and is only for erased rows")

    monkeypatch.setattr(erasure, "_execute_alone", refuse)
    erasure.purge()
    assert erasure.pending_since() is None


def test_other_connections_and_their_packs_stay(site: ThreadSite, bank: Bank) -> None:
    robin, sam = sign_in(site, "robin@example.org"), sign_in(site, "sam@example.org")
    connect(robin, bank)
    connect(sam, bank, person=WALKER_STUDIO)
    with rows.behind(site.app):
        for account in rows.monetary_accounts():
            stored_payments.store(account, 3, text=lambda number: f"bread {number}")
        db.session.remove()
    for browser in (robin, sam):
        browser.get("/payments/export")
        browser.submit(action="/export", **period("2025-01-31"))
    assert rows.count(site.app, Pack) == 2
    robin.get("/connections/1/disconnect")
    robin.submit(action="/disconnect", data="erase")
    run_duties(site.app)
    assert rows.count(site.app, Pack) == 1
    assert "Connected" not in robin.get("/").text
    sam.get("/payments/export")
    again = sam.submit(action="/export", **period("2025-01-31"))
    assert again.status == 200
