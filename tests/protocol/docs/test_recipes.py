"""The recipes of the guides, as far as they can run here: requests against the app, files with their programs."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from openpyxl import load_workbook

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import ApiToken, ConnectionState, MonetaryAccount, Payment, TokenScope
from bunqflask.models import Connection as ConnectionRow
from bunqflask.services.exports import spreadsheet
from tests.protocol.api.program import make_token
from tests.support import documents, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.beginnings import Begin
from tests.support.browser import Browser
from tests.support.consents import ROBIN, connect

pytestmark = pytest.mark.sqlite_only

HOW_TO = documents.ROOT / "docs" / "how-to"
PUBLIC = "https://money.example.org"
ZONES = {"__from": "2026-09-01", "__to": "2026-11-28"}


@pytest.fixture
def filled(site: ThreadSite, begin: Begin) -> ThreadSite:
    """The app with Jodi's accounts and payments."""
    begin(_fill)
    return site


def _fill(site: ThreadSite, bank: Bank) -> Browser:
    bank.seed(60, account=2083712)
    browser = sign_in(site, ROBIN)
    connect(browser, bank)
    rows.run_duties(site.app)
    return browser


def blocks(name: str, language: str) -> list[str]:
    """Return the blocks of a guide in a language."""
    return [each.text for each in documents.blocks_in(language) if each.path == HOW_TO / f"{name}.md"]


def token_of_guide(site: ThreadSite, name: str) -> str:
    """Make the token as the guide says: by its own command."""
    [line] = [text for text in blocks(name, "sh") if " token add " in text]
    iban = account(site).iban or ""
    arguments = line.replace("NL91ABNA0417164300", iban).split()[3:]
    return site.command(*arguments).output.splitlines()[-1]


def account(site: ThreadSite) -> MonetaryAccount:
    with rows.behind(site.app):
        found = db.session.get(MonetaryAccount, 1)
        assert found is not None
        return found


def sum_of(site: ThreadSite, account_id: int) -> Decimal:
    with rows.behind(site.app):
        amounts = db.session.scalars(db.select(Payment.amount).where(Payment.account_id == account_id))
        return sum(amounts, Decimal(0))


def get(site: ThreadSite, address: str, token: str, **parameters: str) -> Any:
    """Fetch an address of a guide with a token in the header."""
    assert address.startswith(f"{PUBLIC}/"), address
    here, headers = address.replace(PUBLIC, site.url), {"Authorization": f"Bearer {token}"}
    answer = requests.get(here, params=parameters, headers=headers, timeout=30)
    assert answer.status_code == 200, (address, answer.text)
    return answer.json()


# Home Assistant


def evaluate(template: str, answer: Any) -> str:
    """Evaluate a template as Home Assistant does: in a sandbox, with the answer as `value_json`."""
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    return environment.from_string(template).render(value_json=answer)


def test_the_sensors_of_home_assistant_show_the_balances(filled: ThreadSite) -> None:
    secrets, configuration = (documents.read_yaml(text) for text in blocks("home-assistant", "yaml"))
    token = token_of_guide(filled, "home-assistant")
    header = secrets["bunq_authorization"].replace("bqf_YOUR_TOKEN", token)
    values: dict[str, str] = {}

    def read() -> None:
        for rest in configuration["rest"]:
            assert rest["headers"] == {"Authorization": "bunq_authorization"}, "by its name in secrets.yaml"
            assert header == f"Bearer {token}"
            answer = get(filled, rest["resource"], token)
            for sensor in [*rest.get("sensor", []), *rest.get("binary_sensor", [])]:
                values[sensor["unique_id"]] = evaluate(sensor["value_template"], answer).strip()

    read()
    with rows.behind(filled.app):
        balances = {each.id: each.balance for each in db.session.scalars(db.select(MonetaryAccount))}
    assert Decimal(values["bunq_account_1"]) == balances[1]
    assert Decimal(values["bunq_all_accounts"]) == sum(each for each in balances.values() if each is not None)
    assert values["bunq_needs_holder"] == "False"
    with rows.behind(filled.app):
        lost = {"state": ConnectionState.LOST, "state_since": clock.now()}
        db.session.execute(db.update(ConnectionRow).values(**lost))
        db.session.commit()
    read()
    assert values["bunq_needs_holder"] == "True"


# Grafana


