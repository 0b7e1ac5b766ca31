"""`flask db check` for `make check`: the migrations, run on an empty database, make what the models say.

The app knows the newest of them without reading their folder, so its constant is compared too.
"""

import sys
import tempfile
from pathlib import Path

import flask_migrate
from alembic.script import ScriptDirectory

from bunqflask import create_app
from bunqflask.config import Config
from bunqflask.database import migrations
from tests.support.apps import bare_environ, let_go, migrate


def main() -> int:
    """Migrate a throw-away SQLite database and compare it with the models; returns the exit status."""
    if (head := ScriptDirectory(str(migrations.FOLDER)).get_current_head()) != migrations.HEAD:
        print(f"The newest migration is {head}; bunqflask/database/migrations.py says {migrations.HEAD}")
        return 1
    with tempfile.TemporaryDirectory(prefix="bunqflask-check-") as folder:
        url = f"sqlite:///{Path(folder) / 'check.sqlite3'}"
        migrate(url)
        app = create_app(Config.from_env(bare_environ(url)))
        try:
            with app.app_context():
                flask_migrate.check()
        except SystemExit as refused:
            return int(bool(refused.code))
        finally:
            let_go(app)
    return 0


if __name__ == "__main__":
    sys.exit(main())
