"""Every command and option is documented and nothing else is, and every command that a document shows exists."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo
from flask_migrate.cli import db as db_cli

from bunqflask import sandbox
from bunqflask.cli.commands import COMMANDS
from tests.support import documents

PAGE = documents.ROOT / "docs" / "reference" / "commands.md"
# Flask-Migrate's commands that the page documents; the others are for developers.
OF_MIGRATE = {"db upgrade": set[str]()}


def _leaves(command: click.Command, before: str = "") -> Iterator[tuple[str, click.Command]]:
    name = f"{before} {command.name}".strip()
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from _leaves(each, name)
    else:
        yield name, command


def _ours() -> dict[str, click.Command]:
    return dict(leaf for command in COMMANDS for leaf in _leaves(command))


def _sections() -> dict[str, tuple[str, str]]:
    """Return the heading and the text of each command's section, by its name."""
    parts = re.split(r"^### `flask --app wsgi ([^`]+)`$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {re.sub(r" [A-Z].*", "", heading): (heading, text.split("\n#")[0]) for heading, text in found.items()}


def test_every_command_has_a_section_and_each_section_a_command() -> None:
    assert set(_sections()) == set(_ours()) | set(OF_MIGRATE)


@pytest.mark.parametrize("name", _ours())
def test_arguments_and_options_of_a_command_are_those_documented(name: str) -> None:
    command, (heading, text) = _ours()[name], _sections()[name]
    options = {opt for param in command.params if isinstance(param, click.Option) for opt in param.opts}
    arguments = [param.name.upper() for param in command.params if isinstance(param, click.Argument) and param.name]
    assert set(re.findall(r"^\| `(--[\w-]+)", text, re.MULTILINE)) == options
    assert heading.split()[len(name.split()) :] == arguments


@pytest.mark.parametrize("name", _ours())
def test_the_choices_of_an_option_are_those_documented(name: str) -> None:
    _heading, text = _sections()[name]
    for param in _ours()[name].params:
        if isinstance(param.type, click.Choice):
            assert "[{}]".format(r"\|".join(param.type.choices)) in text


def _calls() -> list[tuple[str, documents.Call]]:
    return sorted({(documents.name_of(path), call) for path, call in documents.calls("flask")})


@pytest.fixture(scope="module")
def groups() -> dict[str, FlaskGroup]:
    """The commands of our app and of the stand-in, beside those that Flask brings."""
    ours = FlaskGroup(create_app=lambda: Flask("plain"))
    for command in (*COMMANDS, db_cli):
        ours.add_command(command)
    bank = sandbox.create_app(sandbox.Settings(database=":memory:"))
    return {"wsgi": ours, "bunqflask.sandbox": FlaskGroup(create_app=lambda: bank)}


@pytest.mark.parametrize(("document", "call"), _calls(), ids=str)
def test_every_flask_command_of_a_document_is_understood(
    document: str,
    call: documents.Call,
    groups: dict[str, FlaskGroup],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    words, application = shlex.split(call.words), "wsgi"
    if words[0] == "--app":
        application, words = words[1], words[2:]
    for word in words:
        if word.endswith(".pem"):
            (tmp_path / word).touch()
    if words or call.is_whole:
        _understand(groups[application], words, is_whole=call.is_whole)


def _understand(group: click.Group, words: list[str], *, is_whole: bool = True) -> None:
    """Parse a call as click does before it runs the command; one within a sentence may leave arguments out.

    :raises click.UsageError: it would be refused.
    """
    command: click.Command = group
    # Flask's group pushes an app context when it is asked for a command; closing click's context pops it again.
    with click.Context(group, obj=ScriptInfo(create_app=getattr(group, "create_app", None))) as context:
        while isinstance(command, click.Group) and (words or is_whole):
            found = command.get_command(context, words[0]) if words else None
            assert found is not None, f"there is no command {words[:1]}"
            command, words = found, words[1:]
        try:
            command.make_context(command.name, list(words), parent=context)
        except click.MissingParameter:
            if is_whole:
                raise


def test_a_wrong_call_would_be_noticed(groups: dict[str, FlaskGroup]) -> None:
    with pytest.raises(click.NoSuchOption):
        _understand(groups["wsgi"], ["sync", "--everything"])
    with pytest.raises(click.UsageError):
        _understand(groups["wsgi"], ["team", "add"])
    with pytest.raises(click.NoSuchOption):
        _understand(groups["wsgi"], ["team", "add", "--names"], is_whole=False)
    with pytest.raises(AssertionError, match="there is no command"):
        _understand(groups["wsgi"], ["syncc"])
    assert len(_calls()) > 15


def test_every_make_word_of_a_document_is_in_the_makefile() -> None:
    makefile = (documents.ROOT / "Makefile").read_text(encoding="utf-8")
    known = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    used = {call.words.split()[0] for _path, call in documents.calls("make")}
    assert used >= {"run", "test", "check", "bench"}
    assert used - known == set()
    assert {row[0].strip("`") for row in documents.table(PAGE, "command")} == {f"make {word}" for word in known}