def test_the_panels_of_grafana_get_what_they_draw(filled: ThreadSite) -> None:
    [provisioning] = (documents.read_yaml(text) for text in blocks("grafana", "yaml"))
    [dashboard] = (json.loads(text) for text in blocks("grafana", "json"))
    sources = {each["uid"]: each for each in provisioning["datasources"]}
    token = token_of_guide(filled, "grafana")
    assert sources["bunqflask"]["jsonData"] == {"auth_method": "bearerToken", "allowedHosts": [PUBLIC]}
    drawn: dict[str, list[Any]] = {}
    for panel in dashboard["panels"]:
        source = panel["datasource"]
        assert sources[source["uid"]]["type"] == source["type"]
        [target] = panel["targets"]
        if source["uid"] == "bunqflask":
            address = re.sub(r"\$\{(\w+):date:YYYY-MM-DD\}", lambda found: ZONES[found[1]], target["url"])
            answer = get(filled, address, token)[target["root_selector"]]
            drawn[panel["title"]] = [_cells(each, target["columns"]) for each in answer]
        else:
            drawn[panel["title"]] = [_series(filled, target["expr"])]
    assert len(drawn["Balance at the end of the day"]) > 20
    assert len(drawn["Newest payments"]) == 20
    assert drawn["Lost connections"] == [0.0]


def _cells(item: dict[str, Any], columns: list[dict[str, str]]) -> list[Any]:
    """Return the cells of a row; Infinity reads a number, a time or a text from each."""
    kinds: dict[str, Callable[[str], Any]] = {"number": Decimal, "timestamp": datetime.fromisoformat, "string": str}
    return [kinds[each["type"]](item[each["selector"]]) for each in columns]


def _series(site: ThreadSite, expression: str) -> float:
    """Return the sample of /metrics that an expression without functions names."""
    token = make_token(site, ROBIN, scopes=(TokenScope.METRICS_READ,))
    headers = {"Authorization": f"Bearer {token}"}
    lines = requests.get(f"{site.url}/metrics", headers=headers, timeout=30).text.splitlines()
    [value] = [line.rpartition(" ")[2] for line in lines if line.rpartition(" ")[0] == expression]
    return float(value)


# n8n


def test_the_workflow_of_n8n_asks_for_payments_and_uses_what_they_have(filled: ThreadSite) -> None:
    [workflow] = (json.loads(text) for text in blocks("n8n", "json"))
    nodes = {each["name"]: each for each in workflow["nodes"]}
    targets = {start: [to["node"] for to in ways["main"][0]] for start, ways in workflow["connections"].items()}
    order = ["Every hour"]
    while order[-1] in targets:
        [following] = targets[order[-1]]
        order.append(following)
    assert order == list(nodes), "each node leads to the next"
    [call] = [each["parameters"] for each in nodes.values() if each["type"] == "n8n-nodes-base.httpRequest"]
    query = {each["name"]: each["value"] for each in call["queryParameters"]["parameters"]}
    assert call["method"] == "GET"
    items = get(filled, call["url"], token_of_guide(filled, "n8n"), **query | {"min": "0.01"})
    items = items[nodes["One by one"]["parameters"]["fieldToSplitOut"]]
    assert len(items) == 50
    assert all(Decimal(each["amount"]) < 0 for each in items)
    assert get(filled, call["url"], token_of_guide(filled, "n8n"), **query)["items"] is not None
    used = set(re.findall(r"\$json\.(\w+)", json.dumps(workflow)))
    assert {"id", "amount", "description"} <= used <= items[0].keys()


# Spreadsheets


def link_of_guide(site: ThreadSite) -> str:
    token = token_of_guide(site, "spreadsheets")
    with rows.behind(site.app):
        row = db.session.scalars(db.select(ApiToken).order_by(ApiToken.id.desc())).first()
        assert row is not None
        assert (row.scopes, row.all_accounts) == ((TokenScope.SPREADSHEET_READ,), False)
    return token


def test_the_addresses_in_formulas_and_queries_are_answered(filled: ThreadSite) -> None:
    token = link_of_guide(filled)
    texts = [*blocks("spreadsheets", "text"), *blocks("spreadsheets", "powerquery")]
    addresses = [each for text in texts for each in re.findall(rf'"({PUBLIC}/[^"]+)"', text)]
    assert len(addresses) == 3
    for address in addresses:
        answer = requests.get(address.replace(PUBLIC, filled.url).replace("TOKEN", token), timeout=30)
        assert answer.status_code == 200, answer.text
        delimiter = ";" if "decimal=comma" in address else ","
        heading, *lines = csv.reader(io.StringIO(answer.text), delimiter=delimiter)
        assert tuple(heading) == spreadsheet.PAYMENT_COLUMNS
        assert lines


