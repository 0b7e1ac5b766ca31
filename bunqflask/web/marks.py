"""Marks on views that the guards look for. A registry of functions, so that a view stays a plain function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])

_public: set[Callable[..., Any]] = set()
_polled: set[Callable[..., Any]] = set()
_without_database: set[Callable[..., Any]] = set()
_with_file: set[Callable[..., Any]] = set()


def public(view: View) -> View:
    """Mark a view that needs no login. A test lists them all."""
    _public.add(view)
    return view


def polled(view: View) -> View:
    """Mark a view that open pages request without a person: such a request is no use of the login."""
    _polled.add(view)
    return view


def without_database(view: View) -> View:
    """Mark a view that answers without the database."""
    _without_database.add(view)
    return view


def takes_file(view: View) -> View:
    """Mark a view to which a file may be sent, which is larger than other forms."""
    _with_file.add(view)
    return view


def is_public(view: Callable[..., Any] | None) -> bool:
    """Tell whether a view needs no login."""
    return view in _public


def is_polled(view: Callable[..., Any] | None) -> bool:
    """Tell whether open pages request a view without a person."""
    return view in _polled


def needs_no_database(view: Callable[..., Any] | None) -> bool:
    """Tell whether a view answers without the database."""
    return view in _without_database


def is_with_file(view: Callable[..., Any] | None) -> bool:
    """Tell whether a file may be sent to a view."""
    return view in _with_file
