"""What a process holds that serves the app."""

import subprocess
import sys

from bunqflask.config import ROOT
from tests.support.apps import bare_environ, child_environ

# What only commands, exports and calendars need: 11 MB in each process, and a tenth of its start.
IMPORTED_LATER = ("alembic", "flask_migrate", "icalendar", "pyrage", "xlsxwriter", "bunqflask.cli.commands")


def test_a_web_process_holds_only_what_pages_need_and_collects_garbage() -> None:
    imported = f"[name for name in {IMPORTED_LATER!r} if name in sys.modules]"
    program = f"import gc, sys, wsgi; print(gc.isenabled(), *{imported})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=child_environ(bare_environ("sqlite:///:memory:")),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True"]
