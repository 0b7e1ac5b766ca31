"""The command line: thin, each command calls one service and prints what came of it."""

from flask import Flask

from bunqflask.cli.secrets import secrets_cli
from bunqflask.cli.setup import setup_command
from bunqflask.cli.status import status_command
from bunqflask.cli.sync import sync_command
from bunqflask.cli.team import team_cli
from bunqflask.cli.worker import worker_command


def init_app(app: Flask) -> None:
    """Add our commands to `flask`."""
    for command in (setup_command, status_command, sync_command, team_cli, secrets_cli, worker_command):
        app.cli.add_command(command)