def test_power_query_names_columns_that_exist() -> None:
    [query] = blocks("spreadsheets", "powerquery")
    named = set(re.findall(r'\{"(\w+)", type \w+\}', query))
    assert named == {"date", "amount"}
    assert named <= set(spreadsheet.PAYMENT_COLUMNS)
    steps = re.findall(r"^    (\w+) = ", query, re.MULTILINE)
    assert steps == ["Source", "Rows", "Typed"]
    assert [step for step in steps[:-1] if f"({step}" not in query] == []
    assert query.count("(") == query.count(")")


def test_the_columns_of_the_guide_are_those_of_the_tables() -> None:
    documented = {row[0].strip("`"): row[1] for row in documents.table(HOW_TO / "spreadsheets.md", "table")}
    assert documented == {
        "payments": ", ".join(f"`{each}`" for each in spreadsheet.PAYMENT_COLUMNS),
        "balances": ", ".join(f"`{each}`" for each in spreadsheet.BALANCE_COLUMNS),
    }
    guide = (HOW_TO / "spreadsheets.md").read_text(encoding="utf-8")
    assert f"{spreadsheet.MOST_ROWS:,} payments" in guide


def test_libreoffice_opens_the_address_and_its_sum_is_ours(filled: ThreadSite, tmp_path: Path) -> None:
    """A cell that it took for a text would not be a number in the file that it writes."""
    office, token = documents.needed("soffice"), link_of_guide(filled)
    [lines] = [text.splitlines() for text in blocks("spreadsheets", "sh") if "soffice" in text]
    assert len(lines) == 2
    for number, line in enumerate(lines):
        command = line.replace(PUBLIC, filled.url).replace("TOKEN", token)
        command = command.replace("soffice", f'"{office}" "-env:UserInstallation=file://{tmp_path}/profile"')
        folder = tmp_path / str(number)
        folder.mkdir()
        environ = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(
            ["sh", "-euc", command], cwd=folder, capture_output=True, text=True, check=False, env=environ, timeout=120
        )
        assert done.returncode == 0, done.stderr
        [made] = folder.glob("*.xlsx")
        heading, *found = load_workbook(made).active.iter_rows(values_only=True)
        amounts = [row[heading.index("amount")] for row in found]
        assert {type(each) for each in amounts} <= {int, float}, line
        assert sum((Decimal(str(each)) for each in amounts), Decimal(0)) == sum_of(filled, 1), line
        dates = {type(row[heading.index("date")]).__name__ for row in found}
        assert dates == {"datetime"}, line


# hledger


def test_the_script_for_cron_writes_a_journal_that_adds_up(filled: ThreadSite, tmp_path: Path) -> None:
    documents.needed("curl"), documents.needed("hledger")
    token = make_token(filled, ROBIN, scopes=(TokenScope.SPREADSHEET_READ,), account_ids=(1, 2))
    home, folder = tmp_path, tmp_path / "finance"
    (home / "bin").mkdir()
    folder.mkdir()
    [address] = blocks("hledger", "ini")
    (folder / "bunq.curl").write_text(address.replace(PUBLIC, filled.url).replace("TOKEN", token), encoding="utf-8")
    [rules, crontab] = blocks("hledger", "text")
    (folder / "bunq.rules").write_text(rules, encoding="utf-8")
    [script] = [text for text in blocks("hledger", "sh") if text.startswith("#!/bin/sh")]
    program = home / "bin" / "bunq-journal"
    program.write_text(script, encoding="utf-8")
    program.chmod(0o755)
    command = re.fullmatch(r"(?:[\d*]+ ){5}(.+)\n", crontab)
    assert command is not None

    def run() -> subprocess.CompletedProcess[str]:
        environ = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            ["/bin/sh", "-c", command[1]], env=environ, capture_output=True, text=True, check=False, timeout=60
        )

    done = run()
    assert done.returncode == 0, done.stderr
    journal = folder / "bunq.journal"
    told = subprocess.run(
        ["hledger", "-f", str(journal), "balance", "assets:bunq:NL", "-O", "csv"],
        capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"},
    ).stdout  # fmt: skip
    found = {row["account"]: row["balance"] for row in csv.DictReader(io.StringIO(told)) if row["account"] != "total"}
    with rows.behind(filled.app):
        ibans = {each.id: each.iban for each in db.session.scalars(db.select(MonetaryAccount))}
    for account_id in (1, 2):
        shown = found[f"assets:bunq:{ibans[account_id]}"]
        assert Decimal(re.sub(r"[^\d.-]", "", shown)) == sum_of(filled, account_id)
    before = journal.read_text(encoding="utf-8")
    with rows.behind(filled.app):
        db.session.execute(db.delete(ApiToken))
        db.session.commit()
    refused = run()
    assert refused.returncode != 0
    assert "404" in refused.stderr
    assert token not in refused.stderr
    assert journal.read_text(encoding="utf-8") == before
    assert (journal.stat().st_mode & 0o077) == 0


