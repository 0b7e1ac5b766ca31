"""Reports of browsers and fixed addresses: strangers may ask, fill nothing, and learn nothing."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from bunqflask.web.machine.reports import PER_MINUTE, ReportLog
from tests.support import rows
from tests.support.apps import ThreadSite, sign_in

pytestmark = pytest.mark.sqlite_only

NOW = datetime(2026, 11, 28, 12, 0, 30, tzinfo=UTC)


def report(**changed: Any) -> dict[str, Any]:
    body = {"effectiveDirective": "script-src-elem", "blockedURL": "https://evil.example/x.js?q=1", "documentURL": ""}
    return {"type": "csp-violation", "age": 1, "body": {**body, **changed}}


def send(site: ThreadSite, content: Any, **headers: str) -> int:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {
        "Content-Type": "application/reports+json",
        "Origin": site.url,
        "Sec-Fetch-Site": "same-origin",
        **headers,
    }
    return requests.post(f"{site.url}/reports", data=data, headers=headers, timeout=10).status_code


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if "Content-Security-Policy" in each.getMessage()]


def test_a_report_becomes_one_line_a_day_without_what_is_secret(
    live_app: ThreadSite, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    given = [report(documentURL=f"{live_app.url}/c/one-time-token?x=secret") for _ in range(3)]
    assert send(live_app, given) == 204
    assert send(live_app, given) == 204
    assert send(live_app, [report(documentURL=f"{live_app.url}/payments?q=therapist", blockedURL="inline")]) == 204
    assert send(live_app, [report(documentURL="https://else.example/", blockedURL="data:text/x,\u202e")]) == 204
    said = "a page broke its Content-Security-Policy: script-src-elem did not allow "
    assert lines(caplog) == [
        said + "https://evil.example on /c/<token>",
        said + "inline on /payments",
        said + "data: on a page that is not ours",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[" * 9_000,
        b"null",
        b'"x"',
        b"[[], 1, null, {}]",
        b"\xff\xfe",
        [{"type": "csp-violation", "body": 5}],
    ],
)
def test_a_strange_report_is_no_mistake_of_ours_and_no_line(
    live_app: ThreadSite, caplog: pytest.LogCaptureFixture, content: Any
) -> None:
    assert send(live_app, content) in (204, 400)
    odd: Any
    for odd in (5, None, [], "", "x" * 50, "<b>", "a\nb", "http://[", "//", "javascript:alert(1)"):
        assert send(live_app, [report(effectiveDirective=odd)]) == 204
    assert lines(caplog) == []
    for odd in (5, None, "http://[", "http://\x00/\n"):
        assert send(live_app, [report(blockedURL=odd, documentURL=odd)]) == 204
    assert all(line.isprintable() for line in lines(caplog))


def test_too_much_is_refused(live_app: ThreadSite) -> None:
    assert send(live_app, b" " * 10_001) == 413
    answers = [send(live_app, []) for _ in range(PER_MINUTE + 5)]
    # A minute may end meanwhile.
    assert answers.count(204) >= PER_MINUTE - 1
    assert set(answers) <= {204, 429}


def test_memory_and_log_are_bounded_whatever_strangers_send() -> None:
    log = ReportLog()
    assert [log.admits("a", NOW) for _ in range(PER_MINUTE + 1)] == [True] * PER_MINUTE + [False]
    assert log.admits("b", NOW)
    assert log.admits("a", NOW + timedelta(minutes=1))
    assert sum(log.admits(f"n{number}", NOW) for number in range(5_000)) == 1_000
    assert sum(log.is_new((f"k{number}",), NOW) for number in range(5_000)) == 100
    assert not log.is_new(("k1",), NOW)
    assert log.is_new(("k1",), NOW + timedelta(days=1))


def test_a_report_from_another_site_is_refused(live_app: ThreadSite) -> None:
    assert send(live_app, [report()], Origin="https://evil.example") == 403


def test_programs_find_what_they_look_for(live_app: ThreadSite) -> None:
    browser = live_app.browser()
    assert browser.get("/robots.txt").html == "User-agent: *\nDisallow: /\n"
    assert browser.get("/.well-known/security.txt").status == 404
    robin = sign_in(live_app, "robin@example.com")
    assert robin.get("/.well-known/change-password").url == f"{live_app.url}/settings"
    assert "Change password" in robin.page.text


def test_security_txt_names_the_contact_and_ends_within_a_year(database_url: str) -> None:
    settings = {"PUBLIC_URL": "https://geld.example.org", "SECURITY_CONTACT": "mailto:security@example.org"}
    with rows.bare_site(database_url, **settings) as site:
        answer = requests.get(rows.inner_address(site) + "/.well-known/security.txt", timeout=10)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
    ends = datetime.fromisoformat(fields.pop("Expires"))
    assert timedelta(days=178) < ends - datetime.now(UTC) < timedelta(days=181)
    assert fields == {
        "Contact": "mailto:security@example.org",
        "Canonical": "https://geld.example.org/.well-known/security.txt",
        "Preferred-Languages": "en",
    }
