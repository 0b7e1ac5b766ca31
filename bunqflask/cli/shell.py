"""Who runs a command: the user of the operating system, as the audit trail names them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager

from bunqflask import config
from bunqflask.services.audit.origin import Origin, acting


@contextmanager
def as_shell_user() -> Iterator[None]:
    """Let what a command does be recorded as done by who runs it."""
    with acting(Origin(actor=_user(), is_shell=True)):
        yield


def _user() -> str:
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"user {os.getuid()}"
    sudo = config.sudo_user()
    return f"{name} (sudo by {sudo})" if sudo else name
