"""What `flask db` needs of the app; only this imports Alembic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask
from flask_migrate import Migrate

from bunqflask.extensions import db


class Migrations(Migrate):  # type: ignore[misc]
    """Finds the migrations also in a folder with `%` in its name, which in Alembic's settings begins a reference."""

    def get_config(self, directory: str | None = None, x_arg: Any = None, opts: Any = None) -> Any:
        """Return Alembic's settings, with each `%` of the folder's name doubled."""
        folder = Path(directory or self.directory)
        config = super().get_config(str(folder).replace("%", "%%"), x_arg, opts)
        # Read again: the doubled name is no file's.
        config.file_config.read(folder / "alembic.ini", encoding="utf-8")
        return config


def init_app(app: Flask, folder: Path) -> None:
    """Let the commands find the migrations in a folder."""
    Migrations().init_app(app, db, directory=str(folder), render_as_batch=True)
