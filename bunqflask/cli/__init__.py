"""The command line: thin, each command calls one service and prints what came of it."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import AppGroup


def init_app(app: Flask) -> None:
    """Give `flask` our commands."""
    app.cli = _Commands(app.name)


class _Commands(AppGroup):
    """Imports the commands once one is looked for: a web process would hold 6 MB for them, and never runs one."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        self._import()
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._import()
        return super().list_commands(ctx)

    def _import(self) -> None:
        from flask_migrate.cli import db as db_cli

        from bunqflask.cli.commands import COMMANDS

        for command in (*COMMANDS, db_cli):
            self.add_command(command)
