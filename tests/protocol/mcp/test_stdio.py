"""An assistant that starts `flask mcp` and speaks with it by stdio."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from bunqflask.models import TokenScope
from bunqflask.services.team import members
from bunqflask.services.tokens import text, tokens
from tests.protocol.api.program import make_token
from tests.protocol.mcp.assistant import EARLIER, request_of
from tests.support import rows
from tests.support.apps import ThreadSite, child_environ
from tests.support.browser import Browser
from tests.support.consents import ROBIN
from tests.support.processes import run

pytestmark = pytest.mark.sqlite_only


def ask(site: ThreadSite, *lines: str, **settings: str) -> tuple[int, list[dict[str, Any]], str]:
    """Return the status, the messages and what was said to the person."""
    environ = child_environ({**site.environ, **settings})
    done = run(["-m", "flask", "--app", "wsgi", "mcp"], env=environ, stdin="\n".join([*lines, ""]), timeout_s=120)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def line(method: str, version: str, number: int, **params: Any) -> str:
    return json.dumps({**request_of(method, params, version), "id": number})


def test_messages_are_answered_one_a_line_and_nothing_else_is_written(site: ThreadSite, robin: Browser) -> None:
    token = make_token(site, ROBIN)
    status, answers, _said = ask(
        site,
        line("initialize", EARLIER, 1, protocolVersion=EARLIER, capabilities={}),
        json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        line("tools/call", EARLIER, 2, name="list_accounts", arguments={}),
        "",
        "{",
        line("server/discover", "2026-07-28", 3),
        line("tools/call", "2026-07-28", 4, name="month_totals", arguments={"account": "1"}),
        BUNQFLASK_TOKEN=token,
    )

    assert status == 0
    assert [each.get("id") for each in answers] == [1, 2, None, 3, 4]
    assert answers[0]["result"]["protocolVersion"] == EARLIER
    assert len(answers[1]["result"]["structuredContent"]["items"]) == 4
    assert answers[2]["error"]["code"] == -32700
    assert answers[4]["result"]["structuredContent"]["items"]
    with rows.behind(site.app):
        assert tokens.list_for(members.require(ROBIN))[0].use_count == 6


def test_the_token_is_read_from_a_file_too_and_is_no_argument(site: ThreadSite, robin: Browser, tmp_path: Path) -> None:
    place = tmp_path / "token"
    place.write_text(make_token(site, ROBIN) + "\n", encoding="utf-8")
    os.chmod(place, stat.S_IRUSR)

    status, answers, _said = ask(site, line("ping", EARLIER, 1), BUNQFLASK_TOKEN_FILE=str(place))

    assert (status, answers) == (0, [{"jsonrpc": "2.0", "id": 1, "result": {}}])
    assert site.app.test_cli_runner().invoke(args=["mcp", place.read_text(encoding="utf-8")]).exit_code == 2


def test_without_a_token_that_works_it_ends_and_says_why(site: ThreadSite, robin: Browser) -> None:
    for settings, why in (({}, "BUNQFLASK_TOKEN"), ({"BUNQFLASK_TOKEN": text.new()}, "expired or ended")):
        status, answers, said = ask(site, line("ping", EARLIER, 1), **settings)
        assert (status, answers) == (1, [])
        assert why in said


def test_a_scope_that_is_missing_and_a_limit_that_is_reached_are_errors(site: ThreadSite, robin: Browser) -> None:
    token = make_token(site, ROBIN, scopes=(TokenScope.BALANCES_READ,))
    pings = [line("ping", EARLIER, number) for number in (2, 3)]
    _status, answers, _said = ask(
        site,
        line("tools/call", EARLIER, 1, name="search_payments", arguments={}),
        *pings,
        BUNQFLASK_TOKEN=token,
        API_CALLS_PER_MINUTE="2",
    )

    assert [each.get("error", {}).get("code") for each in answers] == [403, None, 429]
