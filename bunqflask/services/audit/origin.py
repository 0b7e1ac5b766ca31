"""Where an action comes from: a browser, the command line or the worker; set around a request or a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Who acts: a member, by a login from an address with a browser; or, in the shell, a user of this machine."""

    member_id: int | None = None
    actor: str = ""
    login_id: int | None = None
    address: str = ""
    browser: str = ""
    is_shell: bool = False


_WORKER = Origin()
_origin: ContextVar[Origin] = ContextVar("origin", default=_WORKER)


def current() -> Origin:
    """Return where this thread's actions come from; without anything set, from the worker."""
    return _origin.get()


def set_current(origin: Origin | None) -> None:
    """Set where this thread's actions come from: the guards of requests do, and unset it at the end."""
    _origin.set(origin or _WORKER)


@contextmanager
def acting(origin: Origin) -> Iterator[None]:
    """Let actions inside come from there."""
    before = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(before)
