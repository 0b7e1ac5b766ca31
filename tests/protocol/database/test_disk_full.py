"""A disk that takes nothing more: told as it is, nothing is lost, and all goes on when there is room."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask

from bunqflask.services.connections import access
from bunqflask.services.sync import connection_sync
from tests.support import rows
from tests.support.apps import GunicornSite, sign_in
from tests.support.bank import WALKER_STUDIO, Bank
from tests.support.consents import ask, connect

pytestmark = pytest.mark.sqlite_only

TOLD = "This server cannot store anything right now"


@contextmanager
def no_room(site: GunicornSite) -> Iterator[None]:
    """Let the system refuse every byte that the app's only process writes to a file."""
    [worker] = Path(f"/proc/{site.pid}/task/{site.pid}/children").read_text().split()
    before = resource.prlimit(int(worker), resource.RLIMIT_FSIZE)
    resource.prlimit(int(worker), resource.RLIMIT_FSIZE, (1, before[1]))
    yield
    resource.prlimit(int(worker), resource.RLIMIT_FSIZE, before)


def test_what_cannot_be_written_is_told_and_done_later(gunicorn_app: GunicornSite, behind: Flask, bank: Bank) -> None:
    gunicorn_app.start(workers=1)
    robin = sign_in(gunicorn_app, "robin@example.com")
    connect(robin, bank)
    with rows.behind(behind):
        assert connection_sync.run(access.list_active()[0].id, patience_s=30)
    back = bank.approve(ask(robin), person=WALKER_STUDIO)
    with no_room(gunicorn_app):
        for path in ("/", "/payments", "/settings", "/payments/months", "/payments/export"):
            assert robin.get(path).status == 200, path
        export = robin.submit(action="/payments/export")
        robin.get("/connections/1/disconnect")
        pages = [export, robin.submit(action="/disconnect", data="erase"), robin.get(back)]
        for page in pages:
            assert (page.status, TOLD in page.text) == (503, True), page.text
            assert "The person who runs this site" in page.text
        assert bank.calls("POST", "token")[1:] == [], "the approval is not used before it can be kept"
    assert "Connected: Walker Studio B.V." in robin.get(back).text
    assert "€4,118.00" in robin.get("/connections/1/accounts").text
    robin.get("/payments/export")
    assert robin.submit(action="/payments/export").status == 200
    robin.get("/connections/1/disconnect")
    assert "Disconnected" in robin.submit(action="/disconnect", data="keep").text
