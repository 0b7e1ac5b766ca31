"""One act of the app in a process of its own, which is killed just before a chosen commit, as by a power cut.

`python -m tests.support.power_cut COMMIT ACT [ID]` ends by SIGKILL, or with 0 where it needs fewer commits than that.
What was committed before, and what bunq was told until then, has happened; all else has not.
"""

import os
import signal
import sys
from collections.abc import Callable
from itertools import count

from sqlalchemy import event
from sqlalchemy.engine import Engine

from bunqflask import create_app
from bunqflask.extensions import db
from bunqflask.models import ConsentAttempt
from bunqflask.services.consent import attempts, completion, disconnect
from bunqflask.services.gateway import onboarding
from bunqflask.services.instructions import sending
from tests.support import rows
from tests.support.apps import Site, child_environ
from tests.support.processes import run

ACTS: dict[str, Callable[[str], object]] = {
    "fetch the accounts": lambda number: completion.advance(number, patience_s=5),
    "confirm": lambda number: completion.confirm(_attempt(number)),
    "discard": lambda number: attempts.discard(_attempt(number)),
    "cancel": lambda number: attempts.cancel(_attempt(number)),
    "disconnect": lambda number: disconnect.disconnect(rows.owner(int(number)), int(number), erase=False),
    "erase": lambda number: disconnect.disconnect(rows.owner(int(number)), int(number), erase=True),
    "advance": lambda number: sending.advance(int(number), patience_s=5),
    "set up": lambda _: list(onboarding.run(onboarding.Wishes(new_sandbox_user="company"))),
}


def strikes(site: Site, commit: int, act: str, number: object = "") -> bool:
    """Let a process do an act and kill it before its n-th commit; False when it was done before that."""
    arguments = ["-m", "tests.support.power_cut", str(commit), act, str(number)]
    done = run(arguments, env=child_environ(site.environ))
    if done.returncode not in (0, -signal.SIGKILL):
        raise AssertionError(f"{act} ended with {done.returncode}:\n{done.stderr}")
    return done.returncode != 0


def _attempt(number: str) -> ConsentAttempt:
    return db.session.get_one(ConsentAttempt, number)


def _end_before(commit: int) -> None:
    numbers = count(1)

    @event.listens_for(Engine, "commit")
    def strike(_connection: object) -> None:
        if next(numbers) == commit:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _, at, named, about = sys.argv
    with create_app().app_context():
        _end_before(int(at))
        ACTS[named](about)
