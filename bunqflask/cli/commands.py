"""All commands, each of which has a module beside this one."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bunqflask.cli import factors, requests, writing  # noqa: F401 - these add commands to those of the team and of instructions
from bunqflask.cli.audit import audit_cli
from bunqflask.cli.backup import backup_command, restore_command
from bunqflask.cli.collections import collections_cli
from bunqflask.cli.doctor import doctor_command
from bunqflask.cli.errors import told_plainly
from bunqflask.cli.export import export_command
from bunqflask.cli.instructions import instructions_cli
from bunqflask.cli.mcp import mcp_command
from bunqflask.cli.secrets import secrets_cli
from bunqflask.cli.setup import setup_command
from bunqflask.cli.shell import as_shell_user
from bunqflask.cli.status import status_command
from bunqflask.cli.sync import sync_command
from bunqflask.cli.team import team_cli
from bunqflask.cli.token import token_cli
from bunqflask.cli.worker import worker_command

COMMANDS: tuple[click.Command, ...] = (
    setup_command,
    status_command,
    doctor_command,
    sync_command,
    export_command,
    team_cli,
    token_cli,
    instructions_cli,
    collections_cli,
    mcp_command,
    secrets_cli,
    audit_cli,
    worker_command,
    backup_command,
    restore_command,
)


def _leaves(command: click.Command) -> Iterator[click.Command]:
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from _leaves(each)
    else:
        yield command


for leaf in (leaf for command in COMMANDS for leaf in _leaves(command)):
    if leaf.callback is not None:
        leaf.callback = as_shell_user()(told_plainly()(leaf.callback))
