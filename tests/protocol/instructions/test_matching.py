"""Payments and the drafts of which they came: known by bunq's ids, or by our reference in them."""

import pytest
from sqlalchemy import select, update

from bunqflask.extensions import db
from bunqflask.models import Instruction, Payment, PaymentRaw
from bunqflask.services.instructions import matching, reading
from bunqflask.services.team import members
from tests.protocol.sandbox.client import MAIN, Client
from tests.support import instructions, rows
from tests.support.apps import ThreadSite
from tests.support.browser import Browser
from tests.support.consents import ROBIN
from tests.support.draft_pages import decide


@pytest.fixture
def accepted(site: ThreadSite, robin: Browser, holder: Client) -> int:
    """A draft of two payments that was accepted, and whose payments are synced; returns its id."""
    draft = instructions.prepare(site.app, ROBIN, MAIN, instructions.draft("1.11", "2.22"))
    instructions.approve(site.app, ROBIN, draft)
    instructions.work_until(site.app, draft, ["open"])
    decide(site, holder, draft, "ACCEPTED")
    return draft


def paid_by(site: ThreadSite, draft: int) -> list[tuple[int | None, str]]:
    """Return which payment of a draft each payment that came of it is, with its amount."""
    with rows.behind(site.app):
        found = matching.payments_of(reading.get(members.require(ROBIN), draft))
        amounts = {each.id: str(each.amount) for each in db.session.scalars(select(Payment))}
        return [(each.line, amounts[each.payment_row_id]) for each in found]


def origins(site: ThreadSite) -> dict[str, int]:
    """Return of which draft each payment came, by its amount."""
    with rows.behind(site.app):
        member, found = members.require(ROBIN), {}
        query = select(Payment, PaymentRaw.data).join(PaymentRaw, PaymentRaw.id == Payment.id)
        for each, raw in db.session.execute(query):
            origin = matching.origin_of(member, each.account_id, each.payment_id, each.created_at, raw)
            if origin is not None:
                found[str(each.amount)] = origin.id
        return found


def test_either_of_ids_and_references_is_enough(site: ThreadSite, accepted: int) -> None:
    both = [(1, "-1.11"), (2, "-2.22")]
    of_draft = {"-1.11": accepted, "-2.22": accepted}
    assert (paid_by(site, accepted), origins(site)) == (both, of_draft)
    result = instructions.row(site.app, accepted).result
    with rows.behind(site.app):
        db.session.execute(update(Instruction).values(result={}))
        db.session.commit()
    assert (paid_by(site, accepted), origins(site)) == (both, of_draft)
    with rows.behind(site.app):
        db.session.execute(update(Instruction).values(result=result))
        for each in db.session.scalars(select(PaymentRaw)):
            each.data = {**each.data, "merchant_reference": None}
        db.session.commit()
    assert paid_by(site, accepted) == [(None, "-1.11"), (None, "-2.22")]
    assert origins(site) == of_draft


@pytest.mark.sqlite_only
def test_a_stranger_who_writes_our_reference_into_a_payment_gets_no_link(
    site: ThreadSite, robin: Browser, accepted: int
) -> None:
    reference = instructions.row(site.app, accepted).reference
    with rows.behind(site.app):
        query = select(Payment).where(Payment.amount > 0).limit(1)
        incoming = db.session.scalars(query).one()
        raw = db.session.get_one(PaymentRaw, incoming.id)
        raw.data = {**raw.data, "merchant_reference": f"{reference}-1"}
        db.session.commit()
        payment_row_id = incoming.id
    assert "Prepared here" not in robin.get(f"/payments/{payment_row_id}").text
    assert len(paid_by(site, accepted)) == 2
