"""Each example of a call in the documents and in the description is run, as a reader would run it."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest
import requests

from bunqflask import create_app
from bunqflask.api import description
from bunqflask.config import Config
from bunqflask.extensions import db
from bunqflask.models import LINK_SCOPES, Payment, TokenScope
from tests.protocol.api.program import make_token
from tests.support import api_calls, documents, instructions, rows
from tests.support.apps import ThreadSite, bare_environ, sign_in
from tests.support.bank import Bank
from tests.support.consents import ROBIN, connect

pytestmark = pytest.mark.sqlite_only

GUIDE = documents.ROOT / "docs" / "how-to" / "use-the-api.md"
LOCAL = "http://localhost:5000"
# All but that of tokens that are valid in an address only.
OF_API = tuple(each for each in TokenScope if each not in LINK_SCOPES)


@pytest.fixture
def overrides() -> dict[str, str]:
    return {"API_CALLS_PER_MINUTE": "9999"}


@pytest.fixture
def token(site: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch) -> str:
    """A token of Robin's that reads everything, in the environment where the examples look for it."""
    bank.seed(30, account=2083712)
    connect(sign_in(site, ROBIN), bank)
    rows.run_duties(site.app)
    instructions.switch_on(site.app, ROBIN)
    made = make_token(site, ROBIN, scopes=OF_API)
    monkeypatch.setenv("BUNQFLASK_TOKEN", made)
    monkeypatch.setenv("NO_PROXY", "*")
    return made


def run_shell(source: str) -> str:
    """Run an example in a shell, in which curl tells of a refusal as an error."""
    documents.needed("curl")
    source = source.replace("curl ", "curl --fail-with-body --silent --show-error --max-time 30 ")
    done = subprocess.run(["sh", "-euc", source], capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, (source, done.stdout, done.stderr)
    return done.stdout


def run_python(source: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    exec(compile(source, "an example", "exec"), {"__name__": "__main__"})
    return capsys.readouterr().out


def test_every_example_of_the_description_is_answered(
    site: ThreadSite, token: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is answered without an error, and curl and Python get the same; where something is made, the same members."""
    monkeypatch.chdir(tmp_path)
    described = requests.get(f"{site.url}/api/openapi.json", timeout=30).json()
    without = set()
    for item in described["paths"].values():
        for method, operation in item.items():
            if not operation["x-codeSamples"]:
                without.add(operation["operationId"])
                continue
            told, files = [], []
            for sample in operation["x-codeSamples"]:
                is_shell, source = sample["lang"] == "Shell", sample["source"]
                told.append(run_shell(source) if is_shell else run_python(source, capsys))
                files.append(tmp_path.joinpath("download").read_bytes() if "download" in sample["source"] else b"")
            if files[0]:
                assert files[0] == files[1], operation["operationId"]
                continue
            of_curl, of_python = json.loads(told[0]), ast.literal_eval(told[1])
            is_new = method == "post" or "consent" in operation["operationId"] or "export" in operation["operationId"]
            assert of_curl.keys() == of_python.keys(), operation["operationId"]
            assert of_curl == of_python or is_new, operation["operationId"]
    # What files, notes and cards there are, and who of a collection has not paid, cannot be known before, and a file is
    # no JSON; calls of bunq's own API are as bunq documents them.
    assert {each for each in without if not each.startswith("bunq_")} == {
        *("attachment_content", "attach_file", "detach_file", "change_note", "delete_note", "note_change"),
        *("take_back_person", "ask_person_again"),
        *("freeze_card", "unfreeze_card", "limit_card", "card_change"),
    }


def test_the_page_of_calls_is_that_of_the_description() -> None:
    made = api_calls.page(create_app(Config.from_env(bare_environ("sqlite://"))))
    written = api_calls.PATH.read_text(encoding="utf-8")
    assert written == made, "python -m tests.support.api_calls writes it anew"


def test_the_examples_of_the_guide_run(
    site: ThreadSite, token: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [first, refused] = [
        block.text.replace(LOCAL, site.url)
        for block in documents.blocks_in("sh")
        if block.path == GUIDE and "curl" in block.text
    ]
    assert len(json.loads(run_shell(first))["items"]) == 4
    with pytest.raises(AssertionError, match='"code":"invalid"'):
        run_shell(refused)
    [pages, changed, files, events, errors] = [
        block.text.replace(LOCAL, site.url) for block in documents.blocks_in("python") if block.path == GUIDE
    ]
    assert int(run_python(pages, capsys).split()[0]) >= 30
    with rows.behind(site.app):
        stored = db.session.scalar(db.select(db.func.count()).select_from(Payment))
    assert run_python(changed, capsys) == f"{stored} payments\n"
    monkeypatch.chdir(tmp_path)
    run_python(files, capsys)
    assert zipfile.is_zipfile(tmp_path / "october.zip")
    assert int(run_python(events, capsys).split()[0]) > 0
    assert run_python(errors, capsys).startswith("422 invalid Expected `int` <= 100")


def test_each_error_is_described_with_an_example_that_looks_like_it(site: ThreadSite, token: str) -> None:
    described = requests.get(f"{site.url}/api/openapi.json", timeout=30).json()
    examples = {}
    for item in described["paths"].values():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    [content] = answer["content"].values()
                    examples[status] = content["example"]
                    assert answer["description"].endswith("."), status
    asked = {
        "401": ("/accounts", {"Authorization": "Bearer bqf_x"}),
        "404": ("/accounts/987", {}),
        "422": ("/payments?limit=500", {}),
    }
    headers = {"Authorization": f"Bearer {token}"}
    for status, (path, more) in asked.items():
        problem = requests.get(f"{site.url}/api/v1{path}", headers=headers | more, timeout=30).json()
        expected = {name: problem[name] for name in ("title", "status", "code")}
        assert {name: examples[status][name] for name in expected} == expected
    errors = {row[0] for row in documents.table(documents.ROOT / "docs/reference/api.md", "status")}
    assert examples.keys() <= errors


def test_language_models_find_the_documentation_and_no_fact(site: ThreadSite, token: str) -> None:
    answer = requests.get(f"{site.url}/llms.txt", timeout=30)

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert answer.text.startswith("# bunqflask\n\n> ")
    with site.app.test_request_context():
        described = description.describe()
    for path, item in described["paths"].items():
        for method in item:
            assert f"`{method.upper()} {path}`" in answer.text
    for name in ("openapi.json", "docs"):
        assert f"({site.url}/api/{name})" in answer.text
        assert requests.get(f"{site.url}/api/{name}", timeout=30).status_code == 200
    for secret in ("Robin", "robin@", "Jodi", "NL65", token):
        assert secret not in answer.text
    assert "Set-Cookie" not in answer.headers