# Prometheus


def test_promtool_accepts_the_numbers_the_scrape_and_the_alerts(filled: ThreadSite, tmp_path: Path) -> None:
    promtool = documents.needed("promtool")
    scrape, alerts = blocks("monitor", "yaml")
    [line] = [text for text in blocks("monitor", "sh") if " token add " in text]
    token = filled.command(*line.split()[3:]).output.splitlines()[-1]
    headers = {"Authorization": f"Bearer {token}"}
    numbers = requests.get(f"{filled.url}/metrics", headers=headers, timeout=30).text
    (tmp_path / "prometheus.yml").write_text(scrape, encoding="utf-8")
    (tmp_path / "bunqflask.yml").write_text(alerts, encoding="utf-8")

    def check(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [promtool, *arguments], cwd=tmp_path, input=given, capture_output=True, text=True, check=False, timeout=60
        )

    metrics = check("check", "metrics", given=numbers)
    assert (metrics.returncode, metrics.stdout + metrics.stderr) == (0, "")
    for arguments in (("check", "rules", "bunqflask.yml"), ("check", "config", "--syntax-only", "prometheus.yml")):
        checked = check(*arguments)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    assert check("check", "metrics", given="bunqflask_Bad 1\n").returncode != 0
    (tmp_path / "wrong.yml").write_text(alerts.replace("time() -", "time( -"), encoding="utf-8")
    assert check("check", "rules", "wrong.yml").returncode != 0


# What each alert is about: series in steps of an hour, and whether it stands after two days.
CALM = {
    'bunqflask_connections{state="lost"}': "0",
    'bunqflask_payments_last_sync_timestamp_seconds{connection="1"}': "fresh",
    "bunqflask_worker_heartbeat_timestamp_seconds": "fresh",
    "bunqflask_accounts_failing": "0",
    "bunqflask_events_waiting": "3",
    'up{job="bunqflask"}': "1",
    'bunqflask_connection_consent_timestamp_seconds{connection="1"}': "fresh",
}
DISTRESS = {
    "BunqConnectionLost": {'bunqflask_connections{state="lost"}': "1"},
    "BunqPaymentsLate": {'bunqflask_payments_last_sync_timestamp_seconds{connection="1"}': "old"},
    "BunqflaskWorkerGone": {"bunqflask_worker_heartbeat_timestamp_seconds": "old"},
    "BunqAccountsFailing": {"bunqflask_accounts_failing": "2"},
    "BunqflaskEventsWaiting": {"bunqflask_events_waiting": "500"},
    "BunqflaskDown": {'up{job="bunqflask"}': "0"},
    "BunqConsentOld": {'bunqflask_connection_consent_timestamp_seconds{connection="1"}': "old"},
}
# promtool counts from 1970: after 100 days the time is 8,640,000.
END_MINUTES = 100 * 24 * 60


def test_each_alert_fires_for_what_it_is_about_and_for_nothing_else(tmp_path: Path) -> None:
    promtool = documents.needed("promtool")
    alerts = blocks("monitor", "yaml")[1]
    (tmp_path / "bunqflask.yml").write_text(alerts, encoding="utf-8")
    [group] = documents.read_yaml(alerts)["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert set(names) == set(DISTRESS)
    tests = [_case(names, None, {})]
    tests += [_case(names, name, changed) for name, changed in DISTRESS.items()]
    given = {"rule_files": ["bunqflask.yml"], "evaluation_interval": "1h", "tests": tests}
    (tmp_path / "tests.yml").write_text(json.dumps(given), encoding="utf-8")
    done = subprocess.run(
        [promtool, "test", "rules", "tests.yml"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _case(names: list[str], fires: str | None, changed: dict[str, str]) -> dict[str, Any]:
    """Return a test of promtool: with these series one alert fires, and no other."""
    hours = END_MINUTES // 60
    written = {"fresh": f"0+3600x{hours}", "old": f"0x{hours}"}
    series = CALM | changed
    return {
        "interval": "1h",
        "input_series": [
            {"series": name, "values": written.get(value, f"{value}x{hours}")} for name, value in series.items()
        ],
        "promql_expr_test": [
            {
                "expr": f'count by (alertname) (ALERTS{{alertname="{name}", alertstate="firing"}})',
                "eval_time": f"{END_MINUTES}m",
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1}] if name == fires else [],
            }
            for name in names
        ],
    }
