"""Notes on payments and their files, as programs read them."""

import pytest

from tests.protocol.api.program import Program, program_of
from tests.protocol.api.test_changes import Follower
from tests.protocol.payments.test_notes import HTMX, Paid, jodi, let_time_pass, paid, robin
from tests.support.apps import ThreadSite
from tests.support.browser import Browser
from tests.support.consents import ROBIN

__all__ = ["jodi", "paid", "robin"]


@pytest.fixture
def program(site: ThreadSite, paid: Paid) -> Program:
    return program_of(site, ROBIN)


def test_a_changed_note_is_a_change_of_its_payment(
    site: ThreadSite, robin: Browser, paid: Paid, program: Program
) -> None:
    follower = Follower(program)
    follower.follow()
    number = paid.write("for the books")
    payment_id = paid.page.rpartition("/")[2]
    robin.get(paid.part, HTMX)
    written = follower.follow()
    texts = [each["text"] for each in follower.payments[payment_id]["notes"]]
    let_time_pass(site)
    robin.get(paid.part, HTMX)
    unchanged = follower.follow()
    paid.jodi.ok("DELETE", f"{paid.notes}/note-text/{number}")
    let_time_pass(site)
    robin.get(paid.part, HTMX)
    deleted = follower.follow()

    assert written == deleted == ([], [], [payment_id])
    assert texts == ["for the books"]
    assert unchanged == ([], [], [])
    assert follower.payments[payment_id]["notes"] == program.get(f"/payments/{payment_id}/notes")["items"] == []
