"""Exports by the API: the same files as the export page makes, with the rights of the moment when they are fetched."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest

from bunqflask import clock
from bunqflask.api.export_schemas import FormatName
from bunqflask.exports.formats import FORMATS
from bunqflask.extensions import db
from bunqflask.models import AuditEvent, AuditKind, ExportOrder, TeamRole
from bunqflask.services.connections import sharing
from bunqflask.services.payments import local_days
from bunqflask.services.team import members
from tests.protocol.api.program import Program, program_of
from tests.support import rows
from tests.support.apps import ThreadSite, add_member
from tests.support.browser import Browser
from tests.support.consents import ROBIN, share

SAM = "sam@example.org"
ALL = {"from": "2020-01-01", "to": "2030-01-01"}


def order(program: Program, **wish: Any) -> Any:
    answer = program.call("/exports", method="POST", json={"formats": ["csv"], **ALL, **wish})
    assert answer.status_code == 202, answer.text
    found = answer.json()
    assert answer.headers["Location"].endswith(f"/api/v1/exports/{found['id']}")
    return found


def fetch(program: Program, ordered: Any) -> bytes:
    answer = program.session.get(ordered["content_at"], timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.content


def test_an_order_is_ready_and_its_content_is_what_the_page_gives(program: Program, robin: Browser) -> None:
    ordered = order(program, account_ids=["1"])
    seen, listed = program.get(f"/exports/{ordered['id']}"), program.get("/exports")["items"]
    answer = program.session.get(ordered["content_at"], timeout=30)
    robin.get("/payments/export")
    page = robin.submit(button="Download", **ALL, account=["1"], format=["csv"])

    assert (seen, listed) == (ordered, [ordered])
    assert (ordered["state"], ordered["account_ids"], ordered["formats"]) == ("ready", ["1"], ["csv"])
    assert ordered["to"] == str(clock.now().astimezone(ZoneInfo("Europe/Amsterdam")).date()), "it is not over"
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.content.decode().splitlines() == page.html.splitlines()
    assert answer.content.count(b"\n") > 200


def test_every_format_and_a_pack_can_be_ordered(program: Program) -> None:
    assert set(get_args(FormatName)) == set(FORMATS)
    for name in FORMATS:
        assert fetch(program, order(program, formats=[name], account_ids=["1"])), name
    with zipfile.ZipFile(io.BytesIO(fetch(program, order(program, formats=["csv", "camt053"])))) as pack:
        assert "manifest.json" in pack.namelist()
        assert any(name.startswith("camt053/") for name in pack.namelist())
    with zipfile.ZipFile(
        io.BytesIO(fetch(program, order(program, formats=["camt053", "mt940"], only_files=True)))
    ) as pack:
        assert "manifest.json" not in pack.namelist()


def test_it_is_in_the_audit_trail_when_it_is_fetched(program: Program, site: ThreadSite) -> None:
    ordered = order(program, account_ids=["2"])
    with rows.behind(site.app):
        before = db.session.query(AuditEvent).filter_by(kind=AuditKind.EXPORTED).count()
    fetch(program, ordered)
    with rows.behind(site.app):
        [event] = db.session.scalars(db.select(AuditEvent).where(AuditEvent.kind == AuditKind.EXPORTED))
        facts, who = event.facts, event.actor_text

    assert before == 0
    assert (facts["token"], facts["formats"]) == (1, ["csv"])
    assert ROBIN in who


def test_a_right_that_ended_ends_the_order(site: ThreadSite, robin: Browser) -> None:
    add_member(site.app, SAM)
    share(robin, accounts=[1])
    of_sam = program_of(site, SAM)
    ordered = order(of_sam)
    before = of_sam.session.get(ordered["content_at"], timeout=30).status_code
    of_robin = program_of(site, ROBIN)
    with rows.behind(site.app):
        holder = members.require(ROBIN)
        sharing.end(holder, sharing.list_for(holder, 1)[0].id)

    assert (before, ordered["account_ids"]) == (200, ["1"])
    for path in (f"/exports/{ordered['id']}", f"/exports/{ordered['id']}/content"):
        assert of_sam.call(path).status_code == 404
        assert of_robin.call(path).status_code == 404, "it is somebody else's"
    assert of_sam.get("/exports")["items"] == []


def test_a_narrowed_token_orders_and_fetches_its_accounts_alone(site: ThreadSite, robin: Browser) -> None:
    everything, narrowed = program_of(site, ROBIN), program_of(site, ROBIN, account_ids=(2,))
    of_all, of_one = order(everything), order(narrowed)

    assert of_one["account_ids"] == ["2"]
    assert (
        narrowed.call("/exports", method="POST", json={"formats": ["csv"], **ALL, "account_ids": ["1"]}).status_code
        == 404
    )
    assert narrowed.call(f"/exports/{of_all['id']}/content").status_code == 404
    assert [each["id"] for each in narrowed.get("/exports")["items"]] == [of_one["id"]]


def test_a_guest_exports_only_with_permission(site: ThreadSite, robin: Browser) -> None:
    add_member(site.app, SAM, role=TeamRole.GUEST)
    with rows.behind(site.app):
        reader = str(members.require(SAM).id)
    share(robin, accounts=[1], member=reader)
    guest = program_of(site, SAM)
    asked = {"formats": ["csv"], **ALL}
    refused = [
        guest.call("/exports", method="POST", json=asked),
        guest.call("/exports"),
        guest.call("/exports/1/content"),
    ]
    with rows.behind(site.app):
        db.session.execute(db.text("UPDATE team_member SET may_export = :yes"), {"yes": True})
        db.session.commit()

    assert [each.status_code for each in refused] == [403, 403, 403]
    assert refused[0].json()["code"] == "forbidden"
    assert guest.call("/exports", method="POST", json=asked).status_code == 202


def test_an_order_ends_after_a_day(program: Program, site: ThreadSite) -> None:
    ordered = order(program)
    with rows.behind(site.app):
        db.session.execute(db.update(ExportOrder).values(created_at=clock.now() - timedelta(hours=25)))
        db.session.commit()
    status = program.call(f"/exports/{ordered['id']}/content").status_code
    rows.run_duties(site.app)

    assert (status, rows.count(site.app, ExportOrder)) == (404, 0)


@pytest.mark.parametrize(
    "wish",
    [
        {"formats": []},
        {"formats": ["pdf"]},
        {"formats": "csv"},
        {"from": "2026-02-01", "to": "2026-01-01"},
        {"from": "2100-01-01", "to": "2100-01-02"},
        {"from": "1900-01-01"},
        {"from": "yesterday"},
        {"account_ids": []},
        {"account_ids": ["x"]},
        {"folder": "/etc"},
        {"only_files": "perhaps"},
    ],
    ids=str,
)
def test_what_cannot_be_exported_says_why(program: Program, wish: dict[str, object]) -> None:
    answer = program.call("/exports", method="POST", json={"formats": ["csv"], **ALL, **wish})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), answer.text
    assert answer.json()["detail"]


def test_a_member_cannot_order_without_end(program: Program, site: ThreadSite) -> None:
    with rows.behind(site.app):
        today = local_days.day_of(clock.now())
    with rows.behind(site.app):
        row = {
            "member_id": members.require(ROBIN).id, "created_at": clock.now(), "account_ids": (1,), "formats": ("csv",),
            "first_day": today, "last_day": today, "only_files": False, "with_receipts": False,
        }  # fmt: skip
        db.session.add_all(ExportOrder(**row) for _ in range(100))
        db.session.commit()
    answer = program.call("/exports", method="POST", json={"formats": ["csv"], **ALL})

    assert (answer.status_code, answer.json()["detail"]) == (422, "You ordered 100 exports within a day.")


def test_a_parameter_of_the_content_is_refused(program: Program) -> None:
    ordered = order(program)

    assert program.call(f"/exports/{ordered['id']}/content?format=csv").status_code == 422
